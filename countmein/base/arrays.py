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

    Many times faster than having each value adapted on its own; what is in a value cannot end it.
    Raises ValueError for a value with a NUL, which no text of the database may have.
    """
    texts = list(values)
    if not texts:
        return "{}"
    joined = "\0".join(texts)
    if joined.count("\0") != len(texts) - 1:
        raise ValueError("a text cannot have a NUL")
    quoted = joined.replace("\\", "\\\\").replace('"', '\\"').replace("\0", '","')
    return f'{{"{quoted}"}}'
