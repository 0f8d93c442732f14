"""`countmein clock`: the sandbox's one clock, moved on as real time would have moved it."""

import argparse
import json
import re
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from countmein.cli.site import SiteRefused, enter_django, home, is_running

_PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def run(arguments: Sequence[str]) -> int:
    """Move the site's clock if asked to, and print the site's time.

    Exit status 1 if the work due by then was not done within a minute; the clock then stands at
    the instant whose work is still open.
    """
    chosen = _parsed(arguments)
    enter_django(home())
    from countmein.base.clock import offset, real_now, site_now
    from countmein.schedule import unfinished

    is_done = True
    if chosen.advance or chosen.set or chosen.reset:
        _require_movable()
        target = timedelta(0)
        if chosen.set:
            target = chosen.set - real_now()
        elif chosen.advance:
            target = offset() + chosen.advance
        is_done = move_clock(target, is_settled=_wait_until(time.monotonic() + _PATIENCE_SECONDS))
    print(site_now().astimezone(UTC).isoformat().replace("+00:00", "Z"))
    if not is_done:
        print(f"countmein: still to do: {', '.join(unfinished())}", file=sys.stderr)
    return 0 if is_done else 1


def move_clock(target: timedelta, *, is_settled: Callable[[], bool]) -> bool:
    """Move the clock to an offset, and tell whether all work due by then is done.

    Stops at every instant on the way at which something is due, and waits there: what would have
    happened in order happens in order. `is_settled` waits for the work that is due, or gives up.
    """
    from countmein.base.clock import offset, real_now, site_now
    from countmein.schedule import next_due_at

    if not is_settled():
        return False
    while due_at := next_due_at(after=site_now(), until=real_now() + target):
        # Waiting has moved the clock on too, and it never goes back on the way.
        _set(max(offset(), due_at - real_now()))
        if not is_settled():
            return False
    _set(target)
    return is_settled()


def _set(offset: timedelta) -> None:
    """Move the site's clock, and the sandbox provider's with it: cards expire there, too."""
    from django.conf import settings

    from countmein.base.clock import set_offset

    set_offset(offset)
    if settings.STRIPE_API_BASE:
        asked = {"clock": {"offset_seconds": int(offset.total_seconds())}}
        request = urllib.request.Request(
            f"{settings.STRIPE_API_BASE}/_control", data=json.dumps(asked).encode(), method="POST"
        )
        urllib.request.urlopen(request, timeout=10).close()


def instant(text: str) -> datetime:
    """Read an instant with its offset, as the API writes them."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(f"{text!r} is no instant") from fault
    if read.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} lacks an offset, such as Z")
    return read


def span(text: str) -> timedelta:
    """Read a length of time such as 48h, 90s or 1d12h."""
    if not re.fullmatch(r"(\d{1,6}[dhms])+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time such as 48h or 1d12h")
    parts = re.findall(r"(\d+)([dhms])", text)
    return sum((timedelta(**{_UNITS[unit]: int(n)}) for n, unit in parts), timedelta(0))


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="countmein clock")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--advance", type=span, metavar="48h", help="move on by a length of time")
    how.add_argument("--set", type=instant, metavar="INSTANT", help="move to an instant")
    how.add_argument("--reset", action="store_true", help="back to the real time")
    return parser.parse_args(arguments)


def _require_movable() -> None:
    from django.conf import settings

    if not settings.SANDBOX:
        raise SiteRefused("The clock of a live site cannot be moved.")
    if not is_running(home()):
        raise SiteRefused("Nobody would do the work that falls due; start the site with `up`.")


def _wait_until(deadline: float) -> Callable[[], bool]:
    from countmein.schedule import is_at_rest

    def is_settled() -> bool:
        while not is_at_rest():
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    return is_settled
