"""Mail over SMTP: many messages on one connection, and the truth about each."""

import smtplib
import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Final
from urllib.parse import unquote, urlsplit

from django.conf import settings

from countmein.outreach.channels.mime import MailRefused, envelope_address, message_bytes
from countmein.outreach.channels.port import Mail, Outcome, SendResult

TIMEOUT_SECONDS: Final = 10.0


class _Said(Exception):
    """The server answered no, with its code and its words."""

    def __init__(self, code: int, words: bytes) -> None:
        super().__init__(code, words)
        self.code = code
        self.receipt = f"{code} {words.decode('utf-8', 'replace')}"


class Email:
    """The channel; settings are read when sending starts.

    Every error of smtplib is an OSError, so one word covers them and the socket's own.
    """

    def send(self, messages: Iterable[Mail]) -> Iterator[SendResult]:
        """Send over one connection, opened when first needed and again after it broke."""
        line = _Line()
        try:
            for mail in messages:
                yield _send(line, mail)
        finally:
            line.close()


class _Line:
    """One connection to the mail server; None while there is none."""

    def __init__(self) -> None:
        self.smtp: smtplib.SMTP | None = None
        self._failure: OSError | None = None

    def open(self) -> smtplib.SMTP:
        """Return the connection, made now if there is none. Raises OSError.

        Once nobody has answered, the rest of the batch does not wait for that again.
        """
        if self._failure is not None:
            raise self._failure
        if self.smtp is None:
            try:
                self.smtp = _connect(settings.SMTP_URL)
            except OSError as error:
                self._failure = error
                raise
        return self.smtp

    def close(self) -> None:
        """Say goodbye if anybody listens, and hang up."""
        if self.smtp is not None:
            with suppress(OSError):
                self.smtp.quit()
        self.drop()

    def drop(self) -> None:
        """Hang up without a word."""
        if self.smtp is not None:
            self.smtp.close()
        self.smtp = None


def _connect(url: str) -> smtplib.SMTP:
    """Connect to `smtp://`, `smtp+tls://` (STARTTLS) or `smtps://`, signing in if named."""
    parts = urlsplit(url)
    host = parts.hostname or "127.0.0.1"
    if parts.scheme == "smtps":
        context = ssl.create_default_context()
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(
            host, parts.port or 465, timeout=TIMEOUT_SECONDS, context=context
        )
    else:
        smtp = smtplib.SMTP(host, parts.port or 25, timeout=TIMEOUT_SECONDS)
    try:
        if parts.scheme == "smtp+tls":
            smtp.starttls(context=ssl.create_default_context())
        smtp.ehlo_or_helo_if_needed()
        if parts.username:
            smtp.login(unquote(parts.username), unquote(parts.password or ""))
    except BaseException:
        smtp.close()
        raise
    return smtp


def _send(line: _Line, mail: Mail) -> SendResult:
    try:
        sender = envelope_address(parseaddr(settings.MAIL_FROM)[1])
        recipient = envelope_address(mail.to_address)
        content = message_bytes(mail, sender=settings.MAIL_FROM, now=datetime.now(UTC))
        smtp = _announce(line, sender=sender, recipient=recipient)
    except MailRefused as no:
        return _refused(mail, receipt=str(no), permanent=True)
    except _Said as no:
        _reset(line)
        return _refused(mail, receipt=no.receipt, permanent=no.code >= 500)
    except OSError as error:
        line.drop()
        return _refused(mail, receipt=f"not handed over: {error}")
    return _hand_over(line, smtp, mail, content)


def _announce(line: _Line, *, sender: str, recipient: str) -> smtplib.SMTP:
    """Name sender and recipient and get leave to send. Raises _Said, MailRefused, OSError.

    A server may hang up on an idle connection, so a line that was open before is tried afresh
    once: nothing has left yet.
    """
    was_open = line.smtp is not None
    try:
        smtp = line.open()
        options = []
        if not recipient.isascii():
            if not smtp.has_extn("smtputf8"):
                raise MailRefused("the mail server cannot write to this address")
            options = ["SMTPUTF8"]
        for code, words in _envelope(smtp, sender, recipient, options):
            if code == 421:
                raise smtplib.SMTPServerDisconnected(words.decode("utf-8", "replace"))
            if not 200 <= code < 400:
                raise _Said(code, words)
        return smtp
    except OSError:
        if not was_open:
            raise
        line.drop()
        return _announce(line, sender=sender, recipient=recipient)


def _envelope(
    smtp: smtplib.SMTP, sender: str, recipient: str, options: list[str]
) -> Iterator[tuple[int, bytes]]:
    yield smtp.mail(sender, options)
    yield smtp.rcpt(recipient)
    yield smtp.docmd("DATA")


def _hand_over(line: _Line, smtp: smtplib.SMTP, mail: Mail, content: bytes) -> SendResult:
    """Send the message itself; from here on a broken line leaves the outcome unknown."""
    try:
        smtp.send(_dotted(content))
        code, words = smtp.getreply()
    except OSError as error:
        line.drop()
        return SendResult(id=mail.id, outcome=Outcome.UNKNOWN, receipt=f"line broke: {error}")
    said = _Said(code, words)
    if code == 421:
        line.drop()
    if 200 <= code < 300:
        return SendResult(id=mail.id, outcome=Outcome.SENT, receipt=said.receipt)
    if 400 <= code < 600:
        return _refused(mail, receipt=said.receipt, permanent=code >= 500)
    return SendResult(id=mail.id, outcome=Outcome.UNKNOWN, receipt=said.receipt)


def _dotted(content: bytes) -> bytes:
    """Double the dots that begin a line, and end with the lone dot (RFC 5321, 4.5.2)."""
    body = content.replace(b"\r\n.", b"\r\n..")
    if body.startswith(b"."):
        body = b"." + body
    return body + (b".\r\n" if body.endswith(b"\r\n") else b"\r\n.\r\n")


def _refused(mail: Mail, *, receipt: str, permanent: bool = False) -> SendResult:
    return SendResult(id=mail.id, outcome=Outcome.REFUSED, permanent=permanent, receipt=receipt)


def _reset(line: _Line) -> None:
    """Clear the envelope of a message that was refused, or hang up."""
    try:
        if line.smtp is not None:
            line.smtp.rset()
    except OSError:
        line.drop()
