"""Paying by bank: what is due is put into an order, which its owner hands to the bank.

Nothing here sends anything. An order that is out is proved by the statement alone; what the bank
says of it before (pain.002) only tells which payments it will not make.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef

from countmein.base.clock import site_now
from countmein.base.ids import uuid7
from countmein.base.jobs import job
from countmein.members.models import Organiser
from countmein.payments.actions.bank_match import hold_bank
from countmein.payments.actions.claims import update
from countmein.payments.bank import pain
from countmein.payments.bank.account import own_account
from countmein.payments.bank.latin import LettersRefused, latin
from countmein.payments.bank_models import (
    TRANSFER_LIVE,
    BankEntry,
    BankOrder,
    BankTransfer,
    TransferKind,
    TransferState,
)
from countmein.payments.models import (
    Charge,
    Payout,
    PayoutApproval,
    PayoutState,
    Refund,
    RefundState,
)
from countmein.payments.parties import Known
from countmein.rules.money import Money

SLICE: Final = 500
#: A bank takes more, but a person has to look through them.
_TRANSFERS_AT_MOST: Final = 10_000
#: What a person may send once more; a payout has to be agreed to anew.
_PAYABLE_ANEW: Final = {
    TransferKind.REFUND: (TransferState.REJECTED, TransferState.CAME_BACK),
    TransferKind.RETURN: (TransferState.REJECTED, TransferState.CAME_BACK),
    TransferKind.PAYOUT: (),
}
#: The only currency that is transferred.
_CURRENCY: Final = "EUR"


class OrderImpossible(Exception):
    """There is nothing to order, or no account to order it from."""


class PayeeRefused(Exception):
    """The name or the account is not one that a bank would pay to."""


def payee(known: Known) -> Known:
    """Name and account as a bank carries them; nobody if a person must fill them in."""
    try:
        party = pain.Party(name=known.name[:70], iban=known.account)
    except (pain.OrderRefused, LettersRefused):
        return Known()
    return Known(name=party.name, account=party.iban)


def to_gather() -> bool:
    """Whether a refund goes by bank and has no transfer yet."""
    return bool(_ungathered().exists())


def _ungathered() -> Any:
    transfers = BankTransfer.objects.filter(kind=TransferKind.REFUND, about_id=OuterRef("id"))
    return (
        Refund.objects.all_lanes()
        .filter(state=RefundState.BY_BANK)
        .filter(~Exists(transfers))
        .order_by("id")
    )


@job(name="payments.gather_refunds", queue="money")
def gather_refunds() -> None:
    """Make a transfer of every refund that goes by bank, to the account its money came from."""
    while _gather_slice():
        pass


def _gather_slice() -> bool:
    with transaction.atomic():
        hold_bank()
        refunds = list(_ungathered()[:SLICE])
        BankTransfer.objects.bulk_create(_transfers(refunds))
    return bool(refunds)


def _transfers(refunds: Sequence[Refund]) -> list[BankTransfer]:
    now = site_now()
    origin: dict[uuid.UUID, BankEntry] = {}
    # Of several parts the largest tells where the money came from.
    for entry in BankEntry.objects.filter(
        charge_id__in=[refund.charge_id for refund in refunds], booked_minor__gt=0
    ).order_by("booked_minor", "id"):
        assert entry.charge_id is not None
        origin[entry.charge_id] = entry
    references = dict(
        Charge.objects.filter(
            lane__in={refund.lane for refund in refunds},
            id__in=[refund.charge_id for refund in refunds],
        ).values_list("id", "reference")
    )
    made = []
    for refund in refunds:
        came = origin.get(refund.charge_id)
        transfer = BankTransfer(
            kind=TransferKind.REFUND,
            about_lane=refund.lane,
            about_id=refund.id,
            campaign_id=refund.campaign_id,
            amount_minor=refund.amount_minor,
            currency=refund.currency,
            text=f"Refund {references[refund.charge_id]}",
            created_at=now,
        )
        if came is not None:
            transfer.keep_payee(payee(came.from_whom))
        made.append(transfer)
    return made


def order_payout(payout: Payout) -> BankTransfer:
    """Have a supplier, whose account is known, paid with the next order; call once all agree.

    From here on the payout is being sent: it is paid when the statement shows that it left. Raises
    PayeeRefused for an account or a name that no bank would pay to, or if it is sent already.
    """
    to = payee(Known(name=payout.payee, account=payout.iban))
    with transaction.atomic():
        hold_bank()
        sending = update(payout, was=PayoutState.ASKED, state=PayoutState.SENDING, due_at=None)
        if not to.account or not sending:
            raise PayeeRefused
        transfer = BankTransfer(
            kind=TransferKind.PAYOUT,
            about_lane=payout.lane,
            about_id=payout.id,
            campaign_id=payout.campaign_id,
            amount_minor=payout.amount_minor,
            currency=payout.currency,
            text=_text(payout.purpose),
            created_at=site_now(),
        )
        transfer.keep_payee(to)
        transfer.save(force_insert=True)
        return transfer


def recall_payouts(campaign_ids: Collection[uuid.UUID]) -> None:
    """Take payments to suppliers of these campaigns out of the next order, if they are not in one
    yet: they wait again, and whoever agreed has to agree anew."""
    with transaction.atomic():
        hold_bank()
        rows = BankTransfer.objects.filter(
            kind=TransferKind.PAYOUT, state=TransferState.DUE, campaign_id__in=list(campaign_ids)
        )
        _wait_again(list(rows))
        rows.delete()


class RefundUnderWay(Exception):
    """A refund is in an order that the bank may have carried out."""


def call_off_refunds(charge: Charge) -> None:
    """Take what is to go back of a charge out of the next order: the payer's bank has taken it all.

    Call with the bank held. Raises RefundUnderWay if a refund is ordered, or went out.
    """
    refunds = Refund.objects.filter(lane=charge.lane, charge_id=charge.id).exclude(
        state=RefundState.MOOT
    )
    ids = list(refunds.values_list("id", flat=True))
    transfers = BankTransfer.objects.filter(kind=TransferKind.REFUND, about_id__in=ids)
    is_safe = not refunds.exclude(state=RefundState.BY_BANK).exists()
    if not is_safe or transfers.filter(state=TransferState.ORDERED).exists():
        raise RefundUnderWay
    transfers.filter(state=TransferState.DUE).delete()
    refunds.update(state=RefundState.MOOT, code="recalled")


def _wait_again(rows: Iterable[BankTransfer]) -> None:
    for row in rows:
        PayoutApproval.objects.filter(lane=row.about_lane, payout_id=row.about_id).delete()
        Payout.objects.filter(
            lane=row.about_lane, id=row.about_id, state=PayoutState.SENDING
        ).update(state=PayoutState.ASKED, agreed_at=None, due_at=site_now())


def _text(purpose: str) -> str:
    """What a purpose says in the letters that banks carry; nothing if it cannot be said so."""
    try:
        return latin(purpose)[:140].strip()
    except LettersRefused:
        return ""


def fill_in(transfer_id: uuid.UUID, *, name: str, iban: str) -> BankTransfer:
    """Say to whom a transfer goes that lacks it, or that was rejected or came back: it is due anew.

    Raises PayeeRefused, also for a transfer that needs nothing.
    """
    to = payee(Known(name=name.strip(), account=iban))
    with transaction.atomic():
        hold_bank()
        row = BankTransfer.objects.filter(id=transfer_id).first()
        if row is None or not to.account:
            raise PayeeRefused
        if row.state == TransferState.DUE and not row.to_whom.account:
            row.keep_payee(to)
            row.save(update_fields=["payee"])
            return row
        if row.state not in _PAYABLE_ANEW[TransferKind(row.kind)] or _is_live(row):
            raise PayeeRefused
        return _anew(row, to=to)


def _is_live(row: BankTransfer) -> bool:
    return BankTransfer.objects.filter(
        kind=row.kind, about_id=row.about_id, state__in=TRANSFER_LIVE
    ).exists()


def _anew(row: BankTransfer, *, to: Known) -> BankTransfer:
    """Another transfer for the same cause, under an id of its own."""
    about_id = row.about_id
    if row.kind == TransferKind.REFUND and row.state == TransferState.CAME_BACK:
        about_id = _refund_anew(row)
    elif row.kind == TransferKind.REFUND and not _is_owed(row):
        raise PayeeRefused
    transfer = BankTransfer(
        kind=row.kind,
        about_lane=row.about_lane,
        about_id=about_id,
        campaign_id=row.campaign_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        text=row.text,
        created_at=site_now(),
    )
    transfer.keep_payee(to)
    transfer.save(force_insert=True)
    return transfer


def _is_owed(row: BankTransfer) -> bool:
    """Whether the refund is still to be made; it may have been called off since."""
    found = Refund.objects.filter(lane=row.about_lane, id=row.about_id, state=RefundState.BY_BANK)
    return bool(found.exists())


def _refund_anew(row: BankTransfer) -> uuid.UUID:
    """A refund that came back is in the books twice, out and in; it goes out under a new id."""
    refund = Refund.objects.filter(
        lane=row.about_lane, id=row.about_id, state=RefundState.STUCK
    ).first()
    if refund is None:
        raise PayeeRefused
    Refund.objects.filter(lane=refund.lane, id=refund.id).delete()
    refund.id, refund.state, refund.code = uuid7(), RefundState.BY_BANK, ""
    refund.attempt, refund.is_read = refund.attempt + 1, False
    refund.save(force_insert=True)
    assert isinstance(refund.id, uuid.UUID)
    return refund.id


def make_order(*, by: Organiser | None = None) -> BankOrder:
    """Put all that is due and complete into an order. Raises OrderImpossible."""
    account = own_account()
    if account is None:
        raise OrderImpossible
    now = site_now()
    with transaction.atomic():
        hold_bank()
        rows = list(
            BankTransfer.objects.filter(
                state=TransferState.DUE, currency=_CURRENCY, payee__isnull=False
            ).order_by("id")[:_TRANSFERS_AT_MOST]
        )
        # One whose key is gone cannot be paid: it stays, and the log says so.
        rows = [row for row in rows if row.to_whom.account]
        if not rows:
            raise OrderImpossible
        order = BankOrder.objects.create(
            message_id=f"CM{uuid7().hex}",
            created_at=now,
            execute_on=now.date(),
            currency=_CURRENCY,
            name=account.name,
            iban=account.iban,
            bic=account.bic,
            transfer_count=len(rows),
            total_minor=sum(row.amount_minor for row in rows),
            made_by=by,
        )
        BankTransfer.objects.filter(id__in=[row.id for row in rows]).update(
            state=TransferState.ORDERED, order=order
        )
    return order


def order_bytes(order: BankOrder) -> bytes:
    """The file for the bank: the same bytes each time, as long as its payees are known.

    Raises OrderImpossible once one of them has been forgotten.
    """
    rows = [(row, row.to_whom) for row in order.transfers.order_by("id")]
    if not all(to.account for _row, to in rows):
        raise OrderImpossible
    return pain.order(
        message_id=order.message_id,
        created_at=order.created_at,
        execute_on=order.execute_on,
        debtor=pain.Party(name=order.name, iban=order.iban, bic=order.bic),
        transfers=[
            pain.Transfer(
                id=row.end_to_end_id,
                to=pain.Party(name=to.name, iban=to.account),
                amount=Money(amount_minor=row.amount_minor, currency=row.currency),
                text=row.text,
            )
            for row, to in rows
        ],
    )


def read_report(body: bytes) -> int:
    """Note which payments of an order the bank will not make; tell how many are news.

    Raises BankFileRefused, and OrderImpossible if it is about no order of ours.
    """
    report = pain.read_status(body)
    rejected = 0
    with transaction.atomic():
        hold_bank()
        order = BankOrder.objects.filter(message_id=report.message_id).first()
        if order is None:
            raise OrderImpossible
        for row in order.transfers.filter(state=TransferState.ORDERED):
            said = report.of(row.end_to_end_id)
            # That the same order was sent twice says nothing about the first time.
            if said.status is not pain.Status.REJECTED or said.code == "DUPL":
                continue
            row.state, row.code, row.words = (
                TransferState.REJECTED,
                said.code[:64],
                said.words[:300],
            )
            row.save(update_fields=["state", "code", "words"])
            if row.kind == TransferKind.PAYOUT:
                _wait_again([row])
            rejected += 1
    return rejected
