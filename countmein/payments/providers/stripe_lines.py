"""Stripe's statement: balance transactions and disputes, read in our nouns."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar

import stripe

from countmein.payments.providers.port import (
    DisputeSeen,
    DisputeStatus,
    Line,
    LineKind,
    LookUpFailed,
)
from countmein.payments.providers.stripe_answers import NotDone, Object, ask, our_reference
from countmein.payments.providers.stripe_tables import from_units

T = TypeVar("T")

#: As many as Stripe lists at once.
_AT_ONCE: Final = 100

# What a line is about, by its type. Source: Stripe's page on balance transaction types.
_KINDS: Final[Mapping[str, LineKind]] = {
    "charge": LineKind.CHARGE,
    "payment": LineKind.CHARGE,
    "refund": LineKind.REFUND,
    "payment_refund": LineKind.REFUND,
    "refund_failure": LineKind.REFUND_FAILED,
    "payment_failure_refund": LineKind.REFUND_FAILED,
    "stripe_fee": LineKind.FEE,
    "payout": LineKind.PAYOUT,
    "payout_cancel": LineKind.PAYOUT,
    "payout_failure": LineKind.PAYOUT,
    "transfer": LineKind.TRANSFER,
    "transfer_cancel": LineKind.TRANSFER,
    "transfer_failure": LineKind.TRANSFER,
    "transfer_refund": LineKind.TRANSFER,
}
# Disputes are adjustments; only the reporting category tells which way they go.
_ADJUSTMENTS: Final[Mapping[str, LineKind]] = {
    "dispute": LineKind.DISPUTE,
    "dispute_reversal": LineKind.DISPUTE_WON,
}

# A warning is an inquiry, and a prevented dispute never took money.
_STATUSES: Final[Mapping[str, DisputeStatus]] = {
    "needs_response": DisputeStatus.OPEN,
    "under_review": DisputeStatus.OPEN,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
    "warning_needs_response": DisputeStatus.INQUIRY,
    "warning_under_review": DisputeStatus.INQUIRY,
    "warning_closed": DisputeStatus.INQUIRY,
    "prevented": DisputeStatus.INQUIRY,
}


def lines(v1: stripe.V1Services, *, since: datetime, after: str) -> Iterator[Line]:
    """Yield the balance transactions, newest first, behind the line `after`."""
    api = v1.balance_transactions
    for each in _listed(api.list, since=since, after=after, expand=["data.source"]):
        yield _asked(partial(_line, each))


def disputes(v1: stripe.V1Services, *, since: datetime) -> Iterator[DisputeSeen]:
    """Yield the disputes made since, newest first."""
    for each in _listed(v1.disputes.list, since=since):
        yield _asked(partial(_dispute, each))


def _listed(
    list_page: Callable[[Any], Any], *, since: datetime, after: str = "", **more: Any
) -> Iterator[Object]:
    """Yield what Stripe lists, newest first, each page asked for when it is needed."""
    asked = {"created": {"gte": int(since.timestamp())}, "limit": _AT_ONCE, **more}
    while True:
        behind = {"starting_after": after} if after else {}
        page = _asked(partial(_page, list_page, asked | behind))
        yield from page["data"]
        if not page["has_more"]:
            return
        after = str(page["data"][-1]["id"])


def _page(list_page: Callable[[Any], Any], asked: Mapping[str, Any]) -> Any:
    return list_page(asked).to_dict()


def dispute(v1: stripe.V1Services, id: str) -> DisputeSeen:
    """Return one dispute."""
    return _asked(lambda: _dispute(v1.disputes.retrieve(id).to_dict()))


def _asked(call: Callable[[], T]) -> T:
    try:
        return ask(call)
    except NotDone as no:
        raise LookUpFailed(no.result.code) from no


def _line(each: Object) -> Line:
    source = each.get("source") or {}
    if isinstance(source, str):
        source = {"id": source}
    kind = _KINDS.get(each["type"], LineKind.OTHER)
    if each["type"] == "adjustment":
        kind = _ADJUSTMENTS.get(each["reporting_category"], LineKind.OTHER)
    return Line(
        line_id=str(each["id"]),
        kind=kind,
        at=_instant(each["created"]),
        amount=from_units(int(each["amount"]), str(each["currency"])),
        fee=from_units(int(each["fee"]), str(each["currency"])),
        source_id=str(source.get("id", "")),
        charge_id=_charge_of(source, kind),
        reference=our_reference(source),
    )


def _charge_of(source: Mapping[str, Any], kind: LineKind) -> str:
    """The charge that a line is about; or the transfer, which a reversal names as its own."""
    name = "id" if kind is LineKind.CHARGE else "charge"
    if kind is LineKind.TRANSFER:
        name = "transfer" if source.get("transfer") else "id"
    found = source.get(name) or ""
    return str(found["id"] if isinstance(found, Mapping) else found)


def _dispute(each: Object) -> DisputeSeen:
    charge = each["charge"]
    due_by = (each.get("evidence_details") or {}).get("due_by")
    return DisputeSeen(
        dispute_id=str(each["id"]),
        charge_id=str(charge["id"] if isinstance(charge, Mapping) else charge),
        amount=from_units(int(each["amount"]), str(each["currency"])),
        status=_STATUSES[each["status"]],
        reason=str(each.get("reason") or ""),
        opened_at=_instant(each["created"]),
        answer_by=_instant(due_by) if due_by else None,
    )


def _instant(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
