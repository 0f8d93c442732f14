"""How far a campaign is: a crowd of dots for its people, a bar for each number of its rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext, ngettext

from countmein.campaigns import wording
from countmein.rules import conditions
from countmein.web.templatetags.words import kind_name, number


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One number on its way; percents are of the goal and at most 100 together.

    `source` and `key` tell the live script where in a tally it finds the number, and `pattern`
    how it is worded.
    """

    label: str
    have: int
    goal: int
    pattern: str
    text: str
    in_percent: int
    waiting_percent: int = 0
    source: str
    key: str = ""
    unit: str = "number"
    gap_text: str = ""


#: More dots than this are grey noise; beyond it one dot stands for several people.
_DOTS_AT_MOST: Final = 100
#: Rows of so many dots, for crowds up to so many: few people make large dots.
_ROWS: Final = ((10, 10), (30, 15), (_DOTS_AT_MOST, 20))
_PITCH: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Dots:
    """The people a rule asks for, as dots: in, waiting, and still open.

    Each of the three is the path of an SVG, in which every dot is a stroke without a length. A dot
    is full when all its people are there, so the last one stays open until nobody is missing.
    """

    goal: int
    per: int
    cells: int
    columns: int
    missing: int
    inside: str
    waiting: str
    open: str

    @property
    def size(self) -> str:
        """The view box."""
        rows = -(-self.cells // self.columns)
        return f"0 0 {self.columns * _PITCH} {rows * _PITCH}"


def dots(rule: object, tally: Mapping[str, Any]) -> Dots | None:
    """Return the crowd of a rule, given as JSON, that asks for people; else None."""
    read = conditions.parse(rule, path="rule", pledges_allowed=False)
    asked = [atom.n for atom in conditions.atoms(read) if isinstance(atom, conditions.People)]
    if not asked:
        return None
    goal, people = max(asked), tally["people"]
    per = -(-goal // _DOTS_AT_MOST)
    cells = -(-goal // per)
    columns = next(columns for most, columns in _ROWS if cells <= most)
    reached = goal if people >= goal else min(people + tally["waiting_people"], goal)
    full = _full(min(people, goal), goal, per)
    on_their_way = _full(reached, goal, per)
    return Dots(
        goal=goal,
        per=per,
        cells=cells,
        columns=columns,
        missing=max(goal - people, 0),
        inside=_path(0, full, columns),
        waiting=_path(full, on_their_way, columns),
        open=_path(on_their_way, cells, columns),
    )


def _full(people: int, goal: int, per: int) -> int:
    """How many dots are full; the last may stand for fewer people than the others."""
    return -(-goal // per) if people >= goal else people // per


def _path(first: int, end: int, columns: int) -> str:
    half = _PITCH // 2
    return "".join(
        f"M{i % columns * _PITCH + half} {i // columns * _PITCH + half}h.01"
        for i in range(first, end)
    )


def bars(rule: object, tally: Mapping[str, Any], *, currency: str) -> list[Bar]:
    """Return a bar for each atom of a rule, given as JSON, each number once."""
    read = conditions.parse(rule, path="rule", pledges_allowed=False)
    return list(dict.fromkeys(_bars(read, tally, currency)))


def nearness(campaign_bars: list[Bar]) -> float:
    """Return how near a campaign is to tipping, from 0 to 1: its slowest bar decides."""
    return min((min(bar.have / bar.goal, 1.0) for bar in campaign_bars), default=0.0)


def _bars(rule: conditions.Condition, tally: Mapping[str, Any], currency: str) -> Iterator[Bar]:
    for atom in conditions.atoms(rule):
        match atom:
            case conditions.People(n=n):
                yield _bar(
                    atom=atom,
                    currency=currency,
                    label=gettext("People"),
                    have=tally["people"],
                    waiting=tally["waiting_people"],
                    goal=n,
                    have_text=number(tally["people"]),
                    goal_text=number(n),
                    source="people",
                )
            case conditions.Sum(kind=kind, at_least=goal):
                yield _sum_bar(atom, tally["sum"].get(kind, 0), goal, currency)
            case conditions.PeopleIn(place=place, at_least=n):
                have = tally["places"].get(place, 0)
                yield _bar(
                    atom=atom,
                    currency=currency,
                    label=place,
                    have=have,
                    goal=n,
                    have_text=number(have),
                    goal_text=number(n),
                    source="place",
                    key=place,
                )
            case conditions.Places(people=people, at_least=goal):
                have = sum(count >= people for count in tally["places"].values())
                label = ngettext("Places with %(n)s person", "Places with %(n)s people", people) % {
                    "n": number(people)
                }
                yield _bar(
                    atom=atom,
                    currency=currency,
                    label=label,
                    have=have,
                    goal=goal,
                    have_text=number(have),
                    goal_text=number(goal),
                    source="places",
                    key=str(people),
                )


def _sum_bar(atom: conditions.Sum, have: int, goal: int, currency: str) -> Bar:
    kind = atom.kind
    unit = {"money": currency, "hours": "hours"}.get(kind, "number")
    label = gettext("Money pledged") if kind == "money" else kind_name(kind)
    return _bar(
        atom=atom,
        currency=currency,
        label=label,
        have=have,
        goal=goal,
        have_text=_amount(kind, have, currency),
        goal_text=_amount(kind, goal, currency),
        source="sum",
        key=kind,
        unit=unit,
    )


def _amount(kind: str, amount: int, currency: str) -> str:
    if kind == "money":
        return wording.whole_money_text(amount, currency)
    if kind == "hours":
        return gettext("%(n)s h") % {"n": number(amount // 60)}
    return number(amount)


def _of(have: str, goal: str) -> str:
    return gettext("%(have)s of %(goal)s") % {"have": have, "goal": goal}


def _bar(
    *,
    atom: conditions.Atom,
    currency: str,
    label: str,
    have: int,
    goal: int,
    have_text: str,
    goal_text: str,
    source: str,
    key: str = "",
    unit: str = "number",
    waiting: int = 0,
) -> Bar:
    done = min(100 * have // goal, 100)
    return Bar(
        label=label,
        have=have,
        goal=goal,
        pattern=_of("{have}", goal_text),
        text=_of(have_text, goal_text),
        in_percent=done,
        waiting_percent=min(100 * (have + waiting) // goal, 100) - done,
        source=source,
        key=key,
        unit=unit,
        gap_text=_gap_text(atom, goal - have, currency),
    )


def _gap_text(atom: conditions.Atom, missing: int, currency: str) -> str:
    if missing <= 0:
        return ""
    return wording.gap_text(conditions.Gap(atom=atom, missing=missing), currency=currency)
