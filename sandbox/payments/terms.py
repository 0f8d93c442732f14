"""What can be set about the provider while it runs: its clock and its terms of business."""

import time
from dataclasses import dataclass, fields
from typing import Any


class Clock:
    """The provider's clock: the machine's, moved by some seconds."""

    def __init__(self) -> None:
        self.offset_seconds = 0

    def now(self) -> int:
        """The provider's time, in seconds since 1970."""
        return int(time.time()) + self.offset_seconds


@dataclass(slots=True, kw_only=True)
class Terms:
    """Fees and delays. Delays run by the provider's clock; 0 means at the next opportunity."""

    fee_bp: int = 150
    fee_fixed: int = 25
    dispute_fee: int = 1500
    #: Whether refunds and transfers back may take the platform's own balance below zero.
    negative_balance: bool = True
    available_seconds: int = 0
    dispute_seconds: int = 0
    refund_seconds: int = 0
    payout_seconds: int = 0
    #: Why the platform's own payouts fail, such as `account_closed`; empty if they arrive.
    payout_failure: str = ""
    hold_seconds: int = 7 * 86400

    def change(self, wanted: dict[str, Any]) -> None:
        """Set what is named. Raises ValueError, and then nothing is changed."""
        kinds = {field.name: field.type for field in fields(self)}
        for name, value in wanted.items():
            if name not in kinds or type(value) is not kinds[name]:
                raise ValueError(f"terms.{name}")
            if isinstance(value, int) and not 0 <= value <= 10_000_000:
                raise ValueError(f"terms.{name}")
        for name, value in wanted.items():
            setattr(self, name, value)
