"""A member goes to the provider's page to give a card or confirm a payment, and comes back."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language, gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from countmein.campaigns import wording
from countmein.campaigns.actions.give_card import (
    card_page,
    failing_charge,
    payment_page,
    returned,
)
from countmein.campaigns.models import Campaign, Pledge
from countmein.payments.actions.pages import PageUnavailable
from countmein.payments.models import Charge
from countmein.rules.dunning import LADDER, Decline
from countmein.rules.pledging import PledgeRefused
from countmein.web.public.mine import asked_for
from countmein.web.public.pledge_form import refusal_words


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def card(request: HttpRequest, code: str) -> HttpResponse:
    """Lead on to the provider's page; where a charge has failed, ask first what is to be done."""
    row = asked_for(request, code)
    charge = failing_charge(row) if row.state == "accepted" else None
    if request.method == "HEAD" or (charge is not None and request.method == "GET"):
        return _asked(request, row, charge)
    language = get_language() or "en-gb"
    open_page = payment_page if request.POST.get("way") == "payment" else card_page
    try:
        return redirect(open_page(row, language=language))
    except PledgeRefused as refused:
        messages.warning(request, refusal_words(refused))
        return redirect(_own_path(request, row))
    except PageUnavailable:
        return _asked(request, row, charge, is_unavailable=True)


@never_cache
@require_safe
def back(request: HttpRequest, code: str) -> HttpResponse:
    """Take note that the member is back from a page, and go on to the pledge's own page."""
    row = asked_for(request, code)
    try:
        page_id = uuid.UUID(request.GET.get("page", ""))
    except ValueError as malformed:
        raise Http404 from malformed
    returned(row, page_id=page_id)
    return redirect(_own_path(request, row))


def _asked(
    request: HttpRequest, row: Pledge, charge: Charge | None, *, is_unavailable: bool = False
) -> HttpResponse:
    campaign = Campaign.objects.get(id=row.campaign_id)
    context = {
        "campaign": campaign,
        "code": row.code,
        "receipt": request.GET["receipt"],
        "is_unavailable": is_unavailable,
    }
    if charge is not None and charge.first_failed_at is not None:
        decline = Decline(charge.decline or Decline.soft)
        context |= {
            "amount": wording.money_text(charge.amount_minor, charge.currency),
            "last_day": charge.first_failed_at + LADDER[-1],
            "why": _why(decline),
            "may_pay": decline is not Decline.hard,
        }
    status = 503 if is_unavailable else 200
    return render(request, "public/card.html", context, status=status)


def _why(decline: Decline) -> str:
    return {
        Decline.soft: gettext("Your card was refused, for a limit perhaps, or by a busy bank."),
        Decline.authenticate: gettext("Your bank wants you to confirm the payment yourself."),
        Decline.hard: gettext("Your card cannot be charged any more."),
    }[decline]


def _own_path(request: HttpRequest, row: Pledge) -> str:
    return f"/p/{row.code}/?receipt={request.GET['receipt']}"
