"""Who may pledge, what, until when; who may change a pledge or leave."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.rules.pledging import (
    Offered,
    PledgeRefused,
    Reason,
    check_amounts,
    check_place,
    is_accepting,
    may_change,
    may_withdraw,
)
from countmein.rules.states import (
    CAMPAIGN_MOVES,
    PLEDGE_MOVES,
    CampaignState,
    Kind,
    Latch,
    PledgeState,
)

DEADLINE = datetime(2026, 12, 1, 12, tzinfo=UTC)
BEFORE = DEADLINE - timedelta(microseconds=1)
AFTER_TIP = [CampaignState.tipped, CampaignState.settling, CampaignState.settled]


def accepts(state: CampaignState, latch: Latch, now: datetime) -> bool:
    return is_accepting(state=state, latch=latch, deadline=DEADLINE, now=now)


@pytest.mark.parametrize("latch", Latch)
def test_an_open_campaign_takes_pledges_until_its_deadline(latch: Latch) -> None:
    assert accepts(CampaignState.open, latch, BEFORE)
    assert not accepts(CampaignState.open, latch, DEADLINE)


@pytest.mark.parametrize("state", AFTER_TIP)
def test_after_a_tip_the_door_stays_open_only_with_on_tip(state: CampaignState) -> None:
    assert accepts(state, Latch.on_tip, BEFORE)
    assert not accepts(state, Latch.on_tip, DEADLINE)
    assert not accepts(state, Latch.at_deadline, BEFORE)


@pytest.mark.parametrize(
    "state", [s for s in CampaignState if s not in (CampaignState.open, *AFTER_TIP)]
)
def test_no_other_state_takes_pledges(state: CampaignState) -> None:
    assert not any(accepts(state, latch, BEFORE) for latch in Latch)


ALL_KINDS = frozenset(Kind)


def refusal(*parts: tuple[str, object], **options: object) -> tuple[Reason, str | None] | None:
    offered = [Offered(kind=kind, amount=amount) for kind, amount in parts]  # type: ignore[arg-type]
    chosen = {"kinds": ALL_KINDS, "minimum": {"money": 100}, **options}
    try:
        check_amounts(offered, **chosen)  # type: ignore[arg-type]
    except PledgeRefused as refused:
        return refused.reason, refused.path
    return None


@pytest.mark.parametrize("amount", [0, -1, 10**12 + 1, 1.0, True, "100", None])
def test_an_amount_is_a_whole_positive_number(amount: object) -> None:
    assert (Reason.amount_invalid, "amount") == refusal(("money", amount))


def test_a_kind_the_campaign_does_not_take_is_refused_where_it_stands() -> None:
    only_money = frozenset({"money"})
    assert (Reason.kind_not_offered, "kind") == refusal(("call", 1), kinds=only_money)
    found = refusal(("money", 100), ("money", 5), ("call", 1), kinds=only_money)
    assert (Reason.kind_not_offered, "more[1].kind") == found


def test_what_counts_once_is_pledged_once() -> None:
    for kind in ("signature", "presence", "call"):
        assert refusal((kind, 1)) is None
        assert (Reason.amount_invalid, "amount") == refusal((kind, 2))
        found = refusal(("money", 100), (kind, 1), (kind, 1))
        assert (Reason.kind_repeated, "more[1].kind") == found


def test_whichever_parts_come_in_the_minimum_of_each_kind_is_reached() -> None:
    assert refusal(("money", 100), ("money", 1)) is None
    assert (Reason.below_minimum, "amount") == refusal(("money", 99), ("money", 100))
    assert (Reason.below_minimum, "more[0].amount") == refusal(("call", 1), ("money", 99))
    assert refusal(("call", 1), ("money", 100)) is None


def test_parts_together_stay_within_the_largest_number() -> None:
    found = refusal(("money", 10**12), ("money", 1))
    assert (Reason.amount_invalid, "more[0].amount") == found


def test_a_place_is_one_of_the_campaigns_or_none() -> None:
    places = frozenset({"Leeds"})
    check_place(None, places=places)
    check_place("Leeds", places=places)
    with pytest.raises(PledgeRefused) as caught:
        check_place("Hull", places=places)
    assert (Reason.place_unknown, "place") == (caught.value.reason, caught.value.path)


def leaving(
    pledge_state: PledgeState,
    campaign_state: CampaignState = CampaignState.open,
    *,
    counted: bool = False,
    accept_pending: bool = False,
    now: datetime = BEFORE,
) -> Reason | None:
    try:
        may_withdraw(
            pledge_state=pledge_state,
            campaign_state=campaign_state,
            counted=counted,
            accept_pending=accept_pending,
            deadline=DEADLINE,
            now=now,
        )
    except PledgeRefused as refused:
        return refused.reason
    return None


def test_before_the_tip_everybody_may_leave() -> None:
    assert leaving(PledgeState.active, counted=True) is None
    assert leaving(PledgeState.active, counted=False) is None


@pytest.mark.parametrize("state", AFTER_TIP)
def test_after_the_tip_those_who_wait_may_leave_and_the_accepted_may_not(
    state: CampaignState,
) -> None:
    assert leaving(PledgeState.active, state) is None
    for accepted in (PledgeState.accepted, PledgeState.fulfilled):
        assert Reason.latched is leaving(accepted, state)


@pytest.mark.parametrize("state", AFTER_TIP)
def test_one_who_is_being_accepted_is_latched_until_it_turns_out(state: CampaignState) -> None:
    assert Reason.latched is leaving(PledgeState.active, state, counted=True, accept_pending=True)
    assert leaving(PledgeState.active, state, counted=False, accept_pending=True) is None
    # Counted and not accepted although acceptance is done: wait-listed behind a full cap.
    assert leaving(PledgeState.active, state, counted=True, accept_pending=False) is None


def test_between_deadline_and_verdict_nobody_leaves() -> None:
    assert Reason.latched is leaving(PledgeState.active, now=DEADLINE)


@pytest.mark.parametrize("now", [BEFORE, DEADLINE])
def test_what_does_not_count_yet_may_always_leave(now: datetime) -> None:
    for state in (PledgeState.unconfirmed, PledgeState.unsecured):
        assert leaving(state, now=now) is None


def test_what_is_over_is_not_left_again() -> None:
    for state in ("withdrawn", "released", "dropped", "refunded"):
        assert Reason.pledge_closed is leaving(PledgeState(state))
    assert Reason.pledge_held is leaving(PledgeState.held)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PledgeState), st.sampled_from(CampaignState), st.booleans(), st.booleans())
def test_only_a_pledge_that_can_move_to_withdrawn_may_leave(
    pledge_state: PledgeState, campaign_state: CampaignState, counted: bool, pending: bool
) -> None:
    reason = leaving(pledge_state, campaign_state, counted=counted, accept_pending=pending)
    assert reason is not None or PledgeState.withdrawn in PLEDGE_MOVES[pledge_state]


@pytest.mark.parametrize(
    ("pledge_state", "campaign_state", "now", "expected"),
    [
        (PledgeState.active, CampaignState.open, BEFORE, None),
        (PledgeState.active, CampaignState.settled, BEFORE, None),
        (PledgeState.accepted, CampaignState.settled, BEFORE, Reason.latched),
        (PledgeState.active, CampaignState.settled, DEADLINE, Reason.campaign_closed),
        (PledgeState.unsecured, CampaignState.open, DEADLINE, Reason.campaign_closed),
    ],
)
def test_a_change_needs_both_a_way_out_and_an_open_door(
    pledge_state: PledgeState,
    campaign_state: CampaignState,
    now: datetime,
    expected: Reason | None,
) -> None:
    reason = None
    try:
        may_change(
            pledge_state=pledge_state,
            campaign_state=campaign_state,
            latch=Latch.on_tip,
            counted=False,
            accept_pending=False,
            deadline=DEADLINE,
            now=now,
        )
    except PledgeRefused as refused:
        reason = refused.reason
    assert expected is reason


def reachable(start: CampaignState) -> set[CampaignState]:
    seen, fresh = set(), {start}
    while fresh:
        seen |= fresh
        fresh = {state for old in fresh for state in CAMPAIGN_MOVES[old]} - seen
    return seen


def test_a_campaign_can_be_cancelled_exactly_while_it_can_still_be_done() -> None:
    for state in CampaignState:
        before_done = state is not CampaignState.done and CampaignState.done in reachable(state)
        assert before_done is (CampaignState.cancelled in CAMPAIGN_MOVES[state])


def test_every_state_has_its_moves_and_can_be_reached() -> None:
    assert set(CampaignState) == set(CAMPAIGN_MOVES) == reachable(CampaignState.draft)
    assert set(PledgeState) == set(PLEDGE_MOVES)
    targets = {state for states in PLEDGE_MOVES.values() for state in states}
    assert set(PledgeState) - {PledgeState.unconfirmed} == targets
