"""The port between our promises and a payment provider, in our nouns."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from countmein.rules.money import Money


class Outcome(StrEnum):
    """What became of an outside call."""

    DONE = "done"
    #: The provider said no; nothing happened.
    REFUSED = "refused"
    #: It may or may not have happened: look it up, or repeat it with the same key.
    UNKNOWN = "unknown"
    #: Nothing happened by this call and nobody said no: the same call a little later, with the
    #: same key unless the result says that it needs a new one.
    RETRY_LATER = "retry_later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What every answer says; `permanent` means that another try cannot end differently.

    `needs_new_key` means that the provider has nothing under our reference, and will for ever
    answer with an error to this key: the one case in which another key is safe.
    """

    outcome: Outcome
    permanent: bool = False
    code: str = ""
    needs_new_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateResult(Result):
    """`mandate` is the provider's name for the leave to charge; only the provider reads it."""

    mandate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeResult(Result):
    """`amount` is what the provider says it took, None unless done."""

    charge_id: str = ""
    amount: Money | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundResult(Result):
    """`amount` is what the provider says it gave back, None unless done."""

    refund_id: str = ""
    amount: Money | None = None


class EventKind(StrEnum):
    """What a provider's event tells us; OTHER is anything we do not act on."""

    MANDATE_MADE = "mandate_made"
    MANDATE_REFUSED = "mandate_refused"
    CHARGE_PAID = "charge_paid"
    CHARGE_REFUSED = "charge_refused"
    CHARGE_REFUNDED = "charge_refunded"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEvent:
    """One signed event: `reference` is ours, `body` is all the provider sent.

    `amount` is what was charged in all, or refunded in all so far. Events arrive in any order
    and more than once, so `id` is what tells a repeat from news.
    """

    id: str
    kind: EventKind
    at: datetime
    body: Mapping[str, Any]
    reference: str = ""
    charge_id: str = ""
    amount: Money | None = None
    permanent: bool = False
    code: str = ""


class EventRefused(ValueError):
    """The event is not signed by the provider, is too old, or cannot be read."""


class ForgetFailed(Exception):
    """The provider has not confirmed that it forgot; safe to ask again."""


class PaymentProvider(Protocol):
    """Whoever can keep a mandate, charge it once, and give money back.

    `reference` is our own name for what the call is about and `key` names this one try: the
    same key never does a thing twice. Calls block for seconds at worst, never raise for what
    the provider answers, and may run in many threads.
    """

    def step_minor(self, currency: str) -> int:
        """The smallest amount it moves in this currency, in ISO 4217 minor units."""

    def mandate(
        self, *, reference: str, payment_method: str, currency: str, key: str
    ) -> MandateResult:
        """Keep this payment method, so that it can be charged later without its owner."""

    def charge(
        self, *, mandate: str, amount_minor: int, currency: str, reference: str, key: str
    ) -> ChargeResult:
        """Take the whole amount, or nothing."""

    def find_charge(self, *, mandate: str, reference: str) -> ChargeResult | None:
        """Find the charge with our reference, done or under way; None: nothing was taken."""

    def refund(
        self, *, charge_id: str, amount_minor: int, currency: str, reference: str, key: str
    ) -> RefundResult:
        """Give this much of a charge back."""

    def find_refund(self, *, charge_id: str, reference: str) -> RefundResult | None:
        """Find the refund with our reference, done or under way; None: nothing was given."""

    def forget(self, *, mandate: str) -> None:
        """Have the payment method deleted, once or again. Raises ForgetFailed."""

    def read_event(self, *, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        """Check and read an event the provider sent us. Raises EventRefused."""
