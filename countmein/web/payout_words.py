"""Payouts in words: what stands in the way, where each stands, what a campaign may pay out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from countmein.base.clock import site_now
from countmein.campaigns import wording
from countmein.campaigns.documents import DocumentRefused, Upload, checked
from countmein.campaigns.gates import gate_of
from countmein.campaigns.models import Ballot, Campaign, Proof
from countmein.campaigns.payouts import obstacles_of, terms_of
from countmein.members.models import Organiser
from countmein.payments.models import Document, Payout, PayoutApproval, PayoutKind, PayoutState
from countmein.rules.payout import Funds, payable
from countmein.web.forms import Filled
from countmein.web.templatetags.words import instant, number

_PAYMENTS_SHOWN: Final = 200
#: What stands in the way of a payout, or why it is refused.
OBSTACLES: Final[dict[str, str | Promise]] = {
    "account_unverified": _("Your account is not verified yet. Set it up first."),
    "account_changed_lately": _("The bank account has changed: nothing is paid for 72 hours."),
    "owner_changed_lately": _("The organiser has changed: nothing is paid for 72 hours."),
    "frozen": _("Somebody stopped all payouts. Only the site's owner can let them go on."),
    "second_person_needed": _("A second person must agree: somebody who runs the site."),
    "approved_own_request": _("Nobody agrees to what they asked for themselves."),
    "approved_twice": _("The same person agreed twice."),
    "stage_not_proven": _("That much is only paid once the backers have accepted a proof."),
    "held_back": _("A part is held back for refunds until their time is over."),
    "nothing_left": _("There is not that much left."),
    "already_asked": _("This form was sent before with something else. Look at the list below."),
    "payee_reserved": _("Name the supplier."),
    "being_settled": _("It is being settled what becomes of the money; nothing can be said now."),
    "no_offer": _("This offer is over: it was taken back, or its time has passed."),
    "not_launched": _("A draft is not handed over: the other one can write it anew."),
    "not_settled": _("Money is paid out once everything is collected."),
    "not_the_organiser": _("Only the organiser can ask for this."),
    "not_an_owner": _("Only somebody who runs the site can agree to a payout."),
    "not_asked": _("It is too late: this payout does not wait any more."),
    "not_paid": _("This payment was not made, or not to a supplier."),
    "not_a_supplier": _("Only a payment to a supplier is made at the bank."),
    "no_order": _("The bank cannot be told to pay this: it needs an account in the euro area."),
    "no_document": _("Add the invoice, or a picture of what was paid for."),
    "too_many": _("That is more payouts than a campaign can have."),
    "too_large": _("A file may have 2 MB at most."),
    "unknown_kind": _("Only PDF, PNG and JPEG files are taken."),
    "nothing_to_prove": _("There is nothing to prove."),
    "too_late": _("The day by which the proof had to be there is over."),
    "being_voted_on": _("The backers are voting on a proof now."),
    "same_organiser": _("That is you."),
}
STATES: Final[dict[str, str | Promise]] = {
    "asked": _("Waiting"),
    "sending": _("Being paid"),
    "paid": _("Paid"),
    "stopped": _("Stopped"),
    "returned": _("Came back"),
}
LOOKS: Final = {
    "asked": "chip-wait",
    "sending": "chip-wait",
    "paid": "chip-good",
    "returned": "chip-alarm",
}
DELIVERIES: Final[dict[str, str | Promise]] = {
    "delivered": _("Delivered"),
    "lost": _("Lost"),
}


def refusal(reason: str) -> str:
    """Why something was refused, in words."""
    return str(OBSTACLES.get(reason, reason))


def funds_rows(campaign: Campaign, funds: Funds) -> list[dict[str, str]]:
    """What came in, what of it is gone, and what may be paid out now; nothing without money."""
    if not campaign.currency:
        return []
    amounts = {
        gettext("Collected"): funds.collected_minor,
        gettext("Refunded, or about to be"): funds.refunded_minor,
        gettext("Disputed by card owners"): funds.disputed_minor,
        gettext("Kept by the payment provider"): funds.processor_costs_minor,
        gettext("Commission of this site"): funds.commission_minor,
        gettext("Yours in the end"): max(funds.net_minor, 0),
        gettext("Released by proven stages"): funds.proven_minor,
        gettext("Held back for refunds"): funds.held_back_minor,
        gettext("Paid out or asked for"): funds.paid_out_minor,
        gettext("Can be paid out now"): payable(funds),
    }
    return [
        {"label": label, "text": wording.money_text(amount, campaign.currency)}
        for label, amount in amounts.items()
    ]


def payout_rows(rows: Iterable[Payout], campaign: Campaign, *, now: datetime) -> list[Any]:
    """Payouts of one campaign as they are shown; what waits says what for."""
    listed = list(rows)
    ids = [row.id for row in listed]
    papers: dict[Any, list[Document]] = {}
    documents = Document.objects.filter(lane=campaign.lane, payout_id__in=ids).defer("bytes")
    for document in documents.order_by("id"):
        papers.setdefault(document.payout_id, []).append(document)
    gate = gate_of(campaign)
    return [
        {
            "payout": row,
            "is_own": row.kind == PayoutKind.ORGANISER,
            "amount": wording.money_text(row.amount_minor, row.currency),
            "state": STATES[row.state],
            "look": LOOKS.get(row.state, ""),
            "delivery": DELIVERIES.get(row.delivery, ""),
            "documents": papers.get(row.id, []),
            "obstacles": [
                OBSTACLES[obstacle] for obstacle in obstacles_of(campaign, gate, row, now=now)
            ]
            if row.state == "asked"
            else [],
        }
        for row in listed
    ]


def approvals_of(payout: Payout) -> list[dict[str, Any]]:
    """Who agreed, and when."""
    rows = PayoutApproval.objects.filter(lane=payout.lane, payout_id=payout.id).order_by("at")
    names = {who.id: str(who) for who in Organiser.objects.filter(id__in=[r.by_id for r in rows])}
    return [{"who": names.get(row.by_id, ""), "at": row.at} for row in rows]


def public_payments(campaign: Campaign) -> list[dict[str, Any]]:
    """What was paid and to whom, oldest first, for the public ledger; a slice of the latest."""
    rows = Payout.objects.filter(
        lane=campaign.lane,
        campaign_id=campaign.id,
        state__in=[PayoutState.PAID, PayoutState.RETURNED],
    ).order_by("-paid_at")[:_PAYMENTS_SHOWN]
    listed: list[dict[str, Any]] = payout_rows(rows, campaign, now=site_now())
    return listed[::-1]


def stage_words(campaign: Campaign) -> str:
    """How it is paid out, in a sentence for everybody."""
    terms = terms_of(campaign)
    first, *rest = [_percent(bp) for bp in terms.stages_bp]
    if not rest or terms.proof_by is None:
        return gettext("The money is paid out in one part, once everything is collected.")
    words = gettext("%(first)s is paid now, %(rest)s once the backers accept a proof, by %(day)s.")
    day = instant(terms.proof_by, campaign.timezone)
    then = reduce(
        lambda one, next: gettext("%(one)s, then %(next)s") % {"one": one, "next": next}, rest
    )
    return words % {"first": first, "rest": then, "day": day}


def refund_words(campaign: Campaign) -> str:
    """What is held back for refunds, and for how long."""
    terms = terms_of(campaign)
    if not terms.holdback_bp or not terms.refund_days:
        return ""
    words = ngettext(
        "%(share)s of it is held back for refunds for %(days)s day.",
        "%(share)s of it is held back for refunds for %(days)s days.",
        terms.refund_days,
    )
    return words % {"share": _percent(terms.holdback_bp), "days": number(terms.refund_days)}


def _percent(bp: int) -> str:
    return gettext("%(n)s %%") % {"n": number(Decimal(bp) / 100)}


def upload_of(request: Any, form: Filled, name: str) -> Upload | None:
    """The file that was sent, judged by its content; a fault is noted in the form."""
    sent = request.FILES.get(name)
    if sent is None:
        return None
    try:
        return checked(name=str(sent.name), content=sent.read())
    except DocumentRefused as refused:
        form.blame(name, refusal(refused.reason))
        return None


def proofs_shown(campaign: Campaign) -> list[dict[str, Any]]:
    """The proofs of a campaign, newest first, each with its documents and its vote."""
    proofs = list(Proof.objects.filter(lane=campaign.lane, campaign_id=campaign.id).order_by("-id"))
    ids = [proof.ballot_id for proof in proofs]
    ballots = {b.id: b for b in Ballot.objects.filter(lane=campaign.lane, id__in=ids)}
    papers: dict[Any, list[Document]] = {}
    documents = Document.objects.filter(
        lane=campaign.lane, proof_id__in=[proof.id for proof in proofs]
    )
    for document in documents.defer("bytes").order_by("id"):
        papers.setdefault(document.proof_id, []).append(document)
    outcomes = {"yes": gettext("Accepted"), "no": gettext("Not accepted")}
    return [
        {
            "proof": proof,
            "ballot": ballots[proof.ballot_id],
            "outcome": outcomes.get(ballots[proof.ballot_id].outcome, gettext("Being voted on")),
            "documents": papers.get(proof.id, []),
        }
        for proof in proofs
    ]
