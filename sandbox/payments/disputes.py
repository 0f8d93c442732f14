"""Disputes: a cardholder's bank takes the money back, and the platform may answer."""

from typing import Any

from sandbox.payments.balance import move
from sandbox.payments.book import Page
from sandbox.payments.customers import card_of, missing
from sandbox.payments.forms import Problem, flag, inner, metadata, text

Form = dict[str, Any]
Object = dict[str, Any]

REASONS = frozenset(
    [
        "bank_cannot_process",
        "check_returned",
        "credit_not_processed",
        "customer_initiated",
        "debit_not_authorized",
        "duplicate",
        "fraudulent",
        "general",
        "incorrect_account_details",
        "insufficient_funds",
        "noncompliant",
        "product_not_received",
        "product_unacceptable",
        "subscription_canceled",
        "unrecognized",
    ]
)
# Evidence that may be given, as one list of texts; files are not part of the sandbox.
EVIDENCE = (
    "access_activity_log billing_address cancellation_policy_disclosure cancellation_rebuttal"
    " customer_email_address customer_name customer_purchase_ip duplicate_charge_explanation"
    " duplicate_charge_id product_description refund_policy_disclosure refund_refusal_explanation"
    " service_date shipping_address shipping_carrier shipping_date shipping_tracking_number"
    " uncategorized_text"
)
_ANSWER_SECONDS = 7 * 86400
_OPEN = ("needs_response", "under_review")


def open_dispute(page: Page, charge: Object, *, reason: str, amount: int | None = None) -> Object:
    """Take a charge's money back, with the fee. Raises ValueError if nothing is left of it."""
    left = charge["amount"] - charge["amount_refunded"]
    if not charge.get("captured", charge["status"] == "succeeded") or charge.get("disputed"):
        raise ValueError("the charge was not taken, or is disputed already")
    taken = left if amount is None else amount
    if not 0 < taken <= left or reason not in REASONS:
        raise ValueError("the charge has less left, or the reason is unknown")
    due = page.now + _ANSWER_SECONDS
    dispute = page.add(
        "dispute",
        "du",
        amount=taken,
        balance_transactions=[],
        charge=charge["id"],
        currency=charge["currency"],
        enhanced_eligibility_types=[],
        evidence=dict.fromkeys(EVIDENCE.split()),
        evidence_details={
            "due_by": due,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        is_charge_refundable=False,
        metadata={},
        payment_intent=charge["payment_intent"],
        reason=reason,
        status="needs_response",
    )
    page.save({**charge, "disputed": True})
    fee = page.terms.dispute_fee
    _book(page, dispute, -taken, fee=fee, category="dispute")
    page.tell("charge.dispute.created", page.save(dispute))
    page.tell("charge.dispute.funds_withdrawn", dispute)
    page.wake(at=due, what="dispute_past_due", about=dispute["id"])
    return dispute


def _book(page: Page, dispute: Object, amount: int, *, fee: int, category: str) -> None:
    said = f"Chargeback {'withdrawal' if amount < 0 else 'reversal'} for {dispute['charge']}"
    line = move(page, dispute, amount, "adjustment", fee=fee, category=category, description=said)
    dispute["balance_transactions"].append(page.find("balance_transaction", line))


def open_when_due(page: Page, charge_id: str) -> None:
    """Dispute a charge whose card does that (an alarm), unless nothing is left of it."""
    charge = page.find("charge", charge_id)
    if charge is None or charge["amount"] == charge["amount_refunded"] or charge["disputed"]:
        return
    reason = card_of(charge["payment_method_details"]).dispute or "general"
    open_dispute(page, charge, reason=reason)


def lose_when_due(page: Page, id: str) -> None:
    """Close a dispute nobody answered in time (an alarm)."""
    dispute = page.find("dispute", id)
    if dispute is not None and dispute["status"] == "needs_response":
        dispute["evidence_details"]["past_due"] = True
        _close(page, dispute, "lost")


def update_dispute(page: Page, id: str, form: Form) -> Object:
    """`POST /v1/disputes/{id}`: keep evidence; `submit` (true unless said) sends it to the bank.

    The text `winning_evidence` or `losing_evidence` decides at once, as in Stripe's test mode;
    any other stays under review.
    """
    dispute = _open(page, id)
    for name in inner(form, "evidence", EVIDENCE):
        dispute["evidence"][name] = text(form["evidence"], name, longest=20_000)
    details = dispute["evidence_details"]
    details["has_evidence"] = any(dispute["evidence"].values())
    dispute["metadata"] |= metadata(form)
    if not flag({"submit": "true", **form}, "submit"):
        page.tell("charge.dispute.updated", page.save(dispute))
        return dispute
    details["submission_count"] += 1
    dispute["status"] = "under_review"
    page.tell("charge.dispute.updated", page.save(dispute))
    verdict = dispute["evidence"]["uncategorized_text"]
    if verdict in ("winning_evidence", "losing_evidence"):
        _close(page, dispute, "won" if verdict == "winning_evidence" else "lost")
    return dispute


def close_dispute(page: Page, id: str, form: Form) -> Object:
    """`POST /v1/disputes/{id}/close`: accept it."""
    dispute = _open(page, id)
    _close(page, dispute, "lost")
    return dispute


def _close(page: Page, dispute: Object, status: str) -> None:
    dispute["status"] = status
    if status == "won":
        _book(page, dispute, dispute["amount"], fee=0, category="dispute_reversal")
    page.tell("charge.dispute.closed", page.save(dispute))
    if status == "won":
        page.tell("charge.dispute.funds_reinstated", dispute)


def _open(page: Page, id: str) -> Object:
    dispute = page.find("dispute", id)
    if dispute is None:
        raise missing("dispute", id, param="dispute", status=404)
    if dispute["status"] not in _OPEN:
        raise Problem("This dispute is already closed.")
    return dispute
