"""The provider's own money: one line for each movement, running totals, fees."""

from typing import Any

from sandbox.payments.book import Page
from sandbox.payments.forms import STEPS, THREE_DECIMAL, ZERO_DECIMAL, Problem
from sandbox.payments.terms import Terms

Object = dict[str, Any]

# What Stripe's reports call each type of line.
_CATEGORIES = {
    "payment": "charge",
    "payment_refund": "refund",
    "refund_failure": "refund_failure",
    "transfer_refund": "transfer_reversal",
    "payout_failure": "payout_reversal",
}


def fee_of(terms: Terms, amount: int, currency: str) -> int:
    """What the provider keeps of a charge: a rate and a fixed part, rounded half up."""
    fixed = terms.fee_fixed
    if currency in ZERO_DECIMAL:
        fixed = 0
    elif currency in THREE_DECIMAL:
        fixed *= 10
    step = STEPS.get(currency, 1)
    exact = amount * terms.fee_bp + fixed * 10_000
    return (2 * exact + 10_000 * step) // (20_000 * step) * step


def move(
    page: Page,
    source: Object,
    amount: int,
    kind: str,
    *,
    fee: int = 0,
    wait_seconds: int = 0,
    category: str = "",
    description: str | None = None,
) -> str:
    """Write one line of the account's balance and return its id."""
    currency = source["currency"]
    details = {"amount": fee, "currency": currency, "application": None, "type": "stripe_fee"}
    line = page.add(
        "balance_transaction",
        "txn",
        amount=amount,
        available_on=page.now + wait_seconds,
        currency=currency,
        description=description,
        exchange_rate=None,
        fee=fee,
        fee_details=[{**details, "description": "Stripe processing fees"}] if fee else [],
        net=amount - fee,
        reporting_category=category or _CATEGORIES.get(kind, kind),
        source=source["id"],
        status="pending" if wait_seconds else "available",
        type=kind,
    )
    is_pending = bool(wait_seconds)
    _add_up(page, currency, available=0 if is_pending else amount - fee,
            pending=amount - fee if is_pending else 0)  # fmt: skip
    if is_pending:
        page.wake(at=page.now + wait_seconds, what="mature", about=line["id"])
    return str(line["id"])


def _add_up(page: Page, currency: str, *, available: int, pending: int) -> None:
    page.connection.execute(
        "INSERT INTO balances VALUES (?, ?, ?, ?) ON CONFLICT (account, currency) DO UPDATE"
        " SET available = available + excluded.available, pending = pending + excluded.pending",
        (page.account or "", currency, available, pending),
    )


def mature(page: Page, id: str) -> None:
    """Make a pending line available (an alarm)."""
    line = page.find("balance_transaction", id)
    if line is not None and line["status"] == "pending":
        page.save({**line, "status": "available"})
        _add_up(page, line["currency"], available=line["net"], pending=-line["net"])


def available(page: Page, currency: str) -> int:
    """What the account can spend now; may be below zero."""
    row = page.connection.execute(
        "SELECT available FROM balances WHERE account = ? AND currency = ?",
        (page.account or "", currency),
    ).fetchone()
    return 0 if row is None else int(row[0])


def require_funds(page: Page, amount: int, currency: str, *, to: str) -> None:
    """Refuse to spend what is not there."""
    if available(page, currency) < amount:
        raise Problem(
            f"You have insufficient available funds in your Stripe account to {to}."
            " Try adding funds directly to your available balance by creating charges using the"
            " 4000000000000077 test card.",
            code="balance_insufficient",
        )


def retrieve(page: Page, id: str, form: Object) -> Object:
    """`GET /v1/balance`."""
    rows = page.connection.execute(
        "SELECT currency, available, pending FROM balances WHERE account = ? ORDER BY currency",
        (page.account or "",),
    ).fetchall()

    def part(place: int) -> list[Object]:
        return [
            {"amount": row[place], "currency": row[0], "source_types": {"card": row[place]}}
            for row in rows
        ]

    return {
        "object": "balance",
        "available": part(1),
        "pending": part(2),
        "connect_reserved": [],
        "livemode": False,
    }
