"""To return what came back late: after a failure was settled, money is held that is nobody's plan.

A supplier gives back a payment, a dispute is won, the commission on refunds comes back. Whoever
bore it gets it, in proportion and to the cent (`rules.afterwards`).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.db import connection, transaction
from django.db.models import F, Sum

from countmein.base.jobs import job
from countmein.campaigns.actions.give_back import give_back
from countmein.campaigns.gates import hold
from countmein.campaigns.models import Ballot, BallotKind, Campaign, Failure, PlanShare
from countmein.campaigns.plans import failures_of
from countmein.campaigns.stakes import (
    BALLOT,
    borne_by,
    commission_on,
    held_of,
    owed,
    relieved_of,
    standing_when_all_is_back,
)
from countmein.ledger import actions as ledger
from countmein.ledger import queries as books
from countmein.ledger.models import CAME_BACK
from countmein.payments.models import Payout, PayoutState
from countmein.rules.afterwards import Late, goes_back, share_late
from countmein.rules.failure import REFUND
from countmein.rules.states import CampaignState

#: A failure that is being settled takes what came back into account by itself.
_SETTLED = (CampaignState.settled, CampaignState.executing, CampaignState.done)
_SPOKEN_FOR = (PayoutState.ASKED, PayoutState.SENDING, PayoutState.PAID)
_BATCH = 5000


def to_return_late() -> list[uuid.UUID]:
    """Campaigns whose last failure is settled and to which something came back since."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT f.campaign_id FROM campaigns_failure f
               JOIN campaigns_gate g ON g.lane = f.lane AND g.id = f.campaign_id
               WHERE f.settled_at IS NOT NULL AND g.state = ANY(%s)
                 AND f.came_back_count <> (SELECT count(*) FROM ledger_transfer t
                     WHERE t.lane = f.lane AND t.campaign_id = f.campaign_id AND t.kind = ANY(%s))
                 AND NOT EXISTS (SELECT FROM campaigns_failure l WHERE l.lane = f.lane
                     AND l.campaign_id = f.campaign_id AND l.number > f.number)""",
            [[state.value for state in _SETTLED], list(CAME_BACK)],
        )
        return [campaign_id for (campaign_id,) in cursor.fetchall()]


@job(name="campaigns.return_late", queue="money")
def return_late(campaign_id: str) -> None:
    """Give back what is held for nobody, once for each time that something came back.

    It is one decision with the gate held, so nothing of it can be done by half. Each one is told
    when their refund is made.
    """
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    with transaction.atomic():
        gate = hold(campaign)
        failures = failures_of(campaign)
        if gate.state not in _SETTLED or not failures or failures[-1].settled_at is None:
            return
        this = failures[-1]
        # Counted before the books are read: what comes back meanwhile is looked at once more.
        seen = books.came_back_count(lane=campaign.lane, campaign_id=campaign.id)
        if seen == this.came_back_count:
            return
        total = _late_minor(campaign, this)
        row = Failure.objects.filter(lane=campaign.lane, id=this.id)
        row.update(came_back_count=seen, late_count=F("late_count") + int(total > 0))
        if total > 0:
            turn = 1 + sum(failure.late_count for failure in failures)
            _return(campaign, this, total, turn=turn)


def _late_minor(campaign: Campaign, this: Failure) -> int:
    """How much goes back: what is held, less what is owed or stays for what it was given to."""
    totals = books.totals(lane=campaign.lane, campaign_id=campaign.id)
    held = sum(amount for account, amount in totals.items() if account.startswith("held:"))
    standing = standing_when_all_is_back(campaign)
    # The commission follows what stands within a moment.
    held += totals[ledger.COMMISSION] - commission_on(campaign, standing)
    spare = held - sum(owed(campaign).values()) - _reserved(campaign, this)
    # What a ballot is still to decide on is set aside as far as it was held then; the commission
    # that comes back is the rest of it.
    spare -= max(0, _undecided(campaign, this) - totals[ledger.pending(BALLOT)])
    return goes_back(
        spare_minor=spare, standing_minor=standing, commission_bp=campaign.commission_bp
    )


def _reserved(campaign: Campaign, this: Failure) -> int:
    """What stays for plans, or by vote, and has not been asked for since."""
    stays = sum(_stays(campaign, this).values())
    since = Payout.objects.filter(
        lane=campaign.lane,
        campaign_id=campaign.id,
        state__in=_SPOKEN_FOR,
        asked_at__gt=this.settled_at,
    )
    return max(0, stays - (since.aggregate(sum=Sum("amount_minor"))["sum"] or 0))


def _undecided(campaign: Campaign, this: Failure) -> int:
    """What is left over while its ballot is open."""
    is_open = Ballot.objects.filter(
        lane=campaign.lane,
        campaign_id=campaign.id,
        kind=BallotKind.LEFT_OVER,
        number=this.number,
        closed_at=None,
    ).exists()
    return sum(row.left_over_minor for row in _shares(campaign, this)) if is_open else 0


def _stays(campaign: Campaign, this: Failure) -> dict[uuid.UUID, int]:
    """What of each one's money is for a plan, or stays with the campaign by vote."""
    kept = (
        Ballot.objects.filter(
            lane=campaign.lane,
            campaign_id=campaign.id,
            kind=BallotKind.LEFT_OVER,
            number=this.number,
            closed_at__isnull=False,
        )
        .exclude(outcome=REFUND)
        .exists()
    )
    return {
        row.pledge_id: row.delivered_minor + (row.left_over_minor if kept else 0)
        for row in _shares(campaign, this)
    }


