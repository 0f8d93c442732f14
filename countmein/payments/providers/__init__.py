"""Who can take money for us: one port in our nouns, one entry per provider."""

from typing import Final

from countmein.payments.providers.port import (
    ChargeResult,
    EventKind,
    EventRefused,
    ForgetFailed,
    MandateResult,
    Outcome,
    PaymentProvider,
    ProviderEvent,
    RefundResult,
)
from countmein.payments.providers.stripe import Stripe

__all__ = [
    "PROVIDERS",
    "ChargeResult",
    "EventKind",
    "EventRefused",
    "ForgetFailed",
    "MandateResult",
    "Outcome",
    "PaymentProvider",
    "ProviderEvent",
    "RefundResult",
]

PROVIDERS: Final[dict[str, PaymentProvider]] = {"stripe": Stripe()}
