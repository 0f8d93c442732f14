"""Stripe calls in: an event is stored once if its signature holds, and not at all otherwise."""

import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from countmein.payments.models import ProviderEvent

EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "payment_intent.succeeded",
    "created": 1_700_000_000,
    "data": {
        "object": {
            "id": "pi_1",
            "object": "payment_intent",
            "metadata": {},
            "latest_charge": "ch_1",
            "amount_received": 2500,
            "currency": "gbp",
        }
    },
}


def call(body: bytes, *, secret: str = "", at: int | None = None) -> Any:
    """Post an event as the provider does."""
    at = int(time.time()) if at is None else at
    secret = secret or settings.STRIPE_WEBHOOK_SECRET
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return Client().post(
        "/hooks/stripe",
        body,
        content_type="application/json",
        headers={"Stripe-Signature": f"t={at},v1={signed}"},
    )


def test_a_signed_event_is_stored_once(transactional_db: None) -> None:
    body = json.dumps(EVENT).encode()
    for _ in range(2):
        answer = call(body)
        assert 200 == answer.status_code, answer.content
    (row,) = ProviderEvent.objects.all()
    assert ("stripe", "evt_1", None) == (row.provider, row.event_id, row.read_at)


@pytest.mark.parametrize("how", [{"secret": "whsec_wrong"}, {"at": 1_600_000_000}])
def test_a_forged_or_old_event_is_refused(transactional_db: None, how: dict[str, Any]) -> None:
    answer = call(json.dumps(EVENT).encode(), **how)
    assert 400 == answer.status_code
    assert "application/problem+json" == answer["Content-Type"]
    assert 0 == ProviderEvent.objects.count()


def test_a_signed_text_that_is_no_event_is_refused(transactional_db: None) -> None:
    for body in (b"", b"{", b"[]", b"{}", b"\xff"):
        assert 400 == call(body).status_code
    assert 413 == call(b" " * (256 * 1024 + 1)).status_code
    assert 405 == Client().get("/hooks/stripe").status_code