def _shares(campaign: Campaign, this: Failure) -> list[PlanShare]:
    rows = PlanShare.objects.filter(lane=campaign.lane, campaign_id=campaign.id, number=this.number)
    return list(rows)


def _return(campaign: Campaign, this: Failure, total_minor: int, *, turn: int) -> None:
    borne, stays = borne_by(campaign), _stays(campaign, this)
    held = held_of(campaign, borne)
    rows = _shares(campaign, this)
    whole = sum(
        row.borne_minor + row.refund_minor + row.delivered_minor + row.left_over_minor
        for row in rows
    )
    late = share_late(
        total_minor=total_minor,
        own_minor={str(id): max(0, amount - stays.get(id, 0)) for id, amount in held.items()},
        borne_minor={str(id): max(0, amount) for id, amount in borne.items()},
        whole_minor=max(0, whole),
        seed=campaign.code,
        relieved_minor={str(id): max(0, n) for id, n in relieved_of(campaign).items()},
    )
    by_id = {uuid.UUID(id): share for id, share in late.items()}
    _write(campaign, this, rows, by_id)
    back = {id: share.back_minor for id, share in by_id.items() if share.back_minor}
    give_back(campaign, back, reason="late", stage=turn)


def _write(
    campaign: Campaign, this: Failure, rows: list[PlanShare], late: Mapping[uuid.UUID, Late]
) -> None:
    """Keep by how much each bears less; whoever has no row yet gets one."""
    known = {row.pledge_id: row for row in rows}
    for id, share in late.items():
        if (row := known.get(id)) is not None:
            row.relieved_minor += share.relieved_minor
    PlanShare.objects.get_queryset().bulk_update(
        [row for row in rows if row.pledge_id in late], ["relieved_minor"], batch_size=_BATCH
    )
    PlanShare.objects.bulk_create(
        (
            PlanShare(
                lane=campaign.lane,
                campaign_id=campaign.id,
                number=this.number,
                pledge_id=id,
                borne_minor=0,
                refund_minor=0,
                delivered_minor=0,
                left_over_minor=0,
                relieved_minor=share.relieved_minor,
            )
            for id, share in late.items()
            if id not in known
        ),
        batch_size=_BATCH,
    )
