"""The port between our promises and a payment provider, in our nouns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol

from countmein.rules.dunning import Decline
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

    `decline` is what a refusal of the card's issuer says about the card.

    `needs_new_key` means that the provider has nothing under our reference, and will for ever
    answer with an error to this key: the one case in which another key is safe.
    """

    outcome: Outcome
    permanent: bool = False
    decline: Decline | None = None
    code: str = ""
    needs_new_key: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFace:
    """What a provider shows of a card; never more than that, and never its number."""

    brand: str
    last4: str
    #: The last day it is good for.
    expires_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateResult(Result):
    """`mandate` is the provider's name for the leave to charge; only the provider reads it."""

    mandate: str = ""
    card: CardFace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """What a hosted page is about, what it says, and where it leads back to."""

    reference: str
    currency: str
    words: str
    language: str
    return_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageResult(Result):
    """A page of the provider's that was made: its name, its address, and whose card it keeps."""

    page_id: str = ""
    url: str = ""
    customer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOutcome(Result):
    """What became of a page. It is open, or it is done, or it is over and nothing came of it."""

    is_open: bool = False
    is_done: bool = False
    mandate: str = ""
    card: CardFace | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountResult(Result):
    """An account that money can be paid out to, by the provider's name for it."""

    account_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeen:
    """An account as the provider shows it now: whether its owner is known to the provider, and
    as much of the bank account as lets one see a change; `fingerprint` is empty without one."""

    is_verified: bool
    bank_last4: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferResult(Result):
    """`amount` is what the provider says it passed on, None unless done."""

    transfer_id: str = ""
    amount: Money | None = None


class DisputeStatus(StrEnum):
    """How a dispute stands; `INQUIRY` is a question only, for which no money has moved."""

    INQUIRY = "inquiry"
    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeSeen:
    """A dispute as the provider shows it now; it names the charge as the provider does."""

    dispute_id: str
    charge_id: str
    amount: Money
    status: DisputeStatus
    reason: str
    opened_at: datetime
    answer_by: datetime | None


class LineKind(StrEnum):
    """What moved our balance at the provider."""

    CHARGE = "charge"
    REFUND = "refund"
    #: A refund that came back to us.
    REFUND_FAILED = "refund_failed"
    DISPUTE = "dispute"
    DISPUTE_WON = "dispute_won"
    #: A fee that is about no single charge.
    FEE = "fee"
    #: Our own money on its way to our bank, or passed on to a connected account.
    PAYOUT = "payout"
    TRANSFER = "transfer"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the provider's statement. Negative is money that leaves us; fees are positive.

    `source_id` and `charge_id` are the provider's names, `reference` is ours. Of what was passed
    on, or came back from there, `charge_id` is the name of the transfer.
    """

    line_id: str
    kind: LineKind
    at: datetime
    amount: Money
    fee: Money
    source_id: str = ""
    charge_id: str = ""
    reference: str = ""


class LookUpFailed(Exception):
    """The provider did not answer what it was asked; says nothing about what was asked for."""


class EventKind(StrEnum):
    """What a provider's event tells us; OTHER is anything we do not act on."""

    MANDATE_MADE = "mandate_made"
    MANDATE_REFUSED = "mandate_refused"
    CHARGE_PAID = "charge_paid"
    CHARGE_REFUSED = "charge_refused"
    CHARGE_REFUNDED = "charge_refunded"
    DISPUTED = "disputed"
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

    def least_minor(self, currency: str) -> int:
        """The smallest charge it makes in this currency, in ISO 4217 minor units."""

    def mandate(
        self, *, reference: str, payment_method: str, currency: str, key: str
    ) -> MandateResult:
        """Keep this payment method, so that it can be charged later without its owner."""

    def card_page(self, *, page: PageRequest, key: str) -> PageResult:
        """Make a page of the provider's on which a member gives a card to be charged later."""

    def payment_page(
        self, *, page: PageRequest, mandate: str, amount_minor: int, key: str
    ) -> PageResult:
        """Make a page on which a member pays in person what could not be taken without them."""

    def read_page(self, *, page_id: str) -> PageOutcome:
        """Look what became of a page."""

    def close_page(self, *, page_id: str) -> PageOutcome:
        """Shut a page that is still open; afterwards it is done or over."""

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

    def create_account(self, *, reference: str, email: str, key: str) -> AccountResult:
        """Make an account that money can be paid out to, once its owner has said who they are."""

    def account_page(self, *, account_id: str, return_url: str, retry_url: str) -> PageResult:
        """Make a page on which an account's owner says who they are and where the money goes."""

    def account(self, *, account_id: str) -> AccountSeen:
        """Look how an account stands. Raises LookUpFailed."""

    def transfer(
        self, *, account_id: str, amount_minor: int, currency: str, reference: str, key: str
    ) -> TransferResult:
        """Pass the whole amount on to an account, or nothing."""

    def find_transfer(self, *, account_id: str, reference: str) -> TransferResult | None:
        """Find the transfer with our reference, done or under way; None: nothing was passed on."""

    def forget(self, *, mandate: str) -> None:
        """Have the payment method deleted, once or again. Raises ForgetFailed."""

    def disputes(self, *, since: datetime) -> Iterator[DisputeSeen]:
        """List what was disputed since an instant. Raises LookUpFailed."""

    def dispute(self, *, dispute_id: str) -> DisputeSeen:
        """Look how one dispute stands. Raises LookUpFailed."""

    def lines(self, *, since: datetime, after: str = "") -> Iterator[Line]:
        """List our statement since an instant, the newest line first, a page in memory at a time.

        `after` goes on behind a line of an earlier listing. Raises LookUpFailed.
        """

    def read_event(self, *, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        """Check and read an event the provider sent us. Raises EventRefused."""
