"""What every payment provider keeps, against its sandbox over a socket."""

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from countmein.payments.providers import (
    ChargeResult,
    EventKind,
    Outcome,
    PaymentProvider,
)
from countmein.rules.money import Money

FIVE_POUNDS = Money(amount_minor=500, currency="GBP")


@pytest.fixture
def impatient(port: Any) -> Any:
    """The same provider, waited for half a second only."""
    return replace(port, timeout_seconds=0.5)


@pytest.fixture
def name() -> str:
    """A reference and key nobody has used."""
    return uuid.uuid4().hex


def mandate(port: PaymentProvider, name: str, payment_method: str = "pm_card_visa") -> str:
    made = port.mandate(
        reference=name, payment_method=payment_method, currency="GBP", key=f"mandate:{name}"
    )
    assert Outcome.DONE == made.outcome, made
    return made.mandate


def charge(
    port: PaymentProvider, name: str, kept: str, amount: Money = FIVE_POUNDS
) -> ChargeResult:
    return charge_under(port, f"charge:{name}", name, kept, amount)


def charge_under(
    port: PaymentProvider, key: str, name: str, kept: str, amount: Money = FIVE_POUNDS
) -> ChargeResult:
    return port.charge(
        mandate=kept,
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        reference=name,
        key=key,
    )


def charges_of(provider: Any, reference: str) -> list[dict[str, Any]]:
    """What the provider itself says it took for this reference."""
    return [
        item
        for item in provider.get("/_book/charges")["items"]
        if item["metadata"].get("reference") == reference and item["status"] == "succeeded"
    ]


def test_a_kept_card_is_charged(provider: Any, port: PaymentProvider, name: str) -> None:
    result = charge(port, name, mandate(port, name))
    assert (Outcome.DONE, FIVE_POUNDS) == (result.outcome, result.amount)
    assert [(result.charge_id, 500, "gbp")] == [
        (each["id"], each["amount"], each["currency"]) for each in charges_of(provider, name)
    ]


def test_the_same_key_charges_once(provider: Any, port: PaymentProvider, name: str) -> None:
    kept = mandate(port, name)
    assert charge(port, name, kept) == charge(port, name, kept)
    assert 1 == len(charges_of(provider, name))


def test_another_key_charges_again(provider: Any, port: PaymentProvider, name: str) -> None:
    """The control: it is the key that keeps a charge single, nothing else does."""
    kept = mandate(port, name)
    for attempt in range(3):
        charge_under(port, f"{name}:{attempt}", name, kept)
    assert 3 == len(charges_of(provider, name))


def test_the_same_key_for_another_amount_is_unknown_and_not_charged(
    provider: Any, port: PaymentProvider, name: str
) -> None:
    kept = mandate(port, name)
    charge(port, name, kept)
    other = charge(port, name, kept, Money(amount_minor=600, currency="GBP"))
    assert (Outcome.UNKNOWN, "key_reused") == (other.outcome, other.code)
    assert [500] == [each["amount"] for each in charges_of(provider, name)]


@pytest.mark.parametrize(
    ("payment_method", "code", "permanent"),
    [
        ("pm_card_visa_chargeDeclined", "generic_decline", False),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds", False),
        ("pm_card_visa_chargeDeclinedLostCard", "lost_card", True),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", True),
    ],
)
def test_a_card_that_is_declined_gives_no_mandate(
    port: PaymentProvider, name: str, payment_method: str, code: str, permanent: bool
) -> None:
    refused = port.mandate(reference=name, payment_method=payment_method, currency="GBP", key=name)
    assert (Outcome.REFUSED, code, permanent, "") == (
        refused.outcome,
        refused.code,
        refused.permanent,
        refused.mandate,
    )


@pytest.mark.parametrize(
    ("payment_method", "code"),
    [
        ("pm_card_chargeCustomerFail", "generic_decline"),
        ("pm_card_authenticationRequired", "authentication_required"),
    ],
)
def test_a_card_that_fails_at_the_charge_is_refused_softly(
    provider: Any, port: PaymentProvider, name: str, payment_method: str, code: str
) -> None:
    result = charge(port, name, mandate(port, name, payment_method))
    assert (Outcome.REFUSED, code, False) == (result.outcome, result.code, result.permanent)
    assert [] == charges_of(provider, name)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "units"),
    [
        (500, "JPY", 500),
        (700, "ISK", 70_000),
        (900, "UGX", 90_000),
        (1_230, "KWD", 1_230),
        (500, "MGA", 5),
        (50_000, "HUF", 50_000),
    ],
)
def test_odd_currencies_are_charged_in_the_providers_units_and_read_back_in_ours(
    provider: Any,
    port: PaymentProvider,
    name: str,
    amount_minor: int,
    currency: str,
    units: int,
) -> None:
    amount = Money(amount_minor=amount_minor, currency=currency)
    result = charge(port, name, mandate(port, name), amount)
    assert amount == result.amount
    assert [units] == [each["amount"] for each in charges_of(provider, name)]


