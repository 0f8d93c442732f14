"""Stripe's hosted Checkout: the page on which a card is given, or a payment confirmed in person."""

import calendar
from datetime import date
from typing import Any, Final

import stripe
from stripe.params.checkout import SessionCreateParams

from countmein.payments.providers.port import (
    CardFace,
    Outcome,
    PageOutcome,
    PageRequest,
    PageResult,
)
from countmein.payments.providers.stripe_answers import NotDone, Object, ask, ask_on
from countmein.payments.providers.stripe_tables import PAGE_LANGUAGES, to_units
from countmein.rules.money import Money

# Stripe shows at most so much of our own text on its page.
_WORDS_AT_MOST: Final = 1200
_NAME_AT_MOST: Final = 250
_EXPANDED: Final = ["setup_intent.payment_method"]


def card_page(v1: stripe.V1Services, page: PageRequest, key: str) -> PageResult:
    """Make a customer that holds nothing but our reference, and a page that saves a card with it.

    Raises NotDone.
    """
    metadata = {"reference": page.reference, "currency": page.currency}
    customer = ask_on(
        f"{key}:customer",
        lambda key: v1.customers.create({"metadata": metadata}, {"idempotency_key": key}).to_dict(),
    )
    return _page(
        v1,
        {
            "mode": "setup",
            "customer": customer["id"],
            "currency": page.currency.lower(),
            "setup_intent_data": {"metadata": metadata},
            **_common(page),
        },
        key,
    )


def payment_page(
    v1: stripe.V1Services, page: PageRequest, *, mandate: str, amount_minor: int, key: str
) -> PageResult:
    """Make a page on which the customer of a mandate pays in person. Raises NotDone, NotInUnits."""
    customer, _, _ = mandate.partition(":")
    amount = Money(amount_minor=amount_minor, currency=page.currency)
    return _page(
        v1,
        {
            "mode": "payment",
            "customer": customer,
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": page.currency.lower(),
                        "unit_amount": to_units(amount),
                        "product_data": {"name": page.words.splitlines()[0][:_NAME_AT_MOST]},
                    },
                }
            ],
            "payment_intent_data": {"metadata": {"reference": page.reference}},
            **_common(page),
        },
        key,
    )


def _common(page: PageRequest) -> SessionCreateParams:
    return {
        "allowed_payment_method_types": ["card"],
        "client_reference_id": page.reference,
        "metadata": {"reference": page.reference},
        "custom_text": {"submit": {"message": page.words[:_WORDS_AT_MOST]}},
        "locale": _locale(page.language),
        "success_url": page.return_url,
        "cancel_url": page.cancel_url,
    }


def _locale(language: str) -> Any:
    code = language.lower()
    if code not in PAGE_LANGUAGES:
        return "auto"
    return "en-GB" if code == "en-gb" else code


def _page(v1: stripe.V1Services, params: SessionCreateParams, key: str) -> PageResult:
    made = ask_on(
        key,
        lambda key: v1.checkout.sessions.create(params, {"idempotency_key": key}).to_dict(),
    )
    try:
        return PageResult(
            outcome=Outcome.DONE,
            page_id=str(made["id"]),
            url=str(made["url"]),
            customer=str(made["customer"]),
        )
    except KeyError as error:
        raise NotDone(Outcome.UNKNOWN, code="undocumented_answer") from error


def read_page(v1: stripe.V1Services, page_id: str) -> PageOutcome:
    """Look at a page. Raises NotDone."""
    return _outcome(
        ask(lambda: v1.checkout.sessions.retrieve(page_id, {"expand": _EXPANDED}).to_dict())
    )


def close_page(v1: stripe.V1Services, page_id: str) -> PageOutcome:
    """Shut a page; one that was finished or shut before stays as it is. Raises NotDone."""
    try:
        ask(lambda: v1.checkout.sessions.expire(page_id))
    except NotDone as no:
        # Refused because it is no longer open: what it came to is what we want to know.
        if no.result.outcome is not Outcome.REFUSED:
            raise
    return read_page(v1, page_id)


def _outcome(session: Object) -> PageOutcome:
    try:
        status = session["status"]
        if status == "open":
            return PageOutcome(outcome=Outcome.DONE, is_open=True)
        if status == "expired":
            return PageOutcome(outcome=Outcome.DONE)
        if status != "complete":
            raise NotDone(Outcome.UNKNOWN, code=str(status))
        if session["mode"] == "payment":
            return PageOutcome(outcome=Outcome.DONE, is_done=True)
        method = session["setup_intent"]["payment_method"]
        return PageOutcome(
            outcome=Outcome.DONE,
            is_done=True,
            mandate=f"{session['customer']}:{method['id']}",
            card=face_of(method),
        )
    except (KeyError, TypeError) as error:
        raise NotDone(Outcome.UNKNOWN, code="undocumented_answer") from error


def face_of(method: Any) -> CardFace | None:
    """What Stripe shows of a card; None where the method came as a mere id."""
    if not isinstance(method, dict) or not isinstance(method.get("card"), dict):
        return None
    card = method["card"]
    month, year = card.get("exp_month"), card.get("exp_year")
    return CardFace(
        brand=str(card.get("brand") or "card"),
        last4=str(card.get("last4") or ""),
        expires_on=date(year, month, calendar.monthrange(year, month)[1])
        if isinstance(month, int) and isinstance(year, int)
        else None,
    )
