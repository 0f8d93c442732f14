"""An answer that nobody documented says nothing about what happened, whatever it is."""

import uuid
from typing import Any

import pytest

from countmein.payments.providers import Outcome, PaymentProvider
from sandbox.payments.chaos import UNDOCUMENTED

SPOIL = {"mode": "undocumented", "times": 1}


@pytest.mark.parametrize("turn", range(len(UNDOCUMENTED)))
def test_an_undocumented_answer_is_unknown_and_done_once(
    provider: Any, port: PaymentProvider, turn: int
) -> None:
    """The provider's list of such answers goes round, so each is given to somebody."""
    name = uuid.uuid4().hex
    kept = port.mandate(
        reference=name, payment_method="pm_card_visa", currency="GBP", key=f"{name}:mandate"
    ).mandate
    asked = {
        "mandate": kept,
        "amount_minor": 500,
        "currency": "GBP",
        "reference": name,
        "key": f"{name}:charge",
    }
    provider.control(fail_next={"path": "/v1/payment_intents", **SPOIL})
    assert Outcome.UNKNOWN == port.charge(**asked).outcome
    paid = port.charge(**asked)
    assert Outcome.DONE == paid.outcome
    back = {
        "charge_id": paid.charge_id,
        "amount_minor": 200,
        "currency": "GBP",
        "reference": name,
        "key": f"{name}:refund",
    }
    provider.control(fail_next={"path": "/v1/refunds", **SPOIL})
    assert Outcome.UNKNOWN == port.refund(**back).outcome
    assert Outcome.DONE == port.refund(**back).outcome
    (item,) = [x for x in provider.get("/_book/charges")["items"] if x["id"] == paid.charge_id]
    assert (500, 200) == (item["amount"], item["amount_refunded"])
    assert 1 == provider.get("/_book/summary")["charges_per_reference"][name]
