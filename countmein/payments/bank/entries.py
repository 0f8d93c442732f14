"""The nouns of a bank statement, as every other file here understands them."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from countmein.rules.canonical import digest
from countmein.rules.money import Money


class Direction(StrEnum):
    """Which way the money went, seen from our account."""

    CREDIT = "credit"
    DEBIT = "debit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One booked movement on our account; a batch of the bank's is one entry per payment.

    `amount` is positive. `entry_id` is the same whenever the bank tells the same movement again,
    in whichever file. `reversal` says that it takes an earlier movement back: a credit that is a
    reversal is our own payment coming home. `references` is what the bank gave as structured
    reference, `text` what the payer wrote; both are the payer's words, in any spelling.
    """

    entry_id: str
    account: str
    statement_id: str
    booked_on: date
    valued_on: date
    amount: Money
    direction: Direction
    reversal: bool = False
    bank_reference: str = ""
    end_to_end_id: str = ""
    references: tuple[str, ...] = ()
    text: str = ""
    counterparty: str = ""
    counterparty_account: str = ""

    @property
    def signed_minor(self) -> int:
        """What it does to the account's balance."""
        return self.amount.amount_minor * (1 if self.direction is Direction.CREDIT else -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The end of one statement; its entries came before it.

    `opening` and `closing` are what the bank says, None if it does not, and the days they are
    for. Where both are there, the entries lead from one to the other, or the statement would have
    been refused.
    """

    account: str
    statement_id: str
    entry_count: int
    opening: Money | None
    closing: Money | None
    opening_on: date | None = None
    closing_on: date | None = None

    @property
    def is_proved(self) -> bool:
        """Whether the balances show that no entry is missing."""
        return self.opening is not None and self.closing is not None


class EntryIds:
    """Names for the entries of one file, which the next file with the same entries gives again.

    The bank's own reference is used if it gives one. It is not trusted to be unique, because some
    banks repeat it within a batch: the amount and the day go in as well, and of entries that are
    alike in everything the second is the second. Without a reference, all that the bank says
    about the payment takes its place, but not the name of the statement: that is new each time a
    statement is downloaded, and two downloads may overlap.
    """

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def name(
        self,
        *,
        account: str,
        booked_on: date,
        amount: Money,
        direction: Direction,
        bank_reference: str,
        said: tuple[str, ...],
    ) -> str:
        """The id of an entry; `said` is all else that the bank tells about it."""
        about = (bank_reference,) if bank_reference else said
        moved = f"{direction.value} {amount.amount_minor} {amount.currency}"
        fields = (account, booked_on.isoformat(), moved, *about)
        alike = digest("bank-entry", *(" ".join(field.split()) for field in fields))
        count = self._seen[alike] = self._seen.get(alike, 0) + 1
        return alike if count == 1 else digest("bank-entry", alike, str(count))
