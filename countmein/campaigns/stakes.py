"""What is still held of each pledge's money, and what is gone since it was last shared out."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Sum

from countmein.campaigns.models import Ballot, BallotKind, Campaign, PlanShare
from countmein.ledger import actions as ledger
from countmein.ledger import queries as books
from countmein.payments.models import (
    REFUND_OVER,
    Charge,
    ChargeState,
    Delivery,
    Dispute,
    DisputeState,
    Payout,
    PayoutState,
    Refund,
    RefundState,
)
from countmein.rules.money import hamilton

#: Whose account the books keep what waits for a ballot on.
BALLOT = "ballot"
_GONE_WITH = ("pending:", "paid:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """What has left the campaign, or is promised to somebody, since it was founded.

    `paid_minor`: payments, made or still to be made. `spent_minor` bought nothing: what the
    provider keeps, commission, and those payments that were lost.
    """

    spent_minor: int
    paid_minor: int
    whole_minor: int


def gone(campaign: Campaign) -> Gone:
    """What is gone by the books. A payment that was asked for and not stopped is gone, too."""
    balances = books.balances(lane=campaign.lane, campaign_id=campaign.id)
    paid = costs = 0
    for (account, _currency), amount in balances.items():
        if account.startswith(_GONE_WITH) and account != ledger.pending(BALLOT):
            paid += amount
        elif account in (ledger.PROCESSOR, ledger.COMMISSION):
            costs += amount
    lost = Payout.objects.filter(
        lane=campaign.lane,
        campaign_id=campaign.id,
        delivery=Delivery.LOST,
        state=PayoutState.PAID,
    ).aggregate(total=Sum("amount_minor"))["total"]
    return Gone(spent_minor=costs + (lost or 0), paid_minor=paid, whole_minor=costs + paid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stakes:
    """What is held of each pledge's money (negative: more than it bears was taken back of it).

    `returned_minor`: of what each bore earlier, what has come back since. `cost_minor` is gone
    since then, and to be borne now.
    """

    held_minor: Mapping[uuid.UUID, int]
    returned_minor: Mapping[uuid.UUID, int]
    cost_minor: int


def stakes(campaign: Campaign, *, gone_minor: int) -> Stakes:
    """Work out what is at stake; three sums over the crowd, whatever its size."""
    rows = Charge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, state=ChargeState.PAID
    ).values_list("pledge_id", "amount_minor")
    back, borne, parked = _back(campaign), _borne(campaign), _parked(campaign)
    held = {
        id: amount - back.get(id, 0) - borne.get(id, 0) - parked.get(id, 0) for id, amount in rows
    }
    # Whoever took back more than was left of theirs leaves it to the others to bear.
    taken_back = -sum(amount for amount in held.values() if amount < 0)
    cost = gone_minor - sum(borne.values()) + taken_back
    returned: dict[uuid.UUID, int] = {}
    if cost < 0:
        returned = _given_back(campaign, borne, most_minor=-cost)
        cost = 0
    whole = sum(max(held[id], 0) + returned.get(id, 0) for id in held)
    return Stakes(held_minor=held, returned_minor=returned, cost_minor=min(cost, whole))


def _given_back(
    campaign: Campaign, borne: Mapping[uuid.UUID, int], *, most_minor: int
) -> dict[uuid.UUID, int]:
    weights = {str(id): amount for id, amount in borne.items() if amount > 0}
    total = min(most_minor, sum(weights.values()))
    shares = hamilton(weights, total=total, seed=campaign.code)
    return {uuid.UUID(id): amount for id, amount in shares.items()}


def _back(campaign: Campaign) -> dict[uuid.UUID, int]:
    """What went back of each pledge's money, or is about to; a refund and a dispute of the same
    money are not counted twice, for only one of them comes to pass."""
    refunds = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    disputes = Dispute.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    # In this order: a refund that is made meanwhile is in both, and never in neither.
    owed = _by_pledge(refunds.exclude(state__in=REFUND_OVER))
    made = _by_pledge(refunds.filter(state=RefundState.DONE))
    disputed = _by_pledge(disputes.exclude(state=DisputeState.WON))
    return {
        id: made.get(id, 0) + max(owed.get(id, 0), disputed.get(id, 0))
        for id in made.keys() | owed.keys() | disputed.keys()
    }


def _borne(campaign: Campaign) -> dict[uuid.UUID, int]:
    rows = PlanShare.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    return _by_pledge(rows, "borne_minor")


def _parked(campaign: Campaign) -> dict[uuid.UUID, int]:
    """What waits for a ballot that is not closed yet."""
    open_ballots = Ballot.objects.filter(
        lane=campaign.lane,
        campaign_id=campaign.id,
        kind=BallotKind.LEFT_OVER,
        closed_at=None,
    ).values_list("number", flat=True)
    rows = PlanShare.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, number__in=list(open_ballots)
    )
    return _by_pledge(rows, "left_over_minor")


def _by_pledge(rows: Any, field: str = "amount_minor") -> dict[uuid.UUID, int]:
    found: Iterable[tuple[uuid.UUID, int]] = rows.values_list("pledge_id").annotate(Sum(field))
    return dict(found)


def parts_left(charges: Collection[Charge], *, but: tuple[str, int]) -> dict[uuid.UUID, Any]:
    """What is left of these charges by kind, by charge, but for refunds of this reason and stage.

    A dispute is not looked at: a refund waits for its end, and is moot if it is lost.
    """
    left = {charge.id: dict(charge.parts) for charge in charges}
    lanes = {charge.lane for charge in charges}
    refunds = Refund.objects.filter(lane__in=lanes, charge_id__in=list(left)).exclude(
        reason=but[0], stage=but[1]
    )
    for charge_id, parts in refunds.values_list("charge_id", "parts"):
        for kind, amount in parts.items():
            left[charge_id][kind] -= amount
    return left


def refund_parts(left: Mapping[str, int], *, amount_minor: int, seed: str) -> dict[str, int]:
    """An amount by kind, in proportion to what is left and never more than that."""
    weights = {kind: max(0, amount) for kind, amount in left.items()}
    return hamilton(weights, total=min(amount_minor, sum(weights.values())), seed=seed)
