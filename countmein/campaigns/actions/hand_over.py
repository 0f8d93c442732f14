"""To hand over: once another organiser has said yes, a campaign is theirs, and money rests.

Everybody concerned hears of each step. Until the other one has said yes nothing changes.
"""

from __future__ import annotations

from django.db import transaction

from countmein.base.clock import site_now
from countmein.campaigns.actions.pay_out import judge_anew
from countmein.campaigns.gates import hold
from countmein.campaigns.models import Campaign, HandOver, HandOverOffer
from countmein.campaigns.payout_letters import OFFER_LASTS, tell_of_hand_over, tell_of_offer
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


def offer(*, campaign: Campaign, by: Organiser, to: Organiser) -> HandOverOffer:
    """Ask somebody to take this campaign; an offer that was open ends. Raises HandOverRefused."""
    if to.id == by.id:
        raise HandOverRefused("same_organiser")
    with transaction.atomic():
        if hold(campaign).state == CampaignState.draft:
            raise HandOverRefused("not_launched")
        if not Campaign.objects.filter(id=campaign.id, organiser_id=by.id).exists():
            raise HandOverRefused("not_the_organiser")
        _end(campaign)
        made = HandOverOffer(
            lane=campaign.lane, campaign_id=campaign.id, by_id=by.id, to_id=to.id, at=site_now()
        )
        made.save(force_insert=True)
        tell_of_offer(campaign, was=by, now=to, topic="offered", once=f"offer:{made.id}")
    return made


def offer_of(campaign: Campaign) -> HandOverOffer | None:
    """The offer that is open; one that nobody took in time is over."""
    found = HandOverOffer.objects.filter(
        lane=campaign.lane,
        campaign_id=campaign.id,
        ended_at=None,
        at__gt=site_now() - OFFER_LASTS,
    ).first()
    assert found is None or isinstance(found, HandOverOffer)
    return found


def decline(*, campaign: Campaign, by: Organiser) -> bool:
    """Take an offer back, or say no to it; tells whether there was one of theirs. Both are told."""
    with transaction.atomic():
        hold(campaign)
        found = offer_of(campaign)
        if found is None or by.id not in (found.by_id, found.to_id):
            return False
        _end(campaign)
        both = Organiser.objects.in_bulk([found.by_id, found.to_id])
        topic = "taken_back" if by.id == found.by_id else "declined"
        tell_of_offer(
            campaign,
            was=both[found.by_id],
            now=both[found.to_id],
            topic=topic,
            once=f"{topic}:{found.id}",
        )
    return True


def accept(*, campaign: Campaign, by: Organiser) -> None:
    """Say yes to an offer: from here on it is theirs. Raises HandOverRefused."""
    with transaction.atomic():
        hold(campaign)
        found = offer_of(campaign)
        if found is None or found.to_id != by.id:
            raise HandOverRefused("no_offer")
        _end(campaign)
        hand_over(campaign=campaign, by=Organiser.objects.get(id=found.by_id), to=by)


def _end(campaign: Campaign) -> None:
    HandOverOffer.objects.filter(lane=campaign.lane, campaign_id=campaign.id, ended_at=None).update(
        ended_at=site_now()
    )


def hand_over(*, campaign: Campaign, by: Organiser, to: Organiser) -> None:
    """Make somebody else, who has said yes, this campaign's organiser. Raises HandOverRefused.

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
