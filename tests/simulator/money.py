"""Charges, refunds, payouts and the books: what the site keeps, and how an answer changes it.

Pure: the law decides (`rules.dunning`, `rules.collection`, `rules.ledger`), the clock and the wire
are somebody else's. An outside call is a try written down before it; one without an answer is
taken up again under its own number, so that the provider can recognise it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from countmein.rules.collection import is_allowed
from countmein.rules.dunning import Act, Decline, after_refusal, next_act
from countmein.rules.ledger import Transfer
from tests.simulator.provider import Card, Outcome, Result

#: As in the product: how long a claim lasts, and an unknown outcome rests.
CLAIM: Final = timedelta(seconds=30)
UNKNOWN_RESTS: Final = timedelta(seconds=2)
_ROUTES: Final = {
    "charge": ("backers", "held"),
    "refund": ("held", "backers"),
    "earmark": ("held", "pending"),
    "earmark_back": ("pending", "held"),
    "payout": ("pending", "paid"),
}


class State(StrEnum):
    """Where a charge, a refund or a payout stands."""

    due = "due"
    doing = "doing"
    done = "done"
    failed = "failed"


class BookedTwice(AssertionError):
    """The same event was entered in the books a second time."""


class Books:
    """Double entry by transfers; each event is entered once."""

    def __init__(self, currency: str) -> None:
        self.currency = currency
        self.entered: set[tuple[str, str]] = set()
        self.balance: Counter[str] = Counter()

    def post(self, kind: str, about: str, amount: int) -> None:
        """Enter one event; a second time it is refused, as by the unique key of the table."""
        if (kind, about) in self.entered:
            raise BookedTwice(f"{kind} {about}")
        self.entered.add((kind, about))
        self.enter(kind, about, amount)

    def enter(self, kind: str, about: str, amount: int) -> None:
        """Move the amount along the event's route."""
        source, destination = _ROUTES[kind]
        leg = Transfer(
            entry=about,
            kind=kind,
            source=source,
            destination=destination,
            amount_minor=amount,
            currency=self.currency,
        )
        self.balance[leg.source] -= leg.amount_minor
        self.balance[leg.destination] += leg.amount_minor


@dataclass(slots=True, kw_only=True)
class Tried:
    """What is common to all that is asked of the provider."""

    id: str
    amount: int
    due_at: datetime
    state: State = State.due
    attempt: int = 0
    is_open: bool = False
    is_read: bool = False


@dataclass(slots=True, kw_only=True)
class Charge(Tried):
    """What an accepted pledge owes."""

    pledge: int
    allowed: int
    latest_at: datetime
    first_failed_at: datetime | None = None
    decline: Decline | None = None
    refused_card: int | None = None
    steps: int = 0
    asks: int = 0
    tried: dict[int, Card] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Refund(Tried):
    """What goes back of a charge; each reason of a charge gives back once per stage."""

    charge: str
    pledge: int
    reason: str
    stage: int = 0


@dataclass(slots=True, kw_only=True)
class Payout(Tried):
    """What was set aside for the organiser."""


@dataclass(slots=True)
class Money:
    """All that one campaign's money is about."""

    books: Books
    charges: dict[int, Charge] = field(default_factory=dict)
    refunds: dict[tuple[str, str, int], Refund] = field(default_factory=dict)
    payouts: dict[str, Payout] = field(default_factory=dict)
    events: set[int] = field(default_factory=set)

    def rows(self) -> list[Tried]:
        return [*self.charges.values(), *self.refunds.values(), *self.payouts.values()]

    def left(self, charge: Charge) -> int:
        """What of a paid charge no refund has been promised of."""
        promised = (r.amount for r in self.refunds.values() if r.charge == charge.id)
        return charge.amount - sum(promised)


def claim(row: Tried, *, now: datetime) -> bool:
    """Take a row that is due; whoever dies holding it loses it."""
    if row.state not in (State.due, State.doing) or row.due_at > now:
        return False
    row.state, row.due_at = State.doing, now + CLAIM
    return True


