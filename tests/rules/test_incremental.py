"""A-6: what is kept up to date step by step equals what is worked out anew."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countmein.rules.clearing import (
    Incremental,
    Part,
    Unlock,
    classes,
    clear,
    clear_parts,
)
from countmein.rules.conditions import (
    Aggregates,
    All,
    AnyOf,
    Condition,
    People,
    PeopleIn,
    Places,
    PledgeIn,
    Some,
    Sum,
)
from countmein.rules.thresholds import ThresholdTree, fixed_point
from tests.rules.crowds import (
    MODEST,
    PLACES,
    added,
    is_content,
    pledges,
    signature,
)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, Part]]:
    """Adds, edits and withdrawals, each legal where it stands."""
    present: dict[str, Part] = {}
    history: list[tuple[str, Part]] = []
    for part in [*draw(pledges(most=6)), *draw(pledges(most=6))]:
        verb = draw(st.sampled_from(["edit", "withdraw"])) if part.id in present else "add"
        history.append((verb, part))
        if verb == "withdraw":
            del present[part.id]
        else:
            present[part.id] = part
    leaving = draw(st.lists(st.sampled_from(sorted(present)), unique=True)) if present else []
    return history + [("withdraw", present[id]) for id in leaving]


@MODEST
@given(histories(), st.integers(0, 2))
def test_a_6_incremental_equals_batch_after_any_history(
    history: list[tuple[str, Part]], core_people: int
) -> None:
    core = replace(Aggregates.zero(), people=core_people)
    running, present = Incremental(core=core), {}
    for verb, part in history:
        before = running.outcome
        if verb == "withdraw":
            del present[part.id]
            delta = running.withdraw(part.id)
        else:
            present[part.id] = part
            delta = running.edit(part) if verb == "edit" else running.add(part)
        parts = list(present.values())
        assert clear_parts(parts, core=core) == running.outcome
        assert running.outcome - before == delta.entered
        assert before - running.outcome == delta.left
        assert clear(classes(parts), core=core).totals == running.totals


@pytest.mark.parametrize("seed", range(8))
def test_a_6_incremental_equals_batch_along_a_long_history(seed: int) -> None:
    """Long enough for the kept proofs that nobody moves to be used up again and again."""
    rng = Random(seed)
    menu = [None, *(wish(rng) for _ in range(6))]
    running, present = Incremental(), {}
    for number in range(200):
        if present and rng.random() < 0.4:
            id = rng.choice(sorted(present))
            del present[id]
            running.withdraw(id)
        else:
            place, amount = rng.choice(PLACES), rng.randint(1, 3)
            asked = rng.choice(menu)
            part = replace(signature(str(number), asked), place=place, amount=amount)
            present[part.id] = part
            running.add(part)
        assert clear_parts(present.values()) == running.outcome


def wish(rng: Random) -> Condition:
    atoms: list[Condition] = [
        People(n=rng.randint(5, 40)),
        Sum(kind="signature", at_least=rng.randint(10, 80)),
        PeopleIn(place=rng.choice(PLACES), at_least=rng.randint(3, 15)),
        Places(people=rng.randint(2, 10), at_least=rng.randint(1, 3)),
        PledgeIn(code=str(rng.randrange(50))),
    ]
    of = tuple(rng.sample(atoms, 3))
    return rng.choice([of[0], All(of=of[:2]), AnyOf(of=of), Some(of=of, at_least=2)])


def test_an_upward_worklist_misses_two_newcomers_who_depend_on_each_other() -> None:
    """The negative control of A-6: the tempting algorithm is wrong, and ours is not."""
    ben = signature("ben", PledgeIn(code="cleo"))
    cleo = signature("cleo", PledgeIn(code="ben"))
    assert frozenset() == by_upward_worklist([ben, cleo])
    running = Incremental()
    running.add(ben)
    assert frozenset({"ben", "cleo"}) == running.add(cleo).entered


def by_upward_worklist(parts: Sequence[Part]) -> frozenset[str]:
    inside: list[Part] = []
    while newly := [p for p in parts if p not in inside and is_content(p, added([*inside, p]))]:
        inside.extend(newly)
    return frozenset(part.id for part in inside)


@MODEST
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9), st.booleans()), max_size=25))
def test_a_6_the_threshold_tree_equals_batch_and_counting_up_after_any_history(
    history: list[tuple[int, int, bool]],
) -> None:
    tree, members = ThresholdTree(), []
    for threshold, weight, leaves in history:
        if leaves and members:
            threshold, weight = members.pop()
            tree.add(threshold=threshold, weight=-weight, count=-1)
        else:
            members.append((threshold, weight))
            tree.add(threshold=threshold, weight=weight)
        x = tree.fixed_point()
        assert fixed_point(added_by_threshold(members)) == x
        assert tree_by_counting_up(members, 60) == tree.unlock(limit=60)


def added_by_threshold(members: Iterable[tuple[int, int]]) -> dict[int, int]:
    weights: dict[int, int] = {}
    for threshold, weight in members:
        weights[threshold] = weights.get(threshold, 0) + weight
    return weights


def tree_by_counting_up(members: Sequence[tuple[int, int]], limit: int) -> Unlock | None:
    inside = fixed_point(added_by_threshold(members))
    for more in range(1, limit + 1):
        reached = fixed_point(added_by_threshold([*members, (0, more)]))
        if reached > inside + more:
            return Unlock(more_people=more, brings_people=reached - more - inside)
    return None


def test_a_place_that_just_reaches_its_quorum_wakes_those_who_wait_for_it() -> None:
    running = Incremental()
    running.add(replace(signature("ana", None), place="York"))
    running.add(replace(signature("ben", Places(people=2, at_least=1)), place="Leeds"))
    assert frozenset({"ana"}) == running.outcome
    cleo = replace(signature("cleo", None), place="Leeds")
    assert frozenset({"ben", "cleo"}) == running.add(cleo).entered


def test_a_part_is_added_once_and_only_a_known_one_is_withdrawn() -> None:
    running = Incremental()
    running.add(signature("ben", None))
    with pytest.raises(KeyError):
        running.add(signature("ben", None))
    with pytest.raises(KeyError):
        running.withdraw("cleo")
    assert frozenset({"ben"}) == running.outcome
