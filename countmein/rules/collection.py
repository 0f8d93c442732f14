"""What can be expected of what was pledged, how long charging takes, and whether a batch may start.

Told in docs/rules/cards.md.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from countmein.rules.money import Money, MoneyRefused

WHOLE_BP: Final = 10_000
#: What is assumed before the site has charges of its own, worth as much as so many charges.
#: Of crowdfunded pledges 3 to 10 % are lost after the tip (add-on vendors' reports).
PRIOR_BP: Final = 9_300
PRIOR_CHARGES: Final = 1_000


class BatchRefused(MoneyRefused):
    """The planned charges are not what was pledged; not one of them may be made."""


def expected_share_bp(*, charged: int, paid: int) -> int:
    """The share of charges that succeed, in basis points, rounded down.

    Of `charged` earlier charges `paid` succeeded; the fewer there are, the more weighs the prior.
    """
    if not 0 <= paid <= charged:
        raise MoneyRefused("no more charges were paid than were made")
    return (PRIOR_BP * PRIOR_CHARGES + WHOLE_BP * paid) // (PRIOR_CHARGES + charged)


def expected_minor(pledged_minor: int, *, charged: int, paid: int) -> int:
    """What may be expected to come in of what was pledged, rounded down."""
    if pledged_minor < 0:
        raise MoneyRefused("nobody pledges less than nothing")
    return pledged_minor * expected_share_bp(charged=charged, paid=paid) // WHOLE_BP


def minutes_left(charges_left: int, *, per_second: int) -> int:
    """How many minutes the charges left take at the provider's allowance, rounded up."""
    if charges_left < 0 or per_second <= 0:
        raise MoneyRefused("charges take time at some rate")
    return -(-charges_left // (60 * per_second))


def check_batch(pledged_by_kind: Mapping[str, Money], charges: Iterable[Money]) -> None:
    """Raises BatchRefused unless the planned charges add up to what was pledged, to the last unit.

    By currency, over all kinds that are charged: amounts a hundred times too high, another
    currency's decimals or a batch planned twice cannot start. A charge of nothing or less is
    refused too, for it could hide another.
    """
    planned, pledged = Counter[str](), Counter[str]()
    for charge in charges:
        if charge.amount_minor <= 0:
            raise BatchRefused("a charge takes a positive amount")
        planned[charge.currency] += charge.amount_minor
    for amount in pledged_by_kind.values():
        pledged[amount.currency] += amount.amount_minor
    for currency in sorted(planned.keys() | pledged.keys()):
        if planned[currency] != pledged[currency]:
            detail = f"{planned[currency]} are to be charged and {pledged[currency]} were pledged"
            raise BatchRefused(f"{currency}: {detail}")


def is_allowed(
    amount_minor: int, *, allowed_minor: int, now: datetime, latest_at: datetime
) -> bool:
    """Whether a charge is within what its member allowed: the amount at most, the day at latest."""
    return amount_minor <= allowed_minor and now <= latest_at
