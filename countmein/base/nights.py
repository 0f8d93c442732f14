"""When the night's work is due: once a night, at its hour in UTC, when few are about."""

from __future__ import annotations

from datetime import datetime, timedelta


def latest_night(now: datetime, *, hour: int) -> datetime:
    """The last time that it was this hour; now, if it is."""
    tonight = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return tonight if tonight <= now else tonight - timedelta(days=1)


def next_night(now: datetime, *, hour: int) -> datetime:
    """The next time that it will be this hour, after now."""
    return latest_night(now, hour=hour) + timedelta(days=1)
