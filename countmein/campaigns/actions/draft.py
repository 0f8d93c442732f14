"""Draft a campaign, and edit it while nobody has pledged."""

from __future__ import annotations

import os
from typing import Any, Final

from django.db import transaction
from pydantic import ValidationError

from countmein.base.clock import site_now
from countmein.campaigns.bodies import CampaignBody, CampaignPatch
from countmein.campaigns.faults import faults_of
from countmein.campaigns.models import Campaign, Gate, StoryVersion
from countmein.campaigns.terms import Fault, TermsRefused, require_terms
from countmein.members.models import Organiser
from countmein.rules.canonical import campaign_code
from countmein.rules.states import CampaignState

#: What can still be said differently after launch, because everybody sees both versions.
_EDITABLE_AFTER_LAUNCH: Final = frozenset({"story"})


def draft(*, organiser: Organiser, body: CampaignBody, language: str = "en-gb") -> Campaign:
    """Write down a new campaign, whose own words are in `language`. Raises TermsRefused."""
    now = site_now()
    require_terms(body, now=now)
    with transaction.atomic():
        campaign = Campaign.objects.create(
            code=campaign_code(os.urandom(8)),
            organiser=organiser,
            language=language,
            created_at=now,
            **_columns(body),
        )
        StoryVersion.objects.create(campaign=campaign, number=1, text=body.story, at=now)
        Gate.objects.create(
            lane=campaign.lane,
            id=campaign.id,
            state=CampaignState.draft,
            latch=campaign.latch,
            deadline=campaign.deadline,
        )
    return campaign


def edit(*, campaign: Campaign, changes: CampaignPatch) -> Campaign:
    """Change a draft, or the story of a launched campaign (a new version).

    Raises TermsRefused, after launch with the reason `already_launched`.
    """
    given = changes.model_dump(mode="json", exclude_unset=True)
    with transaction.atomic():
        # Against a launch that is under way: it holds the same row.
        gate = Gate.objects.filter(lane=campaign.lane, id=campaign.id).select_for_update().get()
        campaign.refresh_from_db()
        if gate.state == CampaignState.draft:
            _edit_terms(campaign, gate=gate, given=given)
        else:
            _require_only_story(given)
        if "story" in given:
            _tell_anew(campaign, text=given["story"] or "")
    return campaign


def body_of(campaign: Campaign) -> CampaignBody:
    """The campaign's terms as a body; without the story, which has its own versions."""
    return CampaignBody.model_validate(_stated(campaign))


def _edit_terms(campaign: Campaign, *, gate: Gate, given: dict[str, Any]) -> None:
    try:
        body = CampaignBody.model_validate({**_stated(campaign), **given})
    except ValidationError as error:
        raise TermsRefused(faults_of(error)) from error
    require_terms(body, now=site_now())
    for field, value in _columns(body).items():
        setattr(campaign, field, value)
    campaign.save()
    gate.latch, gate.deadline = campaign.latch, campaign.deadline
    gate.save(update_fields=["latch", "deadline"])


def _require_only_story(given: dict[str, Any]) -> None:
    faults = tuple(
        Fault(path=field, reason="already_launched", detail="only the story can change now")
        for field in given
        if field not in _EDITABLE_AFTER_LAUNCH
    )
    if faults:
        raise TermsRefused(faults)


def _tell_anew(campaign: Campaign, *, text: str) -> None:
    latest = StoryVersion.objects.filter(campaign=campaign).order_by("-number").first()
    number = latest.number if latest else 0
    if latest is None or latest.text != text:
        StoryVersion.objects.create(campaign=campaign, number=number + 1, text=text, at=site_now())


def _columns(body: CampaignBody) -> dict[str, Any]:
    stated = body.model_dump(mode="json", exclude={"story", "currency"})
    instants = {"deadline": body.deadline, "starts_at": body.starts_at, "ends_at": body.ends_at}
    return {**stated, **instants, "currency": body.currency or ""}


def _stated(campaign: Campaign) -> dict[str, Any]:
    fields = CampaignBody.model_fields.keys() - {"story"}
    stated = {field: getattr(campaign, field) for field in fields}
    return {**stated, "currency": campaign.currency or None}
