"""The one clock that decides: the database's, plus the sandbox's offset."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from countmein.base.models import SiteClock

#: The site's time at the moment at which the database computes this expression.
SITE_NOW: Final = (
    "clock_timestamp() + coalesce((SELECT base_siteclock.offset FROM base_siteclock), '0')"
)


def site_now() -> datetime:
    """Return the instant by which deadlines, dunning and retention are judged (aware, UTC).

    Asks the database at the moment of the call, not at the start of its transaction: a pledge
    whose lock was granted after the deadline must see that it is late.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {SITE_NOW}")
        (now,) = cursor.fetchone()
    assert isinstance(now, datetime)
    return now


def real_now() -> datetime:
    """Return the database's own time, for leases, heartbeats and limits (aware, UTC)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    assert isinstance(now, datetime)
    return now


def set_offset(offset: timedelta) -> None:
    """Move the site's clock; only the sandbox's command does this."""
    SiteClock.objects.update_or_create(id=1, defaults={"offset": offset})
    with connection.cursor() as cursor:
        # Every page that speaks of time left is wrong at once.
        cursor.execute("NOTIFY tally")


def offset() -> timedelta:
    """Return how far the site's time is ahead of the database's."""
    row = SiteClock.objects.filter(id=1).first()
    return row.offset if row else timedelta(0)
