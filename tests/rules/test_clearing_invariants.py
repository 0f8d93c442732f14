"""A-1 to A-12 against brute force over all subsets and against naive iteration."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.rules.clearing import (
    Crowd,
    Part,
    Unlock,
    classes,
    clear,
    clear_parts,
    unlock,
)
from countmein.rules.conditions import (
    Aggregates,
    AnyOf,
    Condition,
    People,
    PeopleIn,
    holds,
)
from countmein.rules.money import hamilton
from countmein.rules.states import CampaignState, Latch
from countmein.rules.thresholds import fixed_point
from countmein.rules.tipping import Verdict, judge
from tests.rules.crowds import (
    MODEST,
    added,
    by_brute_force,
    by_naive_iteration,
    chosen,
    condition,
    is_content,
    pledges,
    self_consistent_sets,
    signature,
    small,
)


@MODEST
@given(pledges())
def test_a_1_self_consistency_every_accepted_condition_holds_on_what_is_in(
    parts: list[Part],
) -> None:
    inside = chosen(parts, clear_parts(parts))
    assert all(is_content(part, added(inside)) for part in inside)


@MODEST
@given(pledges())
def test_a_2_maximality_equals_brute_force(parts: list[Part]) -> None:
    assert by_brute_force(parts) == clear_parts(parts)


@settings(max_examples=60, deadline=None)
@given(st.lists(pledges(), min_size=3, max_size=6), st.randoms(use_true_random=False))
def test_a_2_maximality_equals_naive_iteration_in_larger_crowds(
    crowds: list[list[Part]], random: object
) -> None:
    parts = [
        replace(part, id=f"{index}/{part.id}")
        for index, parts in enumerate(crowds)
        for part in parts
    ]
    assert by_naive_iteration(parts) == clear_parts(parts)


@MODEST
@given(pledges().flatmap(lambda parts: st.tuples(st.just(parts), st.permutations(parts))))
def test_a_3_order_independence(both: tuple[list[Part], list[Part]]) -> None:
    parts, shuffled = both
    assert clear_parts(parts) == clear_parts(shuffled)


@MODEST
@given(pledges(most=6))
def test_a_4_population_monotonicity_adding_removes_nobody_and_withdrawing_adds_nobody(
    parts: list[Part],
) -> None:
    everybody = clear_parts(parts)
    for left_out in parts:
        fewer = clear_parts([part for part in parts if part is not left_out])
        assert fewer <= everybody


@MODEST
@given(pledges(), st.data())
def test_a_5_relaxing_a_condition_or_raising_an_amount_removes_nobody(
    parts: list[Part], data: st.DataObject
) -> None:
    before = clear_parts(parts)
    for index, part in enumerate(parts):
        asked = part.condition
        relaxed = None if asked is None else AnyOf(of=(asked, data.draw(condition)))
        for easier in (
            replace(part, condition=relaxed),
            replace(part, amount=part.amount + data.draw(small)),
        ):
            assert before <= clear_parts([*parts[:index], easier, *parts[index + 1 :]])


@MODEST
@given(pledges(most=6))
def test_a_7_clearing_what_is_cleared_changes_nothing(parts: list[Part]) -> None:
    inside = clear_parts(parts)
    assert inside == clear_parts(chosen(parts, inside))


@MODEST
@given(pledges(), condition)
def test_a_8_when_the_rule_fails_nobody_is_charged_and_no_other_set_would_have_held_it(
    parts: list[Part], rule: Condition
) -> None:
    totals = clear(classes(parts)).totals
    deadline = datetime(2026, 12, 1, 12, tzinfo=UTC)
    verdict = judge(
        rule=rule,
        totals=totals,
        latch=Latch.at_deadline,
        state=CampaignState.open,
        deadline=deadline,
        now=deadline,
        pending=False,
    )
    sets = self_consistent_sets(parts, Aggregates.zero())
    could_hold = any(holds(rule, added(chosen(parts, ids))) for ids in sets)
    assert (Verdict.tip if could_hold else Verdict.lapse) is verdict


@MODEST
@given(pledges(most=6))
def test_a_9_charges_are_the_sum_of_accepted_amounts_and_nothing_else(parts: list[Part]) -> None:
    inside = chosen(parts, clear_parts(parts))
    assert added(inside) == clear(classes(parts)).totals


@MODEST
@given(st.lists(st.integers(1, 60), max_size=9), st.integers(1, 200))
def test_a_9_nobody_pays_above_their_maximum_when_a_price_is_shared(
    maxima: list[int], price: int
) -> None:
    parts = [signature(str(i), People(n=ceil(price / most))) for i, most in enumerate(maxima)]
    inside = clear_parts(parts)
    if inside:
        shares = hamilton(dict.fromkeys(inside, 1), total=price, seed="campaign")
        assert price == sum(shares.values())
        assert all(share <= maxima[int(id)] for id, share in shares.items())


@MODEST
@given(st.dictionaries(st.integers(0, 60), st.integers(1, 20), max_size=12))
def test_a_10_in_one_dimension_w_of_x_is_x(weights: dict[int, int]) -> None:
    x = fixed_point(weights)
    assert x == sum(weight for threshold, weight in weights.items() if threshold <= x)
    assert all(
        total < t
        for t in weights
        if t > x and (total := sum(w for s, w in weights.items() if s <= t)) is not None
    )


@MODEST
@given(pledges(), pledges())
def test_a_11_after_the_latch_what_is_in_never_shrinks(early: list[Part], late: list[Part]) -> None:
    """Those in at the tip are the core; all who wait or come later may leave again."""
    inside = clear_parts(early)
    core = added(chosen(early, inside))
    waiting = [part for part in early if part.id not in inside]
    late = [replace(part, id="late " + part.id) for part in late]
    after = clear_parts([*waiting, *late], core=core)
    assert clear_parts([*early, *late]) == inside | after
    assert by_brute_force(late, core) == clear_parts(late, core=core)


@MODEST
@given(pledges(most=6))
def test_a_12_unlock_distance_reaches_the_promised_people_and_one_fewer_does_not(
    parts: list[Part],
) -> None:
    crowds = classes(parts)
    assert by_counting_up(parts, 12) == unlock(crowds, clear(crowds), limit=12)


def by_counting_up(parts: Sequence[Part], limit: int) -> Unlock | None:
    inside = by_naive_iteration(parts)
    for more in range(1, limit + 1):
        core = replace(Aggregates.zero(), people=more)
        entered = by_naive_iteration(parts, core) - inside
        if brings := sum(part.people for part in chosen(parts, entered)):
            return Unlock(more_people=more, brings_people=brings)
    return None


@MODEST
@given(pledges(most=6))
def test_parts_added_up_by_condition_clear_like_single_parts(parts: list[Part]) -> None:
    one_by_one = [crowd for part in parts for crowd in classes([part])]
    is_in = clear(one_by_one).is_in
    inside = {part.id for part, inside in zip(parts, is_in, strict=True) if inside}
    assert inside == clear_parts(parts)


def test_two_crowds_that_need_each_other_are_both_in() -> None:
    leeds = crowd(PeopleIn(place="York", at_least=3), 2, "Leeds")
    york = crowd(PeopleIn(place="Leeds", at_least=2), 3, "York")
    assert (True, True) == clear([leeds, york]).is_in
    assert (False,) == clear([leeds]).is_in


def crowd(asked: Condition, people: int, place: str) -> Crowd:
    return Crowd(
        condition=asked, people=people, sums={}, people_in={place: people}, pledges=frozenset()
    )


def test_a_waiting_part_without_a_person_does_not_count_as_unlocked() -> None:
    first = signature("ben", None)
    further = replace(first, id="ben+", condition=People(n=3), people=0)
    waiting = signature("cleo", People(n=6))
    crowds = classes([first, further, waiting])
    assert Unlock(more_people=4, brings_people=1) == unlock(crowds, clear(crowds))


def test_nothing_unlocks_when_nobody_waits_or_only_a_place_would_help() -> None:
    inside, elsewhere = signature("ben", None), signature("cleo", PeopleIn(place="X", at_least=1))
    for parts in ([], [inside], [inside, elsewhere]):
        crowds = classes(parts)
        assert unlock(crowds, clear(crowds)) is None


def test_the_unlock_distance_is_found_up_to_its_limit_and_not_beyond() -> None:
    crowds = classes([signature("ben", People(n=11))])
    assert Unlock(more_people=10, brings_people=1) == unlock(crowds, clear(crowds), limit=10)
    assert unlock(crowds, clear(crowds), limit=9) is None
