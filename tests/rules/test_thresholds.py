"""A-6 by thresholds: what is kept up to date step by step equals what is worked out anew."""

from collections.abc import Iterable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from countmein.rules.clearing import (
    Part,
    Unlock,
    clear_parts,
)
from countmein.rules.conditions import (
    PledgeIn,
)
from countmein.rules.thresholds import ThresholdTree, fixed_point
from tests.rules.crowds import (
    MODEST,
    added,
    is_content,
    signature,
)


def test_an_upward_worklist_misses_two_newcomers_who_depend_on_each_other() -> None:
    """The negative control of A-6: the tempting algorithm is wrong, and ours is not."""
    ben = signature("ben", PledgeIn(code="cleo"))
    cleo = signature("cleo", PledgeIn(code="ben"))
    assert frozenset() == by_upward_worklist([ben, cleo])
    assert frozenset({"ben", "cleo"}) == clear_parts([ben, cleo])


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
