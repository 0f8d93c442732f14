"""What a member decides once it has tipped: what if it fails, and how to vote."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from pydantic import ValidationError

from countmein.base.clock import site_now
from countmein.campaigns import ballot_words, wording
from countmein.campaigns.actions.change import change
from countmein.campaigns.actions.choose import require_choosable
from countmein.campaigns.actions.vote import VoteRefused, ballots_of, vote
from countmein.campaigns.bodies import PledgePatch
from countmein.campaigns.gates import gate_of
from countmein.campaigns.models import Ballot, BallotPaper, Campaign, Pledge
from countmein.rules.pledging import PledgeRefused
from countmein.web.forms import Filled
from countmein.web.public import pledge_form
from countmein.web.public.mine import asked_for
from countmein.web.public.plan_words import ballot_part, choices, fallback_of


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def fallback(request: HttpRequest, code: str) -> HttpResponse:
    """Show what can be chosen for the case that it fails, or note the choice."""
    row = asked_for(request, code)
    campaign = Campaign.objects.get(id=row.campaign_id)
    form = Filled.of(request.POST)
    if request.method != "POST":
        return _fallback_page(request, row, campaign, form)
    try:
        body = PledgePatch.model_validate({"fallback": fallback_of(form)})
        change(pledge=row, body=body)
    except ValidationError:
        form.blame("fallback", gettext("Choose one of these."))
    except PledgeRefused as refused:
        form.blame("fallback", pledge_form.refusal_words(refused))
    if form.faults:
        return _fallback_page(request, row, campaign, form, status=422)
    messages.success(request, gettext("Your choice is noted."))
    return redirect(f"/p/{row.code}/?receipt={request.GET['receipt']}")


def _fallback_page(
    request: HttpRequest, row: Pledge, campaign: Campaign, form: Filled, *, status: int = 200
) -> HttpResponse:
    gate = gate_of(campaign)
    chosen = form.said("fallback") or row.fallback
    try:
        require_choosable(gate, row)
        offered = choices(campaign, chosen=chosen)
    except PledgeRefused:
        offered = []
    if not offered and status == 200:
        messages.warning(request, gettext("There is nothing to choose now."))
        return redirect(f"/p/{row.code}/?receipt={request.GET['receipt']}")
    context = {
        "campaign": campaign,
        "code": row.code,
        "receipt": request.GET["receipt"],
        "fallbacks": offered,
        "form": form,
        "decide_until": gate.reallocate_at,
    }
    return render(request, "public/fallback.html", context, status=status)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ballot(request: HttpRequest, code: str) -> HttpResponse:
    """Show the ballots in which one may vote, or take the vote."""
    row = asked_for(request, code)
    campaign = Campaign.objects.get(id=row.campaign_id)
    form = Filled.of(request.POST)
    if request.method == "POST":
        try:
            vote(pledge=row, ballot_id=_uuid(form.said("ballot")), choice=form.said("choice"))
        except VoteRefused as refused:
            form.blame(f"choice-{form.said('ballot')}", _refusal(refused))
        else:
            messages.success(request, gettext("Your vote is counted. You can change it."))
            return redirect(f"/p/{row.code}/ballot/?receipt={request.GET['receipt']}")
    context = {
        "campaign": campaign,
        "code": row.code,
        "receipt": request.GET["receipt"],
        "ballots": [_shown(campaign, *pair, form) for pair in ballots_of(row)],
        "form": form,
    }
    return render(request, "public/ballot.html", context, status=422 if form.faults else 200)


def _shown(campaign: Campaign, ballot: Ballot, paper: BallotPaper, form: Filled) -> dict[str, Any]:
    return {
        **ballot_part(ballot),
        "id": str(ballot.id),
        "is_open": ballot.closed_at is None and site_now() < ballot.ends_at,
        "stake": wording.money_text(paper.stake_minor, campaign.currency),
        "own": ballot_words.choice_text(ballot, paper.choice) if paper.choice else "",
        "fault": form.faults.get(f"choice-{ballot.id}", ""),
        "options": [
            {
                "value": option,
                "label": ballot_words.choice_text(ballot, option),
                "is_ticked": option == paper.choice,
            }
            for option in ballot.options
        ],
    }


def _refusal(refused: VoteRefused) -> str:
    words = {
        "ballot_closed": gettext("The vote is over."),
        "choice_unknown": gettext("Choose one of these."),
    }
    return words.get(refused.reason) or gettext("This vote is not yours.")


def _uuid(text: str) -> uuid.UUID:
    """Read the id that the form was given; a mangled one is nobody's."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid.UUID(int=0)
