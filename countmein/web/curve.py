"""The tipping curve: how many would be in if so many more joined, as a picture and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.translation import ngettext

from countmein.web.templatetags.words import number

_WIDTH: Final = 600
_HEIGHT: Final = 240
#: The picture begins a little below those who are in now, so that the first step can be seen.
_ROOM_BELOW: Final = 0.12
_ROWS_AT_MOST: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """If so many more join, so many are in, of whom so many had waited."""

    more: int
    inside: int
    brought: int
    tips: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The picture's paths, where it crosses the goal, and the same as rows."""

    line: str
    area: str
    alone: str
    here_y: int
    goal_y: int | None
    cross_x: int | None
    end: int
    rows: list[Row]
    words: str


def curve(people: int, goal: int, pairs: Sequence[Sequence[int]]) -> Curve | None:
    """Draw what the tally knows: pairs of how many more people, and whom they bring in.

    `goal` is how many people the rule asks for, 0 if it asks for none. None where nobody who waits
    could be brought in: then one more is one more, and there is nothing to see.
    """
    if not any(brought for _more, brought in pairs):
        return None
    cross = _crossing(people, goal, pairs)
    end = pairs[-1][0] if cross is None else max(cross, pairs[0][0])
    seen = [(more, brought) for more, brought in pairs if more <= end]
    reached = people + end + (seen[-1][1] if seen else 0)
    top = max(reached, goal if cross is not None else 0)
    low = max(0, people - max(1, round((top - people) * _ROOM_BELOW)))

    def x(more: int) -> int:
        return round(_WIDTH * more / end)

    def y(inside: int) -> int:
        return round(_HEIGHT * (1 - (inside - low) / (top - low)))

    line, brought = f"M0 {y(people)}", 0
    for more, brings in seen:
        line += f"L{x(more)} {y(people + more + brought)}V{y(people + more + brings)}"
        brought = brings
    line += f"L{_WIDTH} {y(reached)}"
    return Curve(
        line=line,
        area=f"{line}V{_HEIGHT}H0Z",
        alone=f"M0 {y(people)}L{_WIDTH} {y(people + end)}",
        here_y=y(people),
        goal_y=y(goal) if cross is not None else None,
        cross_x=x(cross) if cross is not None else None,
        end=end,
        rows=_rows(people, goal, seen, cross),
        words=_words(seen, cross),
    )


def _crossing(people: int, goal: int, pairs: Sequence[Sequence[int]]) -> int | None:
    """The fewest further people with whom the goal is reached, as far as the pairs tell."""
    if goal <= people:
        return None
    brought, since = 0, 0
    for more, brings in [*pairs, (pairs[-1][0] + 1, 0)]:
        wanted = max(since, goal - people - brought)
        if wanted < more:
            return wanted
        brought, since = brings, more
    return None


def _rows(people: int, goal: int, seen: Sequence[Sequence[int]], cross: int | None) -> list[Row]:
    rows = {0: 0} | {pair[0]: pair[1] for pair in seen[: _ROWS_AT_MOST - 2]}
    if cross is not None:
        rows[cross] = next((b for more, b in reversed(seen) if more <= cross), 0)
    return [
        Row(more=more, inside=inside, brought=brings, tips=0 < goal <= inside)
        for more, brings in sorted(rows.items())
        for inside in (people + more + brings,)
    ]


def _words(seen: Sequence[Sequence[int]], cross: int | None) -> str:
    """The picture in a sentence."""
    if cross is not None:
        words = ngettext(
            "If %(n)s more person joins without a condition, enough are in.",
            "If %(n)s more people join without a condition, enough are in.",
            cross,
        )
        return words % {"n": number(cross)}
    more, brings = next((pair for pair in seen if pair[1]), seen[-1])
    words = ngettext(
        "If %(n)s more person joins, %(brought)s who wait come along.",
        "If %(n)s more people join, %(brought)s who wait come along.",
        more,
    )
    return words % {"n": number(more), "brought": number(brings)}
