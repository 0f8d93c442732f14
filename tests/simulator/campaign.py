"""A campaign and its pledges up to the end of acceptance: each function is one transaction.

Pure: `now` is an argument, nothing is asked of the outside, and every decision is the law's
(`rules.pledging`, `rules.clearing`, `rules.tipping`, `rules.states`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from countmein.rules import clearing
from countmein.rules.collection import check_batch
from countmein.rules.conditions import Aggregates, Condition
from countmein.rules.money import Money as Amount
from countmein.rules.pledging import (
    Offered,
    PledgeRefused,
    Reason,
    check_amounts,
    is_accepting,
    may_change,
    may_give_card,
    may_withdraw,
)
from countmein.rules.states import (
    CAMPAIGN_MOVES,
    KEEPING,
    PLEDGE_MOVES,
    CampaignState,
    PledgeState,
)
from countmein.rules.tipping import Arrival, Verdict, judge, serve
from tests.simulator.money import Charge, Money, State
from tests.simulator.options import Terms
from tests.simulator.provider import Card
from tests.simulator.world import instant

#: As in the product: how long a place is kept while a card is not secured.
PLACE_KEPT: Final = timedelta(minutes=15)
#: Small, so that small crowds are accepted in several slices.
SLICE: Final = 2
_C, _P = CampaignState, PledgeState
_LIVE: Final = frozenset({_P.unsecured, _P.active, _P.accepted, _P.fulfilled})
_CORE: Final = frozenset({_P.accepted, _P.fulfilled})


@dataclass(frozen=True, slots=True)
class Said:
    """What a member sends, with the key it is repeated by."""

    key: str
    mailbox: str
    kind: str
    amount: int
    condition: Condition | None
    card: Card | None


@dataclass(slots=True)
class Pledge:
    """What a member promised."""

    number: int
    said: Said
    amount: int
    condition: Condition | None
    state: PledgeState
    round: int
    acted_at: datetime
    accepted: int = 0
    was_waitlisted: bool = False
    #: The card that was saved, and one that is still to be.
    card: Card | None = None
    wanted: list[Card] = field(default_factory=list)
    history: list[PledgeState] = field(default_factory=list)

    @property
    def code(self) -> str:
        return f"p{self.number}"

    @property
    def is_paid(self) -> bool:
        return self.said.kind == "money"

    def part(self) -> clearing.Part:
        return clearing.Part(
            id=self.code,
            condition=self.condition,
            people=1,
            kind=self.said.kind,
            amount=self.amount,
            pledge=self.code,
        )

    def to(self, state: PledgeState) -> None:
        """Move as the law allows; a move that it does not know is a fault of the program."""
        assert state in PLEDGE_MOVES[self.state], f"{self.code} from {self.state} to {state}"
        self.history.append(self.state)
        self.state = state


@dataclass(slots=True)
class Campaign:
    """The gate, the tally and the pledges."""

    terms: Terms
    money: Money
    deadline: datetime = field(init=False)
    state: CampaignState = _C.open
    history: list[CampaignState] = field(default_factory=list)
    round: int = 1
    is_round_dirty: bool = False
    counted_round: int = 0
    totals: Aggregates = field(default_factory=Aggregates.zero)
    inside: frozenset[Condition | None] = frozenset()
    accepted: Counter[str] = field(default_factory=Counter)
    accepted_round: int = 0
    topup_until: datetime | None = None
    settled_at: datetime | None = None
    executing_at: datetime | None = None
    closed_at: datetime | None = None
    pledges: dict[int, Pledge] = field(default_factory=dict)
    by_key: dict[str, Pledge] = field(default_factory=dict)
    mailboxes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.deadline = instant(self.terms.deadline)

    def of(self, *states: PledgeState) -> list[Pledge]:
        return [p for p in self.pledges.values() if p.state in states]

    def move(self, to: CampaignState) -> None:
        assert to in CAMPAIGN_MOVES[self.state], f"no campaign moves from {self.state} to {to}"
        self.history.append(to)
        self.state = to


def core_of(c: Campaign) -> Aggregates:
    """What is in for good."""
    people, sums = 0, Counter[str]()
    rows = [p for p in c.pledges.values() if p.state in _CORE]
    for p in rows:
        people += 1
        sums[p.said.kind] += p.accepted
    codes = frozenset(p.code for p in rows)
    return Aggregates(people=people, sums=sums, people_in={}, pledges=codes)


# What members do.


def take(c: Campaign, said: Said, now: datetime) -> Pledge:
    """Take a pledge, or say again what was said to its key. Raises PledgeRefused."""
    known = c.by_key.get(said.key)
    if known is not None:
        if known.said != said:
            raise PledgeRefused(Reason.key_reused)
        return known
    if not _is_open(c, now):
        raise PledgeRefused(Reason.campaign_closed)
    check_amounts([Offered(kind=said.kind, amount=said.amount)], kinds=c.terms.kinds, minimum={})
    if any(p.said.mailbox == said.mailbox and p.state in _LIVE for p in c.pledges.values()):
        raise PledgeRefused(Reason.already_pledged)
    is_paid = said.card is not None
    p = Pledge(
        number=len(c.pledges),
        said=said,
        amount=said.amount,
        condition=said.condition,
        state=_P.unsecured if is_paid else _P.active,
        round=c.round,
        acted_at=now,
        wanted=[said.card] if said.card is not None else [],
    )
    c.pledges[p.number] = c.by_key[said.key] = p
    c.is_round_dirty = c.is_round_dirty or not is_paid
    return p


def _is_open(c: Campaign, now: datetime) -> bool:
    return c.executing_at is None and is_accepting(
        state=c.state,
        latch=c.terms.latch,
        deadline=c.deadline,
        now=now,
        topup_until=c.topup_until,
    )


def withdraw(c: Campaign, p: Pledge, now: datetime) -> None:
    """Take a pledge back. Raises PledgeRefused."""
    if p.state is _P.withdrawn:
        return
    may_withdraw(
        pledge_state=p.state,
        campaign_state=c.state,
        counted=_is_counted(c, p),
        accept_pending=_is_pending(c, p),
        deadline=c.deadline,
        now=now,
    )
    if p.state is _P.active:
        c.is_round_dirty = True
    p.to(_P.withdrawn)
    p.round = c.round
    p.wanted.clear()


def change(c: Campaign, p: Pledge, amount: int, condition: Condition | None, now: datetime) -> None:
    """Another amount, on another condition. Raises PledgeRefused."""
    may_change(
        pledge_state=p.state,
        campaign_state=c.state,
        latch=c.terms.latch,
        counted=_is_counted(c, p),
        accept_pending=_is_pending(c, p),
        deadline=c.deadline,
        now=now,
        topup_until=c.topup_until,
    )
    if p.state is _P.active:
        c.is_round_dirty = True
    p.amount, p.condition, p.round = amount, condition, c.round


def give_card(c: Campaign, p: Pledge, card: Card, now: datetime) -> None:
    """Another card; the one that was saved stays good until this one is. Raises PledgeRefused."""
    charge = c.money.charges.get(p.number)
    is_charging = (
        charge is not None
        and charge.first_failed_at is not None
        and charge.state in (State.due, State.doing)
    )
    may_give_card(pledge_state=p.state, needs_card=p.is_paid, is_charging=is_charging)
    if p.state is _P.unsecured:
        p.acted_at = now
    p.wanted[:] = [card]


def _is_counted(c: Campaign, p: Pledge) -> bool:
    return p.state in _CORE or (p.state is _P.active and p.condition in c.inside)


def _is_pending(c: Campaign, p: Pledge) -> bool:
    return c.state is not _C.open and p.round >= c.accepted_round


# What the worker does.


def secured(c: Campaign, p: Pledge, card: Card, now: datetime) -> None:
    """The provider has saved a card: the pledge counts, and a failing charge is tried on it."""
    if card not in p.wanted:
        return
    p.wanted.remove(card)
    p.card = card
    charge = c.money.charges.get(p.number)
    if charge is not None and charge.state is State.due and charge.first_failed_at is not None:
        charge.due_at = now
    shuts_at = max(c.deadline, c.topup_until or c.deadline)
    is_counting = c.state in (_C.open, _C.tipped, *KEEPING) and c.executing_at is None
    if p.state is _P.unsecured and is_counting and c.closed_at is None and p.acted_at < shuts_at:
        p.to(_P.active)
        p.round = c.round
        c.is_round_dirty = True


def card_refused(p: Pledge, card: Card) -> None:
    """The provider would not save it; the member may give another one."""
    if card in p.wanted:
        p.wanted.remove(card)


def is_under_way(c: Campaign) -> bool:
    """Whether a card given in time may still make a pledge count."""
    return any(p.wanted and p.state is _P.unsecured for p in c.pledges.values())


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that closed rounds hold."""

    round: int
    parts: tuple[clearing.Part, ...]
    core: Aggregates


