"""The public test cards: what saving and charging each of them answers."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """How the issuer says no: Stripe's error code, the issuer's own code and the sentence."""

    code: str
    decline_code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One test card; `on_save` and `on_charge` are its refusals, None where it says yes.

    `challenge` is "" (never), "setup" (asks its owner once, when it is saved) or "always".
    `dispute` is the reason its owner disputes the charge for; `refund` is "pending" (arrives
    later) or "fails" (comes back later).
    """

    number: str
    brand: str = "visa"
    says: str = "works"
    on_save: Decline | None = None
    on_charge: Decline | None = None
    challenge: str = ""
    dispute: str = ""
    refund: str = ""
    is_instant: bool = False

    @property
    def last4(self) -> str:
        """The digits that stand on receipts; they tell the test cards apart."""
        return self.number[-4:]

    @property
    def fingerprint(self) -> str:
        """The same for the same number, wherever it is typed."""
        return hashlib.sha256(self.number.encode()).hexdigest()[:16]


def _no(code: str, message: str = "Your card was declined.", *, own: str = "") -> Decline:
    return Decline(code=own or "card_declined", decline_code=code, message=message)


GENERIC = _no("generic_decline")
NO_FUNDS = _no("insufficient_funds", "Your card has insufficient funds.")
LOST = _no("lost_card")
STOLEN = _no("stolen_card")
EXPIRED = _no("expired_card", "Your card has expired.", own="expired_card")
WRONG_CVC = _no("incorrect_cvc", "Your card's security code is incorrect.", own="incorrect_cvc")
BUSY = _no(
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
    own="processing_error",
)
TOO_OFTEN = _no("card_velocity_exceeded")
NOT_A_TEST_CARD = _no(
    "test_mode_live_card",
    "Your card was declined. Your request was in test mode, but used a non test card.",
)
NOT_AUTHENTICATED = _no(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    own="authentication_required",
)


def _declined(number: str, decline: Decline, says: str) -> Card:
    return Card(number=number, on_save=decline, on_charge=decline, says=says)


CARDS = {
    "pm_card_visa": Card(number="4242424242424242"),
    "pm_card_mastercard": Card(number="5555555555554444", brand="mastercard"),
    "pm_card_amex": Card(number="378282246310005", brand="amex"),
    "pm_card_visa_debit": Card(number="4000056655665556"),
    "pm_card_authenticationRequiredOnSetup": Card(
        number="4000002500003155", challenge="setup", says="asks_once"
    ),
    "pm_card_authenticationRequired": Card(
        number="4000002760003184", challenge="always", says="asks_always"
    ),
    "pm_card_threeDSecure2Required": Card(
        number="4000000000003220", challenge="always", says="asks_always"
    ),
    "pm_card_chargeCustomerFail": Card(
        number="4000000000000341", on_charge=GENERIC, says="fails_later"
    ),
    "pm_card_visa_chargeDeclined": _declined("4000000000000002", GENERIC, "declined"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": _declined(
        "4000000000009995", NO_FUNDS, "no_funds"
    ),
    "pm_card_visa_chargeDeclinedLostCard": _declined("4000000000009987", LOST, "lost"),
    "pm_card_visa_chargeDeclinedStolenCard": _declined("4000000000009979", STOLEN, "stolen"),
    "pm_card_chargeDeclinedExpiredCard": _declined("4000000000000069", EXPIRED, "expired"),
    "pm_card_chargeDeclinedIncorrectCvc": _declined("4000000000000127", WRONG_CVC, "wrong_cvc"),
    "pm_card_chargeDeclinedProcessingError": _declined("4000000000000119", BUSY, "busy"),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": _declined(
        "4000000000006975", TOO_OFTEN, "declined"
    ),
    "pm_card_createDispute": Card(number="4000000000000259", dispute="fraudulent", says="disputed"),
    "pm_card_createDisputeProductNotReceived": Card(
        number="4000000000002685", dispute="product_not_received", says="disputed"
    ),
    "pm_card_pendingRefund": Card(
        number="4000000000007726", refund="pending", says="refund_pending"
    ),
    "pm_card_refundFail": Card(number="4000000000005126", refund="fails", says="refund_fails"),
    "pm_card_bypassPending": Card(number="4000000000000077", is_instant=True),
}

BY_LAST4 = {card.last4: card for card in CARDS.values()}
BY_NUMBER = {card.number: card for card in CARDS.values()}

# The table a visitor of the hosted page chooses from.
OFFERED = tuple(
    CARDS[f"pm_card_{name}"]
    for name in (
        "visa",
        "mastercard",
        "authenticationRequiredOnSetup",
        "authenticationRequired",
        "chargeCustomerFail",
        "visa_chargeDeclined",
        "visa_chargeDeclinedInsufficientFunds",
        "chargeDeclinedExpiredCard",
        "createDispute",
        "refundFail",
    )
)


def passes_luhn(number: str) -> bool:
    """Whether the last digit of a card number fits the others."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
