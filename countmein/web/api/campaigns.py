"""Campaigns: draft, edit, launch, cancel, look."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from ninja import Router

from countmein.base.problems import Fault, Refused, not_found
from countmein.campaigns import models, queries
from countmein.campaigns.actions import cancel, draft, execute, fail, launch
from countmein.campaigns.after_bodies import FailBody
from countmein.campaigns.bodies import CampaignBody, CampaignPatch
from countmein.campaigns.terms import TermsRefused
from countmein.rules.states import CampaignState
from countmein.web.api import answers
from countmein.web.api.asking import (
    BEARER,
    KEY_PARAMETER,
    MAY_SHOW_TOKEN,
    Cursor,
    ListLimit,
    acting,
    actor_of,
    answer,
    capped,
    remembered,
    require_code,
    require_no_body,
)
from countmein.web.languages import spoken
from countmein.web.shared import mark

router = Router(tags=["campaigns"])
_KEYED: Final[dict[str, Any]] = {"parameters": [KEY_PARAMETER]}


@router.post("", auth=BEARER, response={201: answers.Campaign}, openapi_extra=_KEYED)
def draft_campaign(request: HttpRequest, body: CampaignBody) -> HttpResponse:
    """Draft a campaign; nobody sees it before it is launched."""
    actor = actor_of(request)
    return remembered(
        request,
        scope=str(actor.token_id),
        status=201,
        act=lambda: _shown(
            draft.draft(organiser=actor.organiser, body=body, language=spoken(request))
        ),
    )


@router.get("", response=answers.CampaignList)
def list_campaigns(
    request: HttpRequest,
    state: CampaignState | None = None,
    after: Cursor | None = None,
    limit: ListLimit = 100,
) -> HttpResponse:
    """List what has been launched."""
    items, following = queries.open_list(
        state=state.value if state else None, after=after, limit=capped(limit)
    )
    return mark(answer(answers.CampaignList.model_validate({"items": items, "next": following})))


@router.get("/{code}", response=answers.Campaign, openapi_extra=MAY_SHOW_TOKEN)
def show_campaign(request: HttpRequest, code: str) -> HttpResponse:
    """Show a campaign as it stands; a draft only to its own organiser."""
    return mark(answer(_shown(visible(request, code))))


@router.patch("/{code}", auth=BEARER, response=answers.Campaign)
def edit_campaign(request: HttpRequest, code: str, body: CampaignPatch) -> HttpResponse:
    """Edit a draft; after launch only the story, as a new version."""
    return answer(_shown(draft.edit(campaign=own_campaign(request, code), changes=body)))


@router.post("/{code}/launch", auth=BEARER, response=answers.Campaign, openapi_extra=_KEYED)
def launch_campaign(request: HttpRequest, code: str) -> HttpResponse:
    """Launch a draft: from here on people can pledge."""
    return _moved(request, code, launch.launch)


@router.post("/{code}/cancel", auth=BEARER, response=answers.Campaign, openapi_extra=_KEYED)
def cancel_campaign(request: HttpRequest, code: str) -> HttpResponse:
    """Cancel: everybody is let go, and what was taken is given back."""
    return _moved(request, code, cancel.cancel)


@router.post("/{code}/execute", auth=BEARER, response=answers.Campaign, openapi_extra=_KEYED)
def execute_campaign(request: HttpRequest, code: str) -> HttpResponse:
    """Begin to carry out a settled campaign: its door is shut for good."""
    return _moved(request, code, execute.execute)


@router.post("/{code}/finish", auth=BEARER, response=answers.Campaign, openapi_extra=_KEYED)
def finish_campaign(request: HttpRequest, code: str) -> HttpResponse:
    """Note that it was carried out."""
    return _moved(request, code, execute.finish)


@router.post("/{code}/fail", auth=BEARER, response=answers.Campaign, openapi_extra=_KEYED)
def fail_campaign(request: HttpRequest, code: str, body: FailBody) -> HttpResponse:
    """Say that it cannot be carried out: money is frozen, and everybody may choose anew."""
    campaign = own_campaign(request, code)
    if not body.text.strip():
        # Not a matter of the body alone: to a stranger the campaign is not there.
        fault = Fault(path="text", reason="blank", detail="here stands a text")
        raise TermsRefused((fault,))

    def act() -> answers.Campaign:
        fail.fail(campaign=campaign, text=body.text, refused=body.refused, lost=body.lost)
        return _shown(campaign)

    return remembered(request, scope=str(actor_of(request).token_id), act=act)


@router.get("/{code}/ledger", response=answers.Ledger, openapi_extra=MAY_SHOW_TOKEN)
def show_ledger(
    request: HttpRequest,
    code: str,
    after: uuid.UUID | None = None,
    limit: ListLimit = 100,
) -> HttpResponse:
    """Show the books of a campaign."""
    view = queries.ledger_view(
        visible(request, code), after=str(after) if after else None, limit=capped(limit)
    )
    return mark(answer(answers.Ledger.model_validate(view)))


def own_campaign(request: HttpRequest, code: str) -> models.Campaign:
    """The acting organiser's own campaign; anybody else's is as good as unknown."""
    campaign = queries.campaign_for(actor_of(request).organiser, require_code(code))
    if campaign is None:
        raise Refused(not_found())
    return campaign


def visible(request: HttpRequest, code: str) -> models.Campaign:
    """A campaign that was launched, or the acting organiser's own."""
    actor = acting(request)
    campaign = queries.campaign_by_code(require_code(code))
    if campaign is None and actor is not None:
        campaign = queries.campaign_for(actor.organiser, code)
    if campaign is None:
        raise Refused(not_found())
    return campaign


def _moved(request: HttpRequest, code: str, verb: Callable[..., None]) -> HttpResponse:
    """Have an organiser's campaign make a move that needs no words, and show it."""
    require_no_body(request)
    campaign = own_campaign(request, code)

    def act() -> answers.Campaign:
        verb(campaign=campaign)
        return _shown(campaign)

    return remembered(request, scope=str(actor_of(request).token_id), act=act)


def _shown(campaign: models.Campaign) -> answers.Campaign:
    return answers.Campaign.model_validate(queries.public_view(campaign))
