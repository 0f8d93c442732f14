"""What must hold after every step of a run, and what must hold when all is over.

The names are those of the product's self-check and of the specifications. The provider's own book
is the witness of what really moved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import combinations

from countmein.rules.clearing import Part, clear_parts
from countmein.rules.conditions import Aggregates, holds
from countmein.rules.states import COUNTED, CampaignState, PledgeState, Shortfall
from tests.simulator import ending as after
from tests.simulator.campaign import Pledge, core_of
from tests.simulator.crowd import Crowd
from tests.simulator.money import Charge, State
from tests.simulator.provider import Taken
from tests.simulator.site import Site

_C, _P = CampaignState, PledgeState
#: Up to so many parts every subset is tried; beyond, they are peeled off one by one.
_SUBSETS = 5
_LET_GO = (_P.withdrawn, _P.released, _P.refunded, _P.dropped)
_ENDS = (_C.released, _C.settled, _C.executing, _C.done)


class Broken(AssertionError):
    """A promise was broken; the message begins with its name."""


class Promises:
    """Looks at one run."""

    def __init__(self, site: Site, crowd: Crowd) -> None:
        self.site, self.crowd = site, crowd
        self.looks = 0
        self._moves = 0
        self._seen: tuple[int, int, int] = (-1, -1, -1)

    def look(self) -> None:
        """After every step."""
        self.looks += 1
        c, provider = self.site.c, self.site.provider
        if len(c.history) != self._moves:
            for state in c.history[self._moves :]:
                self._after_move(state)
            self._moves = len(c.history)
        news = (len(provider.kept), provider.moved, len(c.money.books.entered))
        if news != self._seen:
            self._seen = news
            self._money_is_right()
        self._nothing_beyond_the_cap()

    def _after_move(self, state: CampaignState) -> None:
        c = self.site.c
        moves = Counter(c.history)
        if moves[_C.tipped] + moves[_C.lapsed] > 1:
            raise Broken(f"tips_once: {[str(move) for move in c.history]}")
        if state in (_C.tipped, _C.lapsed):
            self._is_the_largest_set(state)
        if state is _C.settled and moves[_C.settled] == 1:
            stays, _out = after.collected(c)
            if c.terms.shortfall is not Shortfall.proceed and not holds(c.terms.rule, stays):
                raise Broken("A4: settled although the rule does not hold on what was collected")

    def _is_the_largest_set(self, state: CampaignState) -> None:
        """A-1, A-2, A-3, and the verdict on it (at the step that gave it, nobody has moved)."""
        c = self.site.c
        parts = [p.part() for p in c.of(_P.active)]
        core = core_of(c)
        inside = largest(parts, core)
        if clear_parts(reversed(parts), core=core) != inside:
            raise Broken(f"A-2 maximality: {sorted(inside)} of {parts}")
        totals = added([part for part in parts if part.id in inside], core)
        if holds(c.terms.rule, totals) is not (state is _C.tipped):
            raise Broken(f"verdict: {state} with {totals.people} people in")

    def _money_is_right(self) -> None:
        c, provider = self.site.c, self.site.provider
        by_id = {charge.id: charge for charge in c.money.charges.values()}
        for reference, taken in provider.charges.items():
            if taken:
                self._charged_once(by_id.get(reference), taken)
        for name, book in (("refunded", provider.refunds), ("paid", provider.payouts)):
            moved = [each for taken in book.values() for each in taken]
            times = Counter(each.reference for each in moved)
            if any(number > 1 for number in times.values()):
                raise Broken(f"nobody_is_{name}_twice: {times}")
        if any(c.money.left(charge) < 0 for charge in by_id.values()):
            raise Broken("nobody_refunded_more_than_paid")
        balance = c.money.books.balance
        if sum(balance.values()) or min(balance["held"], balance["pending"]) < 0:
            raise Broken(f"ledger_balances: {dict(balance)}")
        if -balance["backers"] > _net(provider.charges.values()) and not self._is_refunding():
            raise Broken("ledger_matches_charges: more is booked than was taken")

    def _is_refunding(self) -> bool:
        """A refund is at the provider before it is in the books."""
        return bool(self.site.c.money.refunds)

    def _charged_once(self, charge: Charge | None, taken: list[Taken]) -> None:
        if charge is None:
            raise Broken("charged_is_what_was_accepted: nobody had been accepted")
        if len(taken) > 1:
            raise Broken(f"nobody_is_charged_twice: {charge.id} {len(taken)} times")
        if taken[0].amount != charge.amount or charge.amount > charge.allowed:
            raise Broken("charged_is_what_was_accepted: another amount")
        if _C.tipped not in self.site.c.history:
            raise Broken("A-8: charged before the tip")
        p = self.site.c.pledges[charge.pledge]
        if p.state in (_P.withdrawn, _P.active, _P.unsecured):
            raise Broken(f"withdrawn_or_charged_never_both: {p.code} is {p.state}")

    def _nothing_beyond_the_cap(self) -> None:
        c = self.site.c
        if not c.terms.cap:
            return
        sums = core_of(c).sums
        if any(sums.get(kind, 0) > most for kind, most in c.terms.cap.items()):
            raise Broken(f"accepted_within_cap: {dict(sums)}")

    def at_rest(self) -> None:
        """When all is over."""
        c, provider = self.site.c, self.site.provider
        if c.state not in _ENDS or (c.closed_at is None and c.state is not _C.released):
            raise Broken(f"everything_settles: it is {c.state}")
        for row in c.money.rows():
            if row.is_open or row.state in (State.due, State.doing):
                raise Broken(f"no_unknown_is_left: {row.id} is {row.state}")
        outside = c.of(_P.unconfirmed, _P.unsecured, _P.active, _P.held, _P.accepted)
        if outside:
            raise Broken(f"everybody_is_let_go: {[p.code for p in outside]}")
        taken, back = _net(provider.charges.values()), _net(provider.refunds.values())
        balance = c.money.books.balance
        if -balance["backers"] != taken - back or balance["paid"] != _net(
            provider.payouts.values()
        ):
            raise Broken(f"provider_agrees: {dict(balance)}, took {taken}, gave back {back}")
        if c.state is _C.released and (taken != back or self._kept()):
            raise Broken(f"released_is_everybody_let_go: {taken - back} kept")
        lost = [key for key in self.crowd.told if key not in c.by_key]
        if lost:
            raise Broken(f"an_acknowledged_pledge_survives: {lost}")
        if c.state in COUNTED:
            self._accepted_adds_up()

    def _kept(self) -> list[Pledge]:
        """Who is still in with something that was paid."""
        pledges = self.site.c.pledges.values()
        return [p for p in pledges if p.state not in _LET_GO and p.is_paid]

    def _accepted_adds_up(self) -> None:
        sums = core_of(self.site.c).sums
        if +Counter(self.site.c.accepted) != +Counter(sums):
            raise Broken(f"accepted_is_what_was_accepted: {self.site.c.accepted} {sums}")


def _net(book: Iterable[list[Taken]]) -> int:
    return sum(each.amount for taken in book for each in taken)


def added(parts: Iterable[Part], core: Aggregates) -> Aggregates:
    """What these parts add up to."""
    people, sums, codes = core.people, Counter(core.sums), set(core.pledges)
    for part in parts:
        people += part.people
        sums[part.kind] += part.amount
        codes.add(str(part.pledge))
    return Aggregates(people=people, sums=sums, people_in={}, pledges=frozenset(codes))


def _content(part: Part, a: Aggregates) -> bool:
    return part.condition is None or holds(part.condition, a)


def largest(parts: list[Part], core: Aggregates) -> frozenset[str]:
    """The largest self-consistent set: the union of all of them, or what is left at the end."""
    if len(parts) > _SUBSETS:
        return _what_is_left(parts, core)
    found: set[str] = set()
    for size in range(len(parts), 0, -1):
        for chosen in combinations(parts, size):
            total = added(chosen, core)
            if all(_content(part, total) for part in chosen):
                found |= {part.id for part in chosen}
    return frozenset(found)


def _what_is_left(parts: list[Part], core: Aggregates) -> frozenset[str]:
    inside = list(parts)
    while True:
        total = added(inside, core)
        stay = [part for part in inside if _content(part, total)]
        if len(stay) == len(inside):
            return frozenset(part.id for part in stay)
        inside = stay
