"""The code for banking apps says what its words say."""

from collections.abc import Callable
from typing import Any

import pytest
from segno import helpers

from countmein.payments.bank.epc_qr import Slip, SlipRefused, png, svg
from countmein.rules.money import Money
from countmein.rules.remittance import own_reference


def slip(**other: Any) -> Slip:
    said = {
        "name": "Zählmich e.V.",
        "iban": "NL41 MOCK 0000 0000 01",
        "amount": Money(amount_minor=1250, currency="EUR"),
        "reference": "rf97 pl000002",
    }
    return Slip(**{**said, **other})


def test_the_words_are_those_of_the_code() -> None:
    made = slip()
    assert ("NL41 MOCK 0000 0000 01", "12.50 EUR", "RF97 PL00 0002") == (
        made.iban_printed,
        made.amount_printed,
        made.reference_printed,
    )


@pytest.mark.parametrize("minor", [1, 100, 1000, 1250, 99_999_999_999])
def test_the_code_holds_what_the_standard_says(minor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bytes] = []
    # The library's own function is watched, not replaced: what goes into the picture is seen.
    make = helpers.segno.make_qr
    monkeypatch.setattr(
        helpers.segno, "make_qr", lambda data, **how: held.append(data) or make(data, **how)
    )
    reference = own_reference("0" * 18)
    svg(slip(amount=Money(amount_minor=minor, currency="EUR"), reference=reference), title="Pay")
    lines = held[0].decode("utf-8").split("\n")
    assert ["BCD", "002", "1", "SCT", "", "Zählmich e.V.", "NL41MOCK0000000001"] == lines[:7]
    assert lines[7].startswith("EUR")
    assert minor / 100 == float(lines[7].removeprefix("EUR"))
    assert ["", reference] == lines[8:10]


def test_it_is_drawn_without_styles_and_as_a_picture() -> None:
    drawn = svg(slip(), title="Pay 12.50 EUR <now>")
    assert drawn.startswith("<svg") and "style" not in drawn
    assert "<title>Pay 12.50 EUR &lt;now&gt;</title>" in drawn
    assert png(slip()).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: slip(amount=Money(amount_minor=1250, currency="GBP")),
        lambda: slip(amount=Money(amount_minor=0, currency="EUR")),
        lambda: slip(amount=Money(amount_minor=10**11, currency="EUR")),
        lambda: slip(name=""),
        lambda: slip(name="a" * 71),
        lambda: slip(name="Us\nGB82WEST12345698765432"),
        lambda: slip(iban="NL41MOCK0000000002"),
        lambda: slip(reference="RF97PL000003"),
        lambda: slip(bic="MOCK"),
    ],
)
def test_what_no_code_can_ask_for_is_refused(wrong: Callable[[], Slip]) -> None:
    with pytest.raises(SlipRefused):
        wrong()
