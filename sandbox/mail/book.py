"""Every message that was taken, as its bytes and as what a reader would see."""

import base64
import sqlite3
import time
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, sender TEXT NOT NULL,
    recipient TEXT NOT NULL, content BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS messages_to ON messages (recipient, id);
"""

Row = tuple[int, float, str, str, bytes]


def keep(
    connection: sqlite3.Connection, *, sender: str, recipients: list[str], content: bytes
) -> None:
    """Write a message down, once for each recipient."""
    now = time.time()
    connection.executemany(
        "INSERT INTO messages (at, sender, recipient, content) VALUES (?, ?, ?, ?)",
        [(now, sender, recipient.lower(), content) for recipient in recipients],
    )


def listed(
    connection: sqlite3.Connection, *, to: str | None, after: int, limit: int
) -> list[dict[str, Any]]:
    """Return up to `limit` messages that came after the one of id `after`, newest last."""
    where, values = ("AND recipient = ?", [to.lower()]) if to else ("", [])
    rows = connection.execute(
        "SELECT id, at, sender, recipient, content FROM messages"
        f" WHERE id > ? {where} ORDER BY id LIMIT ?",
        [after, *values, limit],
    )
    return [_shown(row, with_bytes=False) for row in rows]


def one(connection: sqlite3.Connection, id: int) -> dict[str, Any] | None:
    """Return one message with its attachments' bytes."""
    row = connection.execute(
        "SELECT id, at, sender, recipient, content FROM messages WHERE id = ?", (id,)
    ).fetchone()
    return None if row is None else _shown(row, with_bytes=True)


def count(connection: sqlite3.Connection) -> int:
    """Count the messages, one for each recipient."""
    return int(connection.execute("SELECT count(*) FROM messages").fetchone()[0])


def _shown(row: Row, *, with_bytes: bool) -> dict[str, Any]:
    id, at, sender, recipient, content = row
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return {
        "id": id,
        "at": datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z"),
        "to": recipient,
        "from": sender,
        "subject": str(message["subject"] or ""),
        "message_id": str(message["message-id"] or ""),
        "text": _body(message, "plain"),
        "html": _body(message, "html"),
        "headers": {name: str(text) for name, text in message.items()},
        "attachments": [
            _attachment(part, with_bytes=with_bytes) for part in message.iter_attachments()
        ],
    }


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return "" if part is None else str(part.get_content())


def _attachment(part: Any, *, with_bytes: bool) -> dict[str, str]:
    shown = {
        "name": part.get_filename() or "",
        # With its parameters: a calendar's method is one.
        "type": str(part["content-type"]),
    }
    if with_bytes:
        shown["bytes_b64"] = base64.b64encode(part.get_payload(decode=True) or b"").decode()
    return shown
