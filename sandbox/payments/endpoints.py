"""What each request does. Declines are written down before they are answered."""

from typing import Any

from sandbox.payments.book import Page, new_id
from sandbox.payments.cards import BY_LAST4, CARDS, Decline
from sandbox.payments.forms import (
    Problem,
    check_step,
    flag,
    integer,
    metadata,
    money,
)

Form = dict[str, Any]
Object = dict[str, Any]


def missing(noun: str, id: str, *, param: str, status: int = 400) -> Problem:
    return Problem(f"No such {noun}: '{id}'", status=status, code="resource_missing", param=param)


def _declined(decline: Decline, **more: Any) -> Problem:
    return Problem(
        decline.message,
        status=402,
        kind="card_error",
        code=decline.code,
        decline_code=decline.decline_code,
        **more,
    )


def _customer(page: Page, id: str) -> Object:
    found = page.find("customer", id)
    if found is None or found.get("deleted"):
        raise missing("customer", id, param="customer")
    return found


def _method(page: Page, id: str) -> Object:
    """Find a payment method; a public test id makes a new one, as at Stripe."""
    if isinstance(id, str) and id in CARDS:
        card = CARDS[id]
        face = {"brand": card.brand, "last4": card.last4, "exp_month": 12, "exp_year": 2034}
        return page.add("payment_method", "pm", type="card", customer=None, card=face)
    found = page.find("payment_method", id)
    if found is None:
        raise missing("PaymentMethod", id, param="payment_method")
    if found.get("detached"):
        raise Problem(
            "This PaymentMethod was detached from a Customer and may not be used again.",
            param="payment_method",
        )
    return found


def create_customer(page: Page, id: str, form: Form) -> Object:
    return page.add(
        "customer",
        "cus",
        email=form.get("email"),
        name=form.get("name"),
        description=form.get("description"),
        metadata=metadata(form),
    )


def delete_customer(page: Page, id: str, form: Form) -> Object:
    found = page.find("customer", id)
    if found is None or found.get("deleted"):
        raise missing("customer", id, param="id", status=404)
    for method in page.listed("payment_method", link="customer", to=id, after=None, limit=1000):
        page.save({**method, "customer": None, "detached": True})
    return page.save({"id": id, "object": "customer", "deleted": True})


def attach_method(page: Page, id: str, form: Form) -> Object:
    customer = _customer(page, form["customer"])
    method = _method(page, id)
    refusal = BY_LAST4[method["card"]["last4"]].on_save
    if refusal is not None:
        raise _declined(refusal)
    return page.save({**method, "customer": customer["id"]})


def detach_method(page: Page, id: str, form: Form) -> Object:
    method = _method(page, id)
    if method["customer"] is None:
        raise Problem("The payment method you provided is not attached to a customer.")
    return page.save({**method, "customer": None, "detached": True})


def create_setup_intent(page: Page, id: str, form: Form) -> Object:
    customer = _customer(page, form["customer"]) if "customer" in form else None
    method = _method(page, form["payment_method"]) if "payment_method" in form else None
    is_confirmed = flag(form, "confirm")
    if is_confirmed and method is None:
        raise Problem("Missing required param: payment_method.", param="payment_method")
    intent = page.add(
        "setup_intent",
        "seti",
        client_secret=new_id("seti_secret"),
        customer=customer and customer["id"],
        payment_method=method and method["id"],
        status="requires_confirmation" if method else "requires_payment_method",
        usage=form.get("usage", "off_session"),
        metadata=metadata(form),
        last_setup_error=None,
    )
    if not is_confirmed or method is None:
        return intent
    refusal = BY_LAST4[method["card"]["last4"]].on_save
    if refusal is not None:
        return _refuse_setup(page, intent, refusal)
    if customer is not None:
        page.save({**method, "customer": customer["id"]})
    intent = page.save({**intent, "status": "succeeded"})
    page.tell("setup_intent.succeeded", intent)
    return intent


def _refuse_setup(page: Page, intent: Object, refusal: Decline) -> Object:
    problem = _declined(refusal)
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_setup_error": dict(problem.body["error"]),
    }
    page.tell("setup_intent.setup_failed", page.save(intent))
    raise _declined(refusal, setup_intent=intent)


