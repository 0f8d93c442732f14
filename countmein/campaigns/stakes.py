"""What is still held of each pledge's money, and what is gone since it was last shared out."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
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
from countmein.rules.money import hamilton, stage_next
from countmein.rules.payout import commission

#: Whose account the books keep what waits for a ballot on.
BALLOT = "ballot"
_GONE_WITH = ("pending:", "paid:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """What has left the campaign, or is promised to somebody, since it was founded.

    `paid_minor`: payments, made or still to be made, of which `lost_minor` bought nothing.
    """

    paid_minor: int
    lost_minor: int
    processor_minor: int
    commission_minor: int

    @property
    def spent_minor(self) -> int:
        """What bought nothing."""
        return self.lost_minor + self.processor_minor + self.commission_minor

    @property
    def whole_minor(self) -> int:
        """All of it."""
        return self.paid_minor + self.processor_minor + self.commission_minor


def gone(campaign: Campaign) -> Gone:
    """What is gone by the books. A payment that was asked for and not stopped is gone, too.

    The commission is what it comes to once all that is owed has gone back.
    """
    totals = books.totals(lane=campaign.lane, campaign_id=campaign.id)
    paid = sum(
        amount
        for account, amount in totals.items()
        if account.startswith(_GONE_WITH) and account != ledger.pending(BALLOT)
    )
    lost = Payout.objects.filter(
        lane=campaign.lane,
        campaign_id=campaign.id,
        delivery=Delivery.LOST,
        state=PayoutState.PAID,
    ).aggregate(total=Sum("amount_minor"))["total"]
    return Gone(
        paid_minor=paid,
        lost_minor=lost or 0,
        processor_minor=totals[ledger.PROCESSOR],
        commission_minor=commission_on(campaign, standing_when_all_is_back(campaign)),
    )


def commission_on(campaign: Campaign, standing_minor: int) -> int:
    """The site's share of what stands."""
    return commission(
        settled_minor=standing_minor, bp=campaign.commission_bp, carried=0
    ).taken_minor


def standing_when_all_is_back(campaign: Campaign) -> int:
    """What was collected and stays, once every refund that is owed is made."""
    totals = books.totals(lane=campaign.lane, campaign_id=campaign.id)
    standing = -totals[ledger.OUTSIDE] - totals[ledger.DISPUTED]
    return max(0, standing - sum(owed(campaign).values()))


def owed(campaign: Campaign) -> dict[uuid.UUID, int]:
    """What is still to go back to each, less what a dispute holds already of the same money."""
    refunds = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    disputes = Dispute.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    to_make = _by_pledge(refunds.exclude(state__in=REFUND_OVER))
    held = _by_pledge(disputes.filter(state=DisputeState.OPEN))
    return {id: amount - min(amount, held.get(id, 0)) for id, amount in to_make.items()}


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
    borne = borne_by(campaign)
    held = held_of(campaign, borne)
    # Whoever took back more than was left of theirs leaves it to the others to bear.
    taken_back = -sum(amount for amount in held.values() if amount < 0)
    cost = gone_minor - sum(borne.values()) + taken_back
    returned: dict[uuid.UUID, int] = {}
    if cost < 0:
        returned = _given_back(campaign, borne, most_minor=-cost)
        cost = 0
    whole = sum(max(held[id], 0) + returned.get(id, 0) for id in held)
    return Stakes(held_minor=held, returned_minor=returned, cost_minor=min(cost, whole))


def held_of(campaign: Campaign, borne: Mapping[uuid.UUID, int]) -> dict[uuid.UUID, int]:
    """What is held of each one's money, given what each bears."""
    rows = Charge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, state=ChargeState.PAID
    ).values_list("pledge_id", "amount_minor")
    back, parked = _back(campaign), _parked(campaign)
    return {
        id: amount - back.get(id, 0) - borne.get(id, 0) - parked.get(id, 0) for id, amount in rows
    }


def _given_back(
    campaign: Campaign, borne: Mapping[uuid.UUID, int], *, most_minor: int
) -> dict[uuid.UUID, int]:
    weights = {str(id): amount for id, amount in borne.items() if amount > 0}
    total = min(most_minor, sum(weights.values()))
    earlier = {str(id): max(0, amount) for id, amount in relieved_of(campaign).items()}
    shares = stage_next(weights, paid=earlier, total=total, seed=campaign.code)
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


def borne_by(campaign: Campaign) -> dict[uuid.UUID, int]:
    """What each bears of all that is gone, less what came back of it since."""
    back = relieved_of(campaign)
    return {
        id: amount - back[id] for id, amount in _by_pledge(_shares(campaign), "borne_minor").items()
    }


def relieved_of(campaign: Campaign) -> dict[uuid.UUID, int]:
    """What came back of what each bore; below 0 for whose own money came and bears its part."""
    return _by_pledge(_shares(campaign), "relieved_minor")


def _shares(campaign: Campaign) -> Any:
    return PlanShare.objects.filter(lane=campaign.lane, campaign_id=campaign.id)


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


def refund_parts(left: Mapping[str, int], *, amount_minor: int, seed: str) -> dict[str, int]:
    """An amount by kind, in proportion to what is left and never more than that."""
    return hamilton(left, total=min(amount_minor, sum(left.values())), seed=seed)