@pytest.mark.parametrize("currency", ["GBP", "HUF", "JPY"])
def test_the_smallest_charge_is_made_and_one_less_is_refused_for_good(
    port: PaymentProvider, name: str, currency: str
) -> None:
    least = Money(amount_minor=port.least_minor(currency), currency=currency)
    assert Outcome.DONE == charge(port, name, mandate(port, name), least).outcome
    less = replace(least, amount_minor=least.amount_minor - 1)
    refused = charge(port, f"{name}-2", mandate(port, f"{name}-2"), less)
    assert (Outcome.REFUSED, "amount_too_small", True) == (
        refused.outcome,
        refused.code,
        refused.permanent,
    )


@pytest.mark.parametrize(("amount_minor", "currency"), [(1_231, "KWD"), (501, "MGA")])
def test_an_amount_finer_than_the_provider_moves_is_refused(
    provider: Any, port: PaymentProvider, name: str, amount_minor: int, currency: str
) -> None:
    amount = Money(amount_minor=amount_minor, currency=currency)
    result = charge(port, name, mandate(port, name), amount)
    assert (Outcome.REFUSED, True) == (result.outcome, result.permanent)
    assert [] == charges_of(provider, name)


def test_a_refund_gives_back_once_and_never_too_much(
    provider: Any, port: PaymentProvider, name: str
) -> None:
    paid = charge(port, name, mandate(port, name))
    two = Money(amount_minor=200, currency="GBP")
    four = Money(amount_minor=400, currency="GBP")

    def refund(amount: Money, key: str) -> Any:
        return port.refund(
            charge_id=paid.charge_id,
            amount_minor=amount.amount_minor,
            currency=amount.currency,
            reference=key,
            key=key,
        )

    assert None is port.find_refund(charge_id=paid.charge_id, reference=f"{name}:a")
    first = refund(two, f"{name}:a")
    assert (Outcome.DONE, two) == (first.outcome, first.amount)
    assert first == refund(two, f"{name}:a")
    assert first == port.find_refund(charge_id=paid.charge_id, reference=f"{name}:a")
    over = refund(four, f"{name}:b")
    assert (Outcome.REFUSED, True) == (over.outcome, over.permanent)
    assert [200] == [each["amount_refunded"] for each in charges_of(provider, name)]


def test_a_forgotten_mandate_cannot_be_charged_and_forgetting_twice_is_fine(
    provider: Any, port: PaymentProvider, name: str
) -> None:
    kept = mandate(port, name)
    port.forget(mandate=kept)
    port.forget(mandate=kept)
    result = charge(port, name, kept)
    assert (Outcome.REFUSED, True) == (result.outcome, result.permanent)
    assert [] == charges_of(provider, name)


@pytest.mark.parametrize("mode", ["timeout_after_success", "hang"])
def test_no_answer_is_unknown_and_can_be_looked_up(
    provider: Any, impatient: PaymentProvider, name: str, mode: str
) -> None:
    kept = mandate(impatient, name)
    provider.control(fail_next={"path": "/v1/payment_intents", "mode": mode, "times": 1})
    result = charge(impatient, name, kept)
    assert (Outcome.UNKNOWN, "no_answer") == (result.outcome, result.code)
    found = impatient.find_charge(mandate=kept, reference=name)
    if mode == "hang":
        assert None is found
    else:
        assert found is not None
        assert (Outcome.DONE, FIVE_POUNDS) == (found.outcome, found.amount)
    assert Outcome.DONE == charge(impatient, name, kept).outcome
    assert 1 == len(charges_of(provider, name))


def test_a_500_is_unknown_until_its_key_proves_spent(
    provider: Any, port: PaymentProvider, name: str
) -> None:
    kept = mandate(port, name)
    provider.control(fail_next={"path": "/v1/payment_intents", "mode": "500", "times": 1})
    first = charge(port, name, kept)
    assert (Outcome.UNKNOWN, False) == (first.outcome, first.needs_new_key)
    assert None is port.find_charge(mandate=kept, reference=name)
    again = charge(port, name, kept)
    assert (Outcome.RETRY_LATER, True) == (again.outcome, again.needs_new_key)
    assert Outcome.DONE == charge_under(port, f"{name}:2", name, kept).outcome
    assert 1 == len(charges_of(provider, name))
    # Now the spent key's answer is the charge that stands under our reference.
    assert Outcome.DONE == charge(port, name, kept).outcome
    assert 1 == len(charges_of(provider, name))


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/setup_intents"])
def test_a_mandate_gets_over_a_500_by_being_asked_for_again(
    provider: Any, port: PaymentProvider, name: str, path: str
) -> None:
    provider.control(fail_next={"path": path, "mode": "500", "times": 1})
    asked = {
        "reference": name,
        "payment_method": "pm_card_visa",
        "currency": "GBP",
        "key": name,
    }
    assert [Outcome.UNKNOWN, Outcome.DONE] == [port.mandate(**asked).outcome for _ in range(2)]
    assert port.mandate(**asked) == port.mandate(**asked)


