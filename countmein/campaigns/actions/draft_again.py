"""To try again: a campaign that lapsed leaves a draft that those who were in could carry."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.ids import uuid7
from countmein.campaigns.actions.count import rule_of
from countmein.campaigns.models import Campaign, Gate, Move, StoryVersion, Tally, totals_of
from countmein.rules import conditions
from countmein.rules.canonical import campaign_code
from countmein.rules.states import CampaignState
from countmein.rules.tipping import within_reach

#: A second try runs as long as the first one did, and at least this long.
SHORTEST = timedelta(days=3)


def draft_again(campaign: Campaign) -> None:
    """Leave the organiser a draft of the same campaign with the goal that was within reach.

    Once per campaign; nothing happens to anyone until the organiser launches it, and everybody
    has to pledge anew. None if nobody was in.
    """
    tally = Tally.objects.filter(lane=campaign.lane, id=campaign.id).first()
    if tally is None or tally.people == 0:
        return
    with transaction.atomic():
        # The lapsed campaign's own row is what two releases of it take turns on.
        Campaign.objects.select_for_update().get(id=campaign.id)
        if not Campaign.objects.filter(follows=campaign.id).exists():
            _write(campaign, tally, now=site_now())


def _write(campaign: Campaign, tally: Tally, *, now: datetime) -> None:
    again = Campaign.objects.get(id=campaign.id)
    again.pk = uuid7()
    again.id = again.pk
    again._state.adding = True
    again.code = campaign_code(os.urandom(8))
    again.follows = campaign.id
    again.rule = conditions.to_json(within_reach(rule_of(campaign), totals_of(tally)))
    opened = Move.objects.filter(lane=campaign.lane, campaign_id=campaign.id, state="open").first()
    lasted = campaign.deadline - (opened.at if opened else campaign.created_at)
    again.deadline = now + max(lasted, SHORTEST)
    later = again.deadline - campaign.deadline
    again.starts_at = campaign.starts_at and campaign.starts_at + later
    again.ends_at = campaign.ends_at and campaign.ends_at + later
    again.payout = _later(campaign.payout, later)
    again.created_at = now
    again.save(force_insert=True)
    story = campaign.stories.order_by("-number").first()
    StoryVersion.objects.create(campaign=again, number=1, text=story.text if story else "", at=now)
    Gate(
        lane=again.lane,
        id=again.id,
        state=CampaignState.draft,
        latch=again.latch,
        deadline=again.deadline,
    ).save(force_insert=True)


def _later(payout: dict[str, Any] | None, by: timedelta) -> dict[str, Any] | None:
    """How it is paid out, with the day of the proof moved on like every other."""
    if payout is None or payout.get("proof_by") is None:
        return payout
    return {**payout, "proof_by": (datetime.fromisoformat(payout["proof_by"]) + by).isoformat()}
