"""Statements are read to the cent, or refused in words."""

import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.payments.bank.camt import read
from countmein.payments.bank.elements import BankFileRefused
from countmein.payments.bank.entries import Direction, Entry, Statement
from countmein.rules.money import Money
from tests.apps.payments.bank.conftest import FILES

Files = Callable[[str], bytes]
Entries = Callable[[str], list[Entry]]
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


def refused(body: bytes, **limits: int) -> str:
    with pytest.raises(BankFileRefused) as caught:
        list(read(BytesIO(body), **limits))
    return str(caught.value)


def test_a_credit_is_read_with_all_that_the_bank_says_of_it(entries: Entries) -> None:
    first = entries("usual")[0]
    assert (
        "NL41MOCK0000000001",
        "S-2026-10-05",
        date(2026, 10, 5),
        Money(amount_minor=5000, currency="EUR"),
        Direction.CREDIT,
        False,
        "B-1",
        "E-1",
        ("RF97PL000002",),
        "Ben Beispiel",
        "DE89370400440532013000",
    ) == (
        first.account,
        first.statement_id,
        first.booked_on,
        first.amount,
        first.direction,
        first.reversal,
        first.bank_reference,
        first.end_to_end_id,
        first.references,
        first.counterparty,
        first.counterparty_account,
    )


def test_the_lines_that_a_payer_wrote_become_one(entries: Entries) -> None:
    assert "spende rf18 5390 07 54 7034 danke" == entries("usual")[1].text


def test_what_is_not_booked_yet_is_left_out(entries: Entries) -> None:
    assert [f"B-{number}" for number in range(1, 12)] == [
        entry.bank_reference for entry in entries("usual")
    ]


def test_reversals_keep_their_direction(entries: Entries) -> None:
    came_home, taken_back = entries("usual")[-2:]
    assert (True, 2000, "Gone Person") == (
        came_home.reversal,
        came_home.signed_minor,
        came_home.counterparty,
    )
    assert (True, -4000) == (taken_back.reversal, taken_back.signed_minor)


def test_a_batch_is_split_and_its_charges_stand_apart(
    statement: Callable[[str], list[Entry | Statement]],
) -> None:
    *payments, end = statement("batch")
    assert [5000, 2550, 2450, -200] == [
        entry.signed_minor for entry in payments if isinstance(entry, Entry)
    ]
    assert isinstance(end, Statement)
    assert (4, True) == (end.entry_count, end.is_proved)


def test_version_two_is_read_like_version_eight(entries: Entries) -> None:
    (old,) = entries("old_version")
    assert ("Ben Beispiel", 5000, date(2026, 10, 5)) == (
        old.counterparty,
        old.signed_minor,
        old.booked_on,
    )


def test_what_was_booked_counts_and_not_what_was_instructed(entries: Entries) -> None:
    assert [Money(amount_minor=5400, currency="USD")] == [e.amount for e in entries("foreign")]


def test_yen_have_no_decimals(entries: Entries, file: Files) -> None:
    assert [Money(amount_minor=5000, currency="JPY")] == [e.amount for e in entries("yen")]
    assert "entry 1 (Ntry B-50)" in refused(file("yen_with_decimals"))
    assert "finer than JPY goes" in refused(file("yen_with_decimals"))


@pytest.mark.parametrize("name", ["usual", "batch", "without_bank_reference"])
def test_reading_again_finds_the_same_ids_and_no_two_are_alike(name: str, entries: Entries) -> None:
    ids = [entry.entry_id for entry in entries(name)]
    assert ids == [entry.entry_id for entry in entries(name)]
    assert len(ids) == len(set(ids))


