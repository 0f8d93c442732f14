"""The organiser's desk before the launch: choose, write, preview, rehearse, launch."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from countmein.base.clock import site_now
from countmein.campaigns import queries
from countmein.campaigns.actions.draft import draft, edit
from countmein.campaigns.actions.launch import launch
from countmein.campaigns.bodies import CampaignPatch
from countmein.campaigns.models import Campaign
from countmein.campaigns.moves import MoveRefused
from countmein.campaigns.rehearse import Rehearsal, Scene, rehearse
from countmein.campaigns.terms import TermsRefused
from countmein.members.models import Organiser
from countmein.web.fault_words import fault_words
from countmein.web.forms import Filled
from countmein.web.languages import spoken
from countmein.web.meter import bars
from countmein.web.organise import campaign_form, payout_form, plan_form
from countmein.web.templatetags.words import kind_act


def own_campaign(request: HttpRequest, code: str) -> Campaign:
    """Return the organiser's own campaign. Raises Http404, also for somebody else's."""
    assert isinstance(request.user, Organiser)
    campaign = queries.campaign_for(request.user, code)
    if campaign is None:
        raise Http404
    return campaign


@never_cache
@login_required
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """List the organiser's campaigns."""
    assert isinstance(request.user, Organiser)
    cards = [
        {
            "view": view,
            "language": view["language"],
            "bars": bars(view["rule"], view["tally"], currency=view["currency"] or ""),
        }
        for view in queries.campaigns_of(request.user)
    ]
    return render(request, "organise/mine.html", {"campaigns": cards, "now": site_now()})


@never_cache
@login_required
@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    """Offer the templates a campaign can begin from."""
    templates = campaign_form.TEMPLATES.values()
    return render(request, "organise/choose.html", {"templates": templates})


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, template: str) -> HttpResponse:
    """Show the form of a new campaign, or write the draft."""
    chosen = campaign_form.TEMPLATES.get(template)
    if chosen is None:
        raise Http404
    path = f"/organise/new/{template}/"
    if request.method != "POST":
        form = campaign_form.first_filled(chosen, timezone="Europe/London")
        return _form_page(request, form, path=path, title=str(chosen.title))
    form = Filled.of(request.POST)
    body = campaign_form.body_of(form)
    if body is not None:
        assert isinstance(request.user, Organiser)
        try:
            campaign = draft(organiser=request.user, body=body, language=spoken(request))
        except TermsRefused as refused:
            campaign_form.blame(form, refused.errors)
        else:
            messages.success(request, gettext("The draft is written. Only you can see it."))
            return redirect(f"/organise/{campaign.code}/")
    return _form_page(request, form, path=path, title=str(chosen.title), status=422)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, code: str) -> HttpResponse:
    """Show the form of a draft, or change it; after the launch only the story."""
    campaign = own_campaign(request, code)
    view = queries.public_view(campaign)
    path, title = f"/organise/{code}/edit/", gettext("Change the draft")
    if view["state"] != "draft":
        return redirect(f"/organise/{code}/story/")
    if request.method != "POST":
        form = campaign_form.filled_of(campaign, story=view["story"])
        return _form_page(request, form, path=path, title=title, code=code)
    form = Filled.of(request.POST)
    body = campaign_form.body_of(form, kept=campaign.plan_b)
    if body is not None:
        try:
            said = body.model_dump(mode="json")
            edit(campaign=campaign, changes=CampaignPatch.model_validate(said))
        except TermsRefused as refused:
            campaign_form.blame(form, refused.errors)
        else:
            messages.success(request, gettext("The draft was changed."))
            return redirect(f"/organise/{code}/")
    return _form_page(request, form, path=path, title=title, code=code, status=422)


@never_cache
@login_required
@require_safe
def rehearsal(request: HttpRequest, code: str) -> HttpResponse:
    """Play the end of the campaign, tipping and lapsing, without writing anything."""
    campaign = own_campaign(request, code)
    form = Filled.of(request.GET)
    at = form.local_instant("at", campaign.timezone) if form.said("at") else campaign.deadline
    played = rehearse(campaign, at=at or campaign.deadline)
    context = {
        "campaign": campaign,
        "form": form,
        "at": played.at,
        "verdict_words": _verdict_words(played),
        "on_tip": [_scene(scene) for scene in played.on_tip],
        "on_lapse": [_scene(scene) for scene in played.on_lapse],
        "on_fail": [_scene(scene) for scene in played.on_fail],
    }
    return render(request, "organise/rehearse.html", context, status=422 if form.faults else 200)


@never_cache
@login_required
@require_safe
def ask_launch(request: HttpRequest, code: str) -> HttpResponse:
    """Ask the organiser whether the campaign shall really open."""
    campaign = own_campaign(request, code)
    context = {"campaign": campaign, "view": queries.public_view(campaign)}
    return render(request, "organise/launch.html", context)


@never_cache
@login_required
@require_POST
def do_launch(request: HttpRequest, code: str) -> HttpResponse:
    """Open the campaign, or say what is missing."""
    campaign = own_campaign(request, code)
    try:
        launch(campaign=campaign)
    except TermsRefused as refused:
        faults = {
            campaign_form.fault_field(fault): fault_words(fault.reason, path=fault.path)
            for fault in refused.errors
        }
        context = {
            "campaign": campaign,
            "view": queries.public_view(campaign),
            "faults": faults,
        }
        return render(request, "organise/launch.html", context, status=422)
    except MoveRefused:
        messages.warning(request, gettext("It was launched already."))
    else:
        messages.success(request, gettext("It is open. Now tell people."))
    return redirect(f"/organise/{code}/")


def _form_page(
    request: HttpRequest,
    form: Filled,
    *,
    path: str,
    title: str,
    code: str = "",
    status: int = 200,
) -> HttpResponse:
    ticked = form.ticked.get("kinds", [])
    context: dict[str, Any] = {
        "form": form,
        "path": path,
        "title": title,
        "code": code,
        "kinds": [
            {"kind": kind, "words": kind_act(kind), "is_ticked": kind in ticked}
            for kind in campaign_form.ALL_KINDS
        ],
        "opens_payout": _opens(form, *payout_form.FIELDS.values()),
        "opens_where": _opens(form, "starts_at", "ends_at", "venue")
        or bool({"presence", "hours"} & set(ticked)),
        "opens_target": _opens(form, *(f"target_{name}" for name in campaign_form.TARGET), "hours")
        or bool({"signature", "call"} & set(ticked)),
        "plans": plan_form.rows_of(form),
        "opens_plans": plan_form.opens(form),
        "timezones": campaign_form.timezones(),
        "currencies": campaign_form.currencies(),
    }
    return render(request, "organise/form.html", context, status=status)


def _opens(form: Filled, *names: str) -> bool:
    """Whether a part of the form that can be folded has something to show."""
    return any(form.said(name) or name in form.faults for name in names)


def _scene(scene: Scene) -> dict[str, Any]:
    readers = {
        "target": gettext("The one who must answer"),
        "organiser": gettext("You, the organiser"),
    }
    reader = readers.get(scene.reader) or gettext("Who pledged: %(kind)s") % {
        "kind": kind_act(scene.reader)
    }
    return {"reader": reader, "letter": scene.letter}


def _verdict_words(played: Rehearsal) -> str:
    words = {
        "tip": gettext("With the people who are in now, it would tip."),
        "lapse": gettext("With the people who are in now, it would lapse."),
        "wait": gettext("With the people who are in now, it would go on waiting."),
    }
    return words[played.verdict]
