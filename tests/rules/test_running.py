"""A-6 by crowds: what is peeled again only as far as a change reaches equals the full clearing."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countmein.rules.clearing import Crowd, Outcome, clear, unlock
from countmein.rules.conditions import Aggregates, Condition, People, Places, PledgeIn, Sum
from countmein.rules.running import Moved, Running
from tests.rules.crowds import CODES, KINDS, MODEST, PLACES, condition, maybe_condition, wish


@dataclass
class Shadow:
    """The same crowds beside a Running, cleared in full whenever asked."""

    running: Running[int] = field(default_factory=Running)
    crowds: list[Crowd] = field(default_factory=list)
    located: dict[str, int] = field(default_factory=dict)

    def add_crowd(self, asked: Condition | None) -> None:
        self.running.add_crowd(len(self.crowds), asked)
        empty = Aggregates.zero()
        self.crowds.append(
            Crowd(
                condition=asked,
                people=0,
                sums=empty.sums,
                people_in=empty.people_in,
                pledges=frozenset(),
            )
        )

    def add(self, key: int, kind: str, amount: int, place: str, people: int) -> None:
        self.running.add(key, kind=kind, amount=amount, place=place, people=people)
        was = self.crowds[key]
        places = dict(was.people_in)
        if place:
            places[place] = places.get(place, 0) + people
        self.crowds[key] = replace(
            was,
            people=was.people + people,
            sums={**was.sums, kind: was.sums.get(kind, 0) + amount},
            people_in=places,
        )

    def locate(self, code: str, key: int | None) -> None:
        if code not in self.running.named:
            return
        self.running.locate(code, key)
        was = self.located.pop(code, None)
        for index, sign in ((was, -1), (key, 1)):
            if index is not None:
                crowd = self.crowds[index]
                codes = crowd.pledges | {code} if sign > 0 else crowd.pledges - {code}
                self.crowds[index] = replace(crowd, pledges=codes)
        if key is not None:
            self.located[code] = key

    def agree(self) -> tuple[Outcome, Moved[int]]:
        """Both say the same: who is in, what it adds up to, who waits, and the way to more."""
        before = {key for key in range(len(self.crowds)) if key in self.inside}
        moved = self.running.settle()
        whole = clear(self.crowds)
        now = {key for key in range(len(self.crowds)) if self.running.is_in(key)}
        assert {key for key, is_in in enumerate(whole.is_in) if is_in} == now
        assert (now - before, before - now) == (set(moved.entered), set(moved.left))
        self.inside = now
        totals = self.running.totals
        assert whole.totals.people == totals.people
        assert {k: n for k, n in whole.totals.sums.items() if n} == totals.sums
        assert {p: n for p, n in whole.totals.people_in.items() if n} == totals.people_in
        everybody = sum(crowd.people for crowd in self.crowds)
        assert everybody - whole.totals.people == self.running.waiting_people
        assert unlock(self.crowds, whole, limit=60) == self.running.unlock(limit=60)
        self.agree_on_the_curve(whole.totals.people)
        return whole, moved

    def agree_on_the_curve(self, inside: int) -> None:
        """With 0, 1, 2 … more people the curve says what a clearing with them in says."""
        rungs = self.running.curve(limit=12, steps_at_most=12)
        by_more = {rung.more_people: rung.brings_people for rung in rungs}
        said = 0
        for more in range(1 + max(by_more, default=0)):
            said = by_more.get(more, said)
            core = replace(Aggregates.zero(), people=more)
            assert clear(self.crowds, core=core).totals.people - more - inside == said

    inside: set[int] = field(default_factory=set)


Step = tuple[str, int, str, int, str, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["crowd", "join", "join", "join", "leave", "accept", "locate", "settle"]),
        st.integers(0, 7),
        st.sampled_from(KINDS),
        st.integers(1, 9),
        st.sampled_from(["", *PLACES]),
        st.integers(0, 2),
    ),
    max_size=60,
)


@MODEST
@given(st.lists(maybe_condition, min_size=1, max_size=6), st.lists(condition, max_size=8), steps)
def test_a_6_running_equals_clear_after_any_history(
    first: list[Condition | None], later: list[Condition], history: list[Step]
) -> None:
    shadow = Shadow()
    for asked in first:
        shadow.add_crowd(asked)
    present: list[Step] = []
    for step in history:
        _walk(shadow, later, present, step)
    shadow.agree()


def _walk(shadow: Shadow, later: list[Condition], present: list[Step], step: Step) -> None:
    verb, number, kind, amount, place, people = step
    key = number % len(shadow.crowds)
    if verb == "crowd" and later:
        shadow.add_crowd(later.pop())
    elif verb == "join":
        shadow.add(key, kind, amount, place, people)
        present.append(("join", key, kind, amount, place, people))
    elif verb in ("leave", "accept") and present:
        _verb, key, kind, amount, place, people = present.pop(number % len(present))
        shadow.add(key, kind, -amount, place, -people)
        if verb == "accept":
            # As when it is accepted: it leaves its crowd and joins another one in the same round.
            shadow.add(0, kind, amount, place, people)
            present.append(("join", 0, kind, amount, place, people))
    elif verb == "locate":
        shadow.locate(CODES[number % len(CODES)], key if people else None)
    elif verb == "settle":
        shadow.agree()


@pytest.mark.parametrize("seed", range(6))
def test_a_6_running_equals_clear_along_a_long_history(seed: int) -> None:
    """Long enough for what is kept of the peel to be taken back and built up again many times."""
    rng = Random(seed)
    shadow = Shadow()
    for asked in [None, *(wish(rng) for _ in range(25))]:
        shadow.add_crowd(asked)
    present: list[tuple[int, str, int, str, int]] = []
    for _round in range(80):
        for _act in range(rng.choice((1, 1, 3, 10))):
            if present and rng.random() < 0.4:
                key, kind, amount, place, people = present.pop(rng.randrange(len(present)))
                shadow.add(key, kind, -amount, place, -people)
            else:
                joined = (
                    rng.randrange(len(shadow.crowds)),
                    "signature",
                    rng.randint(1, 3),
                    rng.choice(PLACES),
                    1,
                )
                shadow.add(*joined)
                present.append(joined)
        if rng.random() < 0.2:
            shadow.add_crowd(wish(rng))
        if rng.random() < 0.3 and shadow.running.named:
            code = rng.choice(sorted(shadow.running.named))
            shadow.locate(code, rng.choice([None, *range(len(shadow.crowds))]))
        shadow.agree()


def _waiting_in_a_row(thresholds: Sequence[int]) -> Running[int]:
    running: Running[int] = Running()
    running.add_crowd(0, None)
    for key, threshold in enumerate(thresholds, 1):
        running.add_crowd(key, People(n=threshold))
        running.add(key, kind="money", amount=1, place="", people=1)
    running.settle()
    return running


def test_only_what_comes_within_reach_is_peeled_again() -> None:
    """Of a thousand who wait for more and more people, one more person reaches none."""
    running = _waiting_in_a_row(range(10, 20_000, 20))
    before = running._log[:]
    for _person in range(5):
        running.add(0, kind="money", amount=1, place="", people=1)
        assert not running.settle().entered
    assert all(one is other for one, other in zip(before, running._log, strict=True))
    # The control: had everybody been peeled anew, no failure would be the one of before.
    anew = _waiting_in_a_row(range(10, 20_000, 20))._log
    assert not any(one is other for one, other in zip(before, anew, strict=True))


def test_two_newcomers_who_depend_on_each_other_come_in_together() -> None:
    running: Running[str] = Running()
    running.settle()
    for one, other in (("ben", "cleo"), ("cleo", "ben")):
        running.add_crowd(one, PledgeIn(code=other))
        running.add(one, kind="signature", amount=1, place="", people=1)
    running.locate("ben", "ben")
    running.locate("cleo", "cleo")
    assert frozenset({"ben", "cleo"}) == running.settle().entered


def test_a_new_place_counts_among_the_places_as_soon_as_it_is_full() -> None:
    running: Running[str] = Running()
    running.add_crowd("all", None)
    running.add_crowd("waits", Places(people=2, at_least=2))
    running.add("all", kind="signature", amount=2, place="Leeds", people=2)
    running.settle()
    running.add("all", kind="signature", amount=1, place="York", people=1)
    assert not running.settle().entered
    running.add("all", kind="signature", amount=1, place="York", people=1)
    assert frozenset({"waits"}) == running.settle().entered


def test_a_loss_and_an_equal_gain_in_one_round_move_nobody() -> None:
    running: Running[str] = Running()
    running.add_crowd("core", None)
    running.add_crowd("sum", Sum(kind="money", at_least=5))
    running.add("sum", kind="money", amount=5, place="", people=1)
    assert frozenset({"core", "sum"}) == running.settle().entered
    running.add("sum", kind="money", amount=-5, place="", people=-1)
    running.add("core", kind="money", amount=5, place="", people=1)
    moved = running.settle()
    assert (frozenset(), frozenset()) == (moved.entered, moved.left)


def test_a_crowd_is_added_once() -> None:
    running: Running[str] = Running()
    running.add_crowd("all", None)
    with pytest.raises(KeyError):
        running.add_crowd("all", None)


def test_the_curve_ends_where_the_looking_ended() -> None:
    """Nine wait for ten, one for twenty: a step at 1, one at 11, and beyond 15 nothing is said."""
    shadow = Shadow()
    for people, asked in ((9, People(n=10)), (1, People(n=21))):
        shadow.add_crowd(asked)
        shadow.add(len(shadow.crowds) - 1, "signature", people, "", people)
    shadow.running.settle()
    told = [
        (r.more_people, r.brings_people) for r in shadow.running.curve(limit=15, steps_at_most=9)
    ]
    assert [(1, 9), (11, 10), (15, 10)] == told
    assert [(1, 9)] == [
        (r.more_people, r.brings_people) for r in shadow.running.curve(limit=15, steps_at_most=1)
    ]
    assert shadow.running.totals.people == 0
