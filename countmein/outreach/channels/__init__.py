"""The ways to reach people: one port, one entry per way."""

from typing import Final

from countmein.outreach.channels.email import Email
from countmein.outreach.channels.port import Attachment, Channel, Mail, Outcome, SendResult

__all__ = ["CHANNELS", "Attachment", "Channel", "Mail", "Outcome", "SendResult"]

CHANNELS: Final[dict[str, Channel]] = {"email": Email()}
