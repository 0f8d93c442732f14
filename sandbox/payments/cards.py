"""The public test cards: what saving and charging each of them answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """How the issuer says no: Stripe's error code, the issuer's own code and the sentence."""

    code: str
    decline_code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One test card; `on_save` and `on_charge` are its refusals, None where it says yes."""

    brand: str
    last4: str
    on_save: Decline | None = None
    on_charge: Decline | None = None


GENERIC = Decline(
    code="card_declined", decline_code="generic_decline", message="Your card was declined."
)
NO_FUNDS = Decline(
    code="card_declined",
    decline_code="insufficient_funds",
    message="Your card has insufficient funds.",
)
LOST = Decline(code="card_declined", decline_code="lost_card", message="Your card was declined.")
EXPIRED = Decline(
    code="expired_card", decline_code="expired_card", message="Your card has expired."
)
NOT_AUTHENTICATED = Decline(
    code="authentication_required",
    decline_code="authentication_required",
    message="Your card was declined. This transaction requires authentication.",
)


def _declined(*, last4: str, decline: Decline) -> Card:
    return Card(brand="visa", last4=last4, on_save=decline, on_charge=decline)


CARDS = {
    "pm_card_visa": Card(brand="visa", last4="4242"),
    "pm_card_mastercard": Card(brand="mastercard", last4="4444"),
    "pm_card_chargeCustomerFail": Card(brand="visa", last4="0341", on_charge=GENERIC),
    "pm_card_visa_chargeDeclined": _declined(last4="0002", decline=GENERIC),
    "pm_card_visa_chargeDeclinedInsufficientFunds": _declined(last4="9995", decline=NO_FUNDS),
    "pm_card_visa_chargeDeclinedLostCard": _declined(last4="9987", decline=LOST),
    "pm_card_chargeDeclinedExpiredCard": _declined(last4="0069", decline=EXPIRED),
    "pm_card_authenticationRequired": Card(brand="visa", last4="3184", on_charge=NOT_AUTHENTICATED),
}

BY_LAST4 = {card.last4: card for card in CARDS.values()}
