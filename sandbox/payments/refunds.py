"""Refunds, of which some arrive late and some come back."""

from typing import Any

from sandbox.payments.balance import move, require_funds
from sandbox.payments.book import Page
from sandbox.payments.customers import card_of, missing
from sandbox.payments.forms import Problem, check_step, integer, metadata, text

Form = dict[str, Any]
Object = dict[str, Any]


def create_refund(page: Page, id: str, form: Form) -> Object:
    charge = _charge_to_refund(page, form)
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise Problem(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    amount = integer(form, "amount") if "amount" in form else left
    check_step(amount, charge["currency"])
    if amount > left:
        raise Problem(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).",
            code="amount_too_large",
            param="amount",
        )
    if not page.terms.negative_balance:
        require_funds(page, amount, charge["currency"], to="create this refund")
    return _give_back(page, charge, amount, form)


def _give_back(page: Page, charge: Object, amount: int, form: Form) -> Object:
    details = charge.get("payment_method_details")
    fate = card_of(details).refund if details else ""
    refund = page.add(
        "refund",
        "re",
        amount=amount,
        balance_transaction=None,
        charge=charge["id"],
        currency=charge["currency"],
        destination_details={"card": {"type": "refund"}, "type": "card"},
        metadata=metadata(form),
        payment_intent=charge["payment_intent"],
        reason=text(form, "reason"),
        status="pending" if fate == "pending" else "succeeded",
    )
    refund["balance_transaction"] = move(page, refund, -amount, "refund")
    page.save(refund)
    if fate:
        at = page.now + page.terms.refund_seconds
        page.wake(at=at, what=f"refund_{fate}", about=refund["id"])
    refunded = charge["amount_refunded"] + amount
    charge |= {"amount_refunded": refunded, "refunded": refunded == charge["amount"]}
    page.tell("charge.refunded", page.save(charge))
    return refund


def arrive(page: Page, id: str) -> None:
    """A pending refund arrives (an alarm)."""
    refund = page.find("refund", id)
    if refund is not None and refund["status"] == "pending":
        page.tell("charge.refund.updated", page.save({**refund, "status": "succeeded"}))


def come_back(page: Page, id: str) -> None:
    """A refund is sent back by the card's bank (an alarm)."""
    refund = page.find("refund", id)
    charge = refund and page.find("charge", refund["charge"])
    if refund is None or charge is None or refund["status"] == "failed":
        return
    refund |= {
        "status": "failed",
        "failure_reason": "expired_or_canceled_card",
        "failure_balance_transaction": move(page, refund, refund["amount"], "refund_failure"),
    }
    left = charge["amount_refunded"] - refund["amount"]
    page.save({**charge, "amount_refunded": left, "refunded": False})
    page.tell("charge.refund.updated", page.save(refund))
    page.tell("refund.failed", refund)


def _charge_to_refund(page: Page, form: Form) -> Object:
    id = form.get("charge")
    if id is None and "payment_intent" in form:
        intent = page.find("payment_intent", form["payment_intent"])
        if intent is None:
            raise missing("payment_intent", form["payment_intent"], param="payment_intent")
        id = intent["latest_charge"]
        if id is None:
            raise Problem(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
            )
    if id is None:
        raise Problem(
            "One of the following params should be provided for this request:"
            " payment_intent or charge."
        )
    charge = page.find("charge", id)
    if charge is None:
        raise missing("charge", id, param="charge")
    if charge["status"] != "succeeded":
        raise Problem(f"Charge {id} has no successful payment to refund.", param="charge")
    if not charge.get("captured", True):
        raise Problem(
            f"Charge {id} is not captured; cancel its PaymentIntent instead.", param="charge"
        )
    disputes = page.listed("dispute", links={"charge": charge["id"]})
    if any(dispute["status"] != "won" for dispute in disputes):
        raise Problem(
            f"Charge {id} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    return charge
