"""What the provider remembers: its objects, the answers it gave, the webhooks it still owes."""

import json
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.payments.terms import Terms

API_VERSION = "2026-10-28.endive"

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, customer TEXT,
    payment_intent TEXT, charge TEXT, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_of_customer ON objects (kind, customer, seq);
CREATE INDEX IF NOT EXISTS objects_of_intent ON objects (kind, payment_intent, seq);
CREATE INDEX IF NOT EXISTS objects_of_charge ON objects (kind, charge, seq);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, request_id TEXT NOT NULL,
    status INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    event TEXT PRIMARY KEY, payload TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    delivered_at REAL);
CREATE INDEX IF NOT EXISTS deliveries_owed ON deliveries (event) WHERE delivered_at IS NULL;
-- What is to happen by itself at an instant of the provider's clock.
CREATE TABLE IF NOT EXISTS alarms (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, what TEXT NOT NULL, about TEXT NOT NULL,
    account TEXT);
CREATE INDEX IF NOT EXISTS alarms_due ON alarms (at);
-- Running totals of the balance transactions; account '' is the platform.
CREATE TABLE IF NOT EXISTS balances (
    account TEXT NOT NULL, currency TEXT NOT NULL, available INTEGER NOT NULL,
    pending INTEGER NOT NULL, PRIMARY KEY (account, currency)) WITHOUT ROWID;