def test_a_refused_try_is_not_found_and_its_key_still_refuses(
    port: PaymentProvider, name: str
) -> None:
    kept = mandate(port, name, "pm_card_chargeCustomerFail")
    first = charge(port, name, kept)
    assert None is port.find_charge(mandate=kept, reference=name)
    assert first == charge(port, name, kept)


def test_a_provider_that_cannot_be_reached_is_unknown(
    impatient: PaymentProvider, name: str, settings_of: Any
) -> None:
    kept = mandate(impatient, name)
    with settings_of(STRIPE_API_BASE="http://127.0.0.1:9"):
        assert Outcome.UNKNOWN == charge(impatient, name, kept).outcome
        looked = impatient.find_charge(mandate=kept, reference=name)
    assert looked is not None
    assert Outcome.UNKNOWN == looked.outcome


def test_our_own_wrong_key_is_no_refusal(
    port: PaymentProvider, name: str, settings_of: Any
) -> None:
    kept = mandate(port, name)
    with settings_of(STRIPE_API_KEY="wrong"):
        assert Outcome.RETRY_LATER == charge(port, name, kept).outcome
    assert Outcome.DONE == charge(port, name, kept).outcome


def test_too_many_at_once_are_to_be_retried_later(
    start: Any, tmp_path: Any, port: PaymentProvider, name: str, settings_of: Any
) -> None:
    slow = start(
        "sandbox.payments", "--port", "0", "--book", str(tmp_path / "b.sqlite3"), "--rate", "5"
    )
    with settings_of(STRIPE_API_BASE=slow.url), ThreadPoolExecutor(8) as pool:
        kept = mandate(port, name)
        results = list(
            pool.map(
                lambda n: charge_under(port, f"{name}:{n}", name, kept),
                range(40),
            )
        )
    outcomes = Counter(result.outcome for result in results)
    assert {Outcome.DONE, Outcome.RETRY_LATER} == set(outcomes)
    assert outcomes[Outcome.DONE] == slow.get("/_book/summary")["charges"]


def test_many_threads_share_the_provider(provider: Any, port: PaymentProvider, name: str) -> None:
    kept = mandate(port, name)
    with ThreadPoolExecutor(8) as pool:
        results = list(
            pool.map(
                lambda n: charge_under(port, f"{name}:{n % 20}", name, kept),
                range(100),
            )
        )
    assert {Outcome.DONE} == {result.outcome for result in results}
    assert 20 == len({result.charge_id for result in results}) == len(charges_of(provider, name))


def test_a_signed_event_is_read_in_our_nouns(
    start: Any,
    tmp_path: Any,
    listener: Any,
    until: Any,
    port: PaymentProvider,
    name: str,
    settings_of: Any,
) -> None:
    service = start(
        "sandbox.payments", "--port", "0", "--book", str(tmp_path / "b.sqlite3"),
        "--webhook-url", listener.url, "--webhook-secret", "whsec_sandbox",
    )  # fmt: skip
    with settings_of(STRIPE_API_BASE=service.url):
        paid = charge(port, name, mandate(port, name))
        port.refund(
            charge_id=paid.charge_id,
            amount_minor=200,
            currency="GBP",
            reference=name,
            key=f"refund:{name}",
        )
        charge(port, f"{name}-no", mandate(port, f"{name}-no", "pm_card_chargeCustomerFail"))
        port.mandate(
            reference=f"{name}-lost",
            payment_method="pm_card_visa_chargeDeclinedLostCard",
            currency="GBP",
            key=f"lost:{name}",
        )
    until(lambda: len(listener.taken) == 6)
    now = datetime.now(UTC)
    events = [port.read_event(body=b, signature=s, now=now) for b, s in listener.taken]
    assert {
        (EventKind.MANDATE_MADE, name, "", None, "", False),
        (EventKind.CHARGE_PAID, name, paid.charge_id, 500, "", False),
        (EventKind.CHARGE_REFUNDED, name, paid.charge_id, 200, "", False),
        (EventKind.MANDATE_MADE, f"{name}-no", "", None, "", False),
        (EventKind.MANDATE_REFUSED, f"{name}-lost", "", None, "lost_card", True),
    } == {
        (e.kind, e.reference, e.charge_id, e.amount and e.amount.amount_minor, e.code, e.permanent)
        for e in events
        if e.kind != EventKind.CHARGE_REFUSED
    }
    assert ["generic_decline"] == [e.code for e in events if e.kind == EventKind.CHARGE_REFUSED]
