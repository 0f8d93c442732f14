"""How long the details of whoever pledged are kept: law, without a clock of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from countmein.rules.states import CampaignState, PledgeState

#: What came to nothing before anybody decided about it.
_CAME_TO_NOTHING = frozenset({PledgeState.unconfirmed, PledgeState.withdrawn})
#: A campaign that is here may still owe its members something.
_UNDER_WAY = frozenset({CampaignState.executing, CampaignState.failed, CampaignState.reallocating})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How long a site keeps the details: of what came to nothing, and of what came about."""

    nothing: timedelta
    details: timedelta


def details_end_at(
    *,
    pledge_state: PledgeState,
    acted_at: datetime,
    is_charged: bool,
    campaign_state: CampaignState,
    closed_at: datetime | None,
    proof_by: datetime | None,
    kept: Kept,
) -> datetime | None:
    """When nothing may lead from a pledge to its member any more; None while that cannot be said.

    What was never confirmed, or was withdrawn, is of no use to anybody: counted from the member's
    own last act. Who was let go is kept so long after the campaign's end. Whoever was in, or has
    paid, may be owed a word or their money back, so their details stay longer: counted from the
    end, too, and not while it is carried out or a proof of it is awaited.
    """
    if pledge_state in _CAME_TO_NOTHING and not is_charged:
        return acted_at + kept.nothing
    if closed_at is None or campaign_state in _UNDER_WAY or proof_by is not None:
        return None
    if pledge_state is PledgeState.released and not is_charged:
        return closed_at + kept.nothing
    return closed_at + kept.details
