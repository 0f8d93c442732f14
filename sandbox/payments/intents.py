"""PaymentIntents: create, confirm, capture, cancel."""

from typing import Any

from sandbox.payments.book import Page, new_id
from sandbox.payments.cards import NOT_AUTHENTICATED
from sandbox.payments.charging import capture, charge, refusal_to_pay, release
from sandbox.payments.customers import find_customer, method_of, missing
from sandbox.payments.forms import (
    Problem,
    address,
    check_least,
    check_step,
    choice,
    flag,
    integer,
    metadata,
    money,
    text,
)
from sandbox.payments.setups import NO_METHOD, OPEN, ask_owner, unexpected

Form = dict[str, Any]
Object = dict[str, Any]

_USAGES = ("off_session", "on_session", "")
_CAPTURES = ("automatic", "automatic_async", "manual")


def new_payment(
    page: Page, *, amount: int, currency: str, customer: str | None, form: Form
) -> Object:
    """Write a PaymentIntent that waits for a card; `form` holds its optional parameters."""
    return page.add(
        "payment_intent",
        "pi",
        amount=amount,
        amount_capturable=0,
        amount_received=0,
        canceled_at=None,
        cancellation_reason=None,
        capture_method=choice(form, "capture_method", _CAPTURES, default="automatic_async"),
        client_secret=new_id("pi_secret"),
        confirmation_method="automatic",
        currency=currency,
        customer=customer,
        description=text(form, "description"),
        last_payment_error=None,
        latest_charge=None,
        metadata=metadata(form),
        next_action=None,
        payment_method=None,
        payment_method_types=["card"],
        setup_future_usage=choice(form, "setup_future_usage", _USAGES, default="") or None,
        status="requires_payment_method",
        transfer_group=text(form, "transfer_group"),
    )


def create_payment_intent(page: Page, id: str, form: Form) -> Object:
    amount, currency = money(form)
    check_least(amount, currency)
    customer = find_customer(page, form)
    method = method_of(page, form)
    is_confirmed, is_off_session = flag(form, "confirm"), flag(form, "off_session")
    if is_off_session and not is_confirmed:
        raise Problem("off_session may only be used with confirm=true.", param="off_session")
    if is_confirmed and method is None:
        raise Problem(NO_METHOD, param="payment_method")
    owner = customer and customer["id"]
    if method is not None:
        _check_owner(method, owner)
    intent = new_payment(page, amount=amount, currency=currency, customer=owner, form=form)
    if method is None:
        return intent
    intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    if not is_confirmed:
        return page.save(intent)
    return _confirm(page, intent, method, form)


def _check_owner(method: Object, owner: str | None) -> None:
    if method["customer"] not in (None, owner):
        raise Problem(
            f"The customer does not have a payment method with the ID {method['id']}."
            " The payment method must be attached to the customer.",
            param="payment_method",
        )


def _confirm(page: Page, intent: Object, method: Object, form: Form) -> Object:
    """Charge; ask the owner first if the card wants that, she is there and there is a way back."""
    return_url = address(form, "return_url")
    is_away = flag(form, "off_session") or flag(form, "error_on_requires_action")
    if return_url is not None and not is_away:
        refusal = refusal_to_pay(page, method, is_authenticated=False)
        if refusal is NOT_AUTHENTICATED:
            return ask_owner(page, intent, method, return_url=return_url)
    return charge(page, intent, method, is_authenticated=False)


def confirm_payment_intent(page: Page, id: str, form: Form) -> Object:
    intent = _payment(page, id)
    if intent["status"] not in OPEN:
        raise unexpected(intent, "confirm", OPEN)
    chosen = form if "payment_method" in form else {"payment_method": intent["payment_method"]}
    if chosen["payment_method"] is None:
        raise Problem(NO_METHOD, param="payment_method")
    method = method_of(page, chosen)
    assert method is not None
    _check_owner(method, intent["customer"])
    return _confirm(page, intent, method, form)


def capture_payment_intent(page: Page, id: str, form: Form) -> Object:
    intent = _payment(page, id)
    if intent["status"] != "requires_capture":
        raise unexpected(intent, "capture", ("requires_capture",))
    held = intent["amount_capturable"]
    amount = integer(form, "amount_to_capture") if "amount_to_capture" in form else held
    check_step(amount, intent["currency"])
    if amount > held:
        raise Problem(
            f"The amount could not be captured: it is greater than the amount held ({held}).",
            code="amount_too_large",
            param="amount_to_capture",
        )
    intent["metadata"] |= metadata(form)
    return capture(page, intent, amount)


def cancel_payment_intent(page: Page, id: str, form: Form) -> Object:
    intent = _payment(page, id)
    allowed = (*OPEN, "requires_capture")
    if intent["status"] not in allowed:
        raise unexpected(intent, "cancel", allowed)
    reasons = ("duplicate", "fraudulent", "requested_by_customer", "abandoned", "")
    reason = choice(form, "cancellation_reason", reasons, default="")
    return release(page, intent, reason=reason or None)


def _payment(page: Page, id: str) -> Object:
    intent = page.find("payment_intent", id)
    if intent is None:
        raise missing("payment_intent", id, param="intent", status=404)
    return intent
