"""Checkout sessions: a page of the provider's that takes the card, to save it or to charge it."""

from typing import Any

from sandbox.payments.book import Page, new_id
from sandbox.payments.charging import charge
from sandbox.payments.customers import find_customer, missing, refusal_to_save
from sandbox.payments.forms import (
    CURRENCIES,
    LARGEST_AMOUNT,
    Problem,
    address,
    check_least,
    check_step,
    choice,
    inner,
    instant,
    integer,
    metadata,
    text,
)
from sandbox.payments.intents import new_payment
from sandbox.payments.setups import new_setup, refuse, succeed

Form = dict[str, Any]
Object = dict[str, Any]

LONGEST_SECONDS = 24 * 3600
SHORTEST_SECONDS = 30 * 60
SUBMIT_TYPES = ("auto", "book", "donate", "pay")
_LOCALES = (
    "auto",
    "ar",
    "bg",
    "cs",
    "da",
    "de",
    "el",
    "en",
    "en-GB",
    "es",
    "es-419",
    "et",
    "fa",
    "fi",
    "fil",
    "fr",
    "fr-CA",
    "he",
    "hr",
    "hu",
    "id",
    "it",
    "ja",
    "ko",
    "lt",
    "lv",
    "ms",
    "mt",
    "nb",
    "nl",
    "pl",
    "pt",
    "pt-BR",
    "ro",
    "ru",
    "sk",
    "sl",
    "sv",
    "th",
    "tr",
    "ur",
    "vi",
    "zh",
    "zh-HK",
    "zh-TW",
)
_PAYMENT_DATA = "capture_method description metadata setup_future_usage transfer_group"


def create_session(page: Page, id: str, form: Form) -> Object:
    mode = choice(form, "mode", ("payment", "setup"), default="")
    customer = find_customer(page, form)
    if customer is not None and "customer_creation" in form:
        raise Problem(
            "You may only specify one of these parameters: customer, customer_creation.",
            param="customer_creation",
        )
    _check_mode(form, mode)
    items, amount, currency = _line_items(form) if mode == "payment" else ([], None, None)
    session_id = new_id("cs_test")
    owner = customer and customer["id"]
    session = page.add(
        "checkout.session",
        "cs_test",
        **_fields(page, form, mode, owner),
        id=session_id,
        amount_subtotal=amount,
        amount_total=amount,
        currency=currency or _currency(form),
        url=f"{page.url}/c/pay/{session_id}",
    )
    if items:
        _write_items(page, session, items)
    if mode == "setup":
        labels = metadata(inner(form, "setup_intent_data", "description metadata on_behalf_of"))
        intent = new_setup(page, customer=owner, usage="off_session", labels=labels)
        page.save(session | {"setup_intent": intent["id"]})
        session["setup_intent"] = intent["id"]
    else:
        # What the payment is to be made of, once somebody pays.
        data = inner(form, "payment_intent_data", _PAYMENT_DATA)
        new_payment_check(data)
        _keep(page, session_id, data)
    page.wake(at=session["expires_at"], what="expire", about=session_id)
    return session


def _check_mode(form: Form, mode: str) -> None:
    """Refuse what belongs to the other mode."""
    foreign = {
        "setup": ("line_items", "payment_intent_data", "submit_type"),
        "payment": ("setup_intent_data",),
    }[mode]
    for name in foreign:
        if name in form:
            raise Problem(f"You can not pass `{name}` in `{mode}` mode.", param=name)
    types = form.get("payment_method_types")
    if types is not None and "card" not in inner(form, "payment_method_types").values():
        raise Problem("This sandbox knows the type card only.", param="payment_method_types")
    if mode == "setup" and types is None and "currency" not in form:
        raise Problem(
            "Missing required param: currency.", code="parameter_missing", param="currency"
        )
    if mode == "payment" and not form.get("line_items"):
        raise Problem(
            "`line_items` is required in `payment` mode.",
            code="parameter_missing",
            param="line_items",
        )


def _currency(form: Form) -> str | None:
    named = text(form, "currency")
    if named is not None and named.lower() not in CURRENCIES:
        raise Problem(f"Invalid currency: {named.lower()}.", param="currency")
    return named and named.lower()


def _fields(page: Page, form: Form, mode: str, owner: str | None) -> Object:
    kinds = ("always", "if_required")
    creation = choice(form, "customer_creation", kinds, default="if_required")
    submit = inner(inner(form, "custom_text", "submit"), "submit", "message")
    message = text(submit, "message", longest=1200)
    email = text(form, "customer_email")
    return {
        "cancel_url": address(form, "cancel_url"),
        "client_reference_id": text(form, "client_reference_id", longest=200),
        "client_secret": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": message and {"message": message},
            "terms_of_service_acceptance": None,
        },
        "customer": owner,
        "customer_creation": None if owner else creation,
        "customer_details": {"email": email, "name": None} if email else None,
        "customer_email": email,
        "expires_at": _expiry(page, form),
        "locale": choice(form, "locale", _LOCALES, default="auto"),
        "metadata": metadata(form),
        "mode": mode,
        "payment_intent": None,
        "payment_method_collection": "always",
        "payment_method_types": ["card"],
        "payment_status": "unpaid" if mode == "payment" else "no_payment_required",
        "setup_intent": None,
        "status": "open",
        "submit_type": choice(form, "submit_type", SUBMIT_TYPES, default="auto"),
        "success_url": address(form, "success_url"),
        "ui_mode": choice(form, "ui_mode", ("hosted_page", "hosted"), default="hosted_page"),
    }


