"""Who is in, kept up to date crowd by crowd: only what a change can reach is peeled again.

The peel of `peeling.py`, kept with the list of its failures in order. A loss only lets the peel go
on. A gain leaves every failure valid whose threshold stays out of reach; from the first one within
reach on they are taken back, and the peel goes on from there. Both end in the largest
self-consistent set, so the answer is that of `clear`. Told in docs/rules/clearing.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Generic

from countmein.rules.clearing import MAX_UNLOCK, Unlock
from countmein.rules.conditions import (
    Aggregates,
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
from countmein.rules.meters import Key, Meter, Weighed

#: Looking for the unlock distance, the number of further people grows by this factor.
_STRIDE: Final = 8
#: Failures come in the order of how much is lacking, in such shares of a meter's width: each a
#: quarter of the one before, down to nothing.
_NARROWER: Final = range(0, 43, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved(Generic[Key]):
    """The crowds that came in, and those that fell out, since the last settling."""

    entered: frozenset[Key]
    left: frozenset[Key]


class Running(Generic[Key]):
    """The largest self-consistent set of crowds that grow, shrink and are added at any time.

    Add crowds, `add` and `locate` what has changed, then `settle`: only then are the answers those
    of the new crowds. A crowd without a condition is always in, so the accepted core is one.
    """

    def __init__(self) -> None:
        self._crowds: dict[Key, Weighed[Key]] = {}
        self._roots: list[Weighed[Key]] = []
        self._people = Meter()
        self._sums: dict[str, Meter] = {}
        self._people_in: dict[str, Meter] = {}
        self._pledges: dict[str, Meter] = {}
        self._located: dict[str, Key] = {}
        self._spread: dict[int, Meter] = {}
        self._spare: list[int] = []
        #: The gate above each gate; below zero for a root: then ~ the number of its crowd.
        self._above: list[int] = []
        self._log: list[tuple[Meter, int, list[int]]] = []
        self._changed: dict[Meter, None] = {}
        self._falling: dict[Meter, None] = {}
        #: Whether each crowd that may have moved was in before.
        self._was_in: dict[Weighed[Key], bool] = {}
        self._everybody = 0
        self._lift = 0
        #: Until the first settling everybody is taken in; then the peel begins.
        self._is_loading = True

    def __contains__(self, key: Key) -> bool:
        return key in self._crowds

    def __iter__(self) -> Iterator[Key]:
        return iter(self._crowds)

    def __len__(self) -> int:
        return len(self._crowds)

    @property
    def totals(self) -> Aggregates:
        """What everybody who is in adds up to; of the pledges, those that a condition names."""
        return Aggregates(
            people=self._people.value,
            sums={kind: meter.value for kind, meter in self._sums.items() if meter.value},
            people_in={place: m.value for place, m in self._people_in.items() if m.value},
            pledges=frozenset(code for code, meter in self._pledges.items() if meter.value),
        )

    @property
    def waiting_people(self) -> int:
        """How many people are not in."""
        return self._everybody - self._people.value

    @property
    def named(self) -> frozenset[str]:
        """The pledges that conditions wait for."""
        return frozenset(self._pledges)

    def is_in(self, key: Key) -> bool:
        """Whether this crowd is in, as of the last settling."""
        return self._stays(self._crowds[key])

    def people_of(self, key: Key) -> int:
        """How many people this crowd has; 0 if it is unknown."""
        crowd = self._crowds.get(key)
        return 0 if crowd is None else crowd.people

    def add_crowd(self, key: Key, condition: Condition | None) -> None:
        """Take in a new crowd, empty at first. Raises KeyError if it is known."""
        if key in self._crowds:
            raise KeyError(key)
        crowd = Weighed(key, self._gate(~len(self._roots)))
        self._roots.append(crowd)
        self._crowds[key] = crowd
        # A crowd that was not there was not in.
        self._was_in[crowd] = False
        if condition is not None:
            # The whole tree stands before its first atom fails.
            for meter, threshold, gate in list(self._hung(condition, crowd.root)):
                self._wait(meter, threshold, gate)

    def add(self, key: Key, *, kind: str, amount: int, place: str, people: int) -> None:
        """So much is added to a crowd, or taken away where negative; "" is no place."""
        crowd = self._crowds[key]
        crowd.people += people
        self._everybody += people
        self._shift(crowd, self._people, people)
        self._shift(crowd, self._meter_of_kind(kind), amount)
        if place:
            self._shift(crowd, self._meter_of_place(place), people)

    def locate(self, code: str, key: Key | None) -> None:
        """A pledge that conditions name is now in this crowd, or in none."""
        meter = self._pledges[code]
        if (was := self._located.pop(code, None)) is not None:
            self._shift(self._crowds[was], meter, -1)
        if key is not None:
            self._located[code] = key
            self._shift(self._crowds[key], meter, 1)

    def settle(self) -> Moved[Key]:
        """Bring the answers up to date, and tell which crowds have moved."""
        self._peel()
        moved = {crowd: was for crowd, was in self._was_in.items() if was != self._stays(crowd)}
        self._was_in.clear()
        return Moved(
            entered=frozenset(crowd.key for crowd, was in moved.items() if not was),
            left=frozenset(crowd.key for crowd, was in moved.items() if was),
        )

    def unlock(self, *, limit: int = MAX_UNLOCK) -> Unlock | None:
        """The fewest further unconditional people who bring in somebody, as `clearing.unlock`.

        Call when settled. First the number grows until somebody comes in, then it falls to the
        last step at which somebody still does; in the end everything is as it was.
        """
        inside = self._people.value
        wanted, best = 0, None
        while wanted < limit and (near := self._nearest_people()) is not None:
            wanted = min(limit, max(near, wanted * _STRIDE))
            self._lift_to(wanted)
            if self._people.value - wanted > inside:
                best = self._lowest(inside)
                break
        self._lift_to(0)
        self._was_in.clear()
        return best

    def curve(self, *, limit: int, steps_at_most: int) -> list[Unlock]:
        """How many are brought in by ever more unconditional people: a rung where that changes.

        Call when settled. The number grows from threshold to threshold, between which nothing can
        change, up to `limit`, or for so many steps; the last rung is where the looking ended, so
        that beyond it nothing is claimed.
        """
        inside, rungs = self._people.value, list[Unlock]()
        wanted, brings = 0, 0
        for _step in range(steps_at_most):
            near = self._nearest_people()
            wanted = limit if near is None else min(limit, near)
            self._lift_to(wanted)
            if (now := self._people.value - wanted - inside) > brings:
                brings = now
                rungs.append(Unlock(more_people=wanted, brings_people=brings))
            if wanted >= limit:
                break
        self._lift_to(0)
        self._was_in.clear()
        if wanted and (not rungs or rungs[-1].more_people < wanted):
            rungs.append(Unlock(more_people=wanted, brings_people=brings))
        return rungs

    def _lowest(self, inside: int) -> Unlock | None:
        """Lower the number of further people step by step while somebody is still brought in."""
        best = None
        while self._lift > 0 and (brings := self._people.value - self._lift - inside) > 0:
            ladder = self._people.ladder
            spare = min(self._lift, self._people.value - (ladder[-1] if ladder else 0))
            # Nothing changes until the next threshold on people fails.
            best = Unlock(more_people=max(1, self._lift - spare), brings_people=brings)
            self._lift_to(max(0, self._lift - spare - 1))
        return best

    def _nearest_people(self) -> int | None:
        """The fewest further people with whom a threshold on people comes within reach."""
        nearest = self._people.nearest
        return max(self._lift + 1, nearest[-1][0] - self._people.raised) if nearest else None

    def _lift_to(self, people: int) -> None:
        """Have so many people in who belong to no crowd."""
        more = people - self._lift
        self._lift = people
        self._people.value += more
        if more > 0:
            self._take_back(self._people.first_within(self._people.raised + people))
        self._falling[self._people] = None
        self._fall()

    def _stays(self, crowd: Weighed[Key]) -> bool:
        return self._spare[crowd.root] >= 0

    def _gate(self, above: int) -> int:
        self._above.append(above)
        self._spare.append(0)
        return len(self._spare) - 1

    def _hung(self, c: Condition, gate: int) -> Iterator[tuple[Meter, int, int]]:
        """Build the gates of a condition, and yield its atoms with the gate of each."""
        if not isinstance(c, All | AnyOf | Some):
            yield (*self._asked(c), gate)
            return
        need = len(c.of) if isinstance(c, All) else c.at_least if isinstance(c, Some) else 1
        self._spare[gate] = len(c.of) - need
        for child in c.of:
            is_atom = not isinstance(child, All | AnyOf | Some)
            yield from self._hung(child, gate if is_atom else self._gate(gate))

    def _asked(self, atom: Atom) -> tuple[Meter, int]:
        match atom:
            case People(n=n):
                return self._people, n
            case Sum(kind=kind, at_least=x):
                return self._meter_of_kind(kind), x
            case PeopleIn(place=place, at_least=n):
                return self._meter_of_place(place), n
            case Places(people=q, at_least=r):
                return self._meter_of_spread(q), r
            case PledgeIn(code=code):
                return self._pledges.setdefault(code, Meter()), 1

    def _meter_of_kind(self, kind: str) -> Meter:
        meter = self._sums.get(kind)
        if meter is None:
            meter = self._sums[kind] = Meter()
        return meter

    def _meter_of_place(self, place: str) -> Meter:
        meter = self._people_in.get(place)
        if meter is None:
            meter = self._people_in[place] = Meter()
            for q, spread in self._spread.items():
                self._watch(meter, q, spread)
        return meter

    def _meter_of_spread(self, q: int) -> Meter:
        spread = self._spread.get(q)
        if spread is None:
            spread = self._spread[q] = Meter()
            for meter in self._people_in.values():
                self._watch(meter, q, spread)
        return spread

    def _watch(self, place: Meter, q: int, spread: Meter) -> None:
        """One more place that has q people, until it is seen to have fewer: the gate ~q."""
        spread.value += 1
        spread.wider += 1
        self._changed[spread] = None
        self._wait(place, q, ~q)

    def _wait(self, meter: Meter, threshold: int, gate: int) -> None:
        """Let a gate wait at a threshold; where that does not hold, it fails at once."""
        if self._is_loading:
            meter.lay(threshold, gate)
        elif threshold <= meter.value:
            meter.hang(threshold, [gate])
        else:
            self._note(meter, threshold, [gate])
            self._fail(gate)

    def _shift(self, crowd: Weighed[Key], meter: Meter, by: int) -> None:
        if not by:
            return
        weight = crowd.weights.get(meter, 0) + by
        if weight:
            crowd.weights[meter] = weight
        else:
            del crowd.weights[meter]
        self._changed[meter] = None
        if self._stays(crowd):
            meter.value += by
            meter.net += by
        elif by > 0:
            meter.wider += by

    def _peel(self) -> None:
        """Take back what may no longer fail, then go on until nothing fails."""
        if self._is_loading:
            self._begin()
        first: int | None = None
        for meter in self._changed:
            meter.raised += max(0, meter.net) + meter.wider
            meter.net = meter.wider = 0
            place = meter.first_within(meter.raised)
            if place is not None and (first is None or place < first):
                first = place
            self._falling[meter] = None
        self._changed.clear()
        self._take_back(first)
        self._fall()

    def _begin(self) -> None:
        self._is_loading = False
        named = (self._sums, self._people_in, self._pledges)
        meters = [self._people, *self._spread.values()]
        meters += [meter for group in named for meter in group.values()]
        for meter in meters:
            meter.begin()
        self._falling = dict.fromkeys(meters)

    def _fall(self) -> None:
        """Go on until nothing fails, those first who lack the most.

        Whoever lacks little then fails late, if at all, when more have left: so the failures at
        the head of the list stay out of reach for longest, and little is ever taken back.
        """
        for narrow in _NARROWER:
            if not self._falling:
                return
            while self._fall_wider_than(narrow):
                pass

    def _fall_wider_than(self, narrow: int) -> bool:
        """Let fail what lacks more than a share of the meter's width; tell if anything has."""
        has_failed = False
        for meter in list(self._falling):
            ladder, margin = meter.ladder, meter.width >> narrow
            while ladder and ladder[-1] > meter.value + margin:
                has_failed = True
                threshold = ladder.pop()
                gates = meter.gates_at.pop(threshold)
                self._note(meter, threshold, gates)
                for gate in gates:
                    self._fail(gate)
            if not meter.is_falling:
                self._falling.pop(meter, None)
        return has_failed

    def _note(self, meter: Meter, threshold: int, gates: list[int]) -> None:
        """Write down a failure. People who belong to no crowd are there for a moment only."""
        value = meter.value - (self._lift if meter is self._people else 0)
        meter.note(threshold - value + meter.raised + meter.net + meter.wider, len(self._log))
        self._log.append((meter, threshold, gates))

    def _take_back(self, first: int | None) -> None:
        """Undo the failures from this one on, the last one first."""
        if first is None:
            return
        log = self._log
        while len(log) > first:
            meter, threshold, gates = log.pop()
            meter.forget(len(log))
            for gate in gates:
                self._recover(gate)
            meter.hang(threshold, gates)
            self._falling[meter] = None

    def _fail(self, gate: int) -> None:
        """One atom under this gate has become false; carry that as far up as it reaches."""
        if gate < 0:
            self._lower(self._spread[~gate], 1)
            return
        spare = self._spare
        spare[gate] -= 1
        while spare[gate] == -1:
            gate = self._above[gate]
            if gate < 0:
                self._leave(self._roots[~gate])
                return
            spare[gate] -= 1

    def _recover(self, gate: int) -> None:
        """The exact reverse of `_fail`."""
        if gate < 0:
            self._spread[~gate].value += 1
            return
        spare = self._spare
        spare[gate] += 1
        while spare[gate] == 0:
            gate = self._above[gate]
            if gate < 0:
                self._return(self._roots[~gate])
                return
            spare[gate] += 1

    def _leave(self, crowd: Weighed[Key]) -> None:
        self._was_in.setdefault(crowd, True)
        for meter, weight in crowd.weights.items():
            self._lower(meter, weight)

    def _return(self, crowd: Weighed[Key]) -> None:
        self._was_in.setdefault(crowd, False)
        for meter, weight in crowd.weights.items():
            meter.value += weight

    def _lower(self, meter: Meter, amount: int) -> None:
        meter.value -= amount
        if meter.is_falling:
            self._falling[meter] = None
