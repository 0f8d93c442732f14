"""The people of a run: members who pledge over a bad line and change their minds, and Ana."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Final

from countmein.rules.conditions import Condition
from countmein.rules.pledging import PledgeRefused
from countmein.rules.states import CampaignState, PledgeState
from tests.simulator import campaign as before
from tests.simulator import ending as after
from tests.simulator.campaign import Pledge, Said
from tests.simulator.options import DAY, HOUR, Options, wish
from tests.simulator.provider import Card
from tests.simulator.site import Site
from tests.simulator.world import World

_TEMPERS: Final = ("soft", "authenticate", "hard", "unsavable")
#: How often a member sends the same again before they give up without an answer.
_TRIES: Final = 8
_C, _P = CampaignState, PledgeState


class Crowd:
    """What each member will do is drawn at the start; what they are told is kept."""

    def __init__(self, world: World, site: Site) -> None:
        self.world, self.site, self.options = world, site, world.options
        self.draw = random.Random(self.options.seed * 7 + 5)
        #: What was acknowledged, by key.
        self.told: dict[str, int] = {}
        self.cards = 0
        self._cards_given: Counter[str] = Counter()
        site.hears = self._hears
        for n in range(self.options.members):
            self._plan_member(n)
        self._plan_organiser()

    def _plan_member(self, n: int) -> None:
        draw, options = self.draw, self.options
        is_paid = draw.random() * 100 >= options.petitioners
        has_wish = draw.random() * 100 < options.conditions
        said = Said(
            key=f"k{n}",
            mailbox=f"m{n}",
            kind="money" if is_paid else "signature",
            amount=100 * draw.randint(1, 6) if is_paid else 1,
            condition=wish(draw, others=options.members) if has_wish else None,
            card=self._card() if is_paid else None,
        )
        until = options.days * DAY
        if options.rush and draw.random() < 0.85:
            self.world.later(self._rushed(), lambda: self._send(said, 1))
            return
        # Most come in time; some at the last moment, some too late or for what is missing.
        roll = draw.random()
        if roll < 0.75:
            at = int(draw.random() * until)
        elif roll < 0.85:
            at = until - int(draw.random() * 2_000)
        else:
            at = until + int(draw.random() * 10 * DAY)
        self.world.later(at, lambda: self._send(said, 1))
        if draw.random() < 0.1:
            other = replace(said, amount=said.amount + 100) if is_paid else said
            again = other if draw.random() < 0.5 else replace(said, key=f"k{n}+")
            self.world.later(at + draw.randint(0, HOUR), lambda: self._send(again, 1))

    def _rushed(self) -> int:
        """Within half a minute of one instant, which may be the deadline."""
        days = self.options.days
        instant = days * DAY - 15_000 if self.options.seed % 3 else days * DAY // 2
        return instant + int(self.draw.random() * 30_000)

    def _card(self) -> Card:
        self.cards += 1
        is_poor = self.draw.random() * 100 < self.options.poor
        return Card(self.cards, self.draw.choice(_TEMPERS) if is_poor else "good")

    def _send(self, said: Said, number: int) -> None:
        """One try of a pledge; who gets no answer sends the same with the same key again."""
        world, options = self.world, self.options
        is_lost = world.happens(options.lost)
        is_heard = not is_lost or world.draw.random() < 0.5
        for _copy in range(2 if world.happens(options.doubled) else 1):
            if is_heard:
                self._take(said, is_answered=not is_lost)
        if is_lost and number < _TRIES:
            world.later(world.pause(60_000), lambda: self._send(said, number + 1))

    def _take(self, said: Said, *, is_answered: bool) -> None:
        try:
            p = before.take(self.site.c, said, self.world.now)
        except PledgeRefused as no:
            self.world.note(said.key, "is refused:", no)
            return
        self.site.wake()
        if is_answered and said.key not in self.told:
            self.told[said.key] = p.number
            self.world.note(said.key, "has pledged", p.code, p.state, said.amount, p.condition)
            self._plan_acts(p)

    def _plan_acts(self, p: Pledge) -> None:
        draw, options, world = self.draw, self.options, self.world
        rest = 20_000 if options.rush else max(HOUR, options.days * DAY - world.t)
        if draw.random() * 100 < options.leave:
            world.later(int(draw.random() * 1.2 * rest), lambda: self._leave(p))
        if draw.random() * 100 < options.change:
            amount = 100 * draw.randint(1, 6) if p.is_paid else 1
            condition = wish(draw, others=options.members) if draw.random() < 0.5 else None
            at = int(draw.random() * 1.1 * rest)
            world.later(at, lambda: self._change(p, amount, condition))
        if p.is_paid and draw.random() * 100 < options.poor:
            for _card in range(2):
                card = self._card()
                at = int(draw.random() * (rest + 9 * DAY))
                world.later(at, lambda card=card: self._give(p, card))

    def _hears(self, p: Pledge) -> None:
        """Whose card was refused gives another one, at once or a day later; three at most."""
        self._cards_given[p.code] += 1
        if self._cards_given[p.code] < 4 and self.draw.random() < 0.7:
            card = self._card()
            delay = self.draw.choice((5_000, 60_000, DAY))
            self.world.later(int(self.draw.random() * delay), lambda: self._give(p, card))

    def _leave(self, p: Pledge) -> None:
        try:
            self.site.withdraw(p)
        except PledgeRefused as no:
            self.world.note(p.code, "may not leave:", no)
            return
        self.world.note(p.code, "has left")
        self.site.wake()

    def _change(self, p: Pledge, amount: int, condition: Condition | None) -> None:
        try:
            before.change(self.site.c, p, amount, condition, self.world.now)
        except PledgeRefused as no:
            self.world.note(p.code, "may not change:", no)
            return
        self.world.note(p.code, "gives", amount, "if", condition)
        self.site.wake()

    def _give(self, p: Pledge, card: Card) -> None:
        try:
            before.give_card(self.site.c, p, card, self.world.now)
        except PledgeRefused as no:
            self.world.note(p.code, "may not give a card:", no)
            return
        self.world.note(p.code, "gives a card that is", card.temper)
        self.site.wake()

    # The organiser.

    def _plan_organiser(self) -> None:
        draw, options, world = self.draw, self.options, self.world
        if draw.random() * 100 < options.cancel:
            is_rushed = options.rush and draw.random() < 0.5
            at = self._rushed() if is_rushed else int(draw.random() * (options.days + 9) * DAY)
            world.later(at, self._cancel)
        if options.pays_out or options.executes:
            for day in range(options.days, options.days + 26, 3):
                world.later(day * DAY + draw.randint(0, DAY), lambda: self._go_on(options))

    def _cancel(self) -> None:
        is_done = after.cancel(self.site.c)
        self.world.note("Ana cancels:", is_done)
        self.site.wake()

    def _go_on(self, options: Options) -> None:
        """Ana looks in every few days, and takes the next step she has in mind."""
        c, world = self.site.c, self.world
        if options.pays_out and self.draw.random() < 0.7:
            after.ask_payout(c, f"payout-{world.t}", world.now)
        if c.state is _C.executing and not options.fails:
            after.finish(c)
        elif c.state is _C.executing and after.fail(c):
            self.site.failed_at = world.t
        elif options.executes and c.state is _C.settled and _C.failed not in c.history:
            after.execute(c, world.now)
        world.note("Ana looks in:", c.state)
        self.site.wake()
