"""The crowd of dots and the tipping curve say neither more nor less than the numbers."""

from __future__ import annotations

import pytest

from countmein.web.curve import curve
from countmein.web.meter import Dots, bars, dots


def seen(goal: int, people: int, waiting: int = 0) -> Dots:
    found = dots({"people": goal}, {"people": people, "waiting_people": waiting})
    assert found is not None
    return found


def drawn(found: Dots) -> tuple[int, int, int]:
    """How many dots are in, waiting and open."""
    paths = (found.inside, found.waiting, found.open)
    return tuple(path.count("M") for path in paths)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("goal", "people", "waiting", "expected"),
    [
        (3, 0, 0, (0, 0, 3)),
        (80, 40, 9, (40, 9, 31)),
        (500, 499, 0, (99, 0, 1)),
        (500, 499, 1, (99, 1, 0)),
        (500, 500, 0, (100, 0, 0)),
        (500, 700, 300, (100, 0, 0)),
        (500, 4, 0, (0, 0, 100)),
        (101, 100, 0, (50, 0, 1)),
        (101, 101, 0, (51, 0, 0)),
        (2_000_000, 1_999_999, 5, (99, 1, 0)),
    ],
)
def test_the_last_dot_is_full_when_nobody_is_missing(
    goal: int, people: int, waiting: int, expected: tuple[int, int, int]
) -> None:
    found = seen(goal, people, waiting)
    assert expected == drawn(found)
    assert found.cells == sum(expected) <= 100
    assert max(goal - people, 0) == found.missing


def test_a_rule_without_people_has_no_dots_and_each_bar_says_what_it_lacks() -> None:
    rule = {"all": [{"sum": {"kind": "money", "at_least": 3000}}, {"people_in": _IN_LEEDS}]}
    tally = {"people": 1, "waiting_people": 0, "sum": {"money": 1000}, "places": {"Leeds": 4}}
    assert dots(rule, tally) is None
    assert ["£20.00 more", ""] == [bar.gap_text for bar in bars(rule, tally, currency="GBP")]


_IN_LEEDS = {"place": "Leeds", "at_least": 4}


def test_the_curve_jumps_where_people_come_along_and_ends_at_the_goal() -> None:
    found = curve(40, 80, [[1, 9], [40, 9]])
    assert found is not None
    told = [(row.more, row.brought, row.inside, row.tips) for row in found.rows]
    assert [(0, 0, 40, False), (1, 9, 50, False), (31, 9, 80, True)] == told
    assert (600, 31) == (found.cross_x, found.end)
    assert "If 31 more people join without a condition, enough are in." == found.words


def test_one_more_may_tip_it_by_those_whom_they_bring() -> None:
    found = curve(70, 80, [[1, 9], [10, 9]])
    assert found is not None
    assert (1, True) == (found.rows[-1].more, found.rows[-1].tips)
    assert "If 1 more person joins without a condition, enough are in." == found.words


@pytest.mark.parametrize("goal", [0, 1_000])
def test_a_goal_that_is_out_of_sight_is_not_promised(goal: int) -> None:
    found = curve(0, goal, [[2, 3], [5, 12]])
    assert found is not None
    assert (None, None) == (found.cross_x, found.goal_y)
    assert "If 2 more people join, 3 who wait come along." == found.words
    assert not any(row.tips for row in found.rows)


@pytest.mark.parametrize("pairs", [[], [[30, 0]]])
def test_there_is_no_curve_where_nobody_would_come_along(pairs: list[list[int]]) -> None:
    assert curve(10, 20, pairs) is None


def test_no_line_leaves_the_picture() -> None:
    for people, goal, pairs in ((0, 5, [[1, 4]]), (7, 9, [[1, 1], [2, 9]]), (1, 0, [[64, 3]])):
        found = curve(people, goal, pairs)
        assert found is not None
        heights = [int(part.split()[-1]) for part in found.line.replace("V", " ").split("L")]
        assert all(0 <= height <= 240 for height in heights), found.line
