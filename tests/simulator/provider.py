"""The payment provider: it keeps its own truth, and the wire to it is bad."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from countmein.rules.dunning import Decline
from tests.simulator.options import DAY, HOUR
from tests.simulator.world import World

#: A webhook that could not be delivered is sent again for so long.
_HOOKS_LAST: Final = 72 * HOUR
#: A call that has left us arrives within so long, whatever we think became of it.
_LATE_AT_MOST: Final = 15 * 60_000


class Outcome(StrEnum):
    """What became of an outside call; the words of the product's port."""

    done = "done"
    refused = "refused"
    unknown = "unknown"
    retry_later = "retry_later"


@dataclass(frozen=True, slots=True)
class Result:
    """`needs_new_key`: nothing is there of ours, and this key answers an error for ever."""

    outcome: Outcome
    decline: Decline | None = None
    needs_new_key: bool = False


DONE: Final = Result(Outcome.done)
UNKNOWN: Final = Result(Outcome.unknown)
LATER: Final = Result(Outcome.retry_later)
NEW_KEY: Final = Result(Outcome.retry_later, needs_new_key=True)
_KEPT_ERROR: Final = Result(Outcome.unknown)


@dataclass(frozen=True, slots=True)
class Card:
    """A card that a member gave: how it answers when it is saved, and when it is charged."""

    number: int
    temper: str

    @property
    def can_be_saved(self) -> bool:
        return self.temper != "unsavable"


@dataclass(frozen=True, slots=True)
class Taken:
    """Money that moved, in the provider's own book."""

    reference: str
    amount: int


class Provider:
    """Charges, refunds and payouts by idempotency key, and webhooks about them, at least once."""

    def __init__(self, world: World, hear: Callable[[int, str], None]) -> None:
        self.world, self.hear = world, hear
        self.kept: dict[str, Result] = {}
        self.charges: dict[str, list[Taken]] = defaultdict(list)
        self.refunds: dict[str, list[Taken]] = defaultdict(list)
        self.payouts: dict[str, list[Taken]] = defaultdict(list)
        #: How often money moved.
        self.moved = 0
        self.events = 0
        self._tempers = random.Random(world.options.seed * 7 + 3)

    # What we may ask of it.

    def save(self, *, key: str, reference: str, card: Card) -> Result:
        """Save a card for later."""

        def do() -> Result:
            if not card.can_be_saved:
                return Result(Outcome.refused, Decline.hard)
            return DONE

        return self._ask(key, reference, do)

    def charge(self, *, key: str, reference: str, card: Card, amount: int) -> Result:
        """Charge a saved card."""

        def do() -> Result:
            decline = self._refuses(card)
            if decline is not None:
                return Result(Outcome.refused, decline)
            self._move(self.charges[reference], Taken(reference, amount))
            return DONE

        return self._ask(key, reference, do, lambda: self.find(self.charges, reference))

    def refund(self, *, key: str, reference: str, charge: str, amount: int) -> Result:
        """Give back of a charge; never more than it took."""

        def do() -> Result:
            took = sum(taken.amount for taken in self.charges[charge])
            if sum(taken.amount for taken in self.refunds[charge]) + amount > took:
                return Result(Outcome.refused, Decline.hard)
            self._move(self.refunds[charge], Taken(reference, amount))
            return DONE

        return self._ask(key, reference, do, lambda: self.find_refund(charge, reference))

    def pay(self, *, key: str, reference: str, amount: int) -> Result:
        """Pass money on."""

        def do() -> Result:
            self._move(self.payouts[reference], Taken(reference, amount))
            return DONE

        return self._ask(key, reference, do, lambda: self.find(self.payouts, reference))

    def find(self, book: dict[str, list[Taken]], reference: str) -> Result | None:
        """What stands under our reference; unknown when the look-up itself got no answer."""
        if self.world.happens(self.world.options.lost):
            return UNKNOWN
        return DONE if book.get(reference) else None

    def find_refund(self, charge: str, reference: str) -> Result | None:
        """The same for a refund."""
        if self.world.happens(self.world.options.lost):
            return UNKNOWN
        found = any(taken.reference == reference for taken in self.refunds[charge])
        return DONE if found else None

    # How it answers.

    def _ask(
        self,
        key: str,
        reference: str,
        do: Callable[[], Result],
        look_up: Callable[[], Result | None] = lambda: None,
    ) -> Result:
        world, options = self.world, self.world.options
        if world.happens(options.busy):
            return LATER
        if world.happens(options.late):
            world.later(world.pause(_LATE_AT_MOST), lambda: self._once(key, reference, do))
            return UNKNOWN
        is_lost = world.happens(options.lost)
        if is_lost and world.draw.random() < 0.4:
            return UNKNOWN
        if key not in self.kept and world.happens(options.kept_error):
            if world.draw.random() < 0.5:
                self._once(key, reference, do)
            self.kept[key] = _KEPT_ERROR
            return UNKNOWN
        result = self._once(key, reference, do)
        if is_lost:
            return UNKNOWN
        if result is _KEPT_ERROR:
            seen = look_up()
            return NEW_KEY if seen is None else seen
        return result

    def _once(self, key: str, reference: str, do: Callable[[], Result]) -> Result:
        if key not in self.kept:
            self.kept[key] = do()
            self._tell(reference)
        return self.kept[key]

    def _move(self, book: list[Taken], taken: Taken) -> None:
        book.append(taken)
        self.moved += 1

    def _tell(self, reference: str) -> None:
        world = self.world
        self.events += 1
        number = self.events
        if world.happens(world.options.lost_hooks):
            return
        copies = 1 + (world.draw.randint(1, 3) if world.happens(world.options.doubled) else 0)
        for _copy in range(copies):
            is_slow = world.happens(world.options.lost)
            delay = world.pause(_HOOKS_LAST if is_slow else 5_000)
            world.later(delay, lambda: self.hear(number, reference))

    def _refuses(self, card: Card) -> Decline | None:
        if card.temper == "soft":
            return Decline.soft if self._tempers.random() < 0.6 else None
        if card.temper == "authenticate":
            return Decline.authenticate if self._tempers.random() < 0.9 else None
        return Decline.hard if card.temper == "hard" else None


__all__ = ["DAY", "Card", "Outcome", "Provider", "Result", "Taken"]
