"""The organiser's payouts: what may be paid now, asking for it, proofs, and what was delivered."""

from __future__ import annotations

import re
import uuid
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from countmein.base.clock import site_now
from countmein.base.ids import uuid7
from countmein.campaigns.actions.pay_out import PayoutRefused, ask_payout, stop_payout
from countmein.campaigns.actions.pay_supplier import mark_delivery
from countmein.campaigns.actions.prove import ProofRefused, hand_in, next_stage, open_milestones
from countmein.campaigns.bodies import is_plain
from countmein.campaigns.documents import Upload
from countmein.campaigns.gates import gate_of
from countmein.campaigns.models import Campaign
from countmein.campaigns.payouts import funds_of, terms_of
from countmein.members.models import Organiser
from countmein.payments.actions.accounts import account_of
from countmein.payments.models import Delivery, Payout
from countmein.rules.money import decimal_text
from countmein.rules.payout import payable
from countmein.rules.remittance import IbanRefused, iban_text
from countmein.web.forms import Filled
from countmein.web.organise.drafting import own_campaign
from countmein.web.payout_words import (
    funds_rows,
    payout_rows,
    proofs_shown,
    refund_words,
    refusal,
    stage_words,
    upload_of,
)

_PAYEE_LENGTH: Final = 48
_PURPOSE_LENGTH: Final = 300
_PROOF_LENGTH: Final = 5_000
_FILES: Final = ("document_1", "document_2", "document_3")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def payouts(request: HttpRequest, code: str) -> HttpResponse:
    """Show what may be paid out and what was, or ask for a payout."""
    campaign = own_campaign(request, code)
    form = Filled.of(request.POST)
    if request.method != "POST":
        return _page(request, campaign, form)
    assert isinstance(request.user, Organiser)
    asked = _asked(request, campaign, form)
    if asked is not None:
        try:
            ask_payout(campaign=campaign, by=request.user, key=_key(form), **asked)
        except PayoutRefused as refused:
            form.blame(_field(form, "amount"), refusal(refused.reason))
        else:
            messages.success(request, gettext("It is set aside, and goes as soon as it may."))
            return redirect(f"/organise/{code}/payouts/")
    return _page(request, campaign, form, status=422)


def _asked(request: HttpRequest, campaign: Campaign, form: Filled) -> dict[str, Any] | None:
    """Read the form that was sent; None, with every fault noted, if it cannot be understood."""
    if not campaign.currency:
        form.blame("amount", refusal("not_settled"))
        return None
    amount = form.minor(_field(form, "amount"), campaign.currency)
    said: dict[str, Any] = {"amount_minor": amount}
    if form.said("to") == "supplier":
        said |= {
            "payee": form.said("payee"),
            "purpose": form.said("purpose"),
            "iban": form.said("iban").replace(" ", "").upper(),
            "document": upload_of(request, form, "document"),
        }
        _blame_supplier(form, said)
    return None if form.faults or amount is None else said


def _field(form: Filled, name: str) -> str:
    """The name of a field that both forms have."""
    return f"supplier_{name}" if form.said("to") == "supplier" else name


def _blame_supplier(form: Filled, said: dict[str, Any]) -> None:
    for name, most in (("payee", _PAYEE_LENGTH), ("purpose", _PURPOSE_LENGTH)):
        if not 1 <= len(said[name]) <= most or not said[name].isprintable():
            form.blame(name, gettext("One line of at most %(most)s characters.") % {"most": most})
    # In the books this is the organiser's own account.
    if re.sub(r"\W", "", said["payee"]).lower() == "organiser":
        form.blame("payee", gettext("Name the supplier."))
    if said["iban"]:
        try:
            said["iban"] = iban_text(said["iban"])
        except IbanRefused:
            form.blame("iban", gettext("This is not an IBAN; look for a digit that is wrong."))


def _key(form: Filled) -> uuid.UUID:
    """The id that the form was given, which makes asking once; a mangled one is replaced."""
    try:
        return uuid.UUID(form.said("key"))
    except ValueError:
        return uuid7()


def _page(
    request: HttpRequest, campaign: Campaign, form: Filled, *, status: int = 200
) -> HttpResponse:
    gate, now = gate_of(campaign), site_now()
    funds = funds_of(campaign, gate, now=now)
    most = payable(funds)
    rows = Payout.objects.filter(lane=campaign.lane, campaign_id=campaign.id).order_by("-id")[:100]
    context = {
        "campaign": campaign,
        "form": form,
        "key": uuid7() if not form.said("key") else form.said("key"),
        "account": account_of(campaign.organiser_id),
        "funds": funds_rows(campaign, funds),
        "most": decimal_text(most, campaign.currency) if campaign.currency and most else "",
        "rows": payout_rows(rows, campaign, now=now),
        "stage_words": stage_words(campaign),
        "refund_words": refund_words(campaign),
        "has_stages": len(terms_of(campaign).stages_bp) > 1,
        "stage": next_stage(campaign, gate),
        "vote": open_milestones(campaign).first(),
        "is_settled": gate.settled_at is not None,
    }
    return render(request, "organise/payouts.html", context, status=status)


@never_cache
@login_required
@require_POST
def stop(request: HttpRequest, code: str, id: uuid.UUID) -> HttpResponse:
    """Take a payout back that only waits."""
    campaign = own_campaign(request, code)
    try:
        stop_payout(campaign=campaign, payout_id=id, note=gettext("The organiser took it back."))
        messages.success(request, gettext("It is stopped. The money is the campaign's again."))
    except PayoutRefused as refused:
        messages.error(request, refusal(refused.reason))
    return redirect(f"/organise/{code}/payouts/")


@never_cache
@login_required
@require_POST
def delivered(request: HttpRequest, code: str, id: uuid.UUID) -> HttpResponse:
    """Note what came of a payment to a supplier."""
    campaign = own_campaign(request, code)
    said = Filled.of(request.POST).said("delivery")
    try:
        mark_delivery(campaign=campaign, payout_id=id, delivery=Delivery(said))
        messages.success(request, gettext("Noted."))
    except (PayoutRefused, ValueError) as refused:
        messages.error(request, refusal(getattr(refused, "reason", "not_paid")))
    return redirect(f"/organise/{code}/payouts/")


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def proof(request: HttpRequest, code: str) -> HttpResponse:
    """Show the proofs so far and the form for one, or hand one in."""
    campaign = own_campaign(request, code)
    form = Filled.of(request.POST)
    if request.method == "POST":
        found = [upload_of(request, form, name) for name in _FILES]
        documents: list[Upload] = [each for each in found if each is not None]
        if not 1 <= len(form.said("words")) <= _PROOF_LENGTH:
            words = gettext("Say what was done, in at most %(most)s characters.")
            form.blame("words", words % {"most": _PROOF_LENGTH})
        if not is_plain(form.said("words")):
            form.blame("words", gettext("A character in it cannot be shown."))
        if not form.faults:
            try:
                hand_in(campaign=campaign, words=form.said("words"), documents=documents)
            except ProofRefused as refused:
                form.blame("words", refusal(refused.reason))
            else:
                messages.success(request, gettext("Your proof is with the backers for a week."))
                return redirect(f"/organise/{code}/proof/")
    gate = gate_of(campaign)
    context = {
        "campaign": campaign,
        "form": form,
        "files": _FILES,
        "stage": next_stage(campaign, gate),
        "proof_by": gate.proof_by,
        "vote": open_milestones(campaign).first(),
        "proofs": proofs_shown(campaign),
    }
    status = 422 if form.faults else 200
    return render(request, "organise/proof.html", context, status=status)
