"""The adapter against other Stripes than our own: a second opinion on what we took Stripe to be.

localstripe is a process of its own for developers: set LOCALSTRIPE to its executable. It is older
than our way of saving and charging cards and ignores idempotency keys, so it is asked about refunds
alone. Stripe's own sandbox answers where STRIPE_TEST_KEY is set. Whoever is not there is skipped,
and counted as such.
"""

import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings
from stripe import StripeClient

from countmein.payments.providers import Outcome, PaymentProvider
from countmein.payments.providers.stripe import Stripe
from tests.contracts.conftest import Start

OURS, LOCAL, STRIPE = "ours", "localstripe", "stripe"


def _local() -> Iterator[str]:
    executable = os.environ.get("LOCALSTRIPE") or shutil.which("localstripe")
    if executable is None:
        pytest.skip("no localstripe: set LOCALSTRIPE to its executable, or install it")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [executable, "--port", str(port), "--from-scratch"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _await(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "localstripe does not start"
            time.sleep(0.05)


@pytest.fixture(scope="module", params=[OURS, LOCAL, STRIPE])
def who(request: pytest.FixtureRequest, start: Start, tmp_path_factory: Any) -> Iterator[str]:
    """One of the Stripes, with our adapter pointed at it."""
    key = "sk_test_12345"
    if request.param == STRIPE:
        key = os.environ.get("STRIPE_TEST_KEY", "")
        if not key.startswith("sk_test_"):
            pytest.skip("no key of Stripe's sandbox: set STRIPE_TEST_KEY")
        bases: Iterator[str] = iter([""])
    elif request.param == LOCAL:
        bases = _local()
    else:
        book = tmp_path_factory.mktemp("provider") / "book.sqlite3"
        bases = iter([start("sandbox.payments", "--port", "0", "--book", str(book)).url])
    with override_settings(STRIPE_API_KEY=key, STRIPE_API_BASE=next(bases)):
        yield request.param
    for _rest in bases:
        """Let the process end."""


@pytest.fixture
def stripe(who: str) -> PaymentProvider:
    """Our adapter."""
    return Stripe()


@pytest.fixture
def name() -> str:
    """A reference and key nobody has used."""
    return uuid.uuid4().hex


@pytest.fixture
def newest(who: str) -> None:
    """Leave localstripe out where our ways of saving and charging a card are newer than it is."""
    if who == LOCAL:
        pytest.skip("localstripe does not know this of Stripe")


def kept(stripe: PaymentProvider, name: str, card: str = "pm_card_visa") -> Any:
    return stripe.mandate(reference=name, payment_method=card, currency="EUR", key=f"m:{name}")


def charged(stripe: PaymentProvider, name: str, mandate: str, key: str = "1") -> Any:
    return stripe.charge(
        mandate=mandate, amount_minor=1500, currency="EUR", reference=name, key=f"c:{name}:{key}"
    )


def paid(who: str, stripe: PaymentProvider, name: str) -> str:
    """The id of a charge of 15.00; with localstripe made in the older way."""
    if who != LOCAL:
        return str(charged(stripe, name, kept(stripe, name).mandate).charge_id)
    wire = StripeClient("sk_test_12345", base_addresses={"api": settings.STRIPE_API_BASE}).v1
    customer = wire.customers.create({})
    card = wire.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    said: Any = {"customer": customer.id, "payment_method": card.id, "confirm": True}
    intent = wire.payment_intents.create({"amount": 1500, "currency": "eur", **said})
    return str(intent.to_dict()["latest_charge"]["id"])


def test_what_was_charged_is_given_back_and_found(
    who: str, stripe: PaymentProvider, name: str
) -> None:
    charge_id = paid(who, stripe, name)
    asked: Any = {"charge_id": charge_id, "reference": name}
    assert stripe.find_refund(**asked) is None
    back = stripe.refund(amount_minor=500, currency="EUR", key=name, **asked)
    assert Outcome.DONE == back.outcome, back
    found = stripe.find_refund(**asked)
    assert found is not None
    assert (Outcome.DONE, back.refund_id) == (found.outcome, found.refund_id)


@pytest.mark.usefixtures("newest")
def test_a_kept_card_is_charged_and_shows_its_face(stripe: PaymentProvider, name: str) -> None:
    mandate = kept(stripe, name)
    assert Outcome.DONE == mandate.outcome, mandate
    assert ("visa", "4242") == (mandate.card.brand, mandate.card.last4)
    charge = charged(stripe, name, mandate.mandate)
    assert Outcome.DONE == charge.outcome, charge


@pytest.mark.usefixtures("newest")
def test_a_card_that_fails_at_the_charge_is_saved_and_refused(
    stripe: PaymentProvider, name: str
) -> None:
    mandate = kept(stripe, name, "pm_card_chargeCustomerFail")
    assert Outcome.DONE == mandate.outcome, mandate
    charge = charged(stripe, name, mandate.mandate)
    assert (Outcome.REFUSED, False) == (charge.outcome, charge.permanent), charge


@pytest.mark.usefixtures("newest")
def test_a_card_that_is_declined_is_not_kept(stripe: PaymentProvider, name: str) -> None:
    refused = kept(stripe, name, "pm_card_visa_chargeDeclined")
    assert Outcome.REFUSED == refused.outcome, refused


@pytest.mark.usefixtures("newest")
def test_a_forgotten_card_cannot_be_charged(stripe: PaymentProvider, name: str) -> None:
    mandate = kept(stripe, name).mandate
    stripe.forget(mandate=mandate)
    assert Outcome.DONE != charged(stripe, name, mandate).outcome


@pytest.mark.usefixtures("newest")
def test_the_same_key_charges_once(stripe: PaymentProvider, name: str) -> None:
    mandate = kept(stripe, name).mandate
    first, again = (charged(stripe, name, mandate) for _ in range(2))
    assert first.charge_id == again.charge_id != charged(stripe, name, mandate, "2").charge_id


@pytest.mark.usefixtures("newest")
def test_a_charge_is_found_by_its_reference(stripe: PaymentProvider, name: str) -> None:
    mandate = kept(stripe, name).mandate
    assert stripe.find_charge(mandate=mandate, reference=name) is None
    charge = charged(stripe, name, mandate)
    found = stripe.find_charge(mandate=mandate, reference=name)
    assert found is not None
    assert charge.charge_id == found.charge_id
