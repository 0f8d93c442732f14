"""Stripe's webhooks: check the signature, then read the event in our nouns."""

import json
from datetime import UTC, datetime, timedelta
from typing import Final

import stripe

from countmein.payments.providers.port import EventKind, EventRefused, ProviderEvent
from countmein.payments.providers.stripe_answers import Object, our_reference
from countmein.payments.providers.stripe_tables import DECLINES, EVENTS, from_units
from countmein.rules.dunning import Decline

# How far a webhook's clock may be from ours; Stripe's own default.
TOLERANCE: Final = timedelta(seconds=300)

# Where the amount of each event stands.
_AMOUNT_OF: Final = {
    EventKind.CHARGE_PAID: "amount_received",
    EventKind.CHARGE_REFUNDED: "amount_refunded",
}

# Where the charge of each event stands, if not as the latest of an intent.
_CHARGE_OF: Final = {EventKind.CHARGE_REFUNDED: "id", EventKind.DISPUTED: "charge"}


def read(*, body: bytes, signature: str, secret: str, now: datetime) -> ProviderEvent:
    """Return the event in a signed body. Raises EventRefused."""
    _check_signature(body, signature=signature, secret=secret, now=now)
    try:
        return _event(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise EventRefused("not an event as Stripe documents it") from error


def _check_signature(body: bytes, *, signature: str, secret: str, now: datetime) -> None:
    # The SDK compares the age with its own clock, and trips over letters beyond ASCII.
    try:
        signature.encode("ascii")
        stripe.WebhookSignature.verify_header(body, signature, secret)
        stamps = [part[2:] for part in signature.split(",") if part.startswith("t=")]
        signed_at = datetime.fromtimestamp(int(stamps[0]), UTC)
    except (stripe.SignatureVerificationError, ValueError, OverflowError, OSError) as error:
        raise EventRefused("the signature does not fit") from error
    if abs(now - signed_at) > TOLERANCE:
        raise EventRefused("the signature is too old")


def _event(body: Object) -> ProviderEvent:
    kind = EVENTS.get(body["type"], EventKind.OTHER)
    subject = body["data"]["object"]
    amount_name = _AMOUNT_OF.get(kind)
    error = subject.get("last_setup_error") or subject.get("last_payment_error") or {}
    code = error.get("decline_code") or error.get("code") or ""
    charge_id = subject.get(_CHARGE_OF.get(kind, "latest_charge"))
    return ProviderEvent(
        id=str(body["id"]),
        kind=kind,
        at=datetime.fromtimestamp(int(body["created"]), UTC),
        body=body,
        reference=our_reference(subject),
        charge_id=charge_id or "",
        amount=from_units(subject[amount_name], subject["currency"]) if amount_name else None,
        permanent=DECLINES.get(code) is Decline.hard,
        code=code,
    )
