"""What is peculiar to Stripe, as tables: declines, refusals, odd currencies, events."""

from collections.abc import Mapping
from typing import Final

from countmein.payments.providers.port import EventKind
from countmein.rules.dunning import Decline
from countmein.rules.money import Money

# A card that says one of these will not say yes later, and asking again costs network fees.
# Source: Stripe's pages on declines and on hard declines; Visa's category 1; Mastercard's advice
# codes 03 and 21.
_HARD: Final = frozenset(
    {
        "card_not_supported",
        "currency_not_supported",
        "expired_card",
        "fraudulent",
        "highest_risk_level",
        "incorrect_number",
        "invalid_account",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "invalid_number",
        "live_mode_test_card",
        "lost_card",
        "merchant_blacklist",
        "new_account_information_available",
        "no_such_card",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "stolen_card",
        "stop_payment_order",
        "testmode_decline",
        "transaction_not_allowed",
    }
)

# Its owner has to be there.
_AUTHENTICATE: Final = ("authentication_required", "authentication_not_handled")

# What each decline says of a card. One that is not listed is soft: lack of funds, a busy issuer,
# a bank that gives no reason (generic_decline).
DECLINES: Final[Mapping[str, Decline]] = {
    **dict.fromkeys(_HARD, Decline.hard),
    **dict.fromkeys(_AUTHENTICATE, Decline.authenticate),
}

# Requests refused for what they ask, which the same request will always ask. Anything else
# that Stripe calls invalid may be our own mistake, so it must not cost a member the pledge.
PERMANENT_REFUSALS: Final = frozenset(
    {
        "amount_too_large",
        "amount_too_small",
        "charge_already_refunded",
        "charge_disputed",
        "resource_missing",
    }
)

# Stripe counts these otherwise than ISO 4217 does: units per minor unit as (times, by).
# ISK and UGX have no decimals but are written with two; MGA has two but is written with none.
# Source: Stripe's page on currencies, zero-decimal currencies and special cases.
_UNITS: Final[Mapping[str, tuple[int, int]]] = {"ISK": (100, 1), "UGX": (100, 1), "MGA": (1, 100)}

# Three-decimal currencies are only moved in steps of ten.
_STEPS: Final[Mapping[str, int]] = dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 10)

# The smallest charge in each currency, in its minor units, where the account's own currency is the
# same; of the others only Stripe knows. Source: Stripe's page on currencies, minimum amounts.
LEAST_MINOR: Final[Mapping[str, int]] = {
    **dict.fromkeys(("AUD", "BRL", "CAD", "CHF", "EUR", "INR", "JPY", "NZD", "SGD", "USD"), 50),
    "GBP": 30,
    "BGN": 100,
    **dict.fromkeys(("AED", "MYR", "PLN", "RON"), 200),
    "DKK": 250,
    **dict.fromkeys(("NOK", "SEK"), 300),
    "HKD": 400,
    **dict.fromkeys(("MXN", "THB"), 1000),
    "CZK": 1500,
    "HUF": 17500,
}

# The languages that Stripe speaks on its own pages; in any other it takes the browser's.
PAGE_LANGUAGES: Final = frozenset(
    {
        *("bg", "cs", "da", "de", "el", "en-gb", "es", "et", "fi", "fr", "hr", "hu", "id", "it"),
        *("ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "ro", "ru", "sk", "sl"),
        *("sv", "th", "tr", "vi", "zh"),
    }
)

EVENTS: Final[Mapping[str, EventKind]] = {
    "setup_intent.succeeded": EventKind.MANDATE_MADE,
    "setup_intent.setup_failed": EventKind.MANDATE_REFUSED,
    "payment_intent.succeeded": EventKind.CHARGE_PAID,
    "payment_intent.payment_failed": EventKind.CHARGE_REFUSED,
    "charge.refunded": EventKind.CHARGE_REFUNDED,
    "charge.dispute.created": EventKind.DISPUTED,
    "charge.dispute.updated": EventKind.DISPUTED,
    "charge.dispute.closed": EventKind.DISPUTED,
    "charge.dispute.funds_withdrawn": EventKind.DISPUTED,
    "charge.dispute.funds_reinstated": EventKind.DISPUTED,
}


class NotInUnits(ValueError):
    """The amount is finer than Stripe moves in this currency."""


def to_units(amount: Money) -> int:
    """Return the amount as Stripe counts it. Raises NotInUnits."""
    times, by = _UNITS.get(amount.currency, (1, 1))
    if amount.amount_minor % by or amount.amount_minor % _STEPS.get(amount.currency, 1):
        raise NotInUnits(amount.currency)
    return amount.amount_minor * times // by


def from_units(units: int, currency: str) -> Money:
    """Return what Stripe counts as `units` of its lower-case `currency`; they may be negative."""
    code = currency.upper()
    times, by = _UNITS.get(code, (1, 1))
    amount_minor = abs(units) * by // times
    return Money(amount_minor=-amount_minor if units < 0 else amount_minor, currency=code)


def step_minor(currency: str) -> int:
    """The smallest amount that Stripe moves in this currency, in its ISO 4217 minor units."""
    return max(_STEPS.get(currency, 1), _UNITS.get(currency, (1, 1))[1])
