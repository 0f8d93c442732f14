"""What the desk for the bank shows: accounts by their last digits, reasons in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.db.models import Count, Q, Sum
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from countmein.base.clock import site_now
from countmein.campaigns import wording
from countmein.campaigns.models import Campaign
from countmein.payments.actions.awaited import waiting_for_a_look
from countmein.payments.bank.account import masked, own_account
from countmein.payments.bank.entries import Direction
from countmein.payments.bank.matching import Verdict
from countmein.payments.bank_models import (
    TRANSFER_LIVE,
    BankEntry,
    BankOrder,
    BankStatement,
    BankTransfer,
    EntryState,
    TransferKind,
    TransferState,
)
from countmein.payments.models import Charge, ChargeState, Refund, RefundState
from countmein.rules.remittance import printed
from countmein.web.desk.pages import page_of

_ORDERS_SHOWN: Final = 20

_VERDICTS: Final[dict[str, str | Promise]] = {
    Verdict.PARTIAL: _("Less than was asked for: it waits for the rest."),
    Verdict.OVER: _("More than was asked for."),
    Verdict.DOUBLE: _("This pledge was paid before."),
    Verdict.WRONG_CURRENCY: _("Another currency than was asked for."),
    Verdict.UNKNOWN_REFERENCE: _("No reference in it is one that we wait for."),
    Verdict.AMBIGUOUS: _("It names several pledges."),
    Verdict.LATE: _("It came too late, or its pledge has ended: it goes back."),
    Verdict.NOT_OURS: _("A movement that somebody should look at: it may undo another one."),
}
_KINDS: Final[dict[str, str | Promise]] = {
    TransferKind.REFUND: _("Refund"),
    TransferKind.RETURN: _("Return"),
    TransferKind.PAYOUT: _("Payout"),
}


def desk_view(asked: QueryDict) -> dict[str, Any]:
    """Everything on the page, and the page of each long list that is asked for."""
    queued = BankEntry.objects.filter(state=EntryState.QUEUED).order_by("imported_at", "id")
    to_do, parts = queued.exclude(verdict=Verdict.PARTIAL), queued.filter(verdict=Verdict.PARTIAL)
    account, last = own_account(), BankStatement.objects.order_by("-imported_at").first()
    ready = BankTransfer.objects.filter(state=TransferState.DUE, payee__isnull=False)
    totals = ready.aggregate(count=Count("id"), sum=Sum("amount_minor"))
    awaited = Charge.objects.all_lanes().filter(state=ChargeState.AWAITED)
    return {
        "account": masked(account.iban) if account else "",
        "now": site_now(),
        "last": last,
        "new_count": BankEntry.objects.filter(state=EntryState.NEW).count(),
        "queue": page_of(asked, "queue", to_do, _rows),
        "parts": page_of(asked, "parts", parts, _rows),
        "awaited_count": awaited.count(),
        "unseen_count": waiting_for_a_look(),
        "ready_count": totals["count"],
        "ready_sum": wording.money_text(totals["sum"] or 0, "EUR"),
        "lacking": page_of(asked, "lacking", _lacking(), lambda rows: [*map(_transfer, rows)]),
        "orders": [_order(row) for row in _orders()],
    }


def _rows(entries: Iterable[BankEntry]) -> list[dict[str, Any]]:
    rows = list(entries)
    campaigns = Campaign.objects.in_bulk([row.campaign_id for row in rows if row.campaign_id])
    charges = {
        charge.id: charge
        for charge in Charge.objects.filter(
            lane__in={row.charge_lane for row in rows if row.charge_lane is not None},
            id__in=[row.charge_id for row in rows if row.charge_id is not None],
        )
    }
    return [
        _entry(row, row.campaign_id and campaigns.get(row.campaign_id), charges.get(row.charge_id))
        for row in rows
    ]


def _entry(row: BankEntry, campaign: Any, charge: Charge | None) -> dict[str, Any]:
    is_credit, payer = row.direction == Direction.CREDIT, row.from_whom
    return {
        "id": row.id,
        "why": _VERDICTS.get(row.verdict, row.verdict),
        "amount": wording.money_text(row.amount_minor, row.currency),
        "excess": wording.money_text(row.excess_minor, row.currency),
        "booked_on": row.booked_on,
        "imported_at": row.imported_at,
        "payer": payer.name or gettext("not told"),
        "account": masked(payer.account),
        "text": " ".join([*row.references, row.text]),
        "candidates": [printed(reference) for reference in row.candidates],
        "campaign": campaign,
        "asked": charge and wording.money_text(charge.amount_minor, charge.currency),
        "last_at": charge and charge.due_at,
        "reference": charge and printed(charge.reference),
        "act": row.act,
        "may_return": is_credit and not row.reversal,
        "may_take_back": not is_credit and row.reversal,
        "may_close": row.verdict not in (Verdict.PARTIAL, Verdict.OVER),
        "note": row.note,
    }


def _lacking() -> Any:
    """Transfers that a person has to complete: without an account, rejected, or come back."""
    # One that came back and was sent again has a new transfer, and its refund a new id.
    stuck = Refund.objects.all_lanes().filter(state=RefundState.STUCK)
    # A refund that was called off is paid no more.
    called_off = Refund.objects.all_lanes().filter(state=RefundState.MOOT)
    stopped = BankTransfer.objects.filter(
        Q(state=TransferState.DUE, payee=None)
        # A payout that was rejected waits at the desk for payouts again.
        | Q(state=TransferState.REJECTED) & ~Q(kind=TransferKind.PAYOUT)
        | Q(state=TransferState.CAME_BACK, kind=TransferKind.RETURN)
        | Q(state=TransferState.CAME_BACK, about_id__in=stuck.values("id"))
    )
    live = BankTransfer.objects.filter(state__in=TRANSFER_LIVE, payee__isnull=False)
    return (
        stopped.exclude(about_id__in=live.values("about_id"))
        .exclude(about_id__in=called_off.values("id"))
        .order_by("id")
    )


def _transfer(row: BankTransfer) -> dict[str, Any]:
    said = {
        TransferState.REJECTED: gettext("The bank rejected it."),
        TransferState.CAME_BACK: gettext("It came back."),
    }
    to = row.to_whom
    return {
        "id": row.id,
        "kind": _KINDS[TransferKind(row.kind)],
        "amount": wording.money_text(row.amount_minor, row.currency),
        "name": to.name,
        "account": masked(to.account),
        "why": said.get(TransferState(row.state), gettext("The bank did not tell from whom.")),
        "code": f"{row.code} {row.words}".strip(),
    }


def _orders() -> list[BankOrder]:
    return list(
        BankOrder.objects.annotate(
            open_count=Count("transfers", filter=Q(transfers__state=TransferState.ORDERED))
        ).order_by("-id")[:_ORDERS_SHOWN]
    )


def _order(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.message_id,
        "made_at": row.created_at,
        "count": row.transfer_count,
        "sum": wording.money_text(row.total_minor, row.currency),
        "open_count": row.open_count,
    }
