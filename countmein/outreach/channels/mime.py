"""From a mail in our words to the bytes that travel; nothing in it can add a header."""

import re
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from typing import Final

import idna

from countmein.outreach.channels.port import Attachment, Mail

# Line breaks end a header; other controls have no place in one either.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_HEADER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
# Without the characters that need quotes: they mean different things to different programs.
_LOCAL_PART: Final = re.compile(r"[^\s\"(),:;<>@\[\\\]]{1,64}")
_DOMAIN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
# Headers this file writes itself; a second copy would contradict the first.
_OURS: Final = frozenset(
    {"from", "to", "subject", "date", "message-id", "mime-version", "content-type"}
)
_CALENDAR_METHOD: Final = re.compile(rb"^METHOD:([A-Z]+)\r?$", re.MULTILINE)


class MailRefused(ValueError):
    """The mail cannot be written as asked; the text says why."""


def envelope_address(address: str) -> str:
    """Return the address with its domain as DNS knows it. Raises MailRefused."""
    local, _, domain = address.rpartition("@")
    if not _LOCAL_PART.fullmatch(local) or _CONTROL.search(local):
        raise MailRefused("this is not an address")
    try:
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except idna.IDNAError as error:
        raise MailRefused("the domain of this address cannot exist") from error
    if not _DOMAIN.fullmatch(ascii_domain):
        raise MailRefused("the domain of this address cannot exist")
    return f"{local}@{ascii_domain}"


def message_bytes(mail: Mail, *, sender: str, now: datetime) -> bytes:
    """Lay out the mail: plain text first, then HTML, then what is attached. Raises MailRefused."""
    _check(mail)
    try:
        sender_name, sender_address = parseaddr(sender)
        recipient = envelope_address(mail.to_address)
        message = EmailMessage(policy=SMTP if recipient.isascii() else SMTPUTF8)
        message["From"] = _address(sender_name, envelope_address(sender_address))
        message["To"] = _address(mail.to_name, recipient)
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(now)
        message["Message-ID"] = mail.message_id
        for name, text in mail.headers.items():
            message[name] = text
        message.set_content(mail.text, cte="quoted-printable")
        if mail.html:
            message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
        for attachment in mail.attachments:
            _attach(message, attachment)
        return message.as_bytes()
    except (ValueError, UnicodeError, LookupError) as error:
        raise MailRefused(f"the mail cannot be written: {error}") from error


def _check(mail: Mail) -> None:
    written = (
        mail.to_name,
        mail.subject,
        mail.message_id,
        *mail.headers.values(),
        *(part for each in mail.attachments for part in (each.name, each.content_type)),
    )
    if any(_CONTROL.search(text) for text in written):
        raise MailRefused("a header may not hold a line break or another control character")
    for name in mail.headers:
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
            raise MailRefused(f"not a header a mail may add: {name!r}")


def _address(name: str, address: str) -> Address:
    local, _, domain = address.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


def _attach(message: EmailMessage, attachment: Attachment) -> None:
    # A header of its own reads the parameters, so that a value may be quoted.
    reader = MIMEPart(policy=SMTP)
    reader["Content-Type"] = attachment.content_type
    params = dict(reader["Content-Type"].params)
    if reader.get_content_type() == "text/calendar":
        # A mail program offers "add to calendar" only if both are said (RFC 6047).
        params.setdefault("charset", "utf-8")
        method = _CALENDAR_METHOD.search(attachment.content)
        if method is not None:
            params.setdefault("method", method[1].decode())
    message.add_attachment(
        attachment.content,
        maintype=reader.get_content_maintype(),
        subtype=reader.get_content_subtype(),
        filename=attachment.name,
        params=params,
    )
