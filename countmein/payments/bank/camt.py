"""Reading statements: camt.053, versions 001.02 to 001.08, entry by entry in constant memory.

What a bank writes is believed only where it adds up: the payments of a batch to its entry, the
entries to the balances.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import BinaryIO, Final
from xml.etree.ElementTree import Element

from countmein.payments.bank import camt_fields as fields
from countmein.payments.bank.camt_fields import FieldRefused
from countmein.payments.bank.elements import (
    BankFileRefused,
    child,
    elements,
    every,
    text,
)
from countmein.payments.bank.entries import Direction, Entry, EntryIds, Statement
from countmein.rules.money import Money

_ROOT: Final = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.0[2-8] Document")
_EXPECTED: Final = "a bank statement (camt.053, version 001.02 to 001.08)"
#: Some 400,000 entries: more than a year of a busy account.
BYTES_AT_MOST: Final = 256 * 1024 * 1024
#: A batch of some 50,000 payments in one entry.
ENTRY_BYTES_AT_MOST: Final = 32 * 1024 * 1024

_OPENING: Final = ("OPBD", "PRCD")
_CLOSING: Final = ("CLBD",)


def read(
    file: BinaryIO,
    *,
    bytes_at_most: int = BYTES_AT_MOST,
    entry_bytes_at_most: int = ENTRY_BYTES_AT_MOST,
) -> Iterator[Entry | Statement]:
    """Every booked entry, and after the last one of each statement the statement itself.

    Take in a file as a whole or not at all: what is wrong at its end shows at its end.
    Raises BankFileRefused, with the line and the element, and nothing else.
    """
    ids, count = EntryIds(), 0
    sheet: _Sheet | None = None
    for found in elements(
        file,
        root=_ROOT,
        expected=_EXPECTED,
        depth=3,
        name="Ntry",
        bytes_at_most=bytes_at_most,
        element_bytes_at_most=entry_bytes_at_most,
    ):
        element, is_entry = found.element, found.element.tag == "Ntry"
        if not is_entry and element.tag != "Stmt":
            continue
        try:
            if sheet is None:
                count += 1
                sheet = _Sheet.begin(found.around if is_entry else element, ids)
            if is_entry:
                yield from sheet.entries(element)
            else:
                yield sheet.end(element)
        except FieldRefused as error:
            at_entry = sheet.read if sheet is not None and is_entry else 0
            raise BankFileRefused(_where(count, at_entry, element) + str(error)) from error
        if not is_entry:
            sheet = None
    if count == 0:
        raise BankFileRefused("the file holds no statement")


def _where(statement: int, entry: int, element: Element) -> str:
    """The place of an element in words, its own name for itself included."""
    name = text(element, "AcctSvcrRef") or text(element, "Id")
    inner = f", entry {entry} (Ntry" if entry else " (Stmt"
    return f"statement {statement}{inner}{f' {name[:40]}' if name else ''}) "


@dataclass(slots=True, kw_only=True)
class _Sheet:
    """The statement that is being read."""

    ids: EntryIds
    account: str
    statement_id: str
    #: Elements that were looked at, and entries made of them.
    read: int = 0
    count: int = 0
    moved: dict[str, int] = field(default_factory=dict)

    @classmethod
    def begin(cls, stmt: Element, ids: EntryIds) -> "_Sheet":
        account = text(stmt, "Acct", "Id", "IBAN") or text(stmt, "Acct", "Id", "Othr", "Id")
        if account == "":
            raise FieldRefused("is in a statement that does not say whose it is (Stmt/Acct/Id)")
        return cls(ids=ids, account=account.replace(" ", ""), statement_id=text(stmt, "Id"))

    def entries(self, ntry: Element) -> Iterator[Entry]:
        """The payments of one entry; none if it is not booked yet."""
        self.read += 1
        # Since 001.08 the status is a code within an element.
        status = text(ntry, "Sts", "Cd") or text(ntry, "Sts")
        if status == "":
            raise FieldRefused("has no status (Sts)")
        if status != "BOOK":
            return
        amount, direction = fields.moved(ntry)
        before = self.moved.get(amount.currency, 0)
        self.moved[amount.currency] = before + fields.signed_minor(amount, direction)
        whole = _Booking(
            amount=amount,
            direction=direction,
            reversal=text(ntry, "RvslInd") in ("true", "1"),
            bank_reference=fields.said(text(ntry, "AcctSvcrRef")),
            booked_on=fields.day_of(ntry, "BookgDt", "ValDt"),
            valued_on=fields.day_of(ntry, "ValDt", "BookgDt"),
            more=text(ntry, "AddtlNtryInf"),
        )
        for booking, details in _parts(ntry, whole):
            self.count += 1
            yield self._entry(booking, details)

    def _entry(self, booking: "_Booking", details: list[Element]) -> Entry:
        reversal = booking.reversal or any(tx.find("RtrInf") is not None for tx in details)
        is_from_debtor = (booking.direction is Direction.CREDIT) != reversal
        name, account = fields.counterparty(details, "Dbtr" if is_from_debtor else "Cdtr")
        end_to_end_id, references = fields.end_to_end_id(details), fields.references(details)
        written = fields.written_by_payer(details) or booking.more
        bank_reference = booking.bank_reference
        if len(details) == 1:
            bank_reference = fields.said(text(details[0], "Refs", "AcctSvcrRef")) or bank_reference
        valued = booking.valued_on.isoformat()
        return Entry(
            entry_id=self.ids.name(
                account=self.account,
                booked_on=booking.booked_on,
                amount=booking.amount,
                direction=booking.direction,
                bank_reference=bank_reference,
                said=(valued, end_to_end_id, *references, written, name, account),
            ),
            account=self.account,
            statement_id=self.statement_id,
            booked_on=booking.booked_on,
            valued_on=booking.valued_on,
            amount=booking.amount,
            direction=booking.direction,
            reversal=reversal,
            bank_reference=bank_reference,
            end_to_end_id=end_to_end_id,
            references=references,
            text=written,
            counterparty=name,
            counterparty_account=account,
        )

    def end(self, stmt: Element) -> Statement:
        """The statement, if its entries lead from one balance to the other."""
        (opening, opening_on), (closing, closing_on) = (
            _balance(stmt, codes) for codes in (_OPENING, _CLOSING)
        )
        if opening is not None and closing is not None:
            currency = opening.currency
            if closing.currency != currency or not self.moved.keys() <= {currency}:
                raise FieldRefused("has balances and entries in different currencies")
            moved = self.moved.get(currency, 0)
            if opening.amount_minor + moved != closing.amount_minor:
                raise FieldRefused(
                    f"does not add up: from {opening.amount_minor} by {moved} to "
                    f"{closing.amount_minor} (Bal, minor units of {currency})"
                )
        return Statement(
            account=self.account,
            statement_id=self.statement_id,
            entry_count=self.count,
            opening=opening,
            closing=closing,
            opening_on=opening_on,
            closing_on=closing_on,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Booking:
    """What an entry says about itself, before its payments are looked at."""

    amount: Money
    direction: Direction
    reversal: bool
    bank_reference: str
    booked_on: date
    valued_on: date
    more: str

    def part(self, moved_minor: int) -> "_Booking":
        """The same for one payment of it."""
        return replace(
            self,
            amount=Money(amount_minor=abs(moved_minor), currency=self.amount.currency),
            direction=Direction.CREDIT if moved_minor >= 0 else Direction.DEBIT,
        )


def _parts(ntry: Element, whole: _Booking) -> Iterator[tuple[_Booking, list[Element]]]:
    """Split an entry into its payments, and what the bank took for itself.

    What a single payment says of its amount may be in another currency or before charges: what
    was booked is what counts. A batch whose payments do not all say theirs stays whole.
    """
    details = every(ntry, "NtryDtls", "TxDtls")
    if len(details) < 2:
        yield whole, details
        return
    _check_count(ntry, len(details))
    said = [_part_minor(tx, whole) for tx in details]
    parts = [minor for minor in said if minor is not None]
    if len(parts) < len(details):
        yield whole, details
        return
    booked = fields.signed_minor(whole.amount, whole.direction)
    charges = booked - sum(parts)
    if charges not in (0, _charges(ntry, details, whole.amount.currency)):
        raise FieldRefused(
            f"does not add up: it moves {booked}, its payments (TxDtls) {sum(parts)} "
            f"(minor units of {whole.amount.currency})"
        )
    for minor, tx in zip(parts, details, strict=True):
        yield whole.part(minor), [tx]
    if charges:
        yield replace(whole.part(charges), more="charges of the bank"), []


def _check_count(ntry: Element, listed: int) -> None:
    said = [text(batch, "NbOfTxs") for batch in every(ntry, "NtryDtls", "Btch")]
    counts = [int(count) for count in said if count.isascii() and count.isdecimal()]
    # A bank may also give the count alone, or for some of the batches only.
    if counts and len(counts) == len(every(ntry, "NtryDtls")) and sum(counts) != listed:
        raise FieldRefused(f"says {sum(counts)} payments (NbOfTxs) and lists {listed} (TxDtls)")


def _part_minor(tx: Element, whole: _Booking) -> int | None:
    """What one payment moves, signed, if it says so in the currency of its entry."""
    direction = fields.direction_of(tx) or whole.direction
    for holder in (tx, child(tx, "AmtDtls", "TxAmt"), child(tx, "AmtDtls", "InstdAmt")):
        amount = None if holder is None else fields.amount_of(holder)
        if amount is not None and amount.currency == whole.amount.currency:
            return fields.signed_minor(amount, direction)
    return None


def _charges(ntry: Element, details: list[Element], currency: str) -> int:
    """What the bank says it took (below zero) or gave, for the entry or for its payments."""
    total = 0
    for holder in (ntry, *details):
        for charge in (*every(holder, "Chrgs"), *every(holder, "Chrgs", "Rcrd")):
            amount = fields.amount_of(charge)
            if amount is not None and amount.currency == currency:
                total += fields.signed_minor(amount, fields.direction_of(charge) or Direction.DEBIT)
    return total


def _balance(stmt: Element, codes: tuple[str, ...]) -> tuple[Money | None, date | None]:
    """The balance with the first of the codes that the statement has, and its day if it says."""
    balances = {text(bal, "Tp", "CdOrPrtry", "Cd"): bal for bal in every(stmt, "Bal")}
    found = next((balances[code] for code in codes if code in balances), None)
    if found is None:
        return None, None
    amount, direction = fields.moved(found)
    says_day = text(found, "Dt", "Dt") or text(found, "Dt", "DtTm")
    day = fields.day_of(found, "Dt") if says_day else None
    return (amount if direction is Direction.CREDIT else -amount), day
