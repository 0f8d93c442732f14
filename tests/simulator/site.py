"""The site of a run: workers that take what is due, step by step, and die between any two steps.

What a worker yields is a pause; whatever it has done before is durable, whatever it meant to do
after is lost with it. Two workers may do the same job at once: a claim that ran out, or a frozen
worker that wakes up again, is no more than that.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from countmein.rules.dunning import Act
from countmein.rules.failure import Fallback, Plan
from countmein.rules.states import CARRIED, COUNTED, KEEPING, CampaignState, PledgeState
from countmein.rules.tipping import Verdict
from tests.simulator import campaign as before
from tests.simulator import ending as after
from tests.simulator import money as rows
from tests.simulator.campaign import Campaign
from tests.simulator.money import Books, Charge, Money, Payout, Refund, State, Tried
from tests.simulator.options import HOUR, Terms
from tests.simulator.provider import Provider, Result
from tests.simulator.world import START, Process, World, moment

_C, _P = CampaignState, PledgeState
_WORKERS: Final = 2
#: A frozen worker sleeps longer than a claim lasts.
_FROZEN: Final = 30_000
_DOWN: Final = 60_000
#: How long everybody has to say what is to become of their money.
_CHOICES_LAST: Final = 72 * HOUR
Job = Callable[[], Process]


class Site:
    """One campaign, its provider, and the workers that carry it on."""

    def __init__(self, world: World, terms: Terms) -> None:
        self.world = world
        self.provider = Provider(world, self.hear)
        self.c = Campaign(terms, Money(Books(terms.currency)))
        self.failed_at: int | None = None
        #: Who is told that a member's card was refused.
        self.hears: Callable[[before.Pledge], None] = lambda p: None
        self._idle: set[int] = set(range(_WORKERS))
        self._draw = random.Random(world.options.seed * 7 + 4)
        self._wakes_at: int | None = None

    # Workers.

    def wake(self) -> None:
        """Something has changed: whoever has nothing to do looks about within a second."""
        for worker in sorted(self._idle):
            self._idle.discard(worker)
            self.world.later(self.world.pause(1_000), lambda worker=worker: self._look(worker))

    def is_at_rest(self) -> bool:
        """Whether nobody is at work, and there is nothing to do now."""
        return len(self._idle) == _WORKERS and next(self.due(), None) is None

    def _look(self, worker: int) -> None:
        due = list(self.due())
        if not due:
            self._idle.add(worker)
            self._wake_later()
            return
        name, job = due[self._draw.randrange(len(due))] if len(due) > 1 else due[0]
        self.world.note("worker", worker, "begins", name)
        self._go_on(worker, name, job())

    def _go_on(self, worker: int, name: str, job: Iterator[int]) -> None:
        world, options = self.world, self.world.options
        if world.happens(options.crash):
            world.note("worker", worker, "dies in", name)
            world.later(world.pause(_DOWN), lambda: self._look(worker))
            return
        pause = next(job, None)
        if pause is None:
            self.wake()
            self._look(worker)
            return
        if world.happens(options.frozen):
            world.note("worker", worker, "freezes in", name)
            pause += _FROZEN + world.pause(_FROZEN)
        world.later(pause, lambda: self._go_on(worker, name, job))

    def _wake_later(self) -> None:
        """Nothing is due: look again when something will be."""
        at = self.next_due()
        if at is None or (self._wakes_at is not None and self.world.t < self._wakes_at <= at):
            return
        self._wakes_at = at
        self.world.later(max(1, at - self.world.t + self.world.pause(1_000)), self.wake)

    def next_due(self) -> int | None:
        """When time alone will bring something to do."""
        c, t = self.c, self.world.t
        ats = [moment(row.due_at) for row in c.money.rows() if row.state in _OPEN]
        ats += [moment(c.deadline)] if c.closed_at is None else []
        ats += [moment(c.topup_until)] if c.topup_until and c.state is _C.topup else []
        if c.state is _C.failed and self.failed_at is not None:
            ats.append(self.failed_at + _CHOICES_LAST)
        if c.terms.cap:
            kept = [p.acted_at + before.PLACE_KEPT for p in c.of(_P.unsecured)]
            ats += [moment(at) for at in kept]
        return min((at for at in ats if at > t), default=None)

    def due(self) -> Iterator[tuple[str, Job]]:
        """What there is to do now, found by state, as the sweep does."""
        c, now = self.c, self.world.now
        if any(p.wanted for p in c.pledges.values()):
            yield "secure", self._secure
        if self._is_uncounted() or (c.state is _C.open and c.deadline <= now):
            yield "count", self._count
        if self._is_to_settle(now):
            yield "settle", self._settle
        if after.is_to_be_released(c, now) and self._can_release():
            yield "release", self._release
        for row in c.money.rows():
            if row.state in _OPEN and row.due_at <= now:
                yield row.id, lambda row=row: self._money(row)
        if self._is_to_reallocate():
            yield "reallocate", self._reallocate

    def _is_uncounted(self) -> bool:
        c = self.c
        return c.state in COUNTED and (c.is_round_dirty or c.round > 1 + c.counted_round)

    def _is_to_settle(self, now: datetime) -> bool:
        c = self.c
        if c.state is _C.tipped:
            return True
        if c.state not in KEEPING | CARRIED:
            return False
        money = c.money
        has_news = any(not x.is_read and x.state not in _OPEN for x in money.charges.values())
        has_news |= any(not r.is_read and r.state is State.done for r in money.refunds.values())
        to_accept = c.accepted_round < c.round and c.executing_at is None
        is_over = c.state is _C.settling or (
            c.state is _C.topup and c.topup_until is not None and c.topup_until <= now
        )
        is_quiet = not c.of(_P.accepted) and not any(
            r.state in _OPEN for r in money.refunds.values()
        )
        is_place_free = False
        if c.terms.cap and c.state in KEEPING and c.executing_at is None:
            is_place_free = any(
                self._looked_at < p.acted_at + before.PLACE_KEPT <= now for p in c.of(_P.unsecured)
            )
        return has_news or to_accept or (is_over and is_quiet) or is_place_free

    def _can_release(self) -> bool:
        refunds = self.c.money.refunds.values()
        is_waiting = any(r.state in _OPEN for r in refunds)
        has_news = any(not r.is_read and r.state is State.done for r in refunds)
        outside = self.c.of(_P.unconfirmed, _P.unsecured, _P.active, _P.held)
        return not is_waiting or has_news or bool(outside)

    def _is_to_reallocate(self) -> bool:
        c = self.c
        if c.state is not _C.failed:
            return c.state is _C.reallocating
        if any(charge.state is State.due for charge in c.money.charges.values()):
            return True
        assert self.failed_at is not None
        is_decided = self.world.t >= self.failed_at + _CHOICES_LAST
        return is_decided and not after.is_moving(c)

    # Jobs: each step up to a yield is durable by then.

    def _secure(self) -> Process:
        for p in list(self.c.pledges.values()):
            for card in list(p.wanted):
                yield self._beat()
                key = f"mandate:{p.code}:{card.number}"
                result = self._save(key, p.code, card)
                yield self._beat()
                if result.outcome.value == "done":
                    before.secured(self.c, p, card, self.world.now)
                elif result.outcome.value == "refused" or result.needs_new_key:
                    before.card_refused(p, card)

    def _save(self, key: str, reference: str, card: before.Card) -> Result:
        return self.provider.save(key=key, reference=reference, card=card)

    def _count(self) -> Process:
        seen = before.close_round(self.c)
        yield self._beat()
        before.write_tally(self.c, seen)
        if before.verdict(self.c, self.world.now) is not Verdict.wait:
            yield self._beat()
            yield from self.decide()

    def decide(self) -> Process:
        """Judge with the gate held and everything counted."""
        before.decide(self.c, self.world.now)
        return
        yield 0

    def _settle(self) -> Process:
        yield from self._count()
        yield self._beat()
        while before.accept_slice(self.c, self.world.now):
            yield self._beat()
        self._looked_at = self.world.now
        while after.read_charges(self.c):
            yield self._beat()
        while after.read_refunds(self.c):
            yield self._beat()
        after.conclude(self.c, self.world.now)

    def _release(self) -> Process:
        c = self.c
        if c.state is _C.settled and c.executing_at is None and before.is_under_way(c):
            return
        while after.call_off(c):
            yield self._beat()
        while after.release_slice(c, self.world.now):
            yield self._beat()
        if c.state is _C.cancelled:
            after.refund(c, c.pledges.values(), "cancelled", self.world.now)
            yield self._beat()
        while after.read_refunds(c):
            yield self._beat()
        after.close(c, self.world.now)

    def _reallocate(self) -> Process:
        c = self.c
        while after.call_off_charges(c):
            yield self._beat()
        is_decided = self.failed_at is not None and self.world.t >= self.failed_at + _CHOICES_LAST
        if c.state is _C.failed and is_decided:
            choices = {n: self._choice(n) for n in c.money.charges}
            after.reallocate(c, choices, PLANS, self.world.now)
        yield self._beat()
        while after.read_refunds(c):
            yield self._beat()
        after.end_reallocation(c)

    def _choice(self, number: int) -> Fallback | int:
        draw = random.Random(self.world.options.seed * 1009 + number)
        return draw.choice((Fallback.refund, Fallback.follow, 0, 1))

    # Money: claim, write the try down, ask, write the answer.

    def _money(self, row: Tried) -> Process:
        if not rows.claim(row, now=self.world.now):
            return
        yield self._beat()
        if isinstance(row, Charge):
            yield from self._one_charge(row)
        elif isinstance(row, Refund):
            yield from self._one_refund(row)
        elif isinstance(row, Payout):
            yield from self._one_payout(row)

    def _one_charge(self, charge: Charge) -> Process:
        p, book = self.c.pledges[charge.pledge], self.provider.charges
        if not charge.is_open:
            act = rows.act_on(charge, card=p.card, now=self.world.now)
            if charge.state is not State.doing:
                return
            if act is Act.give_up:
                rows.give_up(charge, now=self.world.now)
                return
            if act is not Act.try_card:
                asks = act is Act.ask
                rows.wait(charge, card=p.card, now=self.world.now, asks=asks)
                return
            number = self.begin(charge)
            found = None
        else:
            found = self.provider.find(book, charge.id)
            number = self.begin(charge)
        if number is None:
            return
        assert p.card is not None, "nobody is charged without a card"
        card = charge.tried.setdefault(number, p.card)
        yield self._beat()
        result = found or self.provider.charge(
            key=f"{charge.id}:{number}", reference=charge.id, card=card, amount=charge.amount
        )
        yield self._beat()
        asks = charge.asks
        self.answered(charge, number, result, p.card)
        if charge.asks > asks:
            self.hears(p)

    def _one_refund(self, refund: Refund) -> Process:
        was_open = refund.is_open
        number = self.begin(refund)
        if number is None:
            return
        yield self._beat()
        found = self.provider.find_refund(refund.charge, refund.id) if was_open else None
        yield self._beat()
        result = found or self.provider.refund(
            key=f"{refund.id}:{number}",
            reference=refund.id,
            charge=refund.charge,
            amount=refund.amount,
        )
        yield self._beat()
        rows.refund_answered(refund, number, result, self.c.money.books, now=self.world.now)

    def _one_payout(self, payout: Payout) -> Process:
        was_open = payout.is_open
        number = self.begin(payout)
        if number is None:
            return
        yield self._beat()
        found = self.provider.find(self.provider.payouts, payout.id) if was_open else None
        result = found or self.provider.pay(
            key=f"{payout.id}:{number}", reference=payout.id, amount=payout.amount
        )
        yield self._beat()
        rows.payout_answered(payout, number, result, self.c.money.books, now=self.world.now)

    def withdraw(self, p: before.Pledge) -> None:
        """A member takes a pledge back. Raises PledgeRefused."""
        before.withdraw(self.c, p, self.world.now)

    def answered(
        self, charge: Charge, number: int, result: Result, card: before.Card | None
    ) -> None:
        """Write down what came of a try."""
        now = self.world.now
        rows.charge_answered(charge, number, result, self.c.money.books, card=card, now=now)

    def begin(self, row: Tried) -> int | None:
        """Write the try down before it is made."""
        return rows.begin(row)

    def hear(self, number: int, reference: str) -> None:
        """A webhook came in."""
        rows.hear(self.c.money, number, reference, now=self.world.now)
        self.wake()

    def _beat(self) -> int:
        return self.world.pause(800)

    _looked_at: datetime = START


_OPEN = (State.due, State.doing)
#: What is done instead, if it cannot be carried out.
PLANS: Final = (Plan(), Plan(cost_minor=500))
