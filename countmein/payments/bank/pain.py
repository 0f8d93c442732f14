"""Sending money: payment orders (pain.001.001.09), and what the bank says to them (pain.002).

An order is made of nothing but its arguments, byte for byte: after a crash between writing and
sending, the same order is made again, and the bank refuses the second as a duplicate by its id.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import chain
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from countmein.payments.bank.elements import document, every, text, texts
from countmein.payments.bank.latin import latin
from countmein.rules.money import Money, decimal_text
from countmein.rules.remittance import BicRefused, IbanRefused, bic_text, iban_text

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_ID: Final = re.compile(r"[A-Za-z0-9+?:().,'-](?:[A-Za-z0-9+?:().,' /-]{0,33}[A-Za-z0-9])?")
_NAME_LETTERS_AT_MOST: Final = 70
_TEXT_LETTERS_AT_MOST: Final = 140
#: The bound of SEPA, 999,999,999.99; other currencies get the same in their own units.
_MINOR_AT_MOST: Final = 99_999_999_999

_STATUS: Final = re.compile(r"urn:iso:std:iso:20022:tech:xsd:pain\.002\.001\.[0-9]{2} Document")


class OrderRefused(ValueError):
    """A payment or an order that no bank would take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An account and whose it is; spelt as banks carry it. The BIC is only needed outside SEPA.

    Raises OrderRefused, or LettersRefused for a name in another alphabet.
    """

    name: str
    iban: str
    bic: str = ""

    def __post_init__(self) -> None:
        name = latin(self.name)
        if not 1 <= len(name) <= _NAME_LETTERS_AT_MOST:
            raise OrderRefused(f"a name has 1 to {_NAME_LETTERS_AT_MOST} letters")
        try:
            object.__setattr__(self, "iban", iban_text(self.iban))
            object.__setattr__(self, "bic", bic_text(self.bic) if self.bic else "")
        except (IbanRefused, BicRefused) as error:
            raise OrderRefused(str(error)) from error
        object.__setattr__(self, "name", name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One payment of an order. `id` is our refund's or payout's, and comes back to us with it.

    `text` is for the one who gets it. Raises OrderRefused or LettersRefused.
    """

    id: str
    to: Party
    amount: Money
    text: str = ""

    def __post_init__(self) -> None:
        _check_id(self.id)
        if not 1 <= self.amount.amount_minor <= _MINOR_AT_MOST:
            raise OrderRefused("a payment moves something, and less than a billion")
        text = latin(self.text)
        if len(text) > _TEXT_LETTERS_AT_MOST:
            raise OrderRefused(f"the text has at most {_TEXT_LETTERS_AT_MOST} letters")
        object.__setattr__(self, "text", text)


def _check_id(written: str) -> None:
    if _ID.fullmatch(written) is None or "//" in written:
        raise OrderRefused("an id has 1 to 35 letters and digits, and no slash at its ends")


def order(
    *,
    message_id: str,
    created_at: datetime,
    execute_on: date,
    debtor: Party,
    transfers: Sequence[Transfer],
) -> bytes:
    """The order to make these payments from the debtor's account, all in one currency.

    Count and sum stand in the header and over the batch, so that a part of the file cannot pass
    for the whole. Raises OrderRefused: no payments, two with one id, or several currencies.
    """
    _check_id(message_id)
    currencies = {transfer.amount.currency for transfer in transfers}
    if len(currencies) != 1:
        raise OrderRefused("an order has payments, and all in one currency")
    if len({transfer.id for transfer in transfers}) != len(transfers):
        raise OrderRefused("two payments of the order have the same id")
    (currency,) = currencies
    total = sum(transfer.amount.amount_minor for transfer in transfers)
    sums = (("NbOfTxs", str(len(transfers))), ("CtrlSum", decimal_text(total, currency)))
    root = Element("Document", xmlns=NAMESPACE)
    message = SubElement(root, "CstmrCdtTrfInitn")
    header = SubElement(message, "GrpHdr")
    _put(header, "MsgId", message_id)
    _put(header, "CreDtTm", created_at.replace(microsecond=0).isoformat())
    for name, value in sums:
        _put(header, name, value)
    _put(header, "InitgPty/Nm", debtor.name)
    batch = SubElement(message, "PmtInf")
    _put(batch, "PmtInfId", message_id)
    _put(batch, "PmtMtd", "TRF")
    # Each payment is booked by itself, so that each comes back on the statement with its id.
    _put(batch, "BtchBookg", "false")
    for name, value in sums:
        _put(batch, name, value)
    is_sepa = currency == "EUR"
    if is_sepa:
        _put(batch, "PmtTpInf/SvcLvl/Cd", "SEPA")
    _put(batch, "ReqdExctnDt/Dt", execute_on.isoformat())
    _put(batch, "Dbtr/Nm", debtor.name)
    _put(batch, "DbtrAcct/Id/IBAN", debtor.iban)
    _put_bank(batch, "DbtrAgt", debtor.bic or None)
    _put(batch, "ChrgBr", "SLEV" if is_sepa else "SHAR")
    for transfer in transfers:
        _put_transfer(SubElement(batch, "CdtTrfTxInf"), transfer)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _put_transfer(element: Element, transfer: Transfer) -> None:
    _put(element, "PmtId/EndToEndId", transfer.id)
    amount = transfer.amount
    written = decimal_text(amount.amount_minor, amount.currency)
    _put(element, "Amt/InstdAmt", written).set("Ccy", amount.currency)
    if transfer.to.bic:
        _put_bank(element, "CdtrAgt", transfer.to.bic)
    _put(element, "Cdtr/Nm", transfer.to.name)
    _put(element, "CdtrAcct/Id/IBAN", transfer.to.iban)
    if transfer.text:
        _put(element, "RmtInf/Ustrd", transfer.text)


