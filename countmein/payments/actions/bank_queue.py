"""What a person does with money that could not be booked by itself; each act once."""

from __future__ import annotations

import uuid
from enum import StrEnum

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import defer
from countmein.members.models import Organiser
from countmein.payments.actions.bank_compare import compare_bank
from countmein.payments.actions.bank_match import (
    charges_of,
    expected_of,
    hold_bank,
    noun,
    pay,
    rematch,
    save,
    waiting_parts,
)
from countmein.payments.actions.bank_orders import RefundUnderWay, call_off_refunds, payee
from countmein.payments.actions.claims import book
from countmein.payments.bank.entries import Direction
from countmein.payments.bank.matching import Act, Verdict, match
from countmein.payments.bank_models import (
    BankEntry,
    BankTransfer,
    EntryState,
    TransferKind,
    TransferState,
)
from countmein.payments.models import Charge, ChargeState, Refund, RefundState
from countmein.payments.parties import Known
from countmein.rules.remittance import ReferenceRefused, reference_text

#: These are about money that a charge still waits for: they are not closed by a note.
_AWAITED = (Verdict.PARTIAL, Verdict.OVER)
#: Nothing of it has left our account.
_NOT_GONE = (RefundState.BY_BANK, RefundState.MOOT)


class Why(StrEnum):
    """Why an act cannot be done."""

    #: It was dealt with meanwhile.
    done = "done"
    not_a_reference = "not_a_reference"
    nothing_awaited = "nothing_awaited"
    #: It is no payment to us that could go back.
    no_money = "no_money"
    #: It is not too much, or not any more.
    no_excess = "no_excess"
    still_awaited = "still_awaited"
    note_missing = "note_missing"
    #: It is not what was paid, or some of that was given back already.
    not_the_sum = "not_the_sum"
    #: What went back too is in an order that the bank may carry out.
    refund_ordered = "refund_ordered"


