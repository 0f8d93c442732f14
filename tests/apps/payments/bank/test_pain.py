"""Payment orders that every bank takes, and what the bank says to them."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.payments.bank.elements import BankFileRefused
from countmein.payments.bank.latin import LettersRefused, latin
from countmein.payments.bank.pain import (
    NAMESPACE,
    OrderRefused,
    Party,
    Status,
    Transfer,
    order,
    read_status,
)
from countmein.rules.money import Money

US = Party(name="Zählmich e.V.", iban="NL41 MOCK 0000 0000 01")
BEN = Party(name="Ben Beispiel", iban="DE89370400440532013000")


def transfer(id: str = "R-1", minor: int = 1250, currency: str = "EUR") -> Transfer:
    return Transfer(id=id, to=BEN, amount=Money(amount_minor=minor, currency=currency))


def ordered(*transfers: Transfer) -> bytes:
    return order(
        message_id="ORDER-1",
        created_at=datetime(2026, 10, 5, 12, 0, 0, 7, tzinfo=UTC),
        execute_on=date(2026, 10, 6),
        debtor=US,
        transfers=transfers,
    )


def validate(body: bytes) -> None:
    """Hold the order to the published schema, where the package that ships it is installed."""
    validation = pytest.importorskip("sepaxml.validation")
    validation.try_valid_xml(body, "pain.001.001.09")


def values(body: bytes, name: str) -> list[str | None]:
    return [found.text for found in ElementTree.fromstring(body).iter(f"{{{NAMESPACE}}}{name}")]


def test_an_order_keeps_to_the_schema() -> None:
    abroad = Party(name="Ølga & Söns", iban="FR1420041010050500013M02606", bic="BNPAFRPP")
    validate(
        ordered(
            transfer(),
            Transfer(
                id="R-2",
                to=abroad,
                amount=Money(amount_minor=1, currency="EUR"),
                text="Rückzahlung: “Open the library”",
            ),
        )
    )


@pytest.mark.parametrize(
    ("currency", "minor", "written"), [("JPY", 5000, "5000"), ("KWD", 1, "0.001")]
)
def test_other_currencies_have_their_own_decimals(currency: str, minor: int, written: str) -> None:
    body = ordered(transfer(minor=minor, currency=currency))
    assert [written] == values(body, "InstdAmt")
    validate(body)


def test_count_and_sum_stand_in_the_header_and_over_the_batch() -> None:
    body = ordered(transfer("R-1", 1250), transfer("R-2", 7))
    assert ["2", "2"] == values(body, "NbOfTxs")
    assert ["12.57", "12.57"] == values(body, "CtrlSum")
    assert ["R-1", "R-2"] == values(body, "EndToEndId")
    assert ["ORDER-1"] == values(body, "MsgId")


def test_the_same_order_is_the_same_bytes() -> None:
    assert ordered(transfer()) == ordered(transfer())


@pytest.mark.parametrize(
    "transfers",
    [(), (transfer("R-1"), transfer("R-1")), (transfer("R-1"), transfer("R-2", currency="GBP"))],
)
def test_an_order_that_no_bank_would_take_is_not_made(transfers: tuple[Transfer, ...]) -> None:
    with pytest.raises(OrderRefused):
        ordered(*transfers)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: transfer(id=""),
        lambda: transfer(id="R" * 36),
        lambda: transfer(id="/R"),
        lambda: transfer(id="R//1"),
        lambda: transfer(id="Ü"),
        lambda: transfer(minor=0),
        lambda: transfer(minor=-1),
        lambda: transfer(minor=10**11),
        lambda: Party(name="", iban=BEN.iban),
        lambda: Party(name="a" * 71, iban=BEN.iban),
        lambda: Party(name="Ben", iban="DE89370400440532013001"),
        lambda: Party(name="Ben", iban=BEN.iban, bic="DEUT"),
        lambda: Transfer(id="R", to=BEN, amount=transfer().amount, text="a" * 141),
    ],
)
def test_a_payment_that_no_bank_would_take_is_not_made(wrong: Callable[[], object]) -> None:
    with pytest.raises(OrderRefused):
        wrong()


@pytest.mark.parametrize(
    ("name", "carried"),
    [
        ("Łukasz Müßig", "Lukasz Mussig"),
        ("Þóra Æsa", "THora AEsa"),
        ("Zoë  O’Neill", "Zoe O'Neill"),
        ("İpek Işık", "Ipek Isik"),
    ],
)
def test_latin_letters_are_spelt_as_banks_carry_them(name: str, carried: str) -> None:
    assert carried == latin(name)


@pytest.mark.parametrize("name", ["山田", "Пётр", "Ωμέγα", "a\x00b", "👍"])
def test_another_alphabet_is_for_a_person_to_spell(name: str) -> None:
    with pytest.raises(LettersRefused):
        Party(name=name, iban=BEN.iban)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=70))
def test_what_is_carried_is_carried_unchanged(text: str) -> None:
    try:
        carried = latin(text)
    except LettersRefused:
        return
    assert carried == latin(carried)


def test_a_status_report_is_read_payment_by_payment(file: Callable[[str], bytes]) -> None:
    report = read_status(file("status"))
    assert "ORDER-1" == report.message_id
    assert Status.ACCEPTED == report.of("R-1").status
    rejected = report.of("R-2")
    assert (Status.REJECTED, "AC04", "the account is closed") == (
        rejected.status,
        rejected.code,
        rejected.words,
    )
    assert Status.SETTLED == report.of("R-3").status
    # Accepted in part: nothing is known of what is not named.
    assert Status.UNKNOWN == report.of("R-4").status


def test_an_order_rejected_as_a_whole_rejects_each_payment(file: Callable[[str], bytes]) -> None:
    head, _, rest = file("status").partition(b"    <OrgnlPmtInfAndSts>")
    tail = rest.partition(b"</OrgnlPmtInfAndSts>\n")[2]
    body = head.replace(b"PART", b"RJCT") + tail
    assert Status.REJECTED == read_status(body).of("R-1").status


@pytest.mark.parametrize("name", ["usual", "billion_laughs", "malformed"])
def test_what_is_no_status_report_is_refused(name: str, file: Callable[[str], bytes]) -> None:
    with pytest.raises(BankFileRefused):
        read_status(file(name))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 900), st.binary(max_size=6))
def test_a_broken_report_gives_its_own_error_and_nothing_else(place: int, put: bytes) -> None:
    from tests.apps.payments.bank.conftest import FILES

    body = (FILES / "status.xml").read_bytes()
    try:
        read_status(body[:place] + put + body[place + 3 :])
    except BankFileRefused as error:
        assert str(error)
