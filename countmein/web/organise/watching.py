"""The organiser's desk after the launch: watch, tell the story on, thank, cancel."""

from __future__ import annotations

import uuid
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from pydantic import ValidationError

from countmein.base.clock import site_now
from countmein.base.ids import uuid7
from countmein.campaigns import queries, wording
from countmein.campaigns.actions.cancel import cancel, is_spent
from countmein.campaigns.actions.draft import edit
from countmein.campaigns.actions.thank import thank, thanked_people
from countmein.campaigns.bodies import CampaignPatch
from countmein.campaigns.models import Campaign
from countmein.campaigns.moves import MoveRefused
from countmein.campaigns.terms import TermsRefused
from countmein.outreach.models import Delivery
from countmein.payments.queries import progress
from countmein.rules.states import CAMPAIGN_MOVES, CampaignState
from countmein.web.fault_words import fault_words
from countmein.web.forms import Filled
from countmein.web.organise.carrying import carrying_part
from countmein.web.organise.drafting import own_campaign
from countmein.web.public.page import campaign_page
from countmein.web.templatetags.words import number

_ON_A_PAGE: Final = 50
_SUBJECT_LENGTH: Final = 150
_TEXT_LENGTH: Final = 5_000


@never_cache
@login_required
@require_safe
def watch(request: HttpRequest, code: str) -> HttpResponse:
    """Preview a draft as everybody would see it, or watch a launched campaign."""
    campaign = own_campaign(request, code)
    view = queries.public_view(campaign)
    context = {**campaign_page(campaign, view, now=site_now()), "is_preview": True}
    if view["state"] == "draft":
        return render(request, "organise/draft.html", context)
    rows, following = queries.pledges_listing(
        campaign, after=request.GET.get("after"), limit=_ON_A_PAGE
    )
    context |= {
        "pledges": [_pledge_row(campaign, row) for row in rows],
        "next": following,
        "charging": progress(lane=campaign.lane, campaign_id=campaign.id),
        "letters": _letters(campaign),
        "may_cancel": CampaignState.cancelled in CAMPAIGN_MOVES[CampaignState(view["state"])]
        and not is_spent(campaign),
        **carrying_part(view["state"]),
        "may_thank": bool(view["tipped_at"]),
    }
    return render(request, "organise/watch.html", context)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def story(request: HttpRequest, code: str) -> HttpResponse:
    """Show the story's form, or publish a new version."""
    campaign = own_campaign(request, code)
    form = Filled.of(request.POST)
    if request.method != "POST":
        form = Filled(values={"story": queries.public_view(campaign)["story"]})
        return render(request, "organise/story.html", {"campaign": campaign, "form": form})
    try:
        changes = CampaignPatch.model_validate({"story": form.said("story")})
        edit(campaign=campaign, changes=changes)
    except ValidationError as refused:
        form.blame_body(refused, {"story": "story"})
    except TermsRefused as refused:
        form.blame("story", fault_words(refused.errors[0].reason))
    if form.faults:
        context = {"campaign": campaign, "form": form}
        return render(request, "organise/story.html", context, status=422)
    messages.success(request, gettext("The story has a new version; the old one is kept."))
    return redirect(f"/organise/{code}/")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def thanks(request: HttpRequest, code: str) -> HttpResponse:
    """Show the form for a message to all, or send it once the count was typed."""
    campaign = own_campaign(request, code)
    people, form = thanked_people(campaign), Filled.of(request.POST)
    thank_id = _uuid(form.said("thank_id"))
    if request.method != "POST":
        return _thanks_page(request, campaign, form, people, uuid7())
    for name, most in (("subject", _SUBJECT_LENGTH), ("text", _TEXT_LENGTH)):
        if not 1 <= len(form.said(name)) <= most:
            words = gettext("Between 1 and %(most)s characters.") % {"most": number(most)}
            form.blame(name, words)
    if "\n" in form.said("subject") or "\r" in form.said("subject"):
        form.blame("subject", gettext("One line."))
    if people == 0 or form.said("count") != str(people):
        words = gettext("Type %(people)s to say that you mean all of them.")
        form.blame("count", words % {"people": people})
    if form.faults:
        return _thanks_page(request, campaign, form, people, thank_id, status=422)
    thank(
        campaign=campaign, thank_id=thank_id, subject=form.said("subject"), text=form.said("text")
    )
    messages.success(request, gettext("Your message is on its way, once to each."))
    return redirect(f"/organise/{code}/")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def cancelling(request: HttpRequest, code: str) -> HttpResponse:
    """Ask the organiser to type the campaign's code, then cancel it."""
    campaign = own_campaign(request, code)
    form = Filled.of(request.POST)
    if request.method == "POST" and form.said("typed") != campaign.code:
        words = gettext("Type %(code)s to say that you mean it.") % {"code": campaign.code}
        form.blame("typed", words)
    if request.method != "POST" or form.faults:
        status = 422 if form.faults else 200
        context = {"campaign": campaign, "form": form}
        return render(request, "organise/cancel.html", context, status=status)
    try:
        cancel(campaign=campaign)
        messages.success(request, gettext("It is cancelled. Everybody is being let go."))
    except MoveRefused:
        messages.error(request, gettext("It is too late to cancel this campaign."))
    return redirect(f"/organise/{code}/")


def _thanks_page(
    request: HttpRequest,
    campaign: Campaign,
    form: Filled,
    people: int,
    thank_id: uuid.UUID,
    *,
    status: int = 200,
) -> HttpResponse:
    context = {"campaign": campaign, "form": form, "people": people, "thank_id": thank_id}
    return render(request, "organise/thank.html", context, status=status)


def _uuid(text: str) -> uuid.UUID:
    """Read the id that the form was given; a mangled one is replaced."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid7()


def _pledge_row(campaign: Campaign, row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "text": wording.amount_text(row["kind"], row["amount"], campaign)}


def _letters(campaign: Campaign) -> list[dict[str, Any]]:
    """The letters to the target, each with what became of its delivery."""
    letters = queries.letters_view(campaign)
    lanes = {letter.delivery_lane for letter in letters if letter.delivery_lane is not None}
    causes = [f"letter:{campaign.id}:{letter.number}" for letter in letters]
    states = dict(
        Delivery.objects.filter(lane__in=lanes, once__in=causes).values_list("once", "state")
    )
    return [
        {
            "number": letter.number,
            "signatures": letter.signatures,
            "at": letter.written_at,
            "state": states.get(f"letter:{campaign.id}:{letter.number}", ""),
        }
        for letter in letters
    ]