def create_payment_intent(page: Page, id: str, form: Form) -> Object:
    amount, currency = money(form)
    customer = _customer(page, form["customer"]) if "customer" in form else None
    method = _method(page, form["payment_method"]) if "payment_method" in form else None
    is_confirmed, is_off_session = flag(form, "confirm"), flag(form, "off_session")
    if is_off_session and not is_confirmed:
        raise Problem("off_session may only be used with confirm=true.", param="off_session")
    if is_confirmed and method is None:
        raise Problem("You must provide a payment method to confirm.", param="payment_method")
    if method and method["customer"] != (customer and customer["id"]):
        raise Problem(
            f"The customer does not have a payment method with the ID {method['id']}."
            " The payment method must be attached to the customer.",
            param="payment_method",
        )
    intent = page.add(
        "payment_intent",
        "pi",
        amount=amount,
        amount_received=0,
        currency=currency,
        client_secret=new_id("pi_secret"),
        customer=customer and customer["id"],
        payment_method=method and method["id"],
        status="requires_confirmation" if method else "requires_payment_method",
        metadata=metadata(form),
        description=form.get("description"),
        transfer_group=form.get("transfer_group"),
        latest_charge=None,
        last_payment_error=None,
    )
    if not is_confirmed or method is None:
        return intent
    return _charge(page, intent, method)


def _charge(page: Page, intent: Object, method: Object) -> Object:
    refusal = BY_LAST4[method["card"]["last4"]].on_charge
    charge = page.add(
        "charge",
        "ch",
        amount=intent["amount"],
        amount_refunded=0,
        currency=intent["currency"],
        customer=intent["customer"],
        payment_intent=intent["id"],
        payment_method=method["id"],
        metadata=intent["metadata"],
        transfer_group=intent["transfer_group"],
        paid=refusal is None,
        refunded=False,
        status="succeeded" if refusal is None else "failed",
        failure_code=refusal and refusal.code,
        failure_message=refusal and refusal.message,
        balance_transaction=None,
    )
    intent["latest_charge"] = charge["id"]
    if refusal is not None:
        return _refuse_payment(page, intent, refusal, method)
    charge["balance_transaction"] = _move(page, charge, intent["amount"], "charge")
    page.save(charge)
    intent |= {"status": "succeeded", "amount_received": intent["amount"]}
    page.tell("payment_intent.succeeded", page.save(intent))
    return intent


def _refuse_payment(page: Page, intent: Object, refusal: Decline, method: Object) -> Object:
    problem = _declined(refusal, charge=intent["latest_charge"], payment_method=method)
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "last_payment_error": dict(problem.body["error"]),
    }
    page.tell("payment_intent.payment_failed", page.save(intent))
    raise _declined(
        refusal,
        charge=intent["latest_charge"],
        payment_method=method,
        payment_intent=intent,
    )


def _move(page: Page, source: Object, amount: int, kind: str) -> str:
    """Write the line of the provider's balance that this charge or refund makes."""
    line = page.add(
        "balance_transaction",
        "txn",
        amount=amount,
        currency=source["currency"],
        fee=0,
        net=amount,
        source=source["id"],
        status="available",
        type=kind,
    )
    return str(line["id"])


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
    refund = page.add(
        "refund",
        "re",
        amount=amount,
        currency=charge["currency"],
        charge=charge["id"],
        payment_intent=charge["payment_intent"],
        metadata=metadata(form),
        reason=form.get("reason"),
        status="succeeded",
        balance_transaction=None,
    )
    refund["balance_transaction"] = _move(page, refund, -amount, "refund")
    page.save(refund)
    charge |= {"amount_refunded": charge["amount_refunded"] + amount, "refunded": amount == left}
    page.tell("charge.refunded", page.save(charge))
    return refund


def _charge_to_refund(page: Page, form: Form) -> Object:
    id = form.get("charge")
    if id is None and "payment_intent" in form:
        intent = page.find("payment_intent", form["payment_intent"])
        id = intent and intent["latest_charge"]
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
    return charge
