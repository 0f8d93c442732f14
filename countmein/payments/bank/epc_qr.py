"""The code for "pay by bank app": EPC069-12, as a picture and as the words that it stands for."""

import io
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from segno import QRCode
from segno.helpers import make_epc_qr

from countmein.rules.money import Money, decimal_text
from countmein.rules.remittance import (
    BicRefused,
    IbanRefused,
    ReferenceRefused,
    bic_text,
    iban_text,
    printed,
    reference_text,
)

_NAME_LETTERS_AT_MOST: Final = 70
_MINOR_AT_MOST: Final = 99_999_999_999
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class SlipRefused(ValueError):
    """A transfer that no code can ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """What we ask a member to transfer; only euros. Raises SlipRefused."""

    name: str
    iban: str
    amount: Money
    reference: str
    bic: str = ""

    def __post_init__(self) -> None:
        name = self.name.strip()
        # A line break would begin the next field of the code.
        if not 1 <= len(name) <= _NAME_LETTERS_AT_MOST or _CONTROL.search(name):
            raise SlipRefused(f"a name is one line of 1 to {_NAME_LETTERS_AT_MOST} letters")
        if self.amount.currency != "EUR":
            raise SlipRefused("such a code can only ask for euros")
        if not 1 <= self.amount.amount_minor <= _MINOR_AT_MOST:
            raise SlipRefused("such a code asks for 0.01 to 999,999,999.99 euros")
        try:
            object.__setattr__(self, "iban", iban_text(self.iban))
            object.__setattr__(self, "reference", reference_text(self.reference))
            object.__setattr__(self, "bic", bic_text(self.bic) if self.bic else "")
        except (IbanRefused, BicRefused, ReferenceRefused) as error:
            raise SlipRefused(str(error)) from error
        object.__setattr__(self, "name", name)

    @property
    def amount_printed(self) -> str:
        """The amount as it is typed into a form: `12.50 EUR`."""
        return f"{decimal_text(self.amount.amount_minor, 'EUR')} EUR"

    @property
    def iban_printed(self) -> str:
        """The account number in groups of four."""
        return printed(self.iban)

    @property
    def reference_printed(self) -> str:
        """The reference in groups of four."""
        return printed(self.reference)


def _code(slip: Slip) -> QRCode:
    return make_epc_qr(
        name=slip.name,
        iban=slip.iban,
        amount=Decimal(slip.amount.amount_minor).scaleb(-2),
        reference=slip.reference,
        bic=slip.bic or None,
        # The one encoding that every app reads.
        encoding="utf-8",
    )


def payload(slip: Slip) -> str:
    """What the code holds, for whoever makes the picture elsewhere."""
    amount = f"EUR{decimal_text(slip.amount.amount_minor, 'EUR')}"
    lines = ("BCD", "002", "1", "SCT", slip.bic, slip.name, slip.iban, amount, "", slip.reference)
    return "\n".join(lines)


def svg(slip: Slip, *, title: str) -> str:
    """The code as an SVG element without styles; the title is what a screen reader says."""
    code: str = _code(slip).svg_inline(scale=4, border=4, omitsize=True, title=title, light="#fff")
    return code


def png(slip: Slip) -> bytes:
    """The code as a PNG picture, for mails."""
    picture = io.BytesIO()
    _code(slip).save(picture, kind="png", scale=6, border=4)
    return picture.getvalue()