class ActRefused(Exception):
    """The act cannot be done, and why."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


def assign(entry_id: uuid.UUID, *, reference: str, by: Organiser) -> BankEntry:
    """Have an entry matched as if it named this reference. Raises ActRefused."""
    try:
        meant = reference_text(reference)
    except ReferenceRefused as refused:
        raise ActRefused(Why.not_a_reference) from refused
    with transaction.atomic():
        row = _held(entry_id)
        if row.direction != Direction.CREDIT or row.reversal:
            raise ActRefused(Why.no_money)
        if meant not in charges_of([meant]):
            raise ActRefused(Why.nothing_awaited)
        row.assigned, row.decided_by = meant, by
        rematch(row, now=site_now())
    return row


def return_all(entry_id: uuid.UUID, *, by: Organiser) -> BankEntry:
    """Give all of it back to the account that it came from. Raises ActRefused."""
    with transaction.atomic():
        row = _held(entry_id)
        if row.direction != Direction.CREDIT or row.reversal or row.amount_minor == 0:
            raise ActRefused(Why.no_money)
        _return(row, row.amount_minor, by)
    return row


def return_excess(entry_id: uuid.UUID, *, by: Organiser) -> BankEntry:
    """Book what was awaited, and give the rest of it back. Raises ActRefused."""
    now = site_now()
    with transaction.atomic():
        row = _held(entry_id)
        charge = _charge_of(row)
        parts = {part.entry_id: part for part in waiting_parts([charge])}
        rows = {**parts, row.entry_id: row}
        decisions = match(
            map(noun, rows.values()), expected={charge.reference: expected_of(charge)}
        )
        (own,) = [one for one in decisions if one.entry.entry_id == row.entry_id]
        if own.verdict is not Verdict.OVER or own.reference != charge.reference:
            raise ActRefused(Why.no_excess)
        for part in parts.values():
            part.state, part.booked_minor, part.verdict = (
                EntryState.BOOKED,
                part.amount_minor,
                Verdict.EXACT,
            )
            part.act, part.decided_at, part.decided_by = Act.BOOK, now, by
        row.booked_minor = row.amount_minor - own.excess_minor
        assert row.booked_minor + sum(p.amount_minor for p in parts.values()) == charge.amount_minor
        pay([charge], now=now)
        save(parts.values())
        _return(row, own.excess_minor, by)
    return row


def taken_back(entry_id: uuid.UUID, *, reference: str, by: Organiser) -> BankEntry:
    """Book that the bank took back, all of it, what had been paid for this pledge.

    The money has gone without an order of ours, so the refund is done as soon as it is written; one
    that was to go out by order is called off. Raises ActRefused.
    """
    now = site_now()
    with transaction.atomic():
        row = _held(entry_id)
        if row.direction != Direction.DEBIT or not row.reversal:
            raise ActRefused(Why.no_money)
        charge = _paid_charge(reference)
        refunds = Refund.objects.filter(lane=charge.lane, charge_id=charge.id)
        is_touched = refunds.exclude(state__in=_NOT_GONE).exists()
        if is_touched or (row.amount_minor, row.currency) != (charge.amount_minor, charge.currency):
            raise ActRefused(Why.not_the_sum)
        try:
            call_off_refunds(charge)
        except RefundUnderWay as sent:
            raise ActRefused(Why.refund_ordered) from sent
        refund = Refund(
            lane=charge.lane,
            campaign_id=charge.campaign_id,
            pledge_id=charge.pledge_id,
            charge_id=charge.id,
            reason="recalled",
            amount_minor=charge.amount_minor,
            currency=charge.currency,
            parts=charge.parts,
            state=RefundState.DONE,
            due_at=now,
        )
        refund.save(force_insert=True)
        book("refund", refund)
        transfer = BankTransfer(
            kind=TransferKind.REFUND,
            about_lane=refund.lane,
            about_id=refund.id,
            campaign_id=refund.campaign_id,
            amount_minor=row.amount_minor,
            currency=row.currency,
            state=TransferState.DONE,
            created_at=now,
            entry_id=row.id,
        )
        transfer.keep_payee(Known(name=row.from_whom.name[:70]))
        transfer.save(force_insert=True)
        row.charge_lane, row.charge_id, row.campaign_id = charge.lane, charge.id, charge.campaign_id
        row.state, row.decided_at, row.decided_by = EntryState.LEFT, now, by
        save([row])
    return row


def _paid_charge(reference: str) -> Charge:
    """The charge that was paid under this reference, held. Raises ActRefused."""
    try:
        meant = reference_text(reference)
    except ReferenceRefused as refused:
        raise ActRefused(Why.not_a_reference) from refused
    charge = charges_of([meant]).get(meant)
    if charge is None or charge.state != ChargeState.PAID:
        raise ActRefused(Why.nothing_awaited)
    return charge


def note(entry_id: uuid.UUID, *, text: str, closes: bool, by: Organiser) -> BankEntry:
    """Keep a note; `closes`: a person has looked, and it is nobody's here. Raises ActRefused."""
    with transaction.atomic():
        row = _held(entry_id)
        if closes and row.verdict in _AWAITED:
            raise ActRefused(Why.still_awaited)
        if closes and not text.strip():
            raise ActRefused(Why.note_missing)
        row.note, row.decided_by = text, by
        if closes:
            row.state, row.decided_at = EntryState.NOTED, site_now()
        save([row])
    return row


def _held(entry_id: uuid.UUID) -> BankEntry:
    """The entry, if it still waits for a person; from here on nobody else decides about it."""
    hold_bank()
    row = BankEntry.objects.filter(id=entry_id, state=EntryState.QUEUED).first()
    if row is None:
        raise ActRefused(Why.done)
    defer(compare_bank, once=compare_bank.name)
    return row


def _charge_of(row: BankEntry) -> Charge:
    found = (
        Charge.objects.filter(lane=row.charge_lane, id=row.charge_id).select_for_update().first()
        if row.charge_lane is not None
        else None
    )
    if found is None:
        raise ActRefused(Why.no_excess)
    assert isinstance(found, Charge)
    return found


def _return(row: BankEntry, amount_minor: int, by: Organiser) -> None:
    """Have so much of an entry go back; what it was about keeps nothing of that part."""
    now = site_now()
    transfer = BankTransfer(
        kind=TransferKind.RETURN,
        about_id=row.id,
        campaign_id=row.campaign_id,
        amount_minor=amount_minor,
        currency=row.currency,
        text="Returned",
        created_at=now,
    )
    transfer.keep_payee(payee(row.from_whom))
    transfer.save(force_insert=True)
    row.state, row.decided_at, row.decided_by = EntryState.RETURNING, now, by
    save([row])
