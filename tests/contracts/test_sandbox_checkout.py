"""The provider's hosted page, as a person without JavaScript meets it."""

import html
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.provider_page import visit

BACK = "http://127.0.0.1:9/back?page={CHECKOUT_SESSION_ID}"


@pytest.fixture
def v1(provider: Any) -> Any:
    client = stripe.StripeClient(
        "sk_test_sandbox", base_addresses={"api": provider.url}, max_network_retries=0
    )
    return client.v1


Make = Callable[..., Any]


@pytest.fixture
def saving(v1: Any) -> Make:
    """A page that saves a card with a new customer."""

    def make(**more: Any) -> Any:
        customer = v1.customers.create({})
        return v1.checkout.sessions.create(
            {
                "mode": "setup",
                "customer": customer.id,
                "currency": "gbp",
                "success_url": BACK,
                "cancel_url": "http://127.0.0.1:9/no",
                "custom_text": {"submit": {"message": "You allow £25 & <no more>."}},
                "setup_intent_data": {"metadata": {"reference": "r1"}},
                **more,
            }
        )

    return make


def card(number: str = "4242 4242 4242 4242", **more: str) -> dict[str, str]:
    return {"number": number, "expiry": "12/34", "cvc": "123", **more}


def test_a_card_is_saved_and_can_be_charged_later(v1: Any, saving: Make) -> None:
    session = saving()
    status, text, _ = visit(session.url)
    assert 200 == status
    assert "You allow £25 & <no more>." in html.unescape(text)
    assert "<no more>" not in text
    status, _, back = visit(session.url, card(expiry="11/31"))
    assert (303, BACK.replace("{CHECKOUT_SESSION_ID}", session.id)) == (status, back)
    done = v1.checkout.sessions.retrieve(
        session.id, {"expand": ["setup_intent.payment_method"]}
    ).to_dict()
    method = done["setup_intent"]["payment_method"]
    assert ("complete", "r1", "4242", 11, 2031) == (
        done["status"],
        done["setup_intent"]["metadata"]["reference"],
        method["card"]["last4"],
        method["card"]["exp_month"],
        method["card"]["exp_year"],
    )
    paid = v1.payment_intents.create(
        {
            "amount": 700,
            "currency": "gbp",
            "customer": done["customer"],
            "payment_method": method["id"],
            "off_session": True,
            "confirm": True,
        }
    )
    assert "succeeded" == paid.status
    assert 410 == visit(session.url)[0] or session.url is None


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        (card("4242 4242 4242 4241"), "not right"),
        (card("5105105105105100"), "sandbox"),
        (card(expiry="13/30"), "MM/YY"),
        (card(expiry="01/20"), "expired"),
        (card(cvc="12"), "three or four digits"),
        (card("4000000000000002"), "declined"),
        ({}, "not right"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_is_kept(
    v1: Any, saving: Make, fields: dict[str, str], fault: str
) -> None:
    session = saving()
    status, text, _ = visit(session.url, fields)
    assert status in (402, 422)
    assert fault in html.unescape(text)
    assert 'role="alert"' in text
    assert fields.get("number", "") in text
    assert "open" == v1.checkout.sessions.retrieve(session.id).status


def test_a_bank_that_asks_is_answered_and_remembers_it(v1: Any, saving: Make) -> None:
    """The card that asks once at saving is charged without its owner afterwards."""
    session = saving()
    _, text, _ = visit(session.url, card("4000002500003155"))
    (method,) = set(re.findall(r'name="method" value="(\w+)"', text))
    status, text, _ = visit(session.url, {"method": method, "challenge": "failed"})
    assert (402, True) == (status, "did not confirm" in text)
    assert 303 == visit(session.url, {"method": method, "challenge": "passed"})[0]
    done = v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent"]}).to_dict()
    paid = v1.payment_intents.create(
        {
            "amount": 700,
            "currency": "gbp",
            "customer": done["customer"],
            "payment_method": done["setup_intent"]["payment_method"],
            "off_session": True,
            "confirm": True,
        }
    )
    assert "succeeded" == paid.status


def test_a_payment_in_person_gets_past_a_bank_that_always_asks(v1: Any) -> None:
    customer = v1.customers.create({})
    session = v1.checkout.sessions.create(
        {
            "mode": "payment",
            "customer": customer.id,
            "success_url": BACK,
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": "jpy",
                        "unit_amount": 1500,
                        "product_data": {"name": "Dinner"},
                    },
                }
            ],
            "payment_intent_data": {"metadata": {"reference": "c1"}},
        }
    )
    _, text, _ = visit(session.url)
    assert "1,500 JPY" in text
    _, text, _ = visit(session.url, card("4000002760003184"))
    (method,) = set(re.findall(r'name="method" value="(\w+)"', text))
    assert 303 == visit(session.url, {"method": method, "challenge": "passed"})[0]
    (intent,) = v1.payment_intents.list({"customer": customer.id}).data
    assert ("succeeded", 1500, "c1") == (
        intent.status,
        intent.amount_received,
        intent.metadata["reference"],
    )


def test_many_at_once_save_one_card(v1: Any, saving: Make) -> None:
    session = saving()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: visit(session.url, card())[0], range(8)))
    assert (1, 7) == (answers.count(303), answers.count(410))
    methods = v1.payment_methods.list({"customer": session.customer}).data
    assert 1 == len(methods)


def test_a_page_that_was_shut_takes_no_card(v1: Any, saving: Make) -> None:
    session = saving()
    v1.checkout.sessions.expire(session.id)
    assert 410 == visit(session.url, card())[0]
    with pytest.raises(stripe.InvalidRequestError):
        v1.checkout.sessions.expire(session.id)


def test_a_page_lapses_by_the_providers_clock(v1: Any, saving: Make, provider: Any) -> None:
    session = saving()
    provider.control(clock={"offset_seconds": 25 * 3600})
    try:
        assert "expired" == v1.checkout.sessions.retrieve(session.id).status
        assert 410 == visit(session.url, card())[0]
    finally:
        provider.control(clock={"offset_seconds": 0})


def test_the_page_reads_from_right_to_left_where_its_reader_does(v1: Any, saving: Make) -> None:
    assert '<html lang="ar" dir="rtl">' in visit(saving(locale="ar").url)[1]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(form=st.dictionaries(
    st.sampled_from(["number", "expiry", "cvc", "use", "challenge", "method"]),
    st.text(max_size=40), max_size=6,
))  # fmt: skip
def test_anything_may_be_typed(saving: Make, form: dict[str, str]) -> None:
    status = visit(saving().url, form)[0]
    assert status in (402, 404, 422), form