def close_round(c: Campaign) -> Snapshot:
    """Close the round if anything changed in it, and read what is in the closed ones."""
    if c.is_round_dirty:
        c.round += 1
        c.is_round_dirty = False
    parts = tuple(p.part() for p in c.pledges.values() if p.state is _P.active)
    return Snapshot(c.round - 1, parts, core_of(c))


def write_tally(c: Campaign, seen: Snapshot) -> None:
    """Clear what was read, unless somebody was faster."""
    if c.counted_round >= seen.round and c.counted_round > 0:
        return
    crowds = clearing.classes(seen.parts)
    outcome = clearing.clear(crowds, core=seen.core)
    c.inside = frozenset(
        crowd.condition for crowd, is_in in zip(crowds, outcome.is_in, strict=True) if is_in
    )
    c.totals, c.counted_round = outcome.totals, seen.round


def verdict(c: Campaign, now: datetime) -> Verdict:
    """The verdict on the tally as it stands."""
    return judge(
        rule=c.terms.rule,
        totals=c.totals,
        latch=c.terms.latch,
        state=c.state,
        deadline=c.deadline,
        now=now,
        pending=is_under_way(c),
    )


def decide(c: Campaign, now: datetime) -> Verdict:
    """Count everything with the gate held, and tip or lapse, once."""
    if c.state is not _C.open:
        return Verdict.wait
    write_tally(c, close_round(c))
    said = verdict(c, now)
    if said is not Verdict.wait:
        c.move(_C.tipped if said is Verdict.tip else _C.lapsed)
    return said


