"""A provider's events are read only if it signed them, lately, and as documented."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from countmein.payments.providers import EventKind, EventRefused, PaymentProvider


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body, signature, now: (body.replace(b"500", b"900"), signature, now),
        lambda body, signature, now: (body, signature, now + timedelta(seconds=301)),
        lambda body, signature, now: (body, signature, now - timedelta(seconds=301)),
        lambda body, signature, now: (body, "", now),
        lambda body, signature, now: (body, "t=1,v1=é", now),
        lambda body, signature, now: (body, f"t={'9' * 5000},v1=0", now),
        lambda body, signature, now: (b"\xff\xfe", signature, now),
    ],
)
def test_an_event_that_is_not_signed_right_is_refused(port: PaymentProvider, spoil: Any) -> None:
    now = datetime.now(UTC)
    body, signature = signed({"id": "evt_1", "created": 1, "type": "x", "data": {"object": {}}})
    body, signature, now = spoil(body + b" 500 ", signature, now)
    with pytest.raises(EventRefused):
        port.read_event(body=body, signature=signature, now=now)


def test_an_event_nobody_documented_is_read_as_other_and_a_broken_one_refused(
    port: PaymentProvider,
) -> None:
    now = datetime.now(UTC)
    body, signature = signed({"id": "e", "created": 1, "type": "new", "data": {"object": {}}})
    assert EventKind.OTHER == port.read_event(body=body, signature=signature, now=now).kind
    for broken in ([], {"id": "e"}, {"id": "e", "type": "charge.refunded", "data": {"object": {}}}):
        body, signature = signed(broken)
        with pytest.raises(EventRefused):
            port.read_event(body=body, signature=signature, now=now)


def signed(content: object) -> tuple[bytes, str]:
    body = json.dumps(content)
    return body.encode(), stripe.WebhookSignature.generate_signature_header(body, "whsec_sandbox")
