"""How the intake learns of tallies: the connection that hears, and the look that reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.db import close_old_connections, connection
from psycopg.conninfo import make_conninfo

from countmein.campaigns import queries


def look(code: str) -> bytes | None:
    """The campaign's tally as JSON; None for a code that no launched campaign has."""
    # A connection that a restart of the database broke is noticed here.
    close_old_connections()
    try:
        campaign = queries.campaign_by_code(code)
        if campaign is None:
            return None
        return json.dumps(queries.tally_view(campaign), default=_instant).encode()
    finally:
        close_old_connections()


async def connect() -> psycopg.AsyncConnection[tuple[object, ...]]:
    """Open a connection that can hear announcements, beside Django's own."""
    place = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST"}
    wanted: dict[str, Any] = {
        name: place[ours] for name, ours in (names | {"port": "PORT"}).items()
    }
    # What DATABASE_URL says beyond these, Django keeps among the options.
    options = {name: value for name, value in place["OPTIONS"].items() if isinstance(value, str)}
    said = {name: value for name, value in (wanted | options).items() if value}
    dsn = make_conninfo(**said, connect_timeout=5)
    return await psycopg.AsyncConnection.connect(dsn, autocommit=True)


def _instant(value: Any) -> str:
    assert isinstance(value, datetime)
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
