"""The page of one's own pledge: see it, confirm it, change it, leave, and say what came of it."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from pydantic import ValidationError

from countmein.base.clock import site_now
from countmein.campaigns import own_pledge, wording
from countmein.campaigns.actions.change import change
from countmein.campaigns.actions.confirm import TokenWrong, confirm
from countmein.campaigns.actions.report import CALL_ANSWERS, ReportRefused, report
from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.bodies import PledgePatch
from countmein.campaigns.gates import gate_of, is_accepting
from countmein.campaigns.kinds import BANK_TRANSFER
from countmein.campaigns.links import (
    campaign_url,
    confirm_token_of,
    manage_url,
    same,
    secure_url,
)
from countmein.campaigns.models import Campaign, Pledge
from countmein.rules.pledging import PledgeRefused, Reason
from countmein.web.forms import Filled, amount_field
from countmein.web.public import pledge_form
from countmein.web.public.plan_words import failed_words, own_part
from countmein.web.public.telling import promise, share_links, share_text

_CALL_WORDS: Final[dict[str, str | Promise]] = {
    "spoke": _("I spoke to somebody"),
    "left_message": _("I left a message"),
    "busy": _("The line was busy"),
    "no_answer": _("Nobody answered"),
    "wrong_number": _("It was the wrong number"),
}
#: A pledge in one of these can still count, or fall with its campaign.
_OPEN_STATES: Final = ("unconfirmed", "unsecured", "active")
_NEXT: Final[dict[str, str | Promise]] = {
    "unconfirmed": _(
        "Open the link in the mail we sent you. Until then the pledge is not counted."
    ),
    "unsecured": _("One step is missing: a card. Nothing is charged before it tips."),
    "held": _("Somebody looks at this pledge by hand. You will hear from us."),
    "accepted": _("It tipped with you in it. Your promise is being carried out now."),
    "failing": _("It tipped, but your card could not be charged. Your pledge needs you."),
    "fulfilled": _("It tipped, and your promise was carried out. Thank you."),
    "refunded": _("The money is back on its way to your card."),
    "withdrawn": _(
        "You left. Nothing will happen. You may pledge again while the campaign is open."
    ),
    "released": _("You owe nothing, and a stored card is forgotten."),
    "dropped": _("The card could not be charged, so the promise fell. You owe nothing."),
}


@never_cache
@require_safe
def page(request: HttpRequest, code: str) -> HttpResponse:
    """Show one's own pledge."""
    row, campaign = _mine(request, code)
    return _page(request, row, campaign, Filled(values={}))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirmed(request: HttpRequest, code: str) -> HttpResponse:
    """Confirm by the mailed link; POST takes the pledge back ("that wasn't me")."""
    token = request.GET.get("token", "")
    row = own_pledge.pledge_by_code(code)
    if row is None or not same(token, confirm_token_of(row)):
        raise Http404
    campaign = Campaign.objects.get(id=row.campaign_id)
    refused, is_second = "", False
    try:
        if request.method == "POST":
            withdraw(pledge=row)
            return redirect(request.get_full_path())
        row = confirm(pledge=row, token=token)
    except TokenWrong as wrong:
        raise Http404 from wrong
    except PledgeRefused as refusal:
        refused = pledge_form.refusal_words(refusal)
        is_second = refusal.reason == Reason.already_pledged
    context = {
        "campaign": campaign,
        "state": row.state,
        "refused": refused,
        "is_second": is_second,
        "manage_url": manage_url(row),
        "card_url": secure_url(row) if _lacks_card(row) else "",
        "confirm_path": request.get_full_path(),
    }
    return render(request, "public/confirmed.html", context, status=409 if refused else 200)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def changed(request: HttpRequest, code: str) -> HttpResponse:
    """Show the form for a change, or make the change."""
    row, campaign = _mine(request, code)
    mine = own_pledge.pledge_view(row)
    if request.method != "POST":
        return _change_page(request, row, campaign, mine, _filled_of(row, campaign, mine))
    form = Filled.of(request.POST)
    patch = _patch(campaign, row, mine, form)
    if patch is None:
        return _change_page(request, row, campaign, mine, form, status=422)
    try:
        change(pledge=row, body=patch)
    except PledgeRefused as refused:
        pledge_form.refuse(form, refused)
        return _change_page(request, row, campaign, mine, form, status=422)
    messages.success(request, gettext("Your pledge was changed."))
    return redirect(_own_path(row, request))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def withdrawn(request: HttpRequest, code: str) -> HttpResponse:
    """Ask whether somebody really wants to leave, or let them."""
    row, campaign = _mine(request, code)
    if request.method != "POST":
        context = {
            "mine": own_pledge.pledge_view(row),
            "campaign": campaign,
            "receipt": request.GET["receipt"],
        }
        return render(request, "public/withdraw.html", context)
    try:
        withdraw(pledge=row)
        messages.success(request, gettext("You are out. Nothing will happen."))
    except PledgeRefused as refused:
        messages.error(request, pledge_form.refusal_words(refused))
    return redirect(_own_path(row, request))