def _expiry(page: Page, form: Form) -> int:
    if "expires_at" not in form:
        return page.now + LONGEST_SECONDS
    at = instant(form, "expires_at")
    # A minute's grace: whoever asks reckons with a clock of their own.
    if not page.now + SHORTEST_SECONDS - 60 <= at <= page.now + LONGEST_SECONDS + 60:
        raise Problem(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from now.",
            param="expires_at",
        )
    return at


def _line_items(form: Form) -> tuple[list[Object], int, str]:
    """Read what is paid for: its lines, their sum, their one currency."""
    items = []
    for place, each in inner(form, "line_items").items():
        line = inner({"line": each}, "line", "price_data quantity")
        price = inner(line, "price_data", "currency product_data unit_amount")
        for name in ("currency", "unit_amount"):
            if name not in price:
                raise Problem(f"Missing required param: line_items[{place}][price_data][{name}].")
        product = inner(price, "product_data", "name description metadata images")
        unit = integer(price, "unit_amount")
        count = integer(line, "quantity") if "quantity" in line else 1
        items.append(
            {
                "description": text(product, "name") or "",
                "quantity": count,
                "unit_amount": unit,
                "amount_total": unit * count,
                "currency": _currency(price),
            }
        )
    currencies = {item["currency"] for item in items}
    if len(currencies) != 1:
        raise Problem("All prices must have the same currency.", param="line_items")
    amount, currency = sum(item["amount_total"] for item in items), str(currencies.pop())
    if amount > LARGEST_AMOUNT:
        raise Problem("The Checkout Session's total amount must be no more than 999999.99.")
    check_step(amount, currency)
    check_least(amount, currency)
    return items, amount, currency


def new_payment_check(data: Form) -> None:
    """Refuse at once what `new_payment` would refuse when somebody pays."""
    metadata(data)
    choice(data, "setup_future_usage", ("off_session", "on_session"), default="off_session")
    choice(data, "capture_method", ("automatic", "automatic_async", "manual"), default="automatic")
    text(data, "description")
    text(data, "transfer_group")


def _write_items(page: Page, session: Object, items: list[Object]) -> None:
    """Write the lines where `expand[]=line_items` finds them."""
    data = [
        {
            "id": new_id("li"),
            "object": "item",
            "amount_subtotal": item["amount_total"],
            "amount_total": item["amount_total"],
            "currency": item["currency"],
            "description": item["description"],
            "price": {"object": "price", "unit_amount": item["unit_amount"], "type": "one_time"},
            "quantity": item["quantity"],
        }
        for item in items
    ]
    page.add("list", "", id=f"{session['id']}_items", data=data, has_more=False)


def _keep(page: Page, session_id: str, data: Form) -> None:
    page.add("payment_intent_data", "", id=f"{session_id}_data", data=data)


def lines(page: Page, session: Object) -> list[Object]:
    """What is paid for."""
    found = page.find("list", f"{session['id']}_items")
    return found["data"] if found else []


def intent_of(page: Page, session: Object) -> Object:
    """The session's intent; a payment's is written when somebody first tries to pay."""
    if session["mode"] == "setup":
        found = page.find("setup_intent", session["setup_intent"])
    elif session["payment_intent"]:
        found = page.find("payment_intent", session["payment_intent"])
    else:
        kept = page.find("payment_intent_data", f"{session['id']}_data")
        found = new_payment(
            page,
            amount=session["amount_total"],
            currency=session["currency"],
            customer=session["customer"],
            form=kept["data"] if kept else {},
        )
        session["payment_intent"] = found["id"]
        page.save(session)
    assert found is not None
    return found


def _wants_customer(session: Object, intent: Object) -> bool:
    """Whether a customer is to be made for whoever filled in the page."""
    if session["customer"] is not None:
        return False
    return session["customer_creation"] == "always" or bool(intent.get("setup_future_usage"))


def complete(page: Page, session: Object, method: Object, *, is_authenticated: bool) -> Object:
    """Save or charge the card and close the session. Raises Problem (402) if it is refused."""
    intent = intent_of(page, session)
    made = None
    if intent["customer"] is None and _wants_customer(session, intent):
        email = session["customer_email"]
        made = page.add("customer", "cus", email=email, name=None, description=None, metadata={})
        intent["customer"] = made["id"]
    if session["mode"] == "setup":
        refusal = refusal_to_save(page, method)
        if refusal is not None:
            refuse(page, intent, refusal)
        succeed(page, intent, method, is_authenticated=is_authenticated)
    else:
        charge(page, intent, method, is_authenticated=is_authenticated)
    if made is not None:
        session["customer"] = made["id"]
    is_paid = session["mode"] == "payment" and intent["status"] == "succeeded"
    session |= {
        "status": "complete",
        "payment_status": "paid" if is_paid else session["payment_status"],
        "url": None,
    }
    page.tell("checkout.session.completed", page.save(session))
    return session


def expire_session(page: Page, id: str, form: Form) -> Object:
    session = page.find("checkout.session", id)
    if session is None:
        raise missing("checkout.session", id, param="session", status=404)
    if session["status"] != "open":
        raise Problem(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout'
            f" Session has a status of {session['status']}.",
            param="session",
        )
    return _expire(page, session)


def expire_when_due(page: Page, id: str) -> None:
    """A session lapses by itself (an alarm)."""
    session = page.find("checkout.session", id)
    if session is not None and session["status"] == "open":
        _expire(page, session)


def _expire(page: Page, session: Object) -> Object:
    intent_id = session["payment_intent"] or session["setup_intent"]
    kind = "payment_intent" if session["payment_intent"] else "setup_intent"
    intent = page.find(kind, intent_id)
    if intent is not None and intent["status"].startswith("requires_"):
        page.save({**intent, "status": "canceled", "next_action": None})
    session |= {"status": "expired", "url": None}
    page.tell("checkout.session.expired", page.save(session))
    return session