def test_another_download_of_the_same_entries_finds_the_same_ids(
    file: Files, entries: Entries
) -> None:
    for name in ("usual", "without_bank_reference"):
        again = file(name).replace(b"<Id>S-", b"<Id>NEW-").replace(b"MSG-1", b"MSG-2")
        assert [entry.entry_id for entry in entries(name)] == [
            item.entry_id for item in read(BytesIO(again)) if isinstance(item, Entry)
        ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("malformed", "this is not XML: mismatched tag: line 33"),
        ("billion_laughs", "declares a document type"),
        ("batch_does_not_add_up", "entry 1 (Ntry B-20) does not add up: it moves 9800"),
        ("entry_missing", "(Stmt S-GAP) does not add up: from 0 by 5000 to 7500"),
        ("status", "camt.053, version 001.02 to 001.08) is expected"),
    ],
)
def test_a_bad_file_is_refused_in_words(name: str, words: str, file: Files) -> None:
    assert words in refused(file(name))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'<Amt Ccy="EUR">50.00', b'<Amt Ccy="EUR">-50.00', "an amount (Amt) that is none"),
        (b'<Amt Ccy="EUR">50.00', b'<Amt Ccy="XAU">50.00', "no currency"),
        (b"<CdtDbtInd>CRDT</CdtDbtInd>\n        <Sts>", b"<Sts>", "no direction"),
        (b"<Sts><Cd>BOOK</Cd></Sts>", b"", "no status"),
        (b"<Dt>2026-10-05</Dt></BookgDt>", b"<Dt>2026-13-05</Dt></BookgDt>", "no day in BookgDt"),
        (b"<IBAN>NL41MOCK0000000001</IBAN>", b"", "does not say whose it is"),
        (b"Ben Beispiel", b"&who;", "undefined entity"),
        (b'encoding="UTF-8"', b'encoding="none-such"', "this is not XML"),
    ],
)
def test_one_wrong_field_is_named(old: bytes, new: bytes, words: str, file: Files) -> None:
    assert words in refused(file("usual").replace(old, new))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\x01",
        b"<Document/>",
        f'<Document xmlns="{NAMESPACE}"/>'.encode(),
        f'<Document xmlns="{NAMESPACE}"><a><b><Ntry/></b></a></Document>'.encode(),
        f'<Document xmlns="{NAMESPACE}"><a><Stmt/></a></Document>'.encode(),
        b" " * 200_000,
        b"<!--" + b"x" * 200_000,
    ],
)
def test_what_is_no_statement_is_refused(body: bytes) -> None:
    assert refused(body)


def test_depth_length_and_what_stands_around_are_bounded() -> None:
    start = f'<Document xmlns="{NAMESPACE}"><x><Stmt>'.encode()
    assert "nested too deeply" in refused(start + b"<a>" * 500_000)
    assert "bytes" in refused(start + b"<Ntry><Nm>" + b"a" * 3_000_000, bytes_at_most=2_000_000)
    assert "one element" in refused(
        start + b"<Ntry><Nm>" + b"a" * 3_000_000, entry_bytes_at_most=1_000_000
    )
    assert "around the entries" in refused(start + b"<Bal/>" * 100_000)
    names = b"".join(b"<n%d/>" % number for number in range(6_000))
    assert "names of elements" in refused(start + names)


def many(count: int) -> bytes:
    """A statement with so many credits of ten euros."""
    head, _, rest = (FILES / "without_bank_reference.xml").read_bytes().partition(b"      <Ntry>")
    one, _, _ = rest.partition(b"</Ntry>\n")
    tail = b"    </Stmt>" + rest.rpartition(b"</Stmt>")[2]
    total = count * 500
    head = head.replace(b">15.00<", f">{total // 100}.{total % 100:02d}<".encode())
    return head + (b"      <Ntry>" + one + b"</Ntry>\n") * count + tail


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file() -> None:
    peaks = []
    for count in (1_000, 8_000):
        body = BytesIO(many(count))
        tracemalloc.start()
        read_count = sum(1 for _item in read(body))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count + 1 == read_count
    # What may grow is the names of entries: about 150 bytes each.
    assert peaks[1] - peaks[0] < 7_000 * 300, peaks


def test_twice_as_many_entries_take_twice_the_work() -> None:
    """Counted in calls, which no other load on the machine changes."""

    def calls(count: int) -> int:
        body, seen = BytesIO(many(count)), Counter[str]()
        sys.setprofile(lambda _frame, event, _about: seen.update([event]))
        try:
            assert count + 1 == sum(1 for _item in read(body))
        finally:
            sys.setprofile(None)
        return seen["call"] + seen["c_call"]

    assert calls(1_000) <= 2.1 * calls(500)


def changed(body: bytes, data: st.DataObject) -> Iterator[bytes]:
    """The file with a few bytes cut, doubled or overwritten."""
    for _change in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body) - 1))
        end = min(len(body), start + data.draw(st.integers(0, 60)))
        put = data.draw(st.one_of(st.binary(max_size=8), st.sampled_from(WORDS)))
        body = body[:start] + put + body[end:]
        yield body


WORDS = [
    b"<Ntry>", b"</Ntry>", b"<Stmt>", b"</Stmt>", b"<TxDtls>", b"<Amt>", b"1e9", b"NaN", b"-1",
    b"<!DOCTYPE x>", b"<?x?>", b"<![CDATA[", b"&#0;", b"&amp;", b"\xff\xfe", b"9" * 30, b"",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["usual", "batch", "old_version", "yen"]), st.data())
def test_a_broken_file_gives_entries_or_its_own_error_and_nothing_else(
    name: str, data: st.DataObject
) -> None:
    for body in changed((FILES / f"{name}.xml").read_bytes(), data):
        try:
            for item in read(BytesIO(body)):
                assert isinstance(item, Entry | Statement)
        except BankFileRefused as error:
            assert str(error)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_its_own_error(body: bytes) -> None:
    assert refused(body)
    assert refused(f'<Document xmlns="{NAMESPACE}">'.encode() + body)