@never_cache
@require_POST
def reported(request: HttpRequest, code: str) -> HttpResponse:
    """Take down how the call went, or how long was worked."""
    row, campaign = _mine(request, code)
    form, kind = Filled.of(request.POST), request.POST.get("kind", "")
    minutes = form.minutes("minutes") if kind == "hours" else None
    if not form.faults:
        try:
            answer, note = form.said("answer"), form.said("note")
            report(pledge=row, kind=kind, answer=answer, minutes=minutes, note=note)
        except ReportRefused:
            form.blame("answer" if kind == "call" else "minutes", gettext("Say how it went."))
    if form.faults:
        return _page(request, row, campaign, form, status=422)
    messages.success(request, gettext("Thank you for telling us."))
    return redirect(_own_path(row, request))


def _lacks_card(row: Pledge) -> bool:
    return row.state == "unsecured" and not row.payment_method


def asked_for(request: HttpRequest, code: str) -> Pledge:
    """Return the pledge whose receipt is in the address. Raises Http404."""
    row = own_pledge.pledge_for(code, request.GET.get("receipt", ""))
    if row is None:
        raise Http404
    return row


def _mine(request: HttpRequest, code: str) -> tuple[Pledge, Campaign]:
    row = asked_for(request, code)
    return row, Campaign.objects.get(id=row.campaign_id)


def _own_path(row: Pledge, request: HttpRequest) -> str:
    return f"/p/{row.code}/?receipt={request.GET['receipt']}"


def _page(
    request: HttpRequest, row: Pledge, campaign: Campaign, form: Filled, *, status: int = 200
) -> HttpResponse:
    mine = own_pledge.pledge_view(row)
    kept = list(row.accepted or {}) if row.state == "fulfilled" else []
    own = own_part(campaign, row, mine)
    context = {
        "mine": mine,
        "campaign": campaign,
        "form": form,
        "own": own,
        "receipt": request.GET["receipt"],
        "manage_url": manage_url(row),
        "next_words": failed_words(own, row.state) or _next_words(mine),
        "amount_text": wording.amount_text(row.kind, row.amount, campaign),
        "parts": [
            {**part, "text": wording.amount_text(part["kind"], part["amount"], campaign)}
            for part in mine["more"]
        ],
        "payment_words": _payment_words(mine["payment"]),
        "payment": mine["payment"],
        "refunded_text": _refunded_text(mine["payment"], campaign),
        "has_event": bool(campaign.starts_at and kept),
        "shows_call": "call" in kept,
        "shows_hours": "hours" in kept,
        "phone": dialled((campaign.target or {}).get("phone") or ""),
        "reported": {said["kind"]: said for said in mine["reports"]},
        "call_answers": [(answer, _CALL_WORDS[answer]) for answer in CALL_ANSWERS],
        **(_coming(campaign, row) if row.state in _OPEN_STATES else {}),
    }
    return render(request, "public/mine.html", context, status=status)


def _coming(campaign: Campaign, row: Pledge) -> dict[str, Any]:
    """What will happen and when, and the link that brings a friend, while it is not decided."""
    gate, now = gate_of(campaign), site_now()
    seen = {
        "deadline": gate.deadline,
        "accepting": is_accepting(gate, now=now),
        "tipped_at": gate.tipped_at,
        "rule_text": wording.rule_words(campaign),
    }
    if not seen["accepting"]:
        return {}
    url = f"{campaign_url(campaign)}pledge/?friend={row.code}"
    words = gettext("I am in if enough others are. Join me? %(words)s") % {
        "words": share_text(campaign, seen, now=now)
    }
    return {
        "coming": promise(campaign, seen, now=now),
        "may_note": campaign.starts_at is not None and row.state == "active",
        "friend_url": url,
        "share_links": share_links(campaign, words, url=url),
    }


def dialled(phone: str) -> str:
    """Return a telephone number as a link dials it: digits, and a plus in front."""
    digits = "".join(letter for letter in phone if letter.isdigit())
    return f"+{digits}" if phone.strip().startswith("+") else digits


