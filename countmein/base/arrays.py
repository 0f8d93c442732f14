"""Many rows in one statement: a column is an array of the database, written as its text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: SQL for a new id of each row, a UUIDv7 (RFC 9562) as `base.ids` makes them: for rows that the
#: database makes by itself.
NEW_ID: Final = (
    "(lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')"
    " || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid"
)


def array(values: Iterable[str]) -> str:
    """The text of an array of these values, for a parameter that is cast to its type.

    Several times faster than having each value adapted on its own; what is in a value cannot end
    it. Values hold no NUL, which no text of the database may have.
    """
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join([f'"{value}"' for value in quoted]) + "}"
