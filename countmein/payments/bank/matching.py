"""What an incoming entry means for the payments that are expected.

Nothing is decided by guessing. What is exactly right is booked by itself; everything else waits
for a person, with an act suggested and the reason in words.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from itertools import chain
from typing import Final

from countmein.payments.bank.entries import Direction, Entry
from countmein.rules.money import Money, decimal_text
from countmein.rules.remittance import find_references, near_references


class Verdict(StrEnum):
    """What an entry is."""

    #: All that was still to pay; together with what waits, if `completes`.
    EXACT = "exact"
    PARTIAL = "partial"
    OVER = "over"
    #: Paid in full already.
    DOUBLE = "double"
    WRONG_CURRENCY = "wrong_currency"
    UNKNOWN_REFERENCE = "unknown_reference"
    #: It names several expected payments.
    AMBIGUOUS = "ambiguous"
    #: It came after the last day on which the campaign takes money.
    LATE = "late"
    #: Not a payment to us: a debit, a charge, our own payment coming home.
    NOT_OURS = "not_ours"


class Act(StrEnum):
    """What a person is suggested to do; BOOK is done without one, NOTHING by nobody."""

    BOOK = "book"
    ACCEPT_PARTIAL = "accept_partial"
    RETURN_EXCESS = "return_excess"
    RETURN_ALL = "return_all"
    ASSIGN = "assign"
    LOOK = "look"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One payment that somebody was asked for.

    `booked_minor` is what has been booked on it, `waiting_minor` the parts of it that wait for a
    person. `until` is the last day of booking at the bank on which it is taken, None for ever.
    """

    amount: Money
    booked_minor: int = 0
    waiting_minor: int = 0
    until: date | None = None

    @property
    def due_minor(self) -> int:
        """What is still to pay, whatever waits."""
        return self.amount.amount_minor - self.booked_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of one entry: all of it is booked, or all of it waits, or it moves nothing.

    `reference` is the expected payment it is about, "" if that is not known; `candidates` are
    those that a person may mean. `excess_minor` is what is too much. `completes` says that the
    parts that wait for the same payment make it whole, and are to be booked with this one.
    """

    entry: Entry
    verdict: Verdict
    act: Act
    reason: str
    reference: str = ""
    candidates: tuple[str, ...] = ()
    excess_minor: int = 0
    completes: bool = False

    @property
    def booked_minor(self) -> int:
        """What is booked on the expected payment."""
        return self.entry.amount.amount_minor if self.act is Act.BOOK else 0

    @property
    def queued_minor(self) -> int:
        """What waits for a person; for a debit that a person looks at, nothing."""
        is_credit = self.entry.direction is Direction.CREDIT
        return self.entry.amount.amount_minor if is_credit and self.act is not Act.BOOK else 0

    @property
    def needs_person(self) -> bool:
        """Whether it goes into the queue."""
        return self.act not in (Act.BOOK, Act.NOTHING)


#: How many slips of the finger are looked for in a text that names nothing we know.
_SUGGESTIONS_AT_MOST: Final = 3


def decide(entry: Entry, *, expected: Mapping[str, Expected]) -> Decision:
    """What this entry is, given what is expected under each reference."""
    if entry.direction is Direction.DEBIT or entry.reversal or entry.amount.amount_minor == 0:
        return _not_ours(entry)
    found = _references(entry)
    known = tuple(reference for reference in found if reference in expected)
    if not known:
        return _unknown(entry, found, expected)
    if len(known) > 1:
        return Decision(
            entry=entry,
            verdict=Verdict.AMBIGUOUS,
            act=Act.ASSIGN,
            candidates=known,
            reason=f"it names {len(known)} payments that we expect",
        )
    return _about(entry, known[0], expected[known[0]])


def _references(entry: Entry) -> tuple[str, ...]:
    """Every reference that the payer can have meant; some banks only have the end-to-end id."""
    said = (*entry.references, entry.text, entry.end_to_end_id)
    return tuple(dict.fromkeys(chain.from_iterable(map(find_references, said))))


def _not_ours(entry: Entry) -> Decision:
    act, reason = Act.NOTHING, "money that left the account"
    if entry.direction is Direction.DEBIT and entry.reversal:
        act, reason = Act.LOOK, "the bank took back a payment that had arrived"
    elif entry.reversal:
        act, reason = Act.LOOK, "a payment of ours came back"
    elif entry.amount.amount_minor == 0:
        reason = "it moves no money"
    return Decision(entry=entry, verdict=Verdict.NOT_OURS, act=act, reason=reason)


def _unknown(entry: Entry, found: tuple[str, ...], expected: Mapping[str, Expected]) -> Decision:
    near = tuple(dict.fromkeys(_near(entry, expected)))[:_SUGGESTIONS_AT_MOST]
    if near:
        reason = "no reference in it proves right; one slip of the finger from one we expect"
    elif found:
        reason = "nothing is expected under the reference it names"
    else:
        reason = "it names no reference that proves right"
    return Decision(
        entry=entry,
        verdict=Verdict.UNKNOWN_REFERENCE,
        act=Act.ASSIGN,
        candidates=near,
        reason=reason,
    )


def _near(entry: Entry, expected: Mapping[str, Expected]) -> Iterator[str]:
    for said in (*entry.references, entry.text, entry.end_to_end_id):
        yield from (reference for reference in near_references(said) if reference in expected)


def _about(entry: Entry, reference: str, payment: Expected) -> Decision:
    """What the entry is for the one payment that it names."""
    currency, came = payment.amount.currency, entry.amount.amount_minor
    due, waiting = payment.due_minor, payment.waiting_minor

    def is_(verdict: Verdict, act: Act, reason: str, excess_minor: int = 0) -> Decision:
        return Decision(
            entry=entry,
            verdict=verdict,
            act=act,
            reason=reason,
            reference=reference,
            excess_minor=excess_minor,
            completes=verdict is Verdict.EXACT and came < due,
        )

    if entry.amount.currency != currency:
        reason = f"it is in {entry.amount.currency}, and {currency} is expected"
        return is_(Verdict.WRONG_CURRENCY, Act.RETURN_ALL, reason, came)
    if due <= 0:
        return is_(Verdict.DOUBLE, Act.RETURN_ALL, "this was paid in full before", came)
    if payment.until is not None and entry.booked_on > payment.until:
        reason = f"it was booked on {entry.booked_on}, and the last day was {payment.until}"
        return is_(Verdict.LATE, Act.RETURN_ALL, reason, came)
    if came == due:
        return is_(Verdict.EXACT, Act.BOOK, "it is what was still to pay")
    if came + waiting == due:
        return is_(Verdict.EXACT, Act.BOOK, "with the parts that wait, it is what was to pay")
    if came + waiting > due:
        excess = came + waiting - due
        reason = f"it is {_shown(excess, currency)} more than was still to pay"
        return is_(Verdict.OVER, Act.RETURN_EXCESS, reason, min(excess, came))
    missing = due - waiting - came
    reason = f"{_shown(missing, currency)} of {_shown(due, currency)} are still missing"
    return is_(Verdict.PARTIAL, Act.ACCEPT_PARTIAL, reason)


def _shown(amount_minor: int, currency: str) -> str:
    return f"{decimal_text(amount_minor, currency)} {currency}"


def match(
    entries: Iterable[Entry],
    *,
    expected: Mapping[str, Expected],
    seen: frozenset[str] = frozenset(),
) -> tuple[Decision, ...]:
    """Decide on the entries of an import, each in the light of those before it.

    Entries whose id was `seen` before, or comes again, are left out: the same statement twice
    changes nothing. They are taken by the day of booking, so their order in the file means
    nothing. A part that waits is booked once another makes it whole, and is one too many once
    the payment is made without it.
    """
    state, decisions, done = dict(expected), dict[str, Decision](), set(seen)
    for entry in sorted(entries, key=lambda entry: (entry.booked_on, entry.entry_id)):
        if entry.entry_id in done:
            continue
        done.add(entry.entry_id)
        decision = decide(entry, expected=state)
        decisions[entry.entry_id] = decision
        if decision.reference:
            state[decision.reference] = _after(state[decision.reference], decision)
        if decision.verdict is Verdict.EXACT:
            _revise(decisions, decision)
    return tuple(decisions.values())


def _after(payment: Expected, decision: Decision) -> Expected:
    """What is expected once the decision is carried out."""
    came = decision.entry.amount.amount_minor
    if decision.verdict is Verdict.PARTIAL:
        return replace(payment, waiting_minor=payment.waiting_minor + came)
    if decision.verdict is Verdict.EXACT:
        return replace(payment, booked_minor=payment.amount.amount_minor, waiting_minor=0)
    return payment


def _revise(decisions: dict[str, Decision], whole: Decision) -> None:
    """Decide anew on the parts that waited for the payment that is whole now."""
    for entry_id, decision in decisions.items():
        if decision.verdict is Verdict.PARTIAL and decision.reference == whole.reference:
            decisions[entry_id] = (
                replace(
                    decision,
                    verdict=Verdict.EXACT,
                    act=Act.BOOK,
                    reason="with the part that came later, it is what was to pay",
                )
                if whole.completes
                else replace(
                    decision,
                    verdict=Verdict.DOUBLE,
                    act=Act.RETURN_ALL,
                    excess_minor=decision.entry.amount.amount_minor,
                    reason="this was paid in full later",
                )
            )
