"""To hand over: a campaign gets another organiser, everybody concerned hears of it, money rests."""

from __future__ import annotations

from django.db import transaction

from countmein.base.clock import site_now
from countmein.campaigns.actions.pay_out import judge_anew
from countmein.campaigns.gates import hold
from countmein.campaigns.models import Campaign, HandOver
from countmein.campaigns.payout_letters import tell_of_hand_over
from countmein.members.models import Organiser
from countmein.payments.actions.bank_orders import recall_payouts
from countmein.payments.actions.payouts import stop
from countmein.payments.models import Payout, PayoutApproval, PayoutKind, PayoutState
from countmein.rules.states import CampaignState


class HandOverRefused(Exception):
    """This campaign cannot be handed over so; `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def hand_over(*, campaign: Campaign, by: Organiser, to: Organiser) -> None:
    """Make somebody else this campaign's organiser. Raises HandOverRefused.

    What the one before asked to be paid to themselves is stopped: it would go to another.
    """
    if to.id == by.id:
        raise HandOverRefused("same_organiser")
    with transaction.atomic():
        if hold(campaign).state == CampaignState.draft:
            raise HandOverRefused("not_launched")
        rows = Campaign.objects.filter(id=campaign.id, organiser_id=by.id)
        if not rows.update(organiser_id=to.id):
            raise HandOverRefused("not_the_organiser")
        change = HandOver(
            lane=campaign.lane, campaign_id=campaign.id, was_id=by.id, now_id=to.id, at=site_now()
        )
        change.save(force_insert=True)
        own = Payout.objects.filter(
            lane=campaign.lane,
            campaign_id=campaign.id,
            kind=PayoutKind.ORGANISER,
            state=PayoutState.ASKED,
        )
        for payout in own:
            stop(payout, note="handed over")
        recall_payouts([campaign.id])
        # What suppliers are to get was agreed to on the word of the one before.
        PayoutApproval.objects.filter(
            lane=campaign.lane,
            payout_id__in=Payout.objects.filter(
                lane=campaign.lane, campaign_id=campaign.id, state=PayoutState.ASKED
            ).values("id"),
        ).delete()
        judge_anew(campaign)
        tell_of_hand_over(campaign, was=by, now=to, once=f"hand_over:{change.id}")
    campaign.refresh_from_db()
