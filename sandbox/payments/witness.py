"""What was really charged and given back, for whoever compares it with their own books."""

import json
import sqlite3
from collections import Counter
from typing import Any

# What a charge shows the witness.
SHOWN = (
    "id",
    "created",
    "amount",
    "amount_refunded",
    "currency",
    "status",
    "failure_code",
    "customer",
    "payment_intent",
    "metadata",
)


def _all(connection: sqlite3.Connection, kind: str) -> list[dict[str, Any]]:
    rows = connection.execute("SELECT body FROM objects WHERE kind = ? ORDER BY seq", (kind,))
    return [json.loads(row[0]) for row in rows]


def charges(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return every charge tried, oldest first, in the provider's units."""
    items = [{name: charge[name] for name in SHOWN} for charge in _all(connection, "charge")]
    return {"items": items}


def summary(connection: sqlite3.Connection) -> dict[str, Any]:
    """Count and add up, per currency and per pledge; only charges that succeeded count."""
    charged: Counter[str] = Counter()
    refunded: Counter[str] = Counter()
    per_reference: Counter[str] = Counter()
    per_pledge: Counter[str] = Counter()
    tried = _all(connection, "charge")
    succeeded = [charge for charge in tried if charge["status"] == "succeeded"]
    for charge in succeeded:
        charged[charge["currency"]] += charge["amount"]
        refunded[charge["currency"]] += charge["amount_refunded"]
        per_reference[charge["metadata"].get("reference", "")] += 1
        per_pledge[charge["metadata"].get("pledge", "")] += 1
    return {
        "charges": len(succeeded),
        "declined": len(tried) - len(succeeded),
        "refunds": len(_all(connection, "refund")),
        "charged": charged,
        "refunded": refunded,
        "charges_per_reference": per_reference,
        "charges_per_pledge": per_pledge,
        "customers": sum(not each.get("deleted") for each in _all(connection, "customer")),
    }
