"""What the tests of personal data share: the whole database as text, and one address in it."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection


def rows_with(*needles: str) -> list[tuple[str, str]]:
    """(table, row) wherever one of these texts stands in the database: every table, every column.

    Bytes are looked through as they are, for a text in them would not show in hex.
    """
    return [
        (table, row)
        for table in _tables()
        for row in _rows(table)
        if any(needle.lower() in row.lower() for needle in needles)
    ]


def _tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name)"
            " FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            " AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        return sorted(name for (name,) in cursor.fetchall())


def _rows(table: str) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        for row in cursor.fetchall():
            cells = (
                bytes(cell).decode("latin-1") if isinstance(cell, memoryview | bytes) else str(cell)
                for cell in row
            )
            yield "\x1f".join(cells)
