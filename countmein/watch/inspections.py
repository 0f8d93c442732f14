"""The checks that the site makes of itself: the books all the time, everything once a night."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final

from countmein.base.clock import real_now
from countmein.base.nights import latest_night
from countmein.campaigns.selfcheck import check_ledger, self_check
from countmein.watch.looks import Findings
from countmein.watch.models import AlarmName, Inspection

#: A break in the books is to be known within a minute; the letter needs some of that.
_LEDGER_EVERY: Final = timedelta(seconds=30)
_SECOND_LOOK: Final = timedelta(seconds=5)
#: An inspection takes at most this share of the time, however large the site.
_SHARE: Final = 20
_AFTER_A_FAULT: Final = timedelta(minutes=10)
#: When the nights' inspection begins, in UTC: few are about.
_NIGHT_HOUR: Final = 3

#: Whose failure is a count that drifted. What fails beside these is no count.
_COUNTS: Final = frozenset({"tally_is_sum_of_changes", "changes_match_pledges"})


def inspect_ledger() -> Findings | None:
    """Look whether the books hold, if it is time to; None while it is not.

    What is wrong is looked at once more, a few seconds later, before anybody is woken.
    """
    now = real_now()
    last = Inspection.objects.filter(name="ledger").first()
    if last is not None and now < last.at + _pause(last.took_seconds, least=_ledger_rest(last)):
        return None
    wrong = _inspect("ledger", check_ledger)
    if wrong is not None and (last is None or last.ok):
        return None
    return {AlarmName.LEDGER: wrong}


def inspect_all() -> Findings | None:
    """Make the night's inspection, if it is time to; None while it is not."""
    now = real_now()
    last = Inspection.objects.filter(name="self_check").first()
    if last is not None and not last.ok:
        # What was wrong is looked at again, so that the alarm ends when the fault does.
        due_at = last.at + _pause(last.took_seconds, least=_AFTER_A_FAULT)
        return inspect_all_now() if now >= due_at else None
    if last is not None and last.at >= latest_night(now, hour=_NIGHT_HOUR):
        return None
    if last is None and now.hour != _NIGHT_HOUR:
        # A site that has just begun has nothing to recount; it begins with the others, at night.
        return None
    return inspect_all_now()


def inspect_all_now() -> Findings:
    """Recount everything; counts, books and the rest are alarms of their own."""
    checks: list[dict[str, Any]] = []

    def check() -> list[dict[str, Any]]:
        checks.extend(self_check())
        return checks

    _inspect("self_check", check)
    return {
        AlarmName.COUNT: _wrong(c for c in checks if c["name"] in _COUNTS),
        AlarmName.SELF_CHECK: _wrong(c for c in checks if c["name"] not in _COUNTS),
    }


def _inspect(name: str, check: Callable[[], list[dict[str, Any]]]) -> str | None:
    """Run one check, note it, and return what is wrong."""
    began = time.monotonic()
    wrong = _wrong(check())
    Inspection.objects.update_or_create(
        name=name,
        defaults={
            "at": real_now(),
            "ok": wrong is None,
            "detail": wrong or "",
            "took_seconds": time.monotonic() - began,
        },
    )
    return wrong


def _wrong(checks: Iterable[dict[str, Any]]) -> str | None:
    failed = [f"{check['name']}: {check['detail']}" for check in checks if not check["ok"]]
    return "; ".join(failed) or None


def _ledger_rest(last: Inspection) -> timedelta:
    return _LEDGER_EVERY if last.ok else _SECOND_LOOK


def _pause(took_seconds: float, *, least: timedelta) -> timedelta:
    return max(least, timedelta(seconds=took_seconds * _SHARE))
