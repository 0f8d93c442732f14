"""The port between a message and the way it travels."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that travels with a mail; `content_type` may carry parameters."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message to one address; `id` is the caller's and comes back with the result."""

    id: str
    to_address: str
    subject: str
    text: str
    message_id: str
    to_name: str = ""
    html: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()


class Outcome(StrEnum):
    """What became of a message."""

    SENT = "sent"
    #: Plainly not taken: it can be tried again, unless that is permanent.
    REFUSED = "refused"
    #: The line broke after the message had begun to leave: it may have arrived.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """`receipt` is what the other side said, for a person to read."""

    id: str
    outcome: Outcome
    permanent: bool = False
    receipt: str = ""


class Channel(Protocol):
    """A way to reach people."""

    def send(self, messages: Iterable[Mail]) -> Iterator[SendResult]:
        """Send one after another; each result comes before the next message is taken."""
