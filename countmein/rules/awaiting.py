"""How long a bank transfer is waited for, and when its member is reminded."""

from datetime import date, datetime, timedelta
from typing import Final

#: A transfer made on the last day is booked within so long, over a weekend with a holiday.
BOOKED_WITHIN: Final = timedelta(days=5)
#: The last reminder comes so long before the last day, if that is well after the first.
_LAST_REMINDER: Final = timedelta(days=2)
_APART: Final = timedelta(days=1)

DAYS_AT_MOST: Final = 30


def last_instant(asked_at: datetime, *, days: int) -> datetime:
    """Until when a member may transfer what was asked for at that instant."""
    return asked_at + timedelta(days=days)


def taken_until(last_at: datetime) -> date:
    """The last day of booking at the bank on which a transfer counts as made in time."""
    return (last_at + BOOKED_WITHIN).date()


def first_reminder(asked_at: datetime, last_at: datetime) -> datetime:
    """Halfway."""
    return asked_at + (last_at - asked_at) / 2


def next_reminder(last_at: datetime, *, now: datetime) -> datetime | None:
    """The one two days before the end, unless there was a reminder shortly before or it is over."""
    at = last_at - _LAST_REMINDER
    return at if at >= now + _APART else None
