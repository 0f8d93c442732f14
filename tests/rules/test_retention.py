"""How long details are kept: less for what came to nothing, nothing ever shorter than promised."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from countmein.rules.retention import Kept, details_end_at
from countmein.rules.states import CampaignState, PledgeState

KEPT = Kept(nothing=timedelta(days=30), details=timedelta(days=180))
ACTED = datetime(2026, 1, 1, tzinfo=UTC)
CLOSED = datetime(2026, 3, 1, tzinfo=UTC)


def end(
    pledge: PledgeState,
    campaign: CampaignState = CampaignState.settled,
    *,
    closed_at: datetime | None = CLOSED,
    proof_by: datetime | None = None,
    is_charged: bool = False,
) -> datetime | None:
    return details_end_at(
        pledge_state=pledge,
        acted_at=ACTED,
        is_charged=is_charged,
        campaign_state=campaign,
        closed_at=closed_at,
        proof_by=proof_by,
        kept=KEPT,
    )


def test_what_was_never_confirmed_goes_although_the_campaign_is_open() -> None:
    for state in (PledgeState.unconfirmed, PledgeState.withdrawn):
        assert ACTED + KEPT.nothing == end(state, CampaignState.open, closed_at=None)


def test_who_was_let_go_goes_after_the_end_and_who_was_in_later() -> None:
    assert CLOSED + KEPT.nothing == end(PledgeState.released, CampaignState.released)
    for state in (PledgeState.fulfilled, PledgeState.refunded, PledgeState.dropped):
        assert CLOSED + KEPT.details == end(state)


def test_who_has_paid_is_kept_as_long_as_who_was_in() -> None:
    assert CLOSED + KEPT.details == end(PledgeState.released, is_charged=True)
    assert CLOSED + KEPT.details == end(PledgeState.withdrawn, is_charged=True)


def test_nobody_goes_while_something_may_still_be_owed() -> None:
    for campaign in (CampaignState.executing, CampaignState.failed, CampaignState.reallocating):
        assert end(PledgeState.fulfilled, campaign) is None
    assert end(PledgeState.fulfilled, proof_by=CLOSED) is None
    assert end(PledgeState.fulfilled, closed_at=None) is None


@given(
    pledge=st.sampled_from(PledgeState),
    campaign=st.sampled_from(CampaignState),
    charged=st.booleans(),
    closed=st.booleans(),
)
def test_a_pledge_that_may_still_be_counted_keeps_its_member(
    pledge: PledgeState, campaign: CampaignState, charged: bool, closed: bool
) -> None:
    found = end(pledge, campaign, closed_at=CLOSED if closed else None, is_charged=charged)
    came_to_nothing = pledge in (PledgeState.unconfirmed, PledgeState.withdrawn) and not charged
    assert closed or came_to_nothing or found is None
    if found is not None and not came_to_nothing:
        assert found >= CLOSED + KEPT.nothing
