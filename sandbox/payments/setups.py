"""SetupIntents: saving a card so that it can be charged while its owner is away."""

from typing import Any

from sandbox.payments.book import Page, new_id
from sandbox.payments.cards import Decline
from sandbox.payments.customers import (
    attach,
    card_of,
    declined,
    find_customer,
    method_of,
    missing,
    refusal_to_save,
)
from sandbox.payments.forms import Problem, address, choice, flag, metadata, text

Form = dict[str, Any]
Object = dict[str, Any]

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
NO_METHOD = "You must provide a payment method to confirm."
NOT_PASSED = (
    "We are unable to authenticate your payment method. Please choose a different payment method"
    " and try again."
)


def redirect_to_challenge(page: Page, intent: Object, return_url: str | None) -> Object:
    """The `next_action` that sends a cardholder to the challenge page."""
    url = f"{page.url}/c/challenge/{intent['id']}"
    return {
        "type": "redirect_to_url",
        "redirect_to_url": {"url": url, "return_url": return_url},
    }


def unexpected(intent: Object, verb: str, allowed: tuple[str, ...]) -> Problem:
    kind = intent["object"]
    return Problem(
        f"You cannot {verb} this {'PaymentIntent' if kind == 'payment_intent' else 'SetupIntent'}"
        f" because it has a status of {intent['status']}. Only one with one of the following"
        f" statuses may be: {', '.join(allowed)}.",
        code=f"{kind}_unexpected_state",
        **{kind: intent},
    )


def new_setup(page: Page, *, customer: str | None, usage: str, labels: dict[str, str]) -> Object:
    """Write a SetupIntent that waits for a card."""
    return page.add(
        "setup_intent",
        "seti",
        cancellation_reason=None,
        client_secret=new_id("seti_secret"),
        customer=customer,
        description=None,
        last_setup_error=None,
        latest_attempt=None,
        mandate=None,
        metadata=labels,
        next_action=None,
        payment_method=None,
        payment_method_types=["card"],
        status="requires_payment_method",
        usage=usage,
    )


def create_setup_intent(page: Page, id: str, form: Form) -> Object:
    customer = find_customer(page, form)
    method = method_of(page, form)
    is_confirmed = flag(form, "confirm")
    if is_confirmed and method is None:
        raise Problem("Missing required param: payment_method.", param="payment_method")
    intent = new_setup(
        page,
        customer=customer and customer["id"],
        usage=choice(form, "usage", ("off_session", "on_session"), default="off_session"),
        labels=metadata(form),
    )
    intent["description"] = text(form, "description")
    if method is not None:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
        page.save(intent)
    if not is_confirmed or method is None:
        return intent
    return confirm(page, intent, method, return_url=address(form, "return_url"))


def confirm_setup_intent(page: Page, id: str, form: Form) -> Object:
    intent = _setup(page, id)
    if intent["status"] not in OPEN:
        raise unexpected(intent, "confirm", OPEN)
    chosen = form if "payment_method" in form else {"payment_method": intent["payment_method"]}
    if chosen["payment_method"] is None:
        raise Problem(NO_METHOD, param="payment_method")
    method = method_of(page, chosen)
    assert method is not None
    return confirm(page, intent, method, return_url=address(form, "return_url"))


def cancel_setup_intent(page: Page, id: str, form: Form) -> Object:
    intent = _setup(page, id)
    if intent["status"] not in OPEN:
        raise unexpected(intent, "cancel", OPEN)
    reason = text(form, "cancellation_reason")
    intent |= {"status": "canceled", "cancellation_reason": reason, "next_action": None}
    page.tell("setup_intent.canceled", page.save(intent))
    return intent


def _setup(page: Page, id: str) -> Object:
    intent = page.find("setup_intent", id)
    if intent is None:
        raise missing("setupintent", id, param="intent", status=404)
    return intent


def confirm(page: Page, intent: Object, method: Object, *, return_url: str | None) -> Object:
    """Save the card, or refuse it, or ask its owner first if there is a way back."""
    refusal = refusal_to_save(page, method)
    if refusal is not None:
        return refuse(page, intent, refusal)
    if card_of(method).challenge and return_url is not None:
        return ask_owner(page, intent, method, return_url=return_url)
    return succeed(page, intent, method, is_authenticated=False)


def ask_owner(page: Page, intent: Object, method: Object, *, return_url: str | None) -> Object:
    """Wait for the cardholder to pass the challenge."""
    intent |= {
        "status": "requires_action",
        "payment_method": method["id"],
        "next_action": redirect_to_challenge(page, intent, return_url),
    }
    page.tell(f"{intent['object']}.requires_action", page.save(intent))
    return intent


def succeed(page: Page, intent: Object, method: Object, *, is_authenticated: bool) -> Object:
    """Keep the card."""
    if intent["customer"] is not None:
        attach(page, method, intent["customer"], is_authenticated=is_authenticated)
    intent |= {
        "status": "succeeded",
        "payment_method": method["id"],
        "next_action": None,
        "last_setup_error": None,
    }
    page.tell("setup_intent.succeeded", page.save(intent))
    return intent


def refuse(page: Page, intent: Object, refusal: Decline) -> Object:
    """Write the refusal down. Always raises Problem (402)."""
    problem = declined(refusal)
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "last_setup_error": dict(problem.body["error"]),
    }
    page.tell("setup_intent.setup_failed", page.save(intent))
    raise declined(refusal, setup_intent=intent)


def fail_challenge(page: Page, intent: Object) -> Object:
    """Note that the owner did not pass the challenge."""
    kind = intent["object"]
    error = {
        "code": "setup_intent_authentication_failure"
        if kind == "setup_intent"
        else "payment_intent_authentication_failure",
        "message": NOT_PASSED,
        "type": "invalid_request_error",
    }
    place = "last_setup_error" if kind == "setup_intent" else "last_payment_error"
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        place: error,
    }
    event = "setup_failed" if kind == "setup_intent" else "payment_failed"
    page.tell(f"{kind}.{event}", page.save(intent))
    return intent
