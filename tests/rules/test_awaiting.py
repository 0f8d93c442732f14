"""A transfer is waited for until a day that everybody can reckon, and its member is reminded."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from countmein.rules.awaiting import (
    BOOKED_WITHIN,
    DAYS_AT_MOST,
    first_reminder,
    last_instant,
    next_reminder,
    taken_until,
)

INSTANTS = st.integers(min_value=0, max_value=4_000_000_000).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)
DAYS = st.integers(min_value=1, max_value=DAYS_AT_MOST)


@given(INSTANTS, DAYS)
def test_every_reminder_comes_between_asking_and_the_last_day(at: datetime, days: int) -> None:
    last_at = last_instant(at, days=days)
    reminders = [first_reminder(at, last_at)]
    while (following := next_reminder(last_at, now=reminders[-1])) is not None:
        reminders.append(following)
    assert len(reminders) <= 2
    assert reminders == sorted(reminders)
    assert all(at < reminder < last_at for reminder in reminders)
    assert all(b - a >= timedelta(days=1) for a, b in pairwise(reminders))


@given(INSTANTS, DAYS)
def test_what_is_transferred_on_the_last_day_is_in_time_when_booked(
    at: datetime, days: int
) -> None:
    last_at = last_instant(at, days=days)
    assert taken_until(last_at) == (last_at + BOOKED_WITHIN).date()
    assert taken_until(last_at) > last_at.date()


def test_two_weeks_have_two_reminders_and_three_days_have_one() -> None:
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    last_at = last_instant(at, days=14)
    assert datetime(2026, 3, 9, 12, tzinfo=UTC) == first_reminder(at, last_at)
    assert datetime(2026, 3, 14, 12, tzinfo=UTC) == next_reminder(
        last_at, now=first_reminder(at, last_at)
    )
    short = last_instant(at, days=3)
    assert next_reminder(short, now=first_reminder(at, short)) is None


def test_who_slept_through_both_reminds_once() -> None:
    last_at = datetime(2026, 3, 16, 12, tzinfo=UTC)
    assert next_reminder(last_at, now=last_at - timedelta(days=1)) is None
    assert next_reminder(last_at, now=last_at + timedelta(days=9)) is None
