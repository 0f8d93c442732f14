"""The one grammar of rules and conditions: read it, write it, ask whether it holds and what lacks.

Conditions are monotone: there is no "not" and no "at most", so joining never throws anyone out.
Source: docs/rules/clearing.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from countmein.rules.canonical import canonical_json
from countmein.rules.states import Kind

MAX_DEPTH: Final = 5
MAX_NODES: Final = 50
MAX_NUMBER: Final = 10**12
_MAX_TEXT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """At least `n` people are in, oneself included."""

    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """The amounts of one kind add up to at least `at_least`, one's own included."""

    kind: str
    at_least: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleIn:
    """At least `at_least` people of one place are in."""

    place: str
    at_least: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """At least `at_least` places have at least `people` people each."""

    people: int
    at_least: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PledgeIn:
    """That one pledge is in."""

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class All:
    """Every one of these holds."""

    of: tuple["Condition", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    """One of these holds, or more."""

    of: tuple["Condition", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Some:
    """At least `at_least` of these hold."""

    of: tuple["Condition", ...]
    at_least: int


Atom: TypeAlias = People | Sum | PeopleIn | Places | PledgeIn
Condition: TypeAlias = Atom | All | AnyOf | Some


class Fault(StrEnum):
    """The stable words for what is wrong with a condition."""

    not_an_object = "not_an_object"
    not_a_list = "not_a_list"
    not_an_integer = "not_an_integer"
    not_text = "not_text"
    not_one_key = "not_one_key"
    missing_key = "missing_key"
    unknown_key = "unknown_key"
    unknown_kind = "unknown_kind"
    unknown_place = "unknown_place"
    pledge_not_allowed = "pledge_not_allowed"
    out_of_range = "out_of_range"
    too_deep = "too_deep"
    too_large = "too_large"


class ConditionRefused(ValueError):
    """A condition could not be read; `path` points at the fault, e.g. `rule.all[1].sum.kind`."""

    def __init__(self, path: str, reason: Fault, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.path = path
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregates:
    """What a set of parts adds up to: all that a condition can see."""

    people: int
    sums: Mapping[str, int]
    people_in: Mapping[str, int]
    pledges: frozenset[str]

    @classmethod
    def zero(cls) -> "Aggregates":
        """What nobody adds up to."""
        return cls(people=0, sums={}, people_in={}, pledges=frozenset())

    def plus(self, other: "Aggregates") -> "Aggregates":
        """What two disjoint sets add up to together."""
        return Aggregates(
            people=self.people + other.people,
            sums=_added(self.sums, other.sums),
            people_in=_added(self.people_in, other.people_in),
            pledges=self.pledges | other.pledges,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """An atom that does not hold, and by how much it falls short, in the atom's own unit."""

    atom: Atom
    missing: int


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    total = dict(one)
    for key, amount in other.items():
        total[key] = total.get(key, 0) + amount
    return total


def parse(
    value: object,
    *,
    path: str,
    kinds: frozenset[str] | None = None,
    places: frozenset[str] | None = None,
    pledges_allowed: bool,
) -> Condition:
    """Read a condition from parsed JSON.

    `kinds` and `places` are those the campaign has; None means every kind, any place.
    Raises ConditionRefused, and nothing else whatever the value is.
    """
    reader = _Reader(
        kinds=frozenset(Kind) if kinds is None else kinds,
        places=places,
        pledges_allowed=pledges_allowed,
    )
    return reader.condition(value, path, 1)


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Reads one condition and counts its nodes on the way, so that nothing large is built."""

    kinds: frozenset[str]
    places: frozenset[str] | None
    pledges_allowed: bool
    node_count: int = 0

    def condition(self, value: object, path: str, depth: int) -> Condition:
        self.node_count += 1
        if depth > MAX_DEPTH:
            raise ConditionRefused(path, Fault.too_deep, f"nested at most {MAX_DEPTH} deep")
        if self.node_count > MAX_NODES:
            raise ConditionRefused(path, Fault.too_large, f"at most {MAX_NODES} parts")
        word, inner = _only_item(value, path)
        path = f"{path}.{word}"
        bound = f"{path}.at_least"
        match word:
            case "people":
                return People(n=_number(inner, path))
            case "sum":
                fields = _fields(inner, path, "kind", "at_least")
                kind = _text(fields["kind"], f"{path}.kind", self.kinds, Fault.unknown_kind)
                return Sum(kind=kind, at_least=_number(fields["at_least"], bound))
            case "people_in":
                fields = _fields(inner, path, "place", "at_least")
                place = _text(fields["place"], f"{path}.place", self.places, Fault.unknown_place)
                return PeopleIn(place=place, at_least=_number(fields["at_least"], bound))
            case "places":
                fields = _fields(inner, path, "people", "at_least")
                people = _number(fields["people"], f"{path}.people")
                return Places(people=people, at_least=_number(fields["at_least"], bound))
            case "pledge":
                return self._pledge(inner, path)
            case "all":
                return All(of=self._list(inner, path, depth))
            case "any":
                return AnyOf(of=self._list(inner, path, depth))
            case _:
                return self._some(inner, path, depth)

    def _some(self, inner: object, path: str, depth: int) -> Some:
        fields = _fields(inner, path, "of", "at_least")
        of = self._list(fields["of"], f"{path}.of", depth)
        at_least = _number(fields["at_least"], f"{path}.at_least")
        if at_least > len(of):
            detail = "more are asked for than there are conditions"
            raise ConditionRefused(f"{path}.at_least", Fault.out_of_range, detail)
        return Some(of=of, at_least=at_least)

    def _list(self, value: object, path: str, depth: int) -> tuple[Condition, ...]:
        if not isinstance(value, list) or not value:
            raise ConditionRefused(path, Fault.not_a_list, "a list of at least one condition")
        return tuple(
            self.condition(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)
        )

    def _pledge(self, value: object, path: str) -> PledgeIn:
        if not self.pledges_allowed:
            detail = "a rule cannot wait for one pledge, only a member's condition can"
            raise ConditionRefused(path, Fault.pledge_not_allowed, detail)
        return PledgeIn(code=_text(value, path))


_WORDS: Final = ("people", "sum", "people_in", "places", "pledge", "all", "any", "some")


def _only_item(value: object, path: str) -> tuple[str, object]:
    items = _object(value, path, _WORDS)
    if len(items) != 1:
        raise ConditionRefused(path, Fault.not_one_key, "an object with one key")
    return next(iter(items.items()))


def _fields(value: object, path: str, *names: str) -> dict[str, object]:
    fields = _object(value, path, names)
    for name in names:
        if name not in fields:
            raise ConditionRefused(f"{path}.{name}", Fault.missing_key, f"{name} is missing")
    return fields


def _object(value: object, path: str, known: tuple[str, ...]) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ConditionRefused(path, Fault.not_an_object, f"an object with: {', '.join(known)}")
    for key in value:
        if key not in known:
            # The path is shown and logged, so a key goes into it only if it looks like a name.
            is_name = isinstance(key, str) and key.isascii() and key.isidentifier()
            where = f"{path}.{key}" if is_name and len(str(key)) <= 40 else path
            raise ConditionRefused(where, Fault.unknown_key, f"known here: {', '.join(known)}")
    return value


def _number(value: object, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConditionRefused(path, Fault.not_an_integer, "a whole number")
    if not 1 <= value <= MAX_NUMBER:
        raise ConditionRefused(path, Fault.out_of_range, "a number from 1 to 1,000,000,000,000")
    return value


def _text(
    value: object, path: str, known: frozenset[str] | None = None, fault: Fault = Fault.not_text
) -> str:
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _MAX_TEXT:
        raise ConditionRefused(path, Fault.not_text, f"a text of 1 to {_MAX_TEXT} characters")
    if known is not None and value not in known:
        raise ConditionRefused(path, fault, "the campaign does not have this")
    return value


def to_json(c: Condition) -> dict[str, object]:
    """The condition as the JSON value that `parse` reads."""
    match c:
        case People(n=n):
            return {"people": n}
        case Sum(kind=kind, at_least=x):
            return {"sum": {"kind": str(kind), "at_least": x}}
        case PeopleIn(place=place, at_least=n):
            return {"people_in": {"place": place, "at_least": n}}
        case Places(people=q, at_least=r):
            return {"places": {"people": q, "at_least": r}}
        case PledgeIn(code=code):
            return {"pledge": code}
        case All(of=of):
            return {"all": [to_json(child) for child in of]}
        case AnyOf(of=of):
            return {"any": [to_json(child) for child in of]}
        case Some(of=of, at_least=m):
            return {"some": {"of": [to_json(child) for child in of], "at_least": m}}
        case _:
            assert_never(c)


def canonical(c: Condition) -> str:
    """One text for all spellings of a condition: order, repetition and brackets do not matter."""
    return canonical_json(to_json(normal(c)))


def normal(c: Condition) -> Condition:
    """The condition with its lists flattened, sorted and freed of repetition."""
    match c:
        case All(of=of) | AnyOf(of=of):
            gate, flat = type(c), set[Condition]()
            for child in map(normal, of):
                flat.update(child.of if isinstance(child, gate) else (child,))
            ordered = tuple(sorted(flat, key=_spelling))
            return ordered[0] if len(ordered) == 1 else gate(of=ordered)
        case Some(of=of, at_least=m):
            # Repetition counts here: the same condition twice is two of the m.
            ordered = tuple(sorted(map(normal, of), key=_spelling))
            if m == len(of):
                return normal(All(of=ordered))
            return normal(AnyOf(of=ordered)) if m == 1 else Some(of=ordered, at_least=m)
        case _:
            return c


def _spelling(c: Condition) -> str:
    return canonical_json(to_json(c))


def conjunction(*cs: Condition | None) -> Condition | None:
    """All of these together; None is the condition that always holds."""
    asked = tuple(c for c in cs if c is not None)
    return (asked[0] if len(asked) == 1 else All(of=asked)) if asked else None


def holds(c: Condition, a: Aggregates) -> bool:
    """Whether the condition is true of these aggregates."""
    match c:
        case All(of=of):
            return all(holds(child, a) for child in of)
        case AnyOf(of=of):
            return any(holds(child, a) for child in of)
        case Some(of=of, at_least=m):
            return sum(holds(child, a) for child in of) >= m
        case _:
            return _missing(c, a) <= 0


def gaps(c: Condition, a: Aggregates) -> tuple[Gap, ...]:
    """The atoms that stand in the way, each once, in the order written; empty when `c` holds."""
    return tuple(dict.fromkeys(_gaps(c, a)))


def _gaps(c: Condition, a: Aggregates) -> Iterator[Gap]:
    if holds(c, a):
        return
    if isinstance(c, All | AnyOf | Some):
        for child in c.of:
            yield from _gaps(child, a)
    else:
        yield Gap(atom=c, missing=_missing(c, a))


def _missing(atom: Atom, a: Aggregates) -> int:
    match atom:
        case People(n=n):
            return n - a.people
        case Sum(kind=kind, at_least=x):
            return x - a.sums.get(kind, 0)
        case PeopleIn(place=place, at_least=n):
            return n - a.people_in.get(place, 0)
        case Places(people=q, at_least=r):
            return r - sum(people >= q for people in a.people_in.values())
        case PledgeIn(code=code):
            return 0 if code in a.pledges else 1
        case _:
            assert_never(atom)


def atoms(c: Condition) -> Iterator[Atom]:
    """Every atom of the condition, as often as it is written."""
    if isinstance(c, All | AnyOf | Some):
        for child in c.of:
            yield from atoms(child)
    else:
        yield c


def pledges_named(c: Condition) -> frozenset[str]:
    """The codes of the pledges the condition waits for."""
    return frozenset(atom.code for atom in atoms(c) if isinstance(atom, PledgeIn))
