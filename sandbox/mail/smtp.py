"""The SMTP side: nothing is answered 250 before it is on disk."""

import functools
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.book import Writer
from sandbox.mail.book import keep
from sandbox.mail.faults import Faults

BOUNCING_DOMAIN = "@bounce.example"
LARGEST_BYTES = 32 * 1024 * 1024


class Sink:
    """Takes every message, except where a fault or the address says otherwise."""

    def __init__(self, *, book: Writer, faults: Faults) -> None:
        self._book = book
        self._faults = faults

    def protocol(self) -> SMTP:
        """Make the protocol for one connection."""
        return SMTP(
            self,
            hostname="localhost",
            ident="sandbox mail",
            enable_SMTPUTF8=True,
            data_size_limit=LARGEST_BYTES,
        )

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.lower().endswith(BOUNCING_DOMAIN):
            return "550 5.1.1 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        fault = self._faults.next()
        if fault == "reject_4xx":
            return "451 4.3.0 Try again later"
        if fault == "reject_5xx":
            return "554 5.6.0 Message refused"
        content: Any = envelope.original_content
        work = functools.partial(
            keep,
            sender=envelope.mail_from or "",
            recipients=[str(each) for each in envelope.rcpt_tos],
            content=content,
        )
        await self._book.run(work)
        if fault == "die_after_data":
            transport: Any = server.transport
            transport.abort()
        return "250 2.0.0 Taken"
