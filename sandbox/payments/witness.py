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


def _tried(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Every try to take money. Money that is only held was not taken, and what is passed on to a
    connected account only shows there as a payment."""
    return [
        each
        for each in _all(connection, "charge")
        if (each["status"] != "succeeded" or each.get("captured", True))
        and "source_transfer" not in each
    ]


def charges(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return every charge tried, oldest first, in the provider's units."""
    return {"items": [{name: each[name] for name in SHOWN} for each in _tried(connection)]}


def movements(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return every line of every balance, oldest first."""
    return {"items": _all(connection, "balance_transaction")}


def summary(connection: sqlite3.Connection) -> dict[str, Any]:
    """Count and add up, per currency and per pledge; only charges that succeeded count."""
    charged: Counter[str] = Counter()
    refunded: Counter[str] = Counter()
    per_reference: Counter[str] = Counter()
    per_pledge: Counter[str] = Counter()
    tried = _tried(connection)
    succeeded = [charge for charge in tried if charge["status"] == "succeeded"]
    for charge in succeeded:
        charged[charge["currency"]] += charge.get("amount_captured") or charge["amount"]
        refunded[charge["currency"]] += charge["amount_refunded"]
        per_reference[charge["metadata"].get("reference", "")] += 1
        per_pledge[charge["metadata"].get("pledge", "")] += 1
    return {
        "charges": len(succeeded),
        "declined": len(tried) - len(succeeded),
        "refunds": len(_all(connection, "refund")),
        "charged": charged,
        "refunded": refunded,
        "fees": _sums(connection, "fee"),
        "balance": _sums(connection, "net"),
        "disputes": Counter(each["status"] for each in _all(connection, "dispute")),
        "transfers": len(_all(connection, "transfer")),
        "payouts": Counter(each["status"] for each in _all(connection, "payout")),
        "charges_per_reference": per_reference,
        "charges_per_pledge": per_pledge,
        "customers": sum(not each.get("deleted") for each in _all(connection, "customer")),
    }


def _sums(connection: sqlite3.Connection, name: str) -> Counter[str]:
    """Add one figure of the platform's own lines up, per currency."""
    rows = connection.execute(
        "SELECT currency, sum(json_extract(body, ?)) FROM objects"
        " WHERE kind = 'balance_transaction' AND account IS NULL GROUP BY 1",
        (f"$.{name}",),
    )
    return Counter(dict(rows.fetchall()))
