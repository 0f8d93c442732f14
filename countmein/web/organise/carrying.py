"""The organiser's desk once it is settled: carry it out, say that it is done, or that it failed."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from pydantic import ValidationError

from countmein.campaigns import wording
from countmein.campaigns.actions.execute import execute, finish
from countmein.campaigns.actions.fail import PaymentRefused, fail
from countmein.campaigns.after_bodies import FailBody
from countmein.campaigns.gates import gate_of
from countmein.campaigns.models import Campaign
from countmein.campaigns.moves import MoveRefused
from countmein.campaigns.plans import plan_b_of
from countmein.payments.models import Payout, PayoutKind, PayoutState
from countmein.rules.states import CampaignState
from countmein.web.forms import Filled
from countmein.web.organise.drafting import own_campaign

_CAN_FAIL: Final = (CampaignState.settled, CampaignState.executing)


def carrying_part(state: str) -> dict[str, bool]:
    """Which of these an organiser may do now."""
    return {
        "may_execute": state == CampaignState.settled,
        "may_finish": state == CampaignState.executing,
        "may_fail": state in _CAN_FAIL,
    }


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def executing(request: HttpRequest, code: str) -> HttpResponse:
    """Ask whether it shall be carried out now, or begin."""
    campaign = own_campaign(request, code)
    if request.method != "POST":
        return render(request, "organise/execute.html", {"campaign": campaign})
    return _moved(
        request,
        campaign,
        lambda: execute(campaign=campaign),
        gettext("It is being carried out now. Nobody can join any more."),
    )


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def finishing(request: HttpRequest, code: str) -> HttpResponse:
    """Ask whether it is done, or note that it is."""
    campaign = own_campaign(request, code)
    if request.method != "POST":
        return render(request, "organise/finish.html", {"campaign": campaign})
    return _moved(request, campaign, lambda: finish(campaign=campaign), gettext("It is done."))


def _moved(
    request: HttpRequest, campaign: Campaign, act: Callable[[], None], words: str
) -> HttpResponse:
    try:
        act()
        messages.success(request, words)
    except MoveRefused:
        messages.error(request, gettext("This cannot be done as the campaign stands now."))
    return redirect(f"/organise/{campaign.code}/")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def failing(request: HttpRequest, code: str) -> HttpResponse:
    """Ask what has happened and for the campaign's code, then freeze the money and tell all."""
    campaign = own_campaign(request, code)
    form = Filled.of(request.POST)
    if request.method != "POST":
        return _fail_page(request, campaign, form)
    body = _body(form)
    if form.said("typed") != campaign.code:
        words = gettext("Type %(code)s to say that you mean it.") % {"code": campaign.code}
        form.blame("typed", words)
    if body is None or form.faults:
        return _fail_page(request, campaign, form, status=422)
    try:
        fail(campaign=campaign, text=body.text, refused=body.refused, lost=body.lost)
        messages.success(request, gettext("The money is frozen, and everybody is being told."))
    except PaymentRefused:
        form.blame("payments", gettext("One of these payments has changed meanwhile. Look again."))
        return _fail_page(request, campaign, form, status=422)
    except MoveRefused:
        messages.error(request, gettext("This cannot be done as the campaign stands now."))
    return redirect(f"/organise/{code}/")


def _body(form: Filled) -> FailBody | None:
    if not form.said("text"):
        form.blame("text", gettext("Say what has happened; everybody who is in reads it."))
    try:
        return FailBody.model_validate(
            {
                "text": form.said("text"),
                "refused": [uuid.UUID(id) for id in form.ticked.get("refused", [])],
                "lost": [uuid.UUID(id) for id in form.ticked.get("lost", [])],
            }
        )
    except ValidationError as refused:
        form.blame_body(refused, {"text": "text"})
    except ValueError:
        form.blame("payments", gettext("Choose among these payments."))
    return None


def _fail_page(
    request: HttpRequest, campaign: Campaign, form: Filled, *, status: int = 200
) -> HttpResponse:
    said = plan_b_of(campaign)
    context: dict[str, Any] = {
        "campaign": campaign,
        "form": form,
        "may_fail": gate_of(campaign).state in _CAN_FAIL,
        "plan_b": said,
        "asked": _payments(campaign, form, (PayoutState.ASKED, PayoutState.SENDING), "refused"),
        "paid": _payments(campaign, form, (PayoutState.PAID,), "lost"),
    }
    return render(request, "organise/fail.html", context, status=status)


def _payments(
    campaign: Campaign, form: Filled, states: Collection[PayoutState], field: str
) -> list[dict[str, Any]]:
    rows = Payout.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, kind=PayoutKind.SUPPLIER, state__in=states
    )
    ticked = form.ticked.get(field, [])
    return [
        {
            "id": str(row.id),
            "payee": row.payee,
            "purpose": row.purpose,
            "amount": wording.money_text(row.amount_minor, row.currency),
            "is_ticked": str(row.id) in ticked,
        }
        for row in rows.order_by("id")
    ]
