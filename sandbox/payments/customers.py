"""Customers and the cards saved with them."""

from datetime import UTC, datetime
from typing import Any

from sandbox.payments.book import Page
from sandbox.payments.cards import (
    BY_LAST4,
    BY_NUMBER,
    CARDS,
    EXPIRED,
    NOT_A_TEST_CARD,
    Card,
    Decline,
    passes_luhn,
)
from sandbox.payments.forms import Problem, choice, inner, integer, metadata, text

Form = dict[str, Any]
Object = dict[str, Any]


def missing(noun: str, id: str, *, param: str, status: int = 400) -> Problem:
    return Problem(f"No such {noun}: '{id}'", status=status, code="resource_missing", param=param)


def declined(decline: Decline, **more: Any) -> Problem:
    return Problem(
        decline.message,
        status=402,
        kind="card_error",
        code=decline.code,
        decline_code=decline.decline_code,
        **more,
    )


def find_customer(page: Page, form: Form) -> Object | None:
    """The customer that a form names, None if it names none."""
    if "customer" not in form:
        return None
    id = form["customer"]
    found = page.find("customer", id)
    if found is None or found.get("deleted"):
        raise missing("customer", id, param="customer")
    return found


def find_method(page: Page, id: object) -> Object:
    """Find a payment method; a public test id makes a new one, as at Stripe."""
    if isinstance(id, str) and id in CARDS:
        return make_method(page, CARDS[id], exp_month=12, exp_year=2034)
    found = page.find("payment_method", id)
    if found is None:
        raise missing("PaymentMethod", str(id), param="payment_method")
    if found.get("detached"):
        raise Problem(
            "This PaymentMethod was detached from a Customer and may not be used again.",
            param="payment_method",
        )
    return found


def method_of(page: Page, form: Form) -> Object | None:
    """The payment method that a form names, None if it names none."""
    return find_method(page, form["payment_method"]) if "payment_method" in form else None


def card_of(method: Object) -> Card:
    """Which test card a payment method is."""
    return BY_LAST4[method["card"]["last4"]]


def make_method(page: Page, card: Card, *, exp_month: int, exp_year: int, **more: Any) -> Object:
    """Write a payment method that belongs to nobody yet."""
    face = {
        "brand": card.brand,
        "checks": {"cvc_check": None},
        "country": "US",
        "exp_month": exp_month,
        "exp_year": exp_year,
        "fingerprint": card.fingerprint,
        "funding": "credit",
        "last4": card.last4,
        "three_d_secure_usage": {"supported": True},
    }
    return page.add("payment_method", "pm", type="card", customer=None, card=face, **more)


def is_expired(page: Page, *, exp_month: int, exp_year: int) -> bool:
    """Whether a card's last month is over by the provider's clock."""
    today = datetime.fromtimestamp(page.now, UTC)
    return (exp_year, exp_month) < (today.year, today.month)


def refusal_to_save(page: Page, method: Object) -> Decline | None:
    """How the issuer refuses that this card be saved, None if it does not."""
    face = method["card"]
    if is_expired(page, exp_month=face["exp_month"], exp_year=face["exp_year"]):
        return EXPIRED
    return card_of(method).on_save


def attach(page: Page, method: Object, customer: str, *, is_authenticated: bool) -> Object:
    """Save a card with a customer; note whether its owner passed a challenge meanwhile."""
    if is_authenticated:
        page.connection.execute("INSERT OR IGNORE INTO authenticated VALUES (?)", (method["id"],))
    return page.save({**method, "customer": customer})


def was_authenticated(page: Page, method: Object) -> bool:
    """Whether this card's owner passed a challenge when it was saved."""
    row = page.connection.execute(
        "SELECT 1 FROM authenticated WHERE method = ?", (method["id"],)
    ).fetchone()
    return row is not None


def create_customer(page: Page, id: str, form: Form) -> Object:
    return page.add(
        "customer",
        "cus",
        email=text(form, "email"),
        name=text(form, "name"),
        description=text(form, "description"),
        metadata=metadata(form),
    )


def update_customer(page: Page, id: str, form: Form) -> Object:
    found = page.find("customer", id)
    if found is None or found.get("deleted"):
        raise missing("customer", id, param="id", status=404)
    for name in ("email", "name", "description"):
        if name in form:
            found[name] = text(form, name)
    return page.save({**found, "metadata": {**found["metadata"], **metadata(form)}})


def delete_customer(page: Page, id: str, form: Form) -> Object:
    found = page.find("customer", id)
    if found is None or found.get("deleted"):
        raise missing("customer", id, param="id", status=404)
    for method in page.listed("payment_method", links={"customer": id}):
        page.save({**method, "customer": None, "detached": True})
    return page.save({"id": id, "object": "customer", "deleted": True})


def create_method(page: Page, id: str, form: Form) -> Object:
    """Make a payment method from a card number, as a page would with Stripe's script."""
    choice(form, "type", ("card",), default="card")
    face = inner(form, "card", "number exp_month exp_year cvc")
    number = text(face, "number") or ""
    if not number.isascii() or not number.isdigit() or not passes_luhn(number):
        raise Problem(
            "Your card number is incorrect.",
            status=402,
            kind="card_error",
            code="incorrect_number",
            param="number",
        )
    if number not in BY_NUMBER:
        raise declined(NOT_A_TEST_CARD)
    for name in ("exp_month", "exp_year"):
        if name not in face:
            raise Problem(f"Missing required param: card[{name}].", param=f"card[{name}]")
    month, year = integer(face, "exp_month"), integer(face, "exp_year")
    if month > 12 or not 2000 <= year <= 2099:
        raise Problem("Your card's expiration date is invalid.", code="invalid_expiry_month")
    return make_method(page, BY_NUMBER[number], exp_month=month, exp_year=year)


def attach_method(page: Page, id: str, form: Form) -> Object:
    customer = find_customer(page, form)
    assert customer is not None
    method = find_method(page, id)
    refusal = refusal_to_save(page, method)
    if refusal is not None:
        raise declined(refusal)
    return attach(page, method, customer["id"], is_authenticated=False)


def detach_method(page: Page, id: str, form: Form) -> Object:
    method = find_method(page, id)
    if method["customer"] is None:
        raise Problem("The payment method you provided is not attached to a customer.")
    return page.save({**method, "customer": None, "detached": True})
