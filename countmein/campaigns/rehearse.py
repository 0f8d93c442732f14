"""To rehearse: what a campaign would do at an instant, and what everybody would get; no writing."""

from __future__ import annotations

import copy
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext

from countmein.base.clock import site_now
from countmein.campaigns import letters
from countmein.campaigns.actions.count import rule_of
from countmein.campaigns.kinds import is_charged
from countmein.campaigns.models import Campaign, Failure, Pledge, Tally, Ticket, totals_of
from countmein.campaigns.plan_letters import failed_letter
from countmein.campaigns.plans import plan_b_of
from countmein.outreach.actions import Letterhead
from countmein.rules.conditions import Sum, atoms
from countmein.rules.states import CampaignState, Latch
from countmein.rules.tipping import Verdict, judge

#: A pledge nobody made; its links lead nowhere.
_NOBODY = uuid.UUID(int=0)
#: What a rehearsed member pledges where the terms name no smallest amount.
_USUAL = {"money": 2500, "purchase": 1, "hours": 120}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One letter, and who would get it: a kind of pledge, `target` or `organiser`."""

    reader: str
    letter: Letterhead


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What would happen at an instant with the crowd of now, and the letters of every ending."""

    at: datetime
    verdict: Verdict
    on_tip: tuple[Scene, ...]
    on_lapse: tuple[Scene, ...]
    on_fail: tuple[Scene, ...]


def rehearse(campaign: Campaign, *, at: datetime | None = None) -> Rehearsal:
    """Play the deadline, the tip and the failure of a campaign; writes nothing."""
    tally = Tally.objects.filter(lane=campaign.lane, id=campaign.id).first() or Tally()
    when = at or site_now()
    verdict = judge(
        rule=rule_of(campaign),
        totals=totals_of(tally),
        latch=Latch(campaign.latch),
        state=CampaignState.open,
        deadline=campaign.deadline,
        now=when,
        pending=False,
    )
    return Rehearsal(
        at=when,
        verdict=verdict,
        on_tip=_on_tip(campaign, at=when, people=tally.people),
        on_lapse=_on_lapse(campaign, people=tally.people),
        on_fail=_on_fail(campaign, at=when),
    )


def _on_tip(campaign: Campaign, *, at: datetime, people: int) -> tuple[Scene, ...]:
    scenes = [Scene(reader=kind, letter=_kept(campaign, kind, at=at)) for kind in campaign.kinds]
    if "signature" in campaign.kinds and (campaign.target or {}).get("email"):
        story = campaign.stories.order_by("-number").first()
        letter = letters.target_letter(
            campaign,
            number=1,
            signatures=_signatures(campaign),
            names=[],
            story=story.text if story else "",
        )
        scenes.append(Scene(reader="target", letter=letter))
    organiser = letters.organiser_letter(campaign, "tipped", people=people)
    return (*scenes, Scene(reader="organiser", letter=organiser))


def _on_lapse(campaign: Campaign, *, people: int) -> tuple[Scene, ...]:
    member = letters.lapsed_letter(campaign, people=people)
    organiser = letters.organiser_letter(campaign, "lapsed", people=people)
    return (
        *(Scene(reader=kind, letter=member) for kind in campaign.kinds),
        Scene(reader="organiser", letter=organiser),
    )


def _on_fail(campaign: Campaign, *, at: datetime) -> tuple[Scene, ...]:
    """What those who paid would hear if it could not be carried out after the tip."""
    said = plan_b_of(campaign)
    failure = Failure(
        number=1,
        text=gettext("Here stands what you say has happened."),
        failed_at=at,
        decide_until=at + timedelta(hours=said.decide_hours if said else 0),
    )
    return tuple(
        Scene(
            reader=kind,
            letter=failed_letter(campaign, _example(campaign, kind), failure, tried=frozenset()),
        )
        for kind in campaign.kinds
        if is_charged([kind])
    )


def _example(campaign: Campaign, kind: str) -> Pledge:
    amount = max(campaign.minimum.get(kind, 0), _USUAL.get(kind, 1))
    return Pledge(
        lane=campaign.lane,
        id=_NOBODY,
        campaign_id=campaign.id,
        code="example",
        kind=kind,
        amount=amount,
        accepted={kind: amount},
    )


def _kept(campaign: Campaign, kind: str, *, at: datetime) -> Letterhead:
    pledge = _example(campaign, kind)
    ticket = Ticket(kind=kind, code="EXAMPLE", units=pledge.amount)
    # A draft may have no price yet; the rehearsal shows that as nothing to pay.
    priced = copy.copy(campaign)
    priced.unit_price_minor = campaign.unit_price_minor or 0
    return letters.kept_letter(priced, pledge, {kind: ticket}, stamp=at)


def _signatures(campaign: Campaign) -> int:
    """As many signatures as the rule asks for, else one."""
    asked = [
        atom.at_least
        for atom in atoms(rule_of(campaign))
        if isinstance(atom, Sum) and atom.kind == "signature"
    ]
    return max(asked, default=1)
