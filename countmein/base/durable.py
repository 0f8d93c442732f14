"""Whether a PostgreSQL server keeps what it has acknowledged."""

import psycopg

OLDEST_MAJOR = 15
NEWEST_MAJOR = 18
_MUST_BE_ON = ("fsync", "synchronous_commit", "full_page_writes")


class NotDurable(Exception):
    """The server may forget an acknowledged commit, or is a version never tried."""


def require_durable(dsn: str) -> None:
    """Refuse a server on which 201 would not mean durable.

    Asked as the role the site uses, because ALTER ROLE and ALTER DATABASE can turn
    synchronous_commit off for it alone. Stricter values such as remote_apply are welcome.
    Raises NotDurable, and psycopg.Error if there is no server to ask.
    """
    with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
        major = connection.info.server_version // 10000
        if not OLDEST_MAJOR <= major <= NEWEST_MAJOR:
            raise NotDurable(
                f"it is PostgreSQL {major}; Countmein needs {OLDEST_MAJOR} to {NEWEST_MAJOR}."
            )
        for name in _MUST_BE_ON:
            row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
            value = row[0] if row else None
            if value not in ("on", "remote_apply", "remote_write"):
                raise NotDurable(f"{name} is {value} and must be on.")