def begin(row: Tried) -> int | None:
    """Write a try down before it is made; the number of its key, None if the claim is lost."""
    if row.state is not State.doing:
        return None
    if not row.is_open:
        row.attempt += 1
        row.is_open = True
    return row.attempt


def close(row: Tried, number: int, result: Result) -> bool:
    """Note what came of a try; one that may still come to something stays open.

    Tells whether it was open until now: whoever was frozen may come with an old answer.
    """
    if row.attempt != number or not row.is_open:
        return False
    if result.outcome in (Outcome.done, Outcome.refused) or result.needs_new_key:
        row.is_open = False
    return True


def _is_stale(row: Tried, number: int, result: Result) -> bool:
    """Whether an answer comes too late to change anything: who was frozen may bring an old one.

    That something was done is never too late: it was found under the row's own reference.
    """
    was_open = close(row, number, result)
    if result.outcome is Outcome.done:
        row.is_open = False
    elif not was_open:
        return True
    return row.state is not State.doing


def act_on(charge: Charge, *, card: Card | None, now: datetime) -> Act:
    """What the law says is to be done with a charge of which no try is open."""
    return next_act(
        charge.decline,
        is_allowed=is_allowed(
            charge.amount, allowed_minor=charge.allowed, now=now, latest_at=charge.latest_at
        ),
        first_failed_at=charge.first_failed_at,
        has_other_card=_is_another(card, charge),
        last_step=charge.steps,
        now=now,
    )


def _is_another(card: Card | None, charge: Charge) -> bool:
    return card is not None and card.number != charge.refused_card


def charge_answered(
    charge: Charge, number: int, result: Result, books: Books, *, card: Card | None, now: datetime
) -> None:
    """What the answer to a try makes of a charge; the money and its entry come together."""
    if _is_stale(charge, number, result):
        return
    if result.outcome is Outcome.done:
        charge.state = State.done
        books.post("charge", charge.id, charge.amount)
    elif result.outcome is Outcome.refused:
        charge.first_failed_at = charge.first_failed_at or now
        charge.refused_card = charge.tried[number].number
        charge.decline = result.decline or Decline.soft
        wait(charge, card=card, now=now, asks=True)
    else:
        charge.due_at = now + UNKNOWN_RESTS


def wait(charge: Charge, *, card: Card | None, now: datetime, asks: bool) -> None:
    """Until the ladder's next step, or the member's next card; at its end it is given up."""
    assert charge.first_failed_at is not None
    assert charge.decline is not None
    following = after_refusal(
        charge.decline,
        first_failed_at=charge.first_failed_at,
        now=now,
        has_other_card=_is_another(card, charge),
    )
    if following.due_at is None:
        give_up(charge, now=now)
        return
    charge.state, charge.due_at = State.due, following.due_at
    charge.steps = following.step - 1
    charge.asks += asks


def give_up(charge: Charge, *, now: datetime) -> None:
    """It is not to be had."""
    charge.state = State.failed
    charge.first_failed_at = charge.first_failed_at or now


def refund_answered(
    refund: Refund, number: int, result: Result, books: Books, *, now: datetime
) -> None:
    """What the answer makes of a refund."""
    if _is_stale(refund, number, result):
        return
    if result.outcome is Outcome.done:
        refund.state = State.done
        books.post("refund", refund.id, refund.amount)
    elif result.outcome is Outcome.refused:
        refund.state = State.failed
    else:
        refund.due_at = now + UNKNOWN_RESTS


def payout_answered(
    payout: Payout, number: int, result: Result, books: Books, *, now: datetime
) -> None:
    """What the answer makes of a payout."""
    if _is_stale(payout, number, result):
        return
    if result.outcome is Outcome.done:
        payout.state = State.done
        books.post("payout", payout.id, payout.amount)
    else:
        payout.due_at = now + UNKNOWN_RESTS


def hear(money: Money, number: int, reference: str, *, now: datetime) -> None:
    """A webhook: what it is about comes due at once, and the look-up decides."""
    if number in money.events:
        return
    money.events.add(number)
    for row in money.rows():
        if row.id == reference and row.state is State.doing and row.due_at > now:
            row.due_at = now
