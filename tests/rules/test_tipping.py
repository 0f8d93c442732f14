"""Verdicts around the deadline, rules that cannot hold, and the queue for a cap."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.rules.conditions import (
    Aggregates,
    All,
    AnyOf,
    Condition,
    People,
    PeopleIn,
    Places,
    Some,
    Sum,
)
from countmein.rules.states import CampaignState, Latch
from countmein.rules.tipping import Arrival, Served, Verdict, can_hold, judge, serve

MODEST = settings(max_examples=150, deadline=None)
DEADLINE = datetime(2026, 12, 1, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
BEFORE, AT, AFTER = DEADLINE - INSTANT, DEADLINE, DEADLINE + INSTANT


def verdict(
    people: int,
    *,
    latch: Latch = Latch.on_tip,
    now: datetime = BEFORE,
    pending: bool = False,
    state: CampaignState = CampaignState.open,
) -> Verdict:
    return judge(
        rule=People(n=3),
        totals=Aggregates(people=people, sums={}, people_in={}, pledges=frozenset()),
        latch=latch,
        state=state,
        deadline=DEADLINE,
        now=now,
        pending=pending,
    )


def test_on_tip_a_campaign_tips_the_first_time_its_rule_holds() -> None:
    assert Verdict.wait is verdict(2)
    assert Verdict.tip is verdict(3)


def test_on_tip_a_late_count_of_timely_pledges_still_tips() -> None:
    for now in (AT, AFTER):
        assert Verdict.tip is verdict(3, now=now)
        assert Verdict.tip is verdict(3, now=now, pending=True)


def test_at_the_deadline_a_campaign_is_judged_once_and_not_a_moment_before() -> None:
    assert Verdict.wait is verdict(3, latch=Latch.at_deadline, now=BEFORE)
    for now in (AT, AFTER):
        assert Verdict.tip is verdict(3, latch=Latch.at_deadline, now=now)


@pytest.mark.parametrize("latch", Latch)
def test_a_campaign_whose_rule_fails_lapses_at_its_deadline(latch: Latch) -> None:
    assert Verdict.wait is verdict(2, latch=latch, now=BEFORE)
    assert Verdict.lapse is verdict(2, latch=latch, now=AT)


@pytest.mark.parametrize("latch", Latch)
def test_nothing_lapses_while_a_timely_mandate_is_under_way(latch: Latch) -> None:
    assert Verdict.wait is verdict(2, latch=latch, now=AFTER, pending=True)


def test_at_deadline_waits_for_mandates_under_way_even_if_the_rule_holds() -> None:
    assert Verdict.wait is verdict(3, latch=Latch.at_deadline, now=AFTER, pending=True)


@pytest.mark.parametrize("state", [s for s in CampaignState if s is not CampaignState.open])
def test_only_an_open_campaign_is_judged(state: CampaignState) -> None:
    for now in (BEFORE, AFTER):
        assert Verdict.wait is verdict(3, now=now, state=state)


def possible(
    rule: Condition,
    *,
    cap: dict[str, int],
    kinds: tuple[str, ...] = ("money",),
    minimum: dict[str, int] | None = None,
) -> bool:
    return can_hold(
        rule,
        kinds=frozenset(kinds),
        cap=cap,
        minimum=minimum or {},
        places=frozenset({"Leeds", "York"}),
    )


def test_a_sum_beyond_its_cap_cannot_hold() -> None:
    assert possible(Sum(kind="money", at_least=100), cap={"money": 100})
    assert not possible(Sum(kind="money", at_least=101), cap={"money": 100})
    assert possible(Sum(kind="money", at_least=10**12), cap={})


def test_people_are_bounded_only_if_every_kind_is_capped() -> None:
    assert possible(People(n=10), cap={"money": 100}, minimum={"money": 10})
    assert not possible(People(n=11), cap={"money": 100}, minimum={"money": 10})
    both = ("money", "signature")
    assert possible(People(n=11), cap={"money": 100}, minimum={"money": 10}, kinds=both)
    capped = {"money": 100, "signature": 5}
    assert possible(People(n=15), cap=capped, minimum={"money": 10}, kinds=both)
    assert not possible(People(n=16), cap=capped, minimum={"money": 10}, kinds=both)


def test_places_the_campaign_does_not_have_hold_nobody() -> None:
    assert possible(PeopleIn(place="Leeds", at_least=5), cap={})
    assert not possible(PeopleIn(place="Hull", at_least=5), cap={})
    assert possible(Places(people=5, at_least=2), cap={})
    assert not possible(Places(people=5, at_least=3), cap={})
    assert not possible(Places(people=5, at_least=2), cap={"money": 9})


def test_gates_ask_their_children() -> None:
    yes, no = People(n=1), Sum(kind="hours", at_least=1)
    assert not possible(All(of=(yes, no)), cap={})
    assert possible(AnyOf(of=(yes, no)), cap={})
    assert possible(Some(of=(yes, no, yes), at_least=2), cap={})
    assert not possible(Some(of=(yes, no, no), at_least=2), cap={})


def arrival(id: str, *, secured: bool = True, keeps_place: bool = False, **amounts: int) -> Arrival:
    return Arrival(id=id, amounts=amounts, secured=secured, keeps_place=keeps_place)


def served(accepted: str = "", waiting: str = "", reserved: str = "") -> Served:
    return Served(
        accepted=tuple(accepted.split()),
        waiting=tuple(waiting.split()),
        reserved=tuple(reserved.split()),
    )


def test_nobody_overtakes_a_pledge_that_does_not_fit() -> None:
    queue = [arrival("ana", money=6), arrival("ben", money=5), arrival("cleo", money=1)]
    assert served("ana", "ben cleo") == serve(queue, cap={"money": 10}, taken={})


def test_one_who_waits_moves_up_when_room_is_made() -> None:
    queue = [arrival("ben", money=5), arrival("cleo", money=1)]
    assert served("", "ben cleo") == serve(queue, cap={"money": 10}, taken={"money": 6})
    assert served("ben", "cleo") == serve(queue, cap={"money": 10}, taken={"money": 5})


def test_a_pledge_without_a_capped_kind_never_waits() -> None:
    queue = [arrival("ana", money=11), arrival("ben", signature=1), arrival("cleo", hours=9)]
    assert served("ben cleo", "ana") == serve(queue, cap={"money": 10}, taken={})


def test_one_who_waits_for_one_kind_is_not_overtaken_in_another() -> None:
    queue = [arrival("ana", money=11, purchase=1), arrival("ben", purchase=1)]
    assert served("", "ana ben") == serve(queue, cap={"money": 10, "purchase": 1}, taken={})


def test_an_unsecured_pledge_keeps_its_place_for_a_while_and_then_is_passed_over() -> None:
    unsecured = arrival("ana", money=6, secured=False, keeps_place=True)
    queue = [unsecured, arrival("ben", money=5)]
    assert served("", "ben", "ana") == serve(queue, cap={"money": 10}, taken={})
    queue[0] = arrival("ana", money=6, secured=False)
    assert served("ben") == serve(queue, cap={"money": 10}, taken={})


arrivals = st.lists(
    st.builds(
        dict,
        amounts=st.dictionaries(
            st.sampled_from(["money", "hours", "call"]), st.integers(0, 5), max_size=2
        ),
        secured=st.booleans(),
        keeps_place=st.booleans(),
    ),
    max_size=10,
).map(lambda rows: [Arrival(id=str(index), **row) for index, row in enumerate(rows)])


@MODEST
@given(arrivals, st.integers(0, 12), st.integers(0, 12), st.integers(0, 3))
def test_a_cap_is_never_exceeded_nor_anyone_overtaken(
    queue: list[Arrival], money: int, hours: int, taken: int
) -> None:
    cap = {"money": money, "hours": hours}
    result = serve(queue, cap=cap, taken={"money": taken})
    used: Counter[str] = Counter({"money": min(taken, money)})
    for pledge in queue:
        if pledge.id in result.accepted:
            used.update(pledge.amounts)
    assert all(used[kind] <= cap[kind] for kind in cap)
    for before, pledge in enumerate(queue):
        shared = {kind for kind, amount in pledge.amounts.items() if amount and kind in cap}
        waits = any(
            other.id in result.waiting and shared & {k for k, x in other.amounts.items() if x}
            for other in queue[:before]
        )
        assert not (waits and pledge.id in result.accepted)


@MODEST
@given(arrivals, st.integers(0, 12))
def test_more_room_never_sends_anyone_back(queue: list[Arrival], money: int) -> None:
    fewer = serve(queue, cap={"money": money}, taken={})
    more = serve(queue, cap={"money": money + 1}, taken={})
    assert set(fewer.accepted) <= set(more.accepted)
