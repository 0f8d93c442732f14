"""Double entry kept as transfers: one positive amount from one account to another.

A transfer is shown as two postings, minus the amount at its source and plus the amount at its
destination, so no set of transfers can be unbalanced.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from countmein.rules.money import MoneyRefused, exponent


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One amount moved between two accounts; the legs of one event share their `entry`.

    Raises MoneyRefused unless the amount is a positive whole number of minor units of a known
    currency and the accounts are two.
    """

    entry: str
    kind: str
    source: str
    destination: str
    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        exponent(self.currency)
        if isinstance(self.amount_minor, bool) or not isinstance(self.amount_minor, int):
            raise MoneyRefused("a transfer moves a whole number of minor units")
        if self.amount_minor <= 0:
            raise MoneyRefused("a transfer moves a positive amount, a correction is a new one back")
        if not self.source or not self.destination or self.source == self.destination:
            raise MoneyRefused("a transfer joins two accounts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One side of a transfer; the amount is negative at the source."""

    account: str
    amount_minor: int
    currency: str


def postings(transfer: Transfer) -> tuple[Posting, Posting]:
    """The two sides of a transfer, source first."""
    amount_minor, currency = transfer.amount_minor, transfer.currency
    return (
        Posting(account=transfer.source, amount_minor=-amount_minor, currency=currency),
        Posting(account=transfer.destination, amount_minor=amount_minor, currency=currency),
    )


def balances(transfers: Iterable[Transfer]) -> dict[tuple[str, str], int]:
    """The balance in minor units of every (account, currency) that was ever touched."""
    balance_of: dict[tuple[str, str], int] = {}
    for transfer in transfers:
        for posting in postings(transfer):
            key = (posting.account, posting.currency)
            balance_of[key] = balance_of.get(key, 0) + posting.amount_minor
    return balance_of