-- Saved cards whose owner passed a challenge when they were saved.
CREATE TABLE IF NOT EXISTS authenticated (method TEXT PRIMARY KEY) WITHOUT ROWID;
-- Links into the onboarding pages, good for one visit.
CREATE TABLE IF NOT EXISTS invitations (
    token TEXT PRIMARY KEY, account TEXT NOT NULL, return_url TEXT NOT NULL,
    refresh_url TEXT NOT NULL, expires_at INTEGER NOT NULL, is_used INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

# Columns that a book of an earlier version lacks.
_ADDED = {
    "objects": {
        "created": "INTEGER",
        "account": "TEXT",
        "source": "TEXT",
        "destination": "TEXT",
        "transfer_group": "TEXT",
        "type": "TEXT",
        "currency": "TEXT",
        "payout": "TEXT",
    },
    "deliveries": {"fate": "TEXT"},
}
_INDEXES = """
CREATE INDEX IF NOT EXISTS objects_of_time ON objects (kind, created, seq);
CREATE INDEX IF NOT EXISTS objects_of_source ON objects (source) WHERE source IS NOT NULL;
CREATE INDEX IF NOT EXISTS objects_of_payout ON objects (payout) WHERE payout IS NOT NULL;
CREATE INDEX IF NOT EXISTS objects_of_group
    ON objects (transfer_group) WHERE transfer_group IS NOT NULL;
CREATE INDEX IF NOT EXISTS objects_of_destination
    ON objects (destination) WHERE destination IS NOT NULL;
CREATE INDEX IF NOT EXISTS objects_of_account ON objects (account, kind) WHERE account IS NOT NULL;
"""

# Fields of an object that also stand in a column, for looking up.
LINKS = (
    "customer",
    "payment_intent",
    "charge",
    "created",
    "source",
    "destination",
    "transfer_group",
    "type",
    "currency",
)
_INSERT = (
    f"INSERT INTO objects (id, kind, account, body, {', '.join(LINKS)})"
    f" VALUES (?, ?, ?, ?{', ?' * len(LINKS)})"
)
_UPDATE = (
    f"UPDATE objects SET body = ?{''.join(f', {link} = ?' for link in LINKS[:3])} WHERE id = ?"
)
_COMPACT = (",", ":")


def upgrade(connection: sqlite3.Connection) -> None:
    """Give a book of an earlier version the columns that came later."""
    for table, columns in _ADDED.items():
        present = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        for name, kind in columns.items():
            if name not in present:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
        if table == "objects" and "created" not in present:
            connection.execute("UPDATE objects SET created = json_extract(body, '$.created')")
    connection.executescript(_INDEXES)


def _link(made: dict[str, Any], link: str, source: str | None) -> Any:
    found = made.get(link)
    return found if link != "source" or found is not None else source


def new_id(prefix: str) -> str:
    """Make an id nobody has used, in Stripe's manner."""
    return f"{prefix}_{secrets.token_hex(12)}"


@dataclass(slots=True, kw_only=True)
class Page:
    """The book, open for one request: everything written through it commits together."""

    connection: sqlite3.Connection
    now: int
    terms: Terms
    url: str = ""
    account: str | None = None
    request_id: str = ""
    key: str | None = None
    owed: list[tuple[str, str]] = field(default_factory=list)

    def on(self, account: str | None) -> "Page":
        """The same page, written on behalf of a connected account (None: the platform)."""
        return replace(self, account=account)

    def find(self, kind: str, id: object) -> dict[str, Any] | None:
        """Return this account's object of this kind and id, if there is one."""
        if not isinstance(id, str):
            return None
        row = self.connection.execute(
            "SELECT body FROM objects WHERE id = ? AND kind = ? AND account IS ?",
            (id, kind, self.account),
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def any(self, id: str) -> dict[str, Any] | None:
        """Return the object of this id, whatever it is and whosever it is."""
        row = self.connection.execute("SELECT body FROM objects WHERE id = ?", (id,)).fetchone()
        return None if row is None else json.loads(row[0])

    def add(
        self, kind: str, prefix: str, *, source_link: str | None = None, **fields: Any
    ) -> dict[str, Any]:
        """Write a new object and return it; `source_link` is what it comes from, if no field is."""
        made = {
            "id": new_id(prefix),
            "object": kind,
            "created": self.now,
            "livemode": False,
            **fields,
        }
        self.connection.execute(
            _INSERT,
            (
                made["id"],
                kind,
                self.account,
                json.dumps(made, separators=_COMPACT),
                *(_link(made, link, source_link) for link in LINKS),
            ),
        )
        return made

    def save(self, changed: dict[str, Any]) -> dict[str, Any]:
        """Write an object back after a change."""
        self.connection.execute(
            _UPDATE,
            (
                json.dumps(changed, separators=_COMPACT),
                *(changed.get(link) for link in LINKS[:3]),
                changed["id"],
            ),
        )
        return changed

    def listed(
        self,
        kind: str,
        *,
        links: Mapping[str, str] | None = None,
        created: Mapping[str, int] | None = None,
        after: str | None = None,
        before: str | None = None,
        limit: int = 1000,
    ) -> list[dict[str, Any]]:
        """Return up to `limit` of this account's objects, newest first.

        `links` compares columns; `created` maps `>=`, `>`, `<=`, `<` to seconds; `after` and
        `before` are ids that the result is older or newer than.
        """
        terms: list[tuple[str, Any]] = [("kind = ?", kind), ("account IS ?", self.account)]
        terms += [(f"{link} = ?", to) for link, to in (links or {}).items()]
        terms += [(f"created {sign} ?", at) for sign, at in (created or {}).items()]
        place = "(SELECT created, seq FROM objects WHERE id = ?)"
        terms += [(f"(created, seq) < {place}", after)] if after else []
        terms += [(f"(created, seq) > {place}", before)] if before else []
        # With a link to go by, sorting the few is quicker than walking through all by time.
        time = "+created" if links else "created"
        direction = "ASC" if before else "DESC"
        rows = self.connection.execute(
            f"SELECT body FROM objects WHERE {' AND '.join(term for term, _ in terms)}"
            f" ORDER BY {time} {direction}, seq {direction} LIMIT ?",
            (*(value for _, value in terms), limit),
        ).fetchall()
        found = [json.loads(row[0]) for row in rows]
        return found[::-1] if before else found

    def tell(self, kind: str, subject: dict[str, Any]) -> None:
        """Write the event that says what happened to `subject`, and that a webhook is owed."""
        whose = {} if self.account is None else {"account": self.account}
        event = self.add(
            "event",
            "evt",
            api_version=API_VERSION,
            type=kind,
            pending_webhooks=1,
            request={"id": self.request_id or None, "idempotency_key": self.key},
            data={"object": subject},
            **whose,
        )
        payload = json.dumps(event, separators=_COMPACT)
        self.connection.execute(
            "INSERT INTO deliveries (event, payload) VALUES (?, ?)", (event["id"], payload)
        )
        self.owed.append((event["id"], payload))

    def wake(self, *, at: int, what: str, about: str) -> None:
        """Have `what` happen to the object `about` at an instant of the provider's clock."""
        self.connection.execute(
            "INSERT INTO alarms (at, what, about, account) VALUES (?, ?, ?, ?)",
            (at, what, about, self.account),
        )

    def recall(self, key: str) -> tuple[str, str, int, bytes] | None:
        """Return fingerprint, request id, status and body of the answer given under `key`."""
        row: tuple[str, str, int, bytes] | None = self.connection.execute(
            "SELECT fingerprint, request_id, status, body FROM answers WHERE key = ?", (key,)
        ).fetchone()
        return row

    def remember(self, key: str, *, fingerprint: str, status: int, body: bytes) -> None:
        """Keep the answer given under `key`."""
        self.connection.execute(
            "INSERT INTO answers VALUES (?, ?, ?, ?, ?)",
            (key, fingerprint, self.request_id, status, body),
        )
