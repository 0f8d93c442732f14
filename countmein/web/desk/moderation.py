"""The owner's desk: take pledges that may be nobody's out of a count, and bring them back."""

from __future__ import annotations

import re
import uuid
from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from countmein.campaigns.actions.moderate import (
    REASONS,
    Choice,
    chosen,
    lift,
    moderate,
    moderations_of,
)
from countmein.campaigns.bodies import instant
from countmein.campaigns.models import Campaign, Gate, Moderation, Verdict
from countmein.rules.states import CampaignState
from countmein.web.desk.money import owner_of
from countmein.web.forms import Filled
from countmein.web.public.pledging import campaign_or_404
from countmein.web.removed_words import REASON_WORDS, VERDICT_WORDS, removed_rows

_NOTE_LENGTH: Final = 500
_CAMPAIGNS_SHOWN: Final = 200
_CODES: Final = re.compile(r"[0-9a-z]{18}")


@never_cache
@login_required
@require_safe
def campaigns(request: HttpRequest) -> HttpResponse:
    """List the campaigns that people may still join, the latest first."""
    owner_of(request)
    open_ones = Gate.objects.all_lanes().filter(closed_at=None).exclude(state=CampaignState.draft)
    rows = Campaign.objects.filter(id__in=open_ones.values("id")).order_by("-created_at")
    return render(request, "desk/moderated.html", {"campaigns": rows[:_CAMPAIGNS_SHOWN]})


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def campaign(request: HttpRequest, code: str) -> HttpResponse:
    """Show what was taken out; or, in two steps, say how many are meant and take them out."""
    owner = owner_of(request)
    found, form = campaign_or_404(code), Filled.of(request.POST)
    if request.method != "POST":
        return _page(request, found, form, None)
    choice = _choice(form)
    if len(form.said("note")) > _NOTE_LENGTH:
        form.blame("note", gettext("That note is too long."))
    if form.said("reason") not in REASONS or form.said("verdict") not in Verdict.values:
        form.blame("reason", gettext("Choose a reason and a verdict."))
    if form.faults:
        return _page(request, found, form, None, status=422)
    if form.said("sure") != "yes":
        return _page(request, found, form, chosen(found, choice).count())
    moderate(
        campaign=found,
        choice=choice,
        verdict=form.said("verdict"),
        reason=form.said("reason"),
        note=form.said("note"),
        by=owner.id,
    )
    messages.success(request, gettext("They are being taken out of the count."))
    return redirect(f"/desk/moderation/{found.code}/")


@never_cache
@login_required
@require_POST
def lifted(request: HttpRequest, code: str, id: uuid.UUID) -> HttpResponse:
    """Take an act back."""
    owner_of(request)
    found = campaign_or_404(code)
    row = Moderation.objects.filter(lane=found.lane, campaign_id=found.id, id=id).first()
    if row is None:
        raise Http404
    lift(row)
    messages.success(request, gettext("They are being brought back into the count."))
    return redirect(f"/desk/moderation/{found.code}/")


def _choice(form: Filled) -> Choice:
    """Read which pledges are meant; all of a campaign never are by leaving everything empty."""
    times = {}
    for name in ("since", "until"):
        try:
            times[name] = instant(form.said(name)) if form.said(name) else None
        except ValueError:
            form.blame(name, gettext("Write an instant such as 2026-12-01T12:00:00Z."))
    choice = Choice(
        codes=tuple(_CODES.findall(form.said("codes"))),
        place=form.said("place"),
        domain=form.said("domain").lstrip("@"),
        since=times.get("since"),
        until=times.get("until"),
    )
    if choice == Choice():
        form.blame("codes", gettext("Say which pledges you mean."))
    return choice


def _page(
    request: HttpRequest, found: Campaign, form: Filled, meant: int | None, *, status: int = 200
) -> HttpResponse:
    context = {
        "campaign": found,
        "form": form,
        "meant": meant,
        "reasons": list(REASON_WORDS.items()),
        "verdicts": list(VERDICT_WORDS.items()),
        "rows": removed_rows(moderations_of(found)),
    }
    return render(request, "desk/moderation.html", context, status=status)
