"""Peeling: take everybody in, then take out, once and for ever, whoever's condition fails.

Each aggregate is a meter that only falls; each atom hangs at its threshold on one meter. An atom
dies once and never revives, so the work is bounded by the number of atoms and parts and the
result does not depend on the order. Told in docs/rules/clearing.md.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from countmein.rules.conditions import (
    All,
    AnyOf,
    Atom,
    Condition,
    People,
    PeopleIn,
    Places,
    PledgeIn,
    Some,
    Sum,
)

# More than any campaign adds up to: nothing has failed yet.
_WIDE: Final = 1 << 80


class Standing(Protocol):
    """Any set of parts, added up."""

    @property
    def people(self) -> int: ...
    @property
    def sums(self) -> Mapping[str, int]: ...
    @property
    def people_in(self) -> Mapping[str, int]: ...
    @property
    def pledges(self) -> Collection[str]: ...


class Asking(Standing, Protocol):
    """Any set of parts that ask for one condition."""

    @property
    def condition(self) -> Condition | None: ...


class _Meter:
    """One aggregate while it falls, with the gates that wait at each threshold on its way down.

    `margin` is the least by which any threshold failed: with less than that added, each of them
    would have failed again. `start` is the value before anybody was peeled off.
    """

    __slots__ = ("gates_at", "ladder", "margin", "start", "value")

    def __init__(self, value: int) -> None:
        self.value = value
        self.gates_at: dict[int, list[int]] = {}
        self.ladder: list[int] = []
        self.margin = _WIDE
        self.start = value

    def hang(self, threshold: int, gate: int) -> None:
        self.gates_at.setdefault(threshold, []).append(gate)


class Peel:
    """Takes everybody in and peels off, once and for ever, whoever's condition fails.

    A gate is a number. Gate i < len(crowds) is the root of crowd i; inner gates follow. Each
    knows how many of its children it can lose; an atom is not a gate but an entry at a threshold
    of its meter. The gate ~q stands for "one place fewer has q people".
    """

    def __init__(self, crowds: Sequence[Asking], core: Standing, *, extra_people: int = 0) -> None:
        self._crowds = crowds
        self._people = _Meter(core.people + extra_people)
        self._sums = {kind: _Meter(amount) for kind, amount in core.sums.items()}
        self._people_in = {place: _Meter(people) for place, people in core.people_in.items()}
        self._pledges: dict[str, _Meter] = {}
        self._spread: dict[int, _Meter] = {}
        self._spare = [0] * len(crowds)
        self._parent: list[int] = []
        self._people_left = 0
        for index, crowd in enumerate(crowds):
            if crowd.condition is not None:
                self._hang_root(crowd.condition, index)
        for code, meter in self._pledges.items():
            meter.value = 1 if code in core.pledges else 0
        for crowd in crowds:
            self._feed(crowd)
        self._measure_spread()
        self._falling = self._sorted_meters()

    def is_in(self) -> tuple[bool, ...]:
        """For each crowd, whether it stays."""
        self._settle()
        return tuple(spare >= 0 for spare in self._spare[: len(self._crowds)])

    def people_left(self) -> int:
        """How many people of these crowds stay."""
        self._settle()
        return self._people_left

    def spare_people(self) -> int:
        """How many people can go before another threshold fails."""
        ladder = self._people.ladder
        return self._people.value - (ladder[-1] if ladder else 0)

    def lose_people(self, count: int) -> None:
        """Take away people who belong to no crowd."""
        self._lower(self._people, count)

    def still_fails_with(self, more: Standing) -> bool:
        """Whether all who were peeled off surely would be again with so much more. Call once each.

        The same failures in the same order need only that no margin is used up. A place that can
        now have q people at a time when it had fewer is one more of the places that have q.
        """
        touched = [*self._fed_by(more)]
        for meter, amount in touched:
            meter.start += amount
        for q, spread in self._spread.items():
            if any(self._may_reach(place, q) for place in more.people_in):
                touched.append((spread, 1))
        for meter, amount in touched:
            meter.margin -= amount
        return all(meter.margin > 0 for meter, _ in touched)

    def still_holds_without(self, less: Standing) -> bool:
        """Whether all who stayed surely would stay without so much. Call once each."""
        touched = [*self._fed_by(less)]
        for meter, amount in touched:
            meter.value -= amount
        return all(not meter.ladder or meter.ladder[-1] <= meter.value for meter, _ in touched)

    def _fed_by(self, some: Standing) -> Iterator[tuple[_Meter, int]]:
        yield self._people, some.people
        for meters, amounts in ((self._sums, some.sums), (self._people_in, some.people_in)):
            for key, amount in amounts.items():
                if key in meters:
                    yield meters[key], amount
        for code in self._named(some):
            yield self._pledges[code], 1

    def _may_reach(self, place: str, q: int) -> bool:
        meter = self._people_in.get(place)
        return meter is None or meter.value < q <= meter.start

    def _hang_root(self, c: Condition, root: int) -> None:
        if isinstance(c, All | AnyOf | Some):
            self._hang_children(c, root)
        else:
            self._hang(c, root)

    def _hang_children(self, c: All | AnyOf | Some, gate: int) -> None:
        need = len(c.of) if isinstance(c, All) else c.at_least if isinstance(c, Some) else 1
        self._spare[gate] = len(c.of) - need
        for child in c.of:
            if isinstance(child, All | AnyOf | Some):
                self._spare.append(0)
                self._parent.append(gate)
                self._hang_children(child, len(self._spare) - 1)
            else:
                self._hang(child, gate)

    def _hang(self, atom: Atom, gate: int) -> None:
        match atom:
            case People(n=n):
                self._people.hang(n, gate)
            case Sum(kind=kind, at_least=x):
                _meter(self._sums, kind).hang(x, gate)
            case PeopleIn(place=place, at_least=n):
                _meter(self._people_in, place).hang(n, gate)
            case Places(people=q, at_least=r):
                _meter(self._spread, q).hang(r, gate)
            case PledgeIn(code=code):
                _meter(self._pledges, code).hang(1, gate)

    def _feed(self, crowd: Asking) -> None:
        self._people.value += crowd.people
        self._people_left += crowd.people
        for kind, amount in crowd.sums.items():
            _meter(self._sums, kind).value += amount
        for place, people in crowd.people_in.items():
            _meter(self._people_in, place).value += people
        for code in self._named(crowd):
            self._pledges[code].value += 1

    def _named(self, crowd: Standing) -> Iterable[str]:
        # Few pledges are waited for, and a crowd may hold a million codes.
        if not self._pledges or not crowd.pledges:
            return ()
        if len(crowd.pledges) < len(self._pledges):
            return [code for code in crowd.pledges if code in self._pledges]
        return [code for code in self._pledges if code in crowd.pledges]

    def _measure_spread(self) -> None:
        for q, spread in self._spread.items():
            for place in self._people_in.values():
                if place.value >= q:
                    spread.value += 1
                    place.hang(q, ~q)

    def _sorted_meters(self) -> list[_Meter]:
        named = (self._sums, self._people_in, self._pledges)
        meters = [self._people, *self._spread.values()]
        meters.extend(meter for group in named for meter in group.values())
        for meter in meters:
            meter.ladder = sorted(meter.gates_at)
            meter.start = meter.value
        return meters

    def _settle(self) -> None:
        while self._falling:
            meter = self._falling.pop()
            while meter.ladder and meter.ladder[-1] > meter.value:
                threshold = meter.ladder.pop()
                gates = meter.gates_at[threshold]
                if max(gates) >= 0:
                    meter.margin = min(meter.margin, threshold - meter.value)
                for gate in gates:
                    self._fail(gate)

    def _fail(self, gate: int) -> None:
        """One atom under this gate has become false; carry that as far up as it reaches."""
        if gate < 0:
            self._lower(self._spread[~gate], 1)
            return
        spare, crowd_count = self._spare, len(self._crowds)
        spare[gate] -= 1
        while spare[gate] == -1:
            if gate < crowd_count:
                self._remove(self._crowds[gate])
                return
            gate = self._parent[gate - crowd_count]
            spare[gate] -= 1

    def _remove(self, crowd: Asking) -> None:
        self._people_left -= crowd.people
        self._lower(self._people, crowd.people)
        for kind, amount in crowd.sums.items():
            self._lower(self._sums[kind], amount)
        for place, people in crowd.people_in.items():
            self._lower(self._people_in[place], people)
        for code in self._named(crowd):
            self._lower(self._pledges[code], 1)

    def _lower(self, meter: _Meter, amount: int) -> None:
        meter.value -= amount
        if meter.ladder and meter.ladder[-1] > meter.value:
            self._falling.append(meter)


_Key = TypeVar("_Key", str, int)


def _meter(meters: dict[_Key, _Meter], key: _Key) -> _Meter:
    meter = meters.get(key)
    if meter is None:
        meter = meters[key] = _Meter(0)
    return meter
