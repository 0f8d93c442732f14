"""One try to take money from a card, and what becomes of money that is only held."""

from typing import Any

from sandbox.payments.balance import fee_of, move
from sandbox.payments.book import Page
from sandbox.payments.cards import EXPIRED, NOT_AUTHENTICATED, Decline
from sandbox.payments.customers import attach, card_of, declined, is_expired, was_authenticated

Object = dict[str, Any]


def refusal_to_pay(page: Page, method: Object, *, is_authenticated: bool) -> Decline | None:
    """How the issuer refuses to pay, None if it does not."""
    card, face = card_of(method), method["card"]
    if is_expired(page, exp_month=face["exp_month"], exp_year=face["exp_year"]):
        return EXPIRED
    if card.on_charge is not None:
        return card.on_charge
    if not card.challenge or is_authenticated:
        return None
    if card.challenge == "setup" and was_authenticated(page, method):
        return None
    return NOT_AUTHENTICATED


def charge(page: Page, intent: Object, method: Object, *, is_authenticated: bool) -> Object:
    """Try the card; return the intent, or raise Problem (402) with the refusal written down."""
    refusal = refusal_to_pay(page, method, is_authenticated=is_authenticated)
    is_held = refusal is None and intent["capture_method"] == "manual"
    tried = page.add("charge", "ch", **_fields(page, intent, method, refusal, is_held=is_held))
    intent |= {"latest_charge": tried["id"], "payment_method": method["id"], "next_action": None}
    if refusal is not None:
        return _refuse(page, intent, refusal, method)
    if intent["setup_future_usage"] and intent["customer"]:
        attach(page, method, intent["customer"], is_authenticated=is_authenticated)
    intent["last_payment_error"] = None
    if is_held:
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        page.wake(at=page.now + page.terms.hold_seconds, what="release", about=intent["id"])
        page.tell("payment_intent.amount_capturable_updated", page.save(intent))
        return intent
    return _take(page, intent, tried, intent["amount"])


def _fields(
    page: Page, intent: Object, method: Object, refusal: Decline | None, *, is_held: bool
) -> Object:
    is_paid = refusal is None
    face = {
        name: method["card"][name]
        for name in ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
        if name in method["card"]
    }
    if is_held:
        face["capture_before"] = page.now + page.terms.hold_seconds
    return {
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "balance_transaction": None,
        "captured": False,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": refusal and refusal.code,
        "failure_message": refusal and refusal.message,
        "metadata": intent["metadata"],
        "outcome": {
            "network_status": "approved_by_network" if is_paid else "declined_by_network",
            "reason": refusal and refusal.decline_code,
            "type": "authorized" if is_paid else "issuer_declined",
        },
        "paid": is_paid,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": face, "type": "card"},
        "refunded": False,
        "status": "succeeded" if is_paid else "failed",
        "transfer_group": intent["transfer_group"],
    }


def _refuse(page: Page, intent: Object, refusal: Decline, method: Object) -> Object:
    problem = declined(refusal, charge=intent["latest_charge"], payment_method=method)
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_payment_error": dict(problem.body["error"]),
    }
    page.tell("payment_intent.payment_failed", page.save(intent))
    raise declined(
        refusal,
        charge=intent["latest_charge"],
        payment_method=method,
        payment_intent=intent,
    )


def _take(page: Page, intent: Object, tried: Object, amount: int) -> Object:
    """Book the money; what is held beyond `amount` goes back to the card."""
    card = card_of(tried["payment_method_details"])
    tried |= {
        "captured": True,
        "amount_captured": amount,
        "amount_refunded": tried["amount"] - amount,
        "balance_transaction": move(
            page,
            tried,
            amount,
            "charge",
            fee=fee_of(page.terms, amount, tried["currency"]),
            wait_seconds=0 if card.is_instant else page.terms.available_seconds,
            description=tried["description"],
        ),
    }
    page.save(tried)
    if card.dispute:
        page.wake(at=page.now + page.terms.dispute_seconds, what="dispute", about=tried["id"])
    intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
    page.tell("payment_intent.succeeded", page.save(intent))
    return intent


def capture(page: Page, intent: Object, amount: int) -> Object:
    """Take what was held, or a part of it."""
    held = page.find("charge", intent["latest_charge"])
    assert held is not None
    return _take(page, intent, held, amount)


def release(page: Page, intent: Object, *, reason: str | None) -> Object:
    """Let the held money go; nothing was ever taken."""
    held = page.find("charge", intent["latest_charge"])
    if intent["status"] == "requires_capture" and held is not None:
        page.save({**held, "amount_refunded": held["amount"], "refunded": True})
    intent |= {
        "status": "canceled",
        "amount_capturable": 0,
        "canceled_at": page.now,
        "cancellation_reason": reason,
        "next_action": None,
    }
    page.tell("payment_intent.canceled", page.save(intent))
    return intent


def release_when_due(page: Page, id: str) -> None:
    """Let a hold go that nobody captured in time (an alarm)."""
    intent = page.find("payment_intent", id)
    if intent is not None and intent["status"] == "requires_capture":
        release(page, intent, reason="automatic")
