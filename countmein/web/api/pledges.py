"""Pledges: make one, look at one's own, change, confirm, withdraw."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language
from ninja import Router

from countmein.base.problems import Refused, not_found
from countmein.campaigns import models, own_pledge, pledge_door, queries
from countmein.campaigns.actions import change, confirm, vote, withdraw
from countmein.campaigns.after_bodies import VoteBody
from countmein.campaigns.bodies import ConfirmBody, PledgeBody, PledgePatch
from countmein.campaigns.plan_queries import own_ballots
from countmein.campaigns.pledge_terms import PledgeRequest
from countmein.log.queries import proof
from countmein.web.api import answers
from countmein.web.api.asking import (
    BEARER,
    KEY_PARAMETER,
    MAY_SHOW_TOKEN,
    Cursor,
    ListLimit,
    acting,
    answer,
    capped,
    peer_of,
    remembered,
    require_code,
    require_no_body,
)
from countmein.web.api.campaigns import own_campaign
from countmein.web.api.plan_b_answers import OwnBallots

router = Router(tags=["pledges"])
_NEEDS_KEY: Final = {**MAY_SHOW_TOKEN, "parameters": [{**KEY_PARAMETER, "required": True}]}
_MAY_HAVE_KEY: Final = {"parameters": [KEY_PARAMETER]}
#: Only its member sees a pledge, so no cache in between may keep it.
_PRIVATE: Final = "no-store"


@router.post(
    "/campaigns/{code}/pledges", response={201: answers.NewPledge}, openapi_extra=_NEEDS_KEY
)
def make_pledge(request: HttpRequest, code: str, body: PledgeBody) -> HttpResponse:
    """Pledge. 201 means durable; the same key and body get the same answer again."""
    if acting(request) is None:
        pledge_door.require_calm(peer_of(request))
    key = pledge_door.require_key(request.headers.get("Idempotency-Key"))
    campaign = queries.campaign_by_code(require_code(code))
    if campaign is None:
        raise Refused(not_found())
    wanted = PledgeRequest(body=body, key=key, language=get_language() or "en-gb")
    outcome = pledge_door.take(campaign, wanted)
    said = answers.NewPledge.model_validate(outcome.body)
    headers = {"Idempotency-Replayed": "true"} if outcome.replayed else {}
    return answer(said, status=201, headers=headers)


@router.get("/campaigns/{code}/pledges", auth=BEARER, response=answers.PledgeList)
def list_pledges(
    request: HttpRequest,
    code: str,
    after: Cursor | None = None,
    limit: ListLimit = 100,
) -> HttpResponse:
    """List the pledges of one's own campaign, without anybody's address."""
    items, following = queries.pledges_listing(
        own_campaign(request, code), after=after, limit=capped(limit)
    )
    return answer(answers.PledgeList.model_validate({"items": items, "next": following}))


@router.get("/pledges/{code}", response=answers.Pledge)
def show_pledge(request: HttpRequest, code: str, receipt: str = "") -> HttpResponse:
    """Show one's own pledge."""
    return _shown(own(code, receipt))


@router.patch("/pledges/{code}", response=answers.Pledge)
def change_pledge(
    request: HttpRequest, code: str, body: PledgePatch, receipt: str = ""
) -> HttpResponse:
    """Change amount or condition before it is accepted; the card; the choice for a failure."""
    return _shown(change.change(pledge=own(code, receipt), body=body))


@router.delete("/pledges/{code}", response=answers.Pledge)
def withdraw_pledge(request: HttpRequest, code: str, receipt: str = "") -> HttpResponse:
    """Withdraw, unless the campaign has tipped with this pledge in it."""
    require_no_body(request)
    return _shown(withdraw.withdraw(pledge=own(code, receipt)))


@router.get("/pledges/{code}/proof", response=answers.PledgeProof)
def show_proof(request: HttpRequest, code: str, receipt: str = "") -> HttpResponse:
    """Show what proves one's own pledge; it opens nothing. 404 until it is in the signed log."""
    row = own(code, receipt)
    found = proof(lane=row.lane, pledge_id=row.id, code=row.code)
    if found is None:
        raise Refused(not_found())
    said = answers.PledgeProof.model_validate(found)
    return answer(said, headers={"Cache-Control": _PRIVATE})


@router.get("/pledges/{code}/ballots", response=OwnBallots)
def show_ballots(request: HttpRequest, code: str, receipt: str = "") -> HttpResponse:
    """Show the ballots in which one may vote, or could."""
    return _ballots(own(code, receipt))


@router.post("/pledges/{code}/ballots", response=OwnBallots)
def cast_vote(request: HttpRequest, code: str, body: VoteBody, receipt: str = "") -> HttpResponse:
    """Vote, or vote differently, until the ballot ends."""
    row = own(code, receipt)
    vote.vote(pledge=row, ballot_id=body.ballot, choice=body.choice)
    return _ballots(row)


@router.post("/pledges/{code}/confirm", response=answers.Pledge, openapi_extra=_MAY_HAVE_KEY)
def confirm_pledge(request: HttpRequest, code: str, body: ConfirmBody) -> HttpResponse:
    """Confirm the mailbox with the token of the mailed link."""
    found = own_pledge.pledge_by_code(require_code(code))
    if found is None:
        raise Refused(not_found())
    return remembered(
        request,
        scope=f"confirm:{found.id}",
        act=lambda: _view(confirm.confirm(pledge=found, token=body.token)),
    )


def own(code: str, receipt: str) -> models.Pledge:
    """The pledge this receipt opens; without it the pledge is as good as unknown."""
    found = own_pledge.pledge_for(require_code(code), receipt)
    if found is None:
        raise Refused(not_found())
    return found


def _ballots(found: models.Pledge) -> HttpResponse:
    said = OwnBallots.model_validate({"items": own_ballots(found)})
    return answer(said, headers={"Cache-Control": _PRIVATE})


def _view(found: models.Pledge) -> answers.Pledge:
    return answers.Pledge.model_validate(own_pledge.pledge_view(found))


def _shown(found: models.Pledge) -> HttpResponse:
    return answer(_view(found), headers={"Cache-Control": _PRIVATE})
