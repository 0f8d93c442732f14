"""What the statement shows of our own payments: that they left, or came back."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from countmein.payments.actions.claims import book_all
from countmein.payments.actions.payouts import came_back as payout_came_back
from countmein.payments.actions.payouts import paid as payout_paid
from countmein.payments.actions.refunding import take_back
from countmein.payments.bank.entries import Direction
from countmein.payments.bank.matching import Act, Verdict
from countmein.payments.bank_models import (
    BankEntry,
    BankTransfer,
    EntryState,
    TransferKind,
    TransferState,
)
from countmein.payments.models import Payout, Refund, RefundState


def note_own(rows: Sequence[BankEntry], *, now: datetime) -> set[uuid.UUID]:
    """Follow what these entries say of our own transfers; return those that are dealt with.

    Call with the bank held, in the transaction that keeps what was decided of the entries.
    """
    named = {row.id: _named(row) for row in rows}
    transfers = {
        transfer.id: transfer
        for transfer in BankTransfer.objects.filter(
            id__in=[transfer_id for transfer_id in named.values() if transfer_id is not None]
        ).select_for_update()
    }
    left, back = list[BankTransfer](), list[BankTransfer]()
    own = set[uuid.UUID]()
    for row in rows:
        transfer = transfers.get(named[row.id] or row.id)
        if transfer is None:
            continue
        own.add(row.id)
        _follow(row, transfer, left, back, now=now)
    BankTransfer.objects.bulk_update([*left, *back], ["state", "entry_id"])
    _book_left(left, now=now)
    _take_back(back)
    BankEntry.objects.bulk_update(
        [row for row in rows if row.id in own], ["state", "verdict", "act", "decided_at"]
    )
    return own


def _named(row: BankEntry) -> uuid.UUID | None:
    """The transfer of ours that an entry names, if it can be about one."""
    if row.direction == Direction.CREDIT and not row.reversal:
        return None
    try:
        return uuid.UUID(hex=row.end_to_end_id)
    except ValueError:
        return None


def _follow(
    row: BankEntry,
    transfer: BankTransfer,
    left: list[BankTransfer],
    back: list[BankTransfer],
    *,
    now: datetime,
) -> None:
    """It left, or it came back; anything else about a transfer of ours is for a person to see."""
    is_same = (row.amount_minor, row.currency) == (transfer.amount_minor, transfer.currency)
    is_debit = row.direction == Direction.DEBIT and not row.reversal
    row.state, row.verdict, row.act = EntryState.LEFT, Verdict.NOT_OURS, Act.NOTHING
    row.decided_at = now
    if is_same and is_debit and transfer.state == TransferState.ORDERED:
        transfer.state, transfer.entry_id = TransferState.DONE, row.id
        left.append(transfer)
    elif is_same and not is_debit and transfer.state == TransferState.DONE:
        transfer.state = TransferState.CAME_BACK
        back.append(transfer)
    else:
        row.state, row.act = EntryState.QUEUED, Act.LOOK


def _of(kind: TransferKind, transfers: Sequence[BankTransfer]) -> list[BankTransfer]:
    return [transfer for transfer in transfers if transfer.kind == kind]


def _refunds(transfers: Sequence[BankTransfer], state: RefundState) -> list[Refund]:
    return list(
        Refund.objects.filter(
            lane__in={transfer.about_lane for transfer in transfers},
            id__in=[transfer.about_id for transfer in transfers],
            state=state,
        ).select_for_update()
    )


def _book_left(left: Sequence[BankTransfer], *, now: datetime) -> None:
    refunds = _refunds(_of(TransferKind.REFUND, left), RefundState.BY_BANK)
    Refund.objects.filter(
        lane__in={refund.lane for refund in refunds}, id__in=[refund.id for refund in refunds]
    ).update(state=RefundState.DONE, code="")
    book_all("refund", refunds, at=now)
    returns = [transfer.about_id for transfer in _of(TransferKind.RETURN, left)]
    BankEntry.objects.filter(id__in=returns, state=EntryState.RETURNING).update(
        state=EntryState.RETURNED
    )
    for transfer in _of(TransferKind.PAYOUT, left):
        payout = Payout.objects.get(lane=transfer.about_lane, id=transfer.about_id)
        payout_paid(payout, reference=transfer.end_to_end_id)


def _take_back(back: Sequence[BankTransfer]) -> None:
    take_back(_refunds(_of(TransferKind.REFUND, back), RefundState.DONE))
    returns = [transfer.about_id for transfer in _of(TransferKind.RETURN, back)]
    BankEntry.objects.filter(id__in=returns, state=EntryState.RETURNED).update(
        state=EntryState.RETURNING
    )
    for transfer in _of(TransferKind.PAYOUT, back):
        payout = Payout.objects.get(lane=transfer.about_lane, id=transfer.about_id)
        payout_came_back(payout, note="came back from the bank")
