"""The door to pledge through: one form, one verb, and on to the page of one's own pledge."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language, gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from countmein.base.clock import site_now
from countmein.base.group_commit import Full
from countmein.base.http import FULL_HEADER
from countmein.base.idempotency import is_form_key, new_form_key
from countmein.campaigns import pledge_door, queries
from countmein.campaigns.mandate import latest_charge_at, latest_transfer_at
from countmein.campaigns.models import Campaign
from countmein.campaigns.pledge_terms import PledgeRequest
from countmein.rules.pledging import PledgeRefused, Reason
from countmein.web.forms import Filled
from countmein.web.public import pledge_form
from countmein.web.public.conditions import today
from countmein.web.public.telling import promise


def campaign_or_404(code: str) -> Campaign:
    """Return the campaign that everybody may see. Raises Http404."""
    campaign = queries.campaign_by_code(code)
    if campaign is None:
        raise Http404
    return campaign


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def form(request: HttpRequest, code: str) -> HttpResponse:
    """Show the form, or take the pledge and go on to its page."""
    campaign = campaign_or_404(code)
    if request.method != "POST":
        first = pledge_form.first_filled(campaign, friend=request.GET.get("friend", ""))
        return _shown(request, campaign, first, key=new_form_key())
    filled, key = Filled.of(request.POST), _key(request.POST.get("key", ""))
    body = pledge_form.body_of(campaign, filled)
    if body is None:
        return _shown(request, campaign, filled, key=key, status=422)
    asked = PledgeRequest(body=body, key=f"web:{key}", language=get_language() or "en-gb")
    try:
        answer = pledge_door.take(campaign, asked)
    except Full:
        # The intake gives the visitor back what they typed; see intake/overload.py.
        return HttpResponse(status=503, headers={FULL_HEADER: "1"})
    except PledgeRefused as refused:
        pledge_form.refuse(filled, refused)
        key = new_form_key() if refused.reason == Reason.key_reused else key
        return _shown(request, campaign, filled, key=key, status=422)
    if answer.body["secure_url"]:
        # The pledge stands; what is missing is the card, on the provider's own page.
        return redirect(answer.body["secure_url"])
    messages.success(request, _thanks(answer.body["state"]))
    return redirect(f"/p/{answer.body['code']}/?receipt={answer.body['receipt']}")


def _shown(
    request: HttpRequest, campaign: Campaign, filled: Filled, *, key: str, status: int = 200
) -> HttpResponse:
    view = queries.public_view(campaign)
    if not view["accepting"] and request.method != "POST":
        messages.warning(request, str(pledge_form.REFUSALS[Reason.campaign_closed]))
        return redirect(f"/c/{campaign.code}/")
    context: dict[str, Any] = {
        "campaign": campaign,
        "rule_text": view["rule_text"],
        "promise": promise(campaign, view, now=site_now()),
        "today": today(campaign, view),
        "deadline": view["deadline"],
        "latest_charge": latest_charge_at(campaign),
        "latest_transfer": latest_transfer_at(campaign),
        "now": site_now(),
        "key": key,
        **pledge_form.fields_of(campaign, filled),
    }
    return render(request, "public/pledge.html", context, status=status)


def _key(sent: str) -> str:
    """The key of the form that was sent; a mangled one is replaced."""
    return sent if is_form_key(sent) else new_form_key()


def _thanks(state: str) -> str:
    if state == "unconfirmed":
        return gettext("Thank you. One step is left: open the link in the mail we sent you.")
    return gettext("Thank you. You are pledged.")
