"""What the provider remembers: its objects, the answers it gave, the webhooks it still owes."""

import json
import secrets
import sqlite3
import time
from dataclasses import dataclass, field
from typing import Any

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
"""

LINKS = ("customer", "payment_intent", "charge")


def new_id(prefix: str) -> str:
    """Make an id nobody has used, in Stripe's manner."""
    return f"{prefix}_{secrets.token_hex(12)}"


@dataclass(slots=True, kw_only=True)
class Page:
    """The book, open for one request: everything written through it commits together."""

    connection: sqlite3.Connection
    request_id: str = ""
    key: str | None = None
    owed: list[tuple[str, str]] = field(default_factory=list)

    def find(self, kind: str, id: object) -> dict[str, Any] | None:
        """Return the object of this kind and id, if there is one."""
        if not isinstance(id, str):
            return None
        row = self.connection.execute(
            "SELECT body FROM objects WHERE id = ? AND kind = ?", (id, kind)
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def add(self, kind: str, prefix: str, **fields: Any) -> dict[str, Any]:
        """Write a new object and return it."""
        made = {
            "id": new_id(prefix),
            "object": kind,
            "created": int(time.time()),
            "livemode": False,
            **fields,
        }
        self.connection.execute(
            "INSERT INTO objects (id, kind, customer, payment_intent, charge, body)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (made["id"], kind, *(made.get(link) for link in LINKS), json.dumps(made)),
        )
        return made

    def save(self, changed: dict[str, Any]) -> dict[str, Any]:
        """Write an object back after a change."""
        self.connection.execute(
            "UPDATE objects SET customer = ?, payment_intent = ?, charge = ?, body = ?"
            " WHERE id = ?",
            (*(changed.get(link) for link in LINKS), json.dumps(changed), changed["id"]),
        )
        return changed

    def listed(
        self, kind: str, *, link: str | None, to: str | None, after: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return up to `limit` objects, newest first, older than `after`."""
        where, values = "kind = ?", [kind]
        if link is not None and to is not None:
            where, values = f"{where} AND {link} = ?", [*values, to]
        if after is not None:
            where = f"{where} AND seq < (SELECT seq FROM objects WHERE id = ?)"
            values = [*values, after]
        rows = self.connection.execute(
            f"SELECT body FROM objects WHERE {where} ORDER BY seq DESC LIMIT ?", (*values, limit)
        )
        return [json.loads(row[0]) for row in rows]

    def tell(self, kind: str, subject: dict[str, Any]) -> None:
        """Write the event that says what happened to `subject`, and that a webhook is owed."""
        event = self.add(
            "event",
            "evt",
            api_version=API_VERSION,
            type=kind,
            pending_webhooks=1,
            request={"id": self.request_id, "idempotency_key": self.key},
            data={"object": subject},
        )
        payload = json.dumps(event)
        self.connection.execute(
            "INSERT INTO deliveries (event, payload) VALUES (?, ?)", (event["id"], payload)
        )
        self.owed.append((event["id"], payload))

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
