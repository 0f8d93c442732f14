"""To choose what becomes of one's money if it cannot be carried out; until that is settled."""

from __future__ import annotations

from countmein.base.clock import site_now
from countmein.campaigns.models import Campaign, Gate, Pledge
from countmein.campaigns.plans import plans_of
from countmein.rules.failure import Fallback
from countmein.rules.pledging import check_fallback, may_choose
from countmein.rules.states import CampaignState, PledgeState


def choose(campaign: Campaign, gate: Gate, row: Pledge, fallback: str | int | None) -> None:
    """Note a member's choice; None takes it back to a refund. Raises PledgeRefused.

    Call with the gate and the pledge held: whoever settles a failure holds the gate alone.
    """
    require_choosable(gate, row)
    wanted = fallback or Fallback.refund
    check_fallback(wanted, plans=len(plans_of(campaign)))
    row.fallback = str(wanted)
    row.save(update_fields=["fallback"])


def require_choosable(gate: Gate, row: Pledge) -> None:
    """Raises PledgeRefused unless the choice is still open."""
    may_choose(
        pledge_state=PledgeState(row.state),
        campaign_state=CampaignState(gate.state),
        decide_until=gate.reallocate_at,
        now=site_now(),
    )
