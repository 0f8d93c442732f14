"""Who can take money for us: one port in our nouns, one entry per provider."""

from typing import Final

from countmein.payments.providers.port import (
    AccountResult,
    AccountSeen,
    CardFace,
    ChargeResult,
    DisputeSeen,
    DisputeStatus,
    EventKind,
    EventRefused,
    ForgetFailed,
    Line,
    LineKind,
    LookUpFailed,
    MandateResult,
    Outcome,
    PageOutcome,
    PageRequest,
    PageResult,
    PaymentProvider,
    ProviderEvent,
    RefundResult,
    Result,
    TransferResult,
)
from countmein.payments.providers.stripe import Stripe

__all__ = [
    "PROVIDERS",
    "AccountResult",
    "AccountSeen",
    "CardFace",
    "ChargeResult",
    "DisputeSeen",
    "DisputeStatus",
    "EventKind",
    "EventRefused",
    "ForgetFailed",
    "Line",
    "LineKind",
    "LookUpFailed",
    "MandateResult",
    "Outcome",
    "PageOutcome",
    "PageRequest",
    "PageResult",
    "PaymentProvider",
    "ProviderEvent",
    "RefundResult",
    "Result",
    "TransferResult",
]

PROVIDERS: Final[dict[str, PaymentProvider]] = {"stripe": Stripe()}
