"""What a campaign may pay out now, and what stands in the way: facts for `rules.payout`."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Sum

from countmein.campaigns.bodies import PayoutBody
from countmein.campaigns.collected import at_risk_minor, is_unpaid
from countmein.campaigns.models import Ballot, BallotKind, Campaign, Gate, HandOver, Move, Unproven
from countmein.ledger import queries as books
from countmein.payments.actions.accounts import account_of
from countmein.payments.models import (
    REFUND_OVER,
    Freeze,
    Payout,
    PayoutApproval,
    PayoutKind,
    PayoutState,
    Refund,
)
from countmein.rules.payout import (
    CHANGE_RESTS,
    Account,
    Funds,
    Obstacle,
    Request,
    commission,
    may_pay,
)
from countmein.rules.states import CampaignState

#: In these a campaign pays out: everything is collected, and nothing has failed.
PAYING: Final = frozenset({CampaignState.settled, CampaignState.executing, CampaignState.done})
#: Payouts whose money is not the campaign's any more, or will not be.
SPOKEN_FOR: Final = (PayoutState.ASKED, PayoutState.SENDING, PayoutState.PAID)
#: What one person paid alone within this time counts together: see `rules.payout.Request`.
ALONE_COUNTS: Final = timedelta(days=30)
#: A stage's proof may be handed in again; each try is a ballot of its own. The first ballot's
#: number is the stage, each further one's a hundred more.
_TRY: Final = 100
_YES: Final = "yes"
#: How long a payout that waits for others to be charged rests until it is looked at again.
_ANSWER_RESTS: Final = timedelta(hours=1)


def terms_of(campaign: Campaign) -> PayoutBody:
    """How this campaign pays out; a campaign that says nothing pays in one stage."""
    return PayoutBody.model_validate(campaign.payout or {})


def ballot_number(*, stage: int, number: int) -> int:
    """The number of the ballot on the n-th proof of a stage, from 1."""
    return stage + _TRY * (number - 1)


def stage_of(ballot: Ballot) -> int:
    """The stage that a ballot is about."""
    return int(ballot.number) % _TRY


def approved_stages(campaign: Campaign) -> int:
    """How many stages are proven; the first one needs no proof."""
    rows = Ballot.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, kind=BallotKind.MILESTONE, outcome=_YES
    )
    return 1 + len({stage_of(ballot) for ballot in rows})


def unproven_of(campaign: Campaign) -> Unproven | None:
    """The decision that the rest goes back for want of a proof, if it was taken."""
    found: Unproven | None = Unproven.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id
    ).first()
    return found


def has_failed(campaign: Campaign) -> bool:
    """Whether it was to be carried out and could not be: then what was promised instead decides
    about the rest of the money, and there is nothing left to prove."""
    history = Move.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    return history.filter(state=CampaignState.failed).exists()


def standing_minor(campaign: Campaign) -> int:
    """What was collected and is neither refunded nor disputed, by the books."""
    flow = books.totals(lane=campaign.lane, campaign_id=campaign.id)
    return -flow["backers"] - flow["disputed"]


def funds_of(
    campaign: Campaign, gate: Gate, *, now: datetime, besides: Collection[uuid.UUID] = ()
) -> Funds:
    """What came in and what of it is gone; `besides` are payouts that are left out of it.

    A refund that is on its way counts as made, for nobody may pay out what is owed to a backer.
    """
    lane, campaign_id, terms = campaign.lane, campaign.id, terms_of(campaign)
    # Looked up first: a refund that is made meanwhile counts twice then, and never not at all.
    to_make = _refunds_to_make(campaign)
    flow = books.totals(lane=lane, campaign_id=campaign_id)
    events = books.by_event(lane=lane, campaign_id=campaign_id)
    standing = -flow["backers"] - flow["disputed"]
    refunded = events["refund"] - events["refund_back"]
    disputed = events["dispute"] - events["dispute_won"]
    collected = standing + refunded + disputed
    refunded = min(refunded + to_make, collected)
    failed = has_failed(campaign)
    # After a failure everybody has said what is to become of theirs, and who wanted it has it back.
    is_open = not failed and (
        gate.settled_at is None or now < gate.settled_at + timedelta(days=terms.refund_days)
    )
    is_over = failed or unproven_of(campaign) is not None
    taken = commission(settled_minor=max(standing, 0), bp=campaign.commission_bp, carried=0)
    return Funds(
        collected_minor=collected,
        refunded_minor=refunded,
        disputed_minor=min(disputed, collected - refunded),
        processor_costs_minor=max(flow["processor"], 0),
        commission_minor=taken.taken_minor,
        paid_out_minor=_spoken_for(campaign, besides) + _set_aside_otherwise(campaign, flow),
        holdback_bp=terms.holdback_bp,
        is_refund_window_open=is_open,
        at_risk_minor=at_risk_minor(campaign, gate),
        # The rest has gone back, or is shared out anew, so what is left is the payee's whole.
        stage_bp=(10_000,) if is_over else tuple(terms.stages_bp),
        approved_stages=1 if is_over else approved_stages(campaign),
    )


def _refunds_to_make(campaign: Campaign) -> int:
    rows = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id).exclude(
        state__in=REFUND_OVER
    )
    return int(rows.aggregate(sum=Sum("amount_minor"))["sum"] or 0)


def _spoken_for(campaign: Campaign, besides: Collection[uuid.UUID]) -> int:
    rows = Payout.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, state__in=SPOKEN_FOR
    ).exclude(id__in=list(besides))
    return int(rows.aggregate(sum=Sum("amount_minor"))["sum"] or 0)


def _set_aside_otherwise(campaign: Campaign, flow: Counter[str]) -> int:
    """What is set aside for anything but a payout, such as a ballot on what is left over."""
    pending = sum(amount for name, amount in flow.items() if name.startswith("pending:"))
    rows = Payout.objects.filter(
        lane=campaign.lane,
        campaign_id=campaign.id,
        state__in=[PayoutState.ASKED, PayoutState.SENDING],
    )
    return max(0, pending - int(rows.aggregate(sum=Sum("amount_minor"))["sum"] or 0))


def payee_account(campaign: Campaign, *, kind: str) -> Account:
    """Where the money would go. A supplier is paid by a person, so there the organiser's own
    account says nothing; that the organiser has changed does."""
    changes = HandOver.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    latest = changes.order_by("-at").values_list("at", flat=True).first()
    own = account_of(campaign.organiser_id)
    is_own = kind == PayoutKind.ORGANISER
    return Account(
        is_verified=not is_own or (own is not None and own.is_verified),
        changed_at=own.changed_at if is_own and own is not None else None,
        owner_changed_at=latest,
        is_frozen=is_frozen(campaign),
    )


def is_frozen(campaign: Campaign) -> bool:
    """Whether somebody has stopped the payouts of this campaign or of its organiser."""
    subjects = [campaign.id, campaign.organiser_id]
    return Freeze.objects.filter(subject_id__in=subjects, ended_at=None).exists()


def obstacles_of(
    campaign: Campaign, gate: Gate, payout: Payout, *, now: datetime
) -> tuple[Obstacle, ...]:
    """All that stands in the way of one payout now, as the law says."""
    approvals = PayoutApproval.objects.filter(lane=payout.lane, payout_id=payout.id)
    return may_pay(
        Request(
            amount_minor=payout.amount_minor,
            requested_by=str(payout.asked_by_id),
            approved_by=tuple(str(by) for by in approvals.values_list("by_id", flat=True)),
            paid_alone_minor=_paid_alone(payout),
        ),
        account=payee_account(campaign, kind=payout.kind),
        funds=funds_of(campaign, gate, now=now, besides=[payout.id]),
        alone_up_to_minor=settings.PAYOUT_ALONE_UP_TO_MINOR,
        now=now,
    )


def _paid_alone(payout: Payout) -> int:
    """What the asker had paid lately without a second person, in all campaigns."""
    rows = Payout.objects.all_lanes().filter(
        asked_by_id=payout.asked_by_id,
        asked_at__gt=payout.asked_at - ALONE_COUNTS,
        currency=payout.currency,
        state__in=[PayoutState.SENDING, PayoutState.PAID],
    )
    mine = {row.id: row.amount_minor for row in rows if row.id != payout.id}
    approved = PayoutApproval.objects.all_lanes().filter(payout_id__in=list(mine))
    seconded = {row.payout_id for row in approved if row.by_id != payout.asked_by_id}
    return sum(amount for id, amount in mine.items() if id not in seconded)


def look_again_at(
    campaign: Campaign,
    gate: Gate,
    obstacles: Collection[Obstacle],
    account: Account,
    *,
    now: datetime,
) -> datetime | None:
    """When time, or an answer about a card, may have changed something; None if it takes a
    person."""
    rests: dict[Obstacle, Any] = {
        Obstacle.account_changed_lately: account.changed_at,
        Obstacle.owner_changed_lately: account.owner_changed_at,
    }
    instants = [at + CHANGE_RESTS for what, at in rests.items() if what in obstacles and at]
    if Obstacle.held_back in obstacles and gate.settled_at is not None:
        instants.append(gate.settled_at + timedelta(days=terms_of(campaign).refund_days))
        instants = [at for at in instants if at > now]
        if is_unpaid(campaign, gate):
            instants.append(now + _ANSWER_RESTS)
    return min(instants, default=None)