def _put_bank(element: Element, name: str, bic: str | None) -> None:
    """The bank of an account, which must be named: by its code, or as not provided."""
    if bic is None:
        _put(element, f"{name}/FinInstnId/Othr/Id", "NOTPROVIDED")
    else:
        _put(element, f"{name}/FinInstnId/BICFI", bic)


def _put(element: Element, path: str, value: str) -> Element:
    """Add elements one within the other, the last with this text."""
    for name in path.split("/"):
        element = SubElement(element, name)
    element.text = value
    return element


class Status(StrEnum):
    """What the bank has said of a payment. None of it proves payment: the statement does."""

    ACCEPTED = "accepted"
    #: Booked, by the bank's word.
    SETTLED = "settled"
    REJECTED = "rejected"
    PENDING = "pending"
    #: The bank has not said anything of it.
    UNKNOWN = "unknown"


_STATUSES: Final = {
    **dict.fromkeys(("ACCP", "ACSP", "ACTC", "ACWC", "ACWP", "ACFC", "RCVD"), Status.ACCEPTED),
    **dict.fromkeys(("ACSC", "ACCC"), Status.SETTLED),
    **dict.fromkeys(("RJCT", "CANC"), Status.REJECTED),
    **dict.fromkeys(("PDNG", "PATC", "BLCK"), Status.PENDING),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A status, and why: the bank's code (such as AC04, account closed) and words."""

    status: Status
    code: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """What the bank says to one order: to all of it, and to single payments by our ids."""

    message_id: str
    whole: Said
    transfers: dict[str, Said]

    def of(self, transfer_id: str) -> Said:
        """What is known of one payment.

        What is said of the whole counts for each of which nothing else is said. Of an order that
        is accepted in part, the payments that are not named are unknown until the statement.
        """
        return self.transfers.get(transfer_id, self.whole)


def read_status(body: bytes) -> StatusReport:
    """What a status report (pain.002) says. Raises BankFileRefused."""
    report = document(
        body, root=_STATUS, expected="a status report (pain.002)", message="CstmrPmtStsRpt"
    )
    transfers: dict[str, Said] = {}
    for batch in every(report, "OrgnlPmtInfAndSts"):
        for payment in every(batch, "TxInfAndSts"):
            name = text(payment, "OrgnlEndToEndId")
            transfers[name] = _said(payment, text(payment, "TxSts") or text(batch, "PmtInfSts"))
    group, batches = every(report, "OrgnlGrpInfAndSts"), every(report, "OrgnlPmtInfAndSts")
    spoken = next(
        (
            said
            for element, name in chain(
                ((element, "GrpSts") for element in group),
                # We send one batch an order, so what is said of it is said of the order.
                ((element, "PmtInfSts") for element in batches[:1]),
            )
            if (said := _said(element, text(element, name))).status is not Status.UNKNOWN
        ),
        Said(status=Status.UNKNOWN),
    )
    return StatusReport(
        message_id=next((text(element, "OrgnlMsgId") for element in group), ""),
        whole=spoken,
        transfers=transfers,
    )


def _said(element: Element, status: str) -> Said:
    reasons = every(element, "StsRsnInf")
    codes = (text(reason, "Rsn", "Cd") or text(reason, "Rsn", "Prtry") for reason in reasons)
    return Said(
        status=_STATUSES.get(status, Status.UNKNOWN),
        code=next(filter(None, codes), ""),
        words=" ".join(chain.from_iterable(texts(reason, "AddtlInf") for reason in reasons)),
    )
