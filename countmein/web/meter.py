"""How far a campaign is: one bar for each number that its rule asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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
                    label=gettext("People"),
                    have=tally["people"],
                    waiting=tally["waiting_people"],
                    goal=n,
                    have_text=number(tally["people"]),
                    goal_text=number(n),
                    source="people",
                )
            case conditions.Sum(kind=kind, at_least=goal):
                yield _sum_bar(kind, tally["sum"].get(kind, 0), goal, currency)
            case conditions.PeopleIn(place=place, at_least=n):
                have = tally["places"].get(place, 0)
                yield _bar(
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
                    label=label,
                    have=have,
                    goal=goal,
                    have_text=number(have),
                    goal_text=number(goal),
                    source="places",
                    key=str(people),
                )


def _sum_bar(kind: str, have: int, goal: int, currency: str) -> Bar:
    unit = {"money": currency, "hours": "hours"}.get(kind, "number")
    label = gettext("Money pledged") if kind == "money" else kind_name(kind)
    return _bar(
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
    )
