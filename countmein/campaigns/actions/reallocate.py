"""To reallocate: choices are closed, the plans are cleared, and each one's money goes its way."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Q

from countmein.base.clock import site_now
from countmein.base.jobs import defer, job
from countmein.campaigns.actions.fail import NOT_BEGUN, call_off_charges, stop_own
from countmein.campaigns.actions.give_back import give_back
from countmein.campaigns.actions.tell import tell_organiser, tell_shares
from countmein.campaigns.actions.vote import open_ballot
from countmein.campaigns.gates import hold
from countmein.campaigns.models import (
    BallotKind,
    Campaign,
    Crowd,
    Failure,
    Gate,
    PlanShare,
    Pledge,
)
from countmein.campaigns.moves import move
from countmein.campaigns.plans import choice_of, failures_of, plan_b_of, plans_of, plans_tried
from countmein.campaigns.stakes import (
    BALLOT,
    Gone,
    Stakes,
    commission_on,
    gone,
    stakes,
    standing_when_all_is_back,
)
from countmein.ledger import actions as ledger
from countmein.ledger import queries as books
from countmein.payments.actions.holdings import held_parts
from countmein.payments.models import (
    CHARGE_OPEN,
    Charge,
    ChargeState,
    Payout,
    PayoutKind,
    PayoutState,
)
from countmein.rules import conditions, failure
from countmein.rules.failure import DEFAULT_QUORUM_BP, Donor, Plan, Settlement
from countmein.rules.states import CampaignState

SLICE = 500
_BATCH = 5000
#: How long those whose money is left over may vote on it.
VOTE_LASTS: Final = timedelta(hours=72)
#: Besides a refund: it stays with the campaign, for what it was given for.
KEEP: Final = "keep"


@job(name="campaigns.reallocate", queue="settling")
def reallocate(campaign_id: str) -> None:
    """Settle a failure as soon as everybody has had time to choose and nothing is being charged.

    What becomes of whose money is one decision in one transaction; refunds are recorded from its
    rows, slice by slice. Killed at any instant, it goes on where it stood.
    """
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    call_off_charges(campaign)
    if not _begin(campaign):
        return
    settled = _settle(campaign)
    if settled is None:
        return  # cancelled meanwhile
    for shares in _slices(campaign, settled.number):
        back = {share.pledge_id: share.refund_minor for share in shares if share.refund_minor}
        give_back(campaign, back, reason="plan_b", stage=settled.number)
    _end(campaign, settled)


def to_reallocate() -> list[uuid.UUID]:
    """Failures to settle, and failed campaigns that would still charge somebody."""
    gates = Gate.objects.all_lanes().filter(
        Q(state=CampaignState.failed, reallocate_at__lte=site_now())
        | Q(state=CampaignState.reallocating)
    )
    charging = Charge.objects.all_lanes().filter(state__in=[*NOT_BEGUN, ChargeState.ON_PAGE])
    failed = Gate.objects.all_lanes().filter(
        state=CampaignState.failed, id__in=charging.values("campaign_id")
    )
    return list(gates.union(failed).values_list("id", flat=True))


def _begin(campaign: Campaign) -> bool:
    """Close the choices; tells whether they are closed and nothing more comes in."""
    with transaction.atomic():
        gate = hold(campaign)
        if gate.state != CampaignState.failed:
            return gate.state == CampaignState.reallocating
        assert gate.reallocate_at is not None
        now = site_now()
        if now < gate.reallocate_at or _is_charging(campaign) or _is_paying(campaign):
            return False
        return move(
            lane=gate.lane,
            campaign_id=gate.id,
            was=[CampaignState.failed],
            to=CampaignState.reallocating,
            at=now,
        )


def _is_charging(campaign: Campaign) -> bool:
    charges = Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    paid_news = Q(state=ChargeState.PAID, is_read=False)
    return bool(charges.filter(Q(state__in=CHARGE_OPEN) | paid_news).exists())


def _is_paying(campaign: Campaign) -> bool:
    """Whether the provider has not yet said what became of a payout to the organiser."""
    return bool(
        Payout.objects.filter(
            lane=campaign.lane,
            campaign_id=campaign.id,
            kind=PayoutKind.ORGANISER,
            state=PayoutState.SENDING,
        ).exists()
    )


def _settle(campaign: Campaign) -> Failure | None:
    """Decide what becomes of whose money and write it down, unless that was done."""
    with transaction.atomic():
        gate = hold(campaign)
        if gate.state != CampaignState.reallocating:
            return None
        failures = failures_of(campaign)
        this = failures[-1]
        if this.settled_at is None:
            # A payout to the organiser that was being sent may have been refused since.
            stop_own(campaign)
            # Counted before the books are read: what comes back meanwhile is looked at once more.
            this.came_back_count = books.came_back_count(
                lane=campaign.lane, campaign_id=campaign.id
            )
            at_stake, ids, settlement = _decided(campaign, failures[:-1])
            _write(campaign, this, ids, at_stake, settlement)
            _book_costs(campaign, this)
            if settlement.left_over_minor:
                _ask(campaign, this)
    return this


def _decided(
    campaign: Campaign, earlier: Sequence[Failure]
) -> tuple[Stakes, dict[str, uuid.UUID], Settlement]:
    """What is at stake and what becomes of it, with the commission that stays in the end.

    Every refund lowers the commission, and what it falls by goes back as well. So it is settled
    anew until the commission falls no further; each time there is little left to fall.
    """
    lost, standing = gone(campaign), standing_when_all_is_back(campaign)
    while True:
        at_stake = stakes(campaign, gone_minor=lost.whole_minor)
        ids, settlement = _cleared(campaign, earlier, at_stake, lost)
        stays = commission_on(campaign, max(0, standing - settlement.refunds_minor))
        if stays >= lost.commission_minor:
            return at_stake, ids, settlement
        lost = replace(lost, commission_minor=stays)


def _cleared(
    campaign: Campaign, earlier: Sequence[Failure], at_stake: Stakes, lost: Gone
) -> tuple[dict[str, uuid.UUID], Settlement]:
    """The settlement by the law, and whose code is whose."""
    donors, ids = _donors(campaign, earlier, at_stake)
    spent = lost.spent_minor - sum(failure.sums["spent_minor"] for failure in earlier)
    spent = min(max(spent, 0), at_stake.cost_minor)
    return ids, failure.settle(
        donors=donors,
        plans=[
            Plan(
                rule=None
                if plan.rule is None
                else conditions.parse(plan.rule, path="rule", pledges_allowed=False),
                cost_minor=plan.cost_minor,
            )
            for plan in plans_of(campaign)
        ],
        spent_minor=spent,
        kept_minor=at_stake.cost_minor - spent,
        set_aside_minor=0 if earlier else _set_aside(campaign, donors, at_stake.cost_minor),
        seed=campaign.code,
    )


def _set_aside(campaign: Campaign, donors: Sequence[Donor], cost_minor: int) -> int:
    """What was raised above what was asked for: it was never meant for what has failed."""
    said = plan_b_of(campaign)
    if said is None or said.set_aside_above_minor is None:
        return 0
    raised = sum(donor.collected_minor for donor in donors)
    return max(0, min(raised - said.set_aside_above_minor, raised - cost_minor))


def _donors(
    campaign: Campaign, earlier: Sequence[Failure], at_stake: Stakes
) -> tuple[list[Donor], dict[str, uuid.UUID]]:
    tried = plans_tried(list(earlier))
    asked = {
        id: None if said is None else conditions.parse(said, path="condition", pledges_allowed=True)
        for id, said in Crowd.objects.filter(
            lane=campaign.lane, campaign_id=campaign.id
        ).values_list("id", "condition")
    }
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).values_list(
        "id", "code", "fallback", "crowd_id", "place"
    )
    donors, ids = [], {}
    for id, code, fallback, crowd_id, place in rows.iterator(chunk_size=5000):
        amount = max(at_stake.held_minor.get(id, 0), 0) + at_stake.returned_minor.get(id, 0)
        if amount:
            ids[code] = id
            donors.append(
                Donor(
                    id=code,
                    collected_minor=amount,
                    choice=choice_of(fallback, tried=tried),
                    condition=asked.get(crowd_id),
                    place=place or None,
                )
            )
    return donors, ids


def _write(
    campaign: Campaign,
    this: Failure,
    ids: dict[str, uuid.UUID],
    at_stake: Stakes,
    settlement: Settlement,
) -> None:
    rows = [
        PlanShare(
            lane=campaign.lane,
            campaign_id=campaign.id,
            number=this.number,
            pledge_id=ids[code],
            borne_minor=share.borne_minor - at_stake.returned_minor.get(ids[code], 0),
            refund_minor=share.refund_minor,
            delivered_minor=share.delivered_minor,
            left_over_minor=share.left_over_minor,
            plan=None if share.plan is None else share.plan + 1,
        )
        for code, share in settlement.shares.items()
    ]
    shared = {row.pledge_id: row for row in rows}
    for id, amount in at_stake.held_minor.items():
        if amount < 0 and id in shared:
            shared[id].borne_minor += amount
        elif amount < 0:
            rows.append(_taken_back(campaign, this, id, amount))
    PlanShare.objects.bulk_create(rows, batch_size=_BATCH)
    this.settled_at = site_now()
    this.majority = None if settlement.majority is None else settlement.majority + 1
    this.plans = _outcomes(campaign, settlement)
    kept = settlement.delivered_minor - sum(plan.delivered_minor for plan in settlement.plans)
    this.sums = {
        "collected_minor": sum(
            row.borne_minor + row.refund_minor + row.delivered_minor + row.left_over_minor
            for row in rows
        ),
        "spent_minor": settlement.spent_minor,
        "kept_minor": kept,
        "returned_minor": sum(at_stake.returned_minor.values())
        - sum(amount for amount in at_stake.held_minor.values() if amount < 0),
        "delivered_minor": settlement.delivered_minor - kept,
        "refund_minor": settlement.refunds_minor,
        "left_over_minor": settlement.left_over_minor,
    }
    this.save(update_fields=["settled_at", "majority", "plans", "sums", "came_back_count"])


def _taken_back(campaign: Campaign, this: Failure, id: uuid.UUID, amount: int) -> PlanShare:
    """The row of somebody who bears less than was reckoned: their bank took it back."""
    return PlanShare(
        lane=campaign.lane,
        campaign_id=campaign.id,
        number=this.number,
        pledge_id=id,
        borne_minor=amount,
        refund_minor=0,
        delivered_minor=0,
        left_over_minor=0,
    )


def _outcomes(campaign: Campaign, settlement: Settlement) -> list[dict[str, Any]]:
    return [
        {
            "title": plan.title,
            "runs": outcome.runs,
            "choosers": outcome.choosers,
            "people": len(outcome.donors),
            "delivered_minor": outcome.delivered_minor,
        }
        for plan, outcome in zip(plans_of(campaign), settlement.plans, strict=True)
    ]


def _book_costs(campaign: Campaign, this: Failure) -> None:
    """What the provider kept is taken from what is held: everybody bore their part of it."""
    balances = books.balances(lane=campaign.lane, campaign_id=campaign.id)
    unborne = -balances.get((ledger.PROCESSOR_COSTS, campaign.currency), 0)
    parts = held_parts(lane=campaign.lane, campaign_id=campaign.id, most_minor=max(0, unborne))
    _post(campaign, "costs", this.id, parts)


def _ask(campaign: Campaign, this: Failure) -> None:
    """Open the ballot on what is left over, and put that aside until it is decided."""
    said = plan_b_of(campaign)
    rows = PlanShare.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, number=this.number, left_over_minor__gt=0
    ).order_by("id")
    asked = list(rows.values_list("pledge_id", "left_over_minor"))
    ballot = open_ballot(
        campaign,
        kind=BallotKind.LEFT_OVER,
        number=this.number,
        options=[failure.REFUND, KEEP],
        quorum_bp=said.quorum_bp if said else DEFAULT_QUORUM_BP,
        lasts=VOTE_LASTS,
        stakes=asked,
    )
    parts = held_parts(
        lane=campaign.lane,
        campaign_id=campaign.id,
        most_minor=sum(amount for _id, amount in asked),
    )
    _post(campaign, "earmark", ballot.id, parts, payee=BALLOT)


def _post(
    campaign: Campaign, kind: str, about: uuid.UUID, parts: dict[str, int], *, payee: str = ""
) -> None:
    ledger.post(
        lane=campaign.lane,
        campaign_id=campaign.id,
        kind=kind,
        about=about,
        parts=parts,
        currency=campaign.currency,
        at=site_now(),
        payee=payee,
    )


def _slices(campaign: Campaign, number: int) -> Iterator[list[PlanShare]]:
    rows = PlanShare.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, number=number
    ).order_by("id")
    page = list(rows[:SLICE])
    while page:
        yield page
        page = list(rows.filter(id__gt=page[-1].id)[:SLICE])


def _end(campaign: Campaign, settled: Failure) -> None:
    """Everybody's money is on its way: the campaign is settled again, and each is told."""
    with transaction.atomic():
        gate = hold(campaign)
        if gate.state != CampaignState.reallocating:
            return
        move(
            lane=gate.lane,
            campaign_id=gate.id,
            was=[CampaignState.reallocating],
            to=CampaignState.settled,
            at=site_now(),
            reallocate_at=None,
        )
        tell_shares(campaign, number=settled.number)
        topic = f"reallocated_{settled.number}"
        defer(tell_organiser, campaign_id=str(campaign.id), topic=topic)
