"""Matching what came to what is awaited: what is exactly right is booked, all else waits.

What is decided about the bank's entries is decided by one at a time, by the matching or a person,
each holding `hold_bank` for a slice or an act.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from django.db import connection, transaction

from countmein.base.clock import site_now
from countmein.base.jobs import defer, job
from countmein.payments.actions.bank_compare import compare_bank
from countmein.payments.actions.bank_left import note_own
from countmein.payments.actions.claims import book_all
from countmein.payments.bank.entries import Direction, Entry
from countmein.payments.bank.matching import Act, Decision, Expected, Verdict, decide, match
from countmein.payments.bank_models import BankEntry, EntryState
from countmein.payments.models import Charge, ChargeState
from countmein.payments.queries import parts_waiting
from countmein.rules.awaiting import taken_until
from countmein.rules.canonical import CodeRefused, lane_of_code
from countmein.rules.money import Money
from countmein.rules.remittance import (
    ReferenceRefused,
    find_references,
    near_references,
    own_code,
)

log = logging.getLogger(__name__)

SLICE: Final = 500
#: Looking for slips takes a tenth of a second a text: a flood of them gets no suggestions.
_SUGGESTED_A_SLICE: Final = 50


@job(name="payments.match_entries", queue="money")
def match_entries() -> None:
    """Decide on every entry that is new, slice by slice; killed between two, it goes on there."""
    while match_slice():
        pass
    defer(compare_bank, once=compare_bank.name)


def match_slice() -> bool:
    """Decide on the next entries, and tell whether there were any."""
    with transaction.atomic():
        hold_bank()
        rows = list(
            BankEntry.objects.filter(state=EntryState.NEW).order_by("booked_on", "entry_id")[:SLICE]
        )
        if rows:
            _match(rows, now=site_now())
    return bool(rows)


def rematch(row: BankEntry, *, now: datetime) -> None:
    """Decide on one entry once more; call with the bank held."""
    _match([row], now=now)


def hold_bank() -> None:
    """Be the only one who decides about the bank's entries, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('payments.bank'))")


def _match(rows: Sequence[BankEntry], *, now: datetime) -> None:
    own = note_own(rows, now=now)
    fresh = {row.entry_id: row for row in rows if row.id not in own}
    nouns = {entry_id: noun(row) for entry_id, row in fresh.items()}
    charges = charges_of(
        reference
        for entry in nouns.values()
        for said in _said(entry)
        for reference in find_references(said)
    )
    # Parts that wait for the rest are judged once more, in the light of what came.
    for row in waiting_parts(charges.values()):
        fresh[row.entry_id], nouns[row.entry_id] = row, noun(row)
    expected = {reference: expected_of(charge) for reference, charge in charges.items()}
    decisions = _suggested(match(nouns.values(), expected=expected))
    for decision in decisions:
        _decided(fresh[decision.entry.entry_id], decision, charges, now=now)
    whole = {decision.reference for decision in decisions if decision.act is Act.BOOK}
    pay([charges[reference] for reference in sorted(whole)], now=now)
    save(fresh.values())


def _said(entry: Entry) -> tuple[str, ...]:
    return (*entry.references, entry.text, entry.end_to_end_id)


def noun(row: BankEntry) -> Entry:
    """The entry as the matching knows it; what a person assigned is all that it names."""
    return Entry(
        entry_id=row.entry_id,
        account=row.account,
        statement_id=row.statement_id,
        booked_on=row.booked_on,
        valued_on=row.valued_on,
        amount=Money(amount_minor=row.amount_minor, currency=row.currency),
        direction=Direction(row.direction),
        reversal=row.reversal,
        bank_reference=row.bank_reference,
        end_to_end_id="" if row.assigned else row.end_to_end_id,
        references=(row.assigned,) if row.assigned else tuple(row.references),
        text="" if row.assigned else row.text,
    )


def charges_of(references: Iterable[str]) -> dict[str, Charge]:
    """The charges that these references are of, held; a reference that is not ours is of none."""
    return {row.reference: row for row in _rows_of(references).select_for_update()}


def _rows_of(references: Iterable[str]) -> Any:
    lanes, ours = set[int](), set[str]()
    for reference in set(references):
        try:
            lanes.add(lane_of_code(own_code(reference)))
        except (ReferenceRefused, CodeRefused):
            continue
        ours.add(reference)
    return Charge.objects.filter(lane__in=lanes, reference__in=ours).order_by("lane", "id")


def _near(references: Iterable[str]) -> dict[str, Charge]:
    """The same to look at only: nothing is decided about them, so they are not held."""
    return {row.reference: row for row in _rows_of(references)}


def expected_of(charge: Charge) -> Expected:
    """What is still expected of a charge; of one that was given up, nothing on any day."""
    amount = Money(amount_minor=charge.amount_minor, currency=charge.currency)
    if charge.state == ChargeState.PAID:
        return Expected(amount=amount, booked_minor=charge.amount_minor)
    is_open = charge.state == ChargeState.AWAITED
    return Expected(amount=amount, until=taken_until(charge.due_at) if is_open else date.min)


def waiting_parts(charges: Iterable[Charge]) -> list[BankEntry]:
    """The parts that have come for these charges and wait for the rest."""
    return list(parts_waiting().filter(charge_id__in=[charge.id for charge in charges]))


def _suggested(decisions: Sequence[Decision]) -> list[Decision]:
    """The same, and what may be meant where a reference is one slip of the finger from ours."""
    unknown = [one for one in decisions if one.verdict is Verdict.UNKNOWN_REFERENCE]
    near = {
        one.entry.entry_id: {ref for said in _said(one.entry) for ref in near_references(said)}
        for one in unknown[:_SUGGESTED_A_SLICE]
    }
    expected = {
        reference: expected_of(charge)
        for reference, charge in _near(set().union(*near.values())).items()
        if charge.state == ChargeState.AWAITED
    }
    return [
        decide(one.entry, expected=expected) if expected and one.entry.entry_id in near else one
        for one in decisions
    ]


def _decided(
    row: BankEntry, decision: Decision, charges: Mapping[str, Charge], *, now: datetime
) -> None:
    """Write a decision into the row of its entry, which is not saved yet."""
    charge = charges.get(decision.reference)
    row.verdict, row.act = decision.verdict, decision.act
    row.candidates = list(decision.candidates)
    row.excess_minor = decision.excess_minor
    if charge is not None:
        row.charge_lane, row.charge_id = charge.lane, charge.id
        row.campaign_id = charge.campaign_id
    row.booked_minor = decision.booked_minor
    row.decided_at = now
    if decision.act is Act.BOOK:
        row.state = EntryState.BOOKED
    else:
        row.state = EntryState.QUEUED if decision.needs_person else EntryState.LEFT


def pay(charges: Sequence[Charge], *, now: datetime) -> None:
    """Note that these charges, which are held, have been paid, and enter it in the books."""
    if not charges:
        return
    count = Charge.objects.filter(
        lane__in={charge.lane for charge in charges},
        id__in=[charge.id for charge in charges],
        state=ChargeState.AWAITED,
    ).update(state=ChargeState.PAID, code="", remind_at=None)
    assert count == len(charges), "the charges were held, so nobody else can have moved them"
    book_all("charge", charges, at=now)


def save(rows: Iterable[BankEntry]) -> None:
    """Save what was decided about entries."""
    BankEntry.objects.bulk_update(
        list(rows),
        [
            *("state", "verdict", "act", "candidates", "excess_minor", "assigned", "charge_lane"),
            *("charge_id", "campaign_id", "booked_minor", "decided_at", "decided_by", "note"),
        ],
        batch_size=SLICE,
    )
