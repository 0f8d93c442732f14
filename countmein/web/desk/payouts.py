"""The owner's desk for payouts: agree, stop, note what was paid at the bank, let payouts go on."""

from __future__ import annotations

import uuid
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from countmein.base.clock import site_now
from countmein.campaigns import wording
from countmein.campaigns.actions.account import thaw
from countmein.campaigns.actions.pay_out import PayoutRefused, approve, stop_payout
from countmein.campaigns.actions.pay_supplier import mark_paid, mark_returned, may_be_ordered, order
from countmein.campaigns.models import Campaign
from countmein.campaigns.payout_letters import freeze_path
from countmein.members.models import Organiser
from countmein.payments.bank.account import masked
from countmein.payments.models import Freeze, Payout, PayoutKind, PayoutState
from countmein.web.desk.money import owner_of
from countmein.web.desk.pages import page_of
from countmein.web.forms import Filled
from countmein.web.payout_words import STATES, approvals_of, payout_rows, refusal, upload_of

_NOTE_LENGTH: Final = 500
_REFERENCE_LENGTH: Final = 140


@never_cache
@login_required
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """List what waits, the oldest first, the latest that was dealt with, and what is frozen."""
    owner_of(request)
    rows = Payout.objects.all_lanes().order_by("-asked_at", "-id")
    waiting = (PayoutState.ASKED, PayoutState.SENDING)
    context = {
        "waiting": page_of(
            request.GET,
            "waiting",
            rows.filter(state__in=waiting).order_by("asked_at", "id"),
            _with_campaigns,
        ),
        "rest": page_of(request.GET, "rest", rows.exclude(state__in=waiting), _dealt_with),
        "frozen": _frozen(),
    }
    return render(request, "desk/payouts.html", context)


def _with_campaigns(rows: Any) -> list[dict[str, Any]]:
    listed = list(rows)
    campaigns = Campaign.objects.in_bulk([row.campaign_id for row in listed])
    now = site_now()
    return [
        {**shown, "campaign": campaigns[row.campaign_id]}
        for row in listed
        for shown in payout_rows([row], campaigns[row.campaign_id], now=now)
    ]


def _dealt_with(rows: Any) -> list[dict[str, Any]]:
    """The rows of a table: nothing about them is judged any more."""
    listed = list(rows)
    campaigns = Campaign.objects.in_bulk([row.campaign_id for row in listed])
    return [
        {
            "payout": row,
            "campaign": campaigns[row.campaign_id],
            "is_own": row.kind == PayoutKind.ORGANISER,
            "amount": wording.money_text(row.amount_minor, row.currency),
            "state": STATES[row.state],
        }
        for row in listed
    ]


def _frozen() -> list[dict[str, Any]]:
    rows = list(Freeze.objects.filter(ended_at=None).order_by("at"))
    ids = [row.subject_id for row in rows]
    names = {o.id: o.email for o in Organiser.objects.filter(id__in=ids)}
    names |= {c.id: c.title for c in Campaign.objects.filter(id__in=ids)}
    return [{"row": row, "name": names.get(row.subject_id, "")} for row in rows]


@never_cache
@login_required
@require_safe
def one(request: HttpRequest, id: uuid.UUID) -> HttpResponse:
    """Show one payout with its documents and purpose, and what can be done about it."""
    owner = owner_of(request)
    payout, campaign = _payout(id)
    return _page(request, owner, payout, campaign, Filled(values={}))


def _payout(id: uuid.UUID) -> tuple[Payout, Campaign]:
    payout = Payout.objects.all_lanes().filter(id=id).first()
    if payout is None:
        raise Http404
    return payout, Campaign.objects.get(id=payout.campaign_id)


def _page(
    request: HttpRequest,
    owner: Organiser,
    payout: Payout,
    campaign: Campaign,
    form: Filled,
    *,
    status: int = 200,
) -> HttpResponse:
    (row,) = payout_rows([payout], campaign, now=site_now())
    asker = Organiser.objects.filter(id=payout.asked_by_id).first()
    approvals = approvals_of(payout)
    context = {
        **row,
        "campaign": campaign,
        "form": form,
        "asker": asker,
        "freeze_path": freeze_path(campaign.id, site_now()),
        "approvals": approvals,
        # Whoever agrees compares it with the invoice; after that its end is enough.
        "iban": payout.iban if payout.state == PayoutState.ASKED else masked(payout.iban),
        "may_order": may_be_ordered(payout),
        "may_approve": payout.state == PayoutState.ASKED
        and owner.id != payout.asked_by_id
        and not any(each["who"] == str(owner) for each in approvals),
    }
    return render(request, "desk/payout.html", context, status=status)


@never_cache
@login_required
@require_POST
def act(request: HttpRequest, id: uuid.UUID, verb: str) -> HttpResponse:
    """Agree, stop, order, note as paid or as returned; what is refused says why."""
    owner = owner_of(request)
    payout, campaign = _payout(id)
    form = Filled.of(request.POST)
    done = {
        "approve": lambda: _approve(campaign, payout, owner),
        "stop": lambda: _stop(campaign, payout, form),
        "paid": lambda: _paid(request, campaign, payout, form),
        "order": lambda: _ordered(request, campaign, payout, form),
        "returned": lambda: _returned(campaign, payout, form),
    }.get(verb)
    if done is None:
        raise Http404
    try:
        words = done()
    except PayoutRefused as refused:
        form.blame("form", refusal(refused.reason))
        words = ""
    if form.faults:
        payout.refresh_from_db()
        return _page(request, owner, payout, campaign, form, status=422)
    messages.success(request, words)
    return redirect("/desk/payouts/")


def _approve(campaign: Campaign, payout: Payout, owner: Organiser) -> str:
    approve(campaign=campaign, payout_id=payout.id, by=owner)
    return gettext("You agreed. It goes as soon as nothing else stands in its way.")


def _stop(campaign: Campaign, payout: Payout, form: Filled) -> str:
    note = _line(form, "stop_note", _NOTE_LENGTH)
    if not form.faults:
        stop_payout(campaign=campaign, payout_id=payout.id, note=note)
    return gettext("It is stopped, and the organiser is told why.")


def _paid(request: HttpRequest, campaign: Campaign, payout: Payout, form: Filled) -> str:
    reference = _line(form, "reference", _REFERENCE_LENGTH)
    document = upload_of(request, form, "document")
    if not form.faults:
        mark_paid(campaign=campaign, payout_id=payout.id, reference=reference, document=document)
    return gettext("Noted as paid.")


def _ordered(request: HttpRequest, campaign: Campaign, payout: Payout, form: Filled) -> str:
    document = upload_of(request, form, "order_document")
    if not form.faults:
        order(campaign=campaign, payout_id=payout.id, document=document)
    return gettext("It goes with the next order: download that at the bank's desk.")


def _returned(campaign: Campaign, payout: Payout, form: Filled) -> str:
    note = _line(form, "return_note", _NOTE_LENGTH)
    if not form.faults:
        mark_returned(campaign=campaign, payout_id=payout.id, note=note)
    return gettext("Noted: the money is the campaign's again.")


def _line(form: Filled, name: str, most: int) -> str:
    said = form.said(name)
    if not 1 <= len(said) <= most or not said.isprintable():
        form.blame(name, gettext("Between 1 and %(most)s characters.") % {"most": most})
    return said


@never_cache
@login_required
@require_POST
def go_on(request: HttpRequest, id: uuid.UUID) -> HttpResponse:
    """Let payouts go on that were stopped."""
    thaw(freeze_id=id, by=owner_of(request))
    messages.success(request, gettext("Payouts go on."))
    return redirect("/desk/payouts/")
