"""The organiser hands a campaign over to another one, who has to say yes."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from countmein.campaigns.actions.hand_over import (
    HandOverRefused,
    accept,
    decline,
    offer,
    offer_of,
)
from countmein.campaigns.models import Campaign
from countmein.members.models import Organiser
from countmein.web.forms import Filled
from countmein.web.organise.drafting import own_campaign
from countmein.web.payout_words import refusal


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def handing(request: HttpRequest, code: str) -> HttpResponse:
    """Ask who is to take it and for the campaign's code, then offer it; or take the offer back."""
    campaign = own_campaign(request, code)
    form = Filled.of(request.POST)
    assert isinstance(request.user, Organiser)
    if request.method == "POST" and form.said("act") == "take_back":
        if decline(campaign=campaign, by=request.user):
            messages.success(request, gettext("The offer is taken back. Both of you are told."))
        return redirect(f"/organise/{code}/hand-over/")
    if request.method == "POST":
        to = Organiser.objects.filter(email__iexact=form.said("email"), is_active=True).first()
        if to is None:
            words = gettext("Nobody with this address has signed in here yet. Ask them to do so.")
            form.blame("email", words)
        if form.said("typed") != campaign.code:
            words = gettext("Type %(code)s to say that you mean it.") % {"code": campaign.code}
            form.blame("typed", words)
        if to is not None and not form.faults:
            try:
                offer(campaign=campaign, by=request.user, to=to)
            except HandOverRefused as refused:
                form.blame("email", refusal(refused.reason))
            else:
                messages.success(
                    request, gettext("It is offered. Nothing changes before they have said yes.")
                )
                return redirect(f"/organise/{code}/hand-over/")
    status = 422 if form.faults else 200
    found = offer_of(campaign)
    to_whom = Organiser.objects.filter(id=found.to_id).first() if found else None
    context = {"campaign": campaign, "form": form, "to_whom": to_whom}
    return render(request, "organise/hand_over.html", context, status=status)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def offered(request: HttpRequest, code: str) -> HttpResponse:
    """Show what somebody is to take on, and take their yes or no; to nobody else is it there."""
    assert isinstance(request.user, Organiser)
    campaign = Campaign.objects.select_related("organiser").filter(code=code).first()
    found = offer_of(campaign) if campaign else None
    if campaign is None or found is None or found.to_id != request.user.id:
        raise Http404
    if request.method != "POST":
        return render(request, "organise/offered.html", {"campaign": campaign})
    if Filled.of(request.POST).said("act") != "accept":
        decline(campaign=campaign, by=request.user)
        messages.success(request, gettext("You have declined. Both of you are told."))
        return redirect("/organise/")
    try:
        accept(campaign=campaign, by=request.user)
    except HandOverRefused as refused:
        messages.error(request, refusal(refused.reason))
        return redirect("/organise/")
    messages.success(request, gettext("It is yours now. Everybody concerned is told."))
    return redirect(f"/organise/{code}/")