def accept_slice(c: Campaign, now: datetime) -> bool:
    """Accept the next pledges that are in and have a place; tell whether there may be more."""
    if c.executing_at is not None:
        return False
    if c.state is _C.tipped:
        c.move(_C.settling)
    elif c.state not in KEEPING:
        return False
    write_tally(c, close_round(c))
    chosen = _chosen(c, now)
    if not chosen:
        c.accepted_round = c.round
        return False
    charges = []
    for p in chosen:
        p.to(_P.accepted)
        p.accepted, p.round = p.amount, c.round
        c.accepted[p.said.kind] += p.accepted
        if p.is_paid:
            charges.append(_charge(c, p, now))
        else:
            p.to(_P.fulfilled)
    c.is_round_dirty = True
    currency = c.terms.currency
    pledged = sum(p.accepted for p in chosen if p.is_paid)
    check_batch(
        {"money": Amount(amount_minor=pledged, currency=currency)},
        [Amount(amount_minor=charge.amount, currency=currency) for charge in charges],
    )
    for charge in charges:
        c.money.charges.setdefault(charge.pledge, charge)
    return True


def _chosen(c: Campaign, now: datetime) -> list[Pledge]:
    queue = [
        p
        for p in c.pledges.values()
        if (p.state is _P.active and p.condition in c.inside)
        or (c.terms.cap and p.state is _P.unsecured and p.acted_at > now - PLACE_KEPT)
    ]
    if c.terms.cap:
        arrivals = [
            Arrival(
                id=p.code,
                amounts={p.said.kind: p.amount},
                secured=p.state is _P.active,
                keeps_place=p.state is _P.unsecured,
            )
            for p in queue
        ]
        places = set(serve(arrivals, cap=c.terms.cap, taken=c.accepted).accepted)
        queue = [p for p in queue if p.code in places]
    return queue[:SLICE]


def _charge(c: Campaign, p: Pledge, now: datetime) -> Charge:
    return Charge(
        id=f"{c.terms.code}-{p.code}",
        pledge=p.number,
        amount=p.accepted,
        allowed=p.amount,
        latest_at=max(c.deadline, now) + timedelta(days=60),
        due_at=now,
    )