def _next_words(mine: dict[str, Any]) -> str:
    state, kept = mine["state"], mine["accepted"] or {}
    if mine["payment"] and mine["payment"]["transfer"]:
        return gettext("It tipped with you in it. Now your transfer is awaited.")
    if mine["payment"] and mine["payment"]["is_failing"]:
        return str(_NEXT["failing"])
    if state == "unsecured" and mine["payment"]["mandate"] == "wanted":
        return gettext("Your card is being checked; that takes a moment.")
    if state == "fulfilled" and "call" in kept:
        return gettext("It tipped. Now it is your turn: the number and the words are below.")
    if state == "fulfilled" and {"presence", "hours"} & kept.keys():
        return gettext("It tipped, so it takes place. See you there.")
    if state != "active":
        return str(_NEXT.get(state, ""))
    if not mine["counted"] and not mine["waiting_for"]:
        words = gettext("You are pledged, and counted in a moment.")
    elif mine["counted"]:
        words = gettext("You are counted. If it tips, we write to you and carry it out.")
    else:
        words = gettext("Your pledge waits. When its condition holds, you are counted.")
    end = gettext("If it does not tip, you are let go. Until then nothing happens.")
    return f"{words} {end}"


def _payment_words(payment: dict[str, Any] | None) -> str:
    """Say where the card stands: what became of the charge, or else of the card's storing."""
    words = {
        "wanted": gettext("being checked"),
        "made": gettext("stored with the payment provider; not charged"),
        "refused": gettext("was refused: choose another card"),
        "forgetting": gettext("being forgotten"),
        "forgotten": gettext("forgotten by the payment provider"),
        "due": gettext("about to be charged"),
        "doing": gettext("being charged"),
        "paid": gettext("charged once"),
        "failed": gettext("could not be charged"),
    }
    if payment is None:
        return ""
    if payment["method"] == BANK_TRANSFER:
        return _transfer_words(payment["charge"])
    if payment["is_failing"]:
        return gettext("refused at the charge")
    state = payment["charge"] or payment["mandate"]
    return words.get(state, "") if state else gettext("missing")


def _transfer_words(charge: str | None) -> str:
    """Say where a bank transfer stands."""
    words = {
        "awaited": gettext("awaited: it has not arrived yet"),
        "paid": gettext("has arrived"),
        "failed": gettext("did not arrive"),
    }
    return words.get(charge or "", gettext("promised; we ask for it if it tips"))


def _refunded_text(payment: dict[str, Any] | None, campaign: Campaign) -> str:
    if payment is None or not payment["refunded_minor"]:
        return ""
    return wording.money_text(payment["refunded_minor"], campaign.currency)


def _filled_of(row: Pledge, campaign: Campaign, mine: dict[str, Any]) -> Filled:
    amount = amount_field(row.amount, kind=row.kind, currency=campaign.currency)
    fields = pledge_form.condition_fields(mine["condition"], campaign)
    return Filled(values={"kind": row.kind, f"amount_{row.kind}": amount, **fields})


def _patch(
    campaign: Campaign, row: Pledge, mine: dict[str, Any], form: Filled
) -> PledgePatch | None:
    """Read the form as what it changes; what stayed as it was is left out."""
    form.values = {**form.values, "kind": row.kind}
    fields: dict[str, Any] = {}
    amount = pledge_form.amount_of(campaign, form, row.kind)
    if amount is not None and amount != row.amount:
        fields["amount"] = amount
    if not mine["more"] and form.said("condition") != "kept":
        condition = pledge_form.condition_of(campaign, form)
        if condition != mine["condition"]:
            fields["condition"] = condition
    if form.faults:
        return None
    try:
        return PledgePatch.model_validate(fields)
    except ValidationError as refused:
        form.blame_body(refused, {"amount": "kind", "condition": "condition"})
        return None


def _change_page(
    request: HttpRequest,
    row: Pledge,
    campaign: Campaign,
    mine: dict[str, Any],
    form: Filled,
    *,
    status: int = 200,
) -> HttpResponse:
    if not mine["may_change"]:
        messages.warning(request, gettext("This pledge can no longer be changed."))
        return redirect(_own_path(row, request))
    is_sayable = pledge_form.condition_fields(mine["condition"], campaign)["condition"] != "kept"
    context = {
        **pledge_form.fields_of(campaign, form),
        "mine": mine,
        "campaign": campaign,
        "receipt": request.GET["receipt"],
        "amount_field": pledge_form.kind_field(campaign, form, row.kind),
        "kept_condition": "" if is_sayable else mine["condition_text"],
    }
    return render(request, "public/change.html", context, status=status)
