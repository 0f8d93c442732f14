"""The fields of a camt message: amounts, directions, days, what the payer wrote."""

import re
from datetime import date
from functools import lru_cache
from typing import Final
from xml.etree.ElementTree import Element

from countmein.payments.bank.elements import child, text, texts
from countmein.payments.bank.entries import Direction
from countmein.rules.money import Money, MoneyRefused, exponent

_AMOUNT: Final = re.compile(r"\+?([0-9]{1,15})(?:\.([0-9]{0,5}))?")
_DAY: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[TZ+-].*)?")
_DIRECTIONS: Final = {"CRDT": Direction.CREDIT, "DBIT": Direction.DEBIT}
_SAYS_NOTHING: Final = frozenset({"", "NOTPROVIDED", "NONREF", "NOTAVAILABLE"})
#: The schema allows lines without number; nobody reads more, and it is stored.
_TEXT_LETTERS_AT_MOST: Final = 4_000


class FieldRefused(ValueError):
    """A field of an element is missing or is not what it should be."""


def amount_of(holder: Element) -> Money | None:
    """The amount (Amt) in minor units of its currency, None if there is none."""
    found = child(holder, "Amt")
    if found is None:
        return None
    currency, written = found.get("Ccy", ""), text(found)
    match = _AMOUNT.fullmatch(written)
    if match is None:
        raise FieldRefused(f"has an amount (Amt) that is none: {written[:40]!r}")
    try:
        digits = exponent(currency)
    except MoneyRefused as error:
        raise FieldRefused(f"has no currency people pay with (Amt): {currency[:9]!r}") from error
    part = match[2] or ""
    if part[digits:].strip("0"):
        raise FieldRefused(f"has an amount (Amt) finer than {currency} goes: {written}")
    return Money(amount_minor=int(match[1] + part[:digits].ljust(digits, "0")), currency=currency)


def direction_of(holder: Element) -> Direction | None:
    """The direction (CdtDbtInd), None if there is none."""
    written = text(holder, "CdtDbtInd")
    if written and written not in _DIRECTIONS:
        raise FieldRefused(f"goes neither way (CdtDbtInd): {written[:9]!r}")
    return _DIRECTIONS.get(written)


def moved(holder: Element) -> tuple[Money, Direction]:
    """Amount and direction of what must have both."""
    amount, direction = amount_of(holder), direction_of(holder)
    if amount is None or direction is None:
        raise FieldRefused("has no amount (Amt) or no direction (CdtDbtInd)")
    return amount, direction


def sign(direction: Direction) -> int:
    """What the direction does to a balance."""
    return 1 if direction is Direction.CREDIT else -1


def signed_minor(amount: Money, direction: Direction) -> int:
    """What amount and direction do to a balance."""
    return amount.amount_minor * sign(direction)


def day_of(holder: Element, *names: str) -> date:
    """The day under the first of the names that is there; times are as the bank has them."""
    for name in names:
        written = text(holder, name, "Dt") or text(holder, name, "DtTm")
        if written:
            return _day(name, written[:40])
    raise FieldRefused(f"has no day ({', '.join(names)})")


@lru_cache(maxsize=64)
def _day(name: str, written: str) -> date:
    match = _DAY.fullmatch(written)
    try:
        return date.fromisoformat(match[1] if match is not None else "")
    except ValueError as error:
        raise FieldRefused(f"has no day in {name}: {written!r}") from error


def said(written: str) -> str:
    """What a bank wrote into a field that it had to fill, empty if that means nothing."""
    return "" if written.upper() in _SAYS_NOTHING else written


def end_to_end_id(details: list[Element]) -> str:
    """The payer's own name for the payment."""
    return next(filter(None, (said(text(tx, "Refs", "EndToEndId")) for tx in details)), "")


def references(details: list[Element]) -> tuple[str, ...]:
    """The structured creditor references, as they are spelt."""
    return tuple(
        reference
        for tx in details
        for reference in texts(tx, "RmtInf", "Strd", "CdtrRefInf", "Ref")
    )


def written_by_payer(details: list[Element]) -> str:
    """The payer's words as one line; banks cut them anywhere, so gaps in it mean nothing."""
    lines = [
        line
        for tx in details
        for path in (("RmtInf", "Ustrd"), ("RmtInf", "Strd", "AddtlRmtInf"))
        for line in texts(tx, *path)
    ] or [text(tx, "AddtlTxInf") for tx in details]
    return " ".join(filter(None, lines))[:_TEXT_LETTERS_AT_MOST]


def counterparty(details: list[Element], role: str) -> tuple[str, str]:
    """Name and account of the party in this role; unknown for a batch that stays whole."""
    parties = child(details[0], "RltdPties") if len(details) == 1 else None
    if parties is None:
        return "", ""
    # Since 001.08 the name lies a level deeper.
    name = text(parties, role, "Pty", "Nm") or text(parties, role, "Nm")
    account = f"{role}Acct"
    number = text(parties, account, "Id", "IBAN") or text(parties, account, "Id", "Othr", "Id")
    return name, number.replace(" ", "")
