"""The organiser hands a campaign over to another one."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from countmein.campaigns.actions.hand_over import HandOverRefused, hand_over
from countmein.members.models import Organiser
from countmein.web.forms import Filled
from countmein.web.organise.drafting import own_campaign
from countmein.web.payout_words import refusal


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def handing(request: HttpRequest, code: str) -> HttpResponse:
    """Ask who it goes to and for the campaign's code, then hand it over."""
    campaign = own_campaign(request, code)
    form = Filled.of(request.POST)
    if request.method == "POST":
        assert isinstance(request.user, Organiser)
        to = Organiser.objects.filter(email__iexact=form.said("email"), is_active=True).first()
        if to is None:
            words = gettext("Nobody with this address has signed in here yet. Ask them to do so.")
            form.blame("email", words)
        if form.said("typed") != campaign.code:
            words = gettext("Type %(code)s to say that you mean it.") % {"code": campaign.code}
            form.blame("typed", words)
        if to is not None and not form.faults:
            try:
                hand_over(campaign=campaign, by=request.user, to=to)
            except HandOverRefused as refused:
                form.blame("email", refusal(refused.reason))
            else:
                messages.success(
                    request, gettext("It is handed over. Everybody concerned is told.")
                )
                return redirect("/organise/")
    status = 422 if form.faults else 200
    context = {"campaign": campaign, "form": form}
    return render(request, "organise/hand_over.html", context, status=status)
