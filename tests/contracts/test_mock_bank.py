"""Our orders, and our reading of answers and statements, against a bank that is not ours.

The bank is mock-bank, a process of its own for developers: set MOCK_BANK to its executable, or
install it. Without either, these tests are skipped, and counted as such.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from countmein.payments.bank.camt import read
from countmein.payments.bank.elements import BankFileRefused
from countmein.payments.bank.entries import Direction, Entry, Statement
from countmein.payments.bank.matching import Act, Expected, Verdict, match
from countmein.payments.bank.pain import Party, Status, Transfer, order, read_status
from countmein.rules.money import Money
from countmein.rules.remittance import own_reference, printed

OURS, GLOBEX, CLOSED = "NL41MOCK0000000001", "NL14MOCK0000000002", "NL84MOCK0000000003"


def executable() -> str | None:
    """What starts the bank on this machine."""
    beside = Path(sys.executable).with_name("mock-bank")
    return os.environ.get("MOCK_BANK") or (
        str(beside) if beside.exists() else shutil.which("mock-bank")
    )


pytestmark = pytest.mark.skipif(
    executable() is None, reason="no mock-bank: set MOCK_BANK to its executable, or install it"
)


class Bank:
    """The bank's doors."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> Any:
        request = urllib.request.Request(self.url + path, data=body or None, method=method)
        request.add_header("Content-Type", kind or "application/json")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            # How it says that it rejected an order: an answer, too.
            with error:
                return json.load(error)

    def order(self, body: bytes) -> Any:
        return self.ask("POST", "/payments", body, "application/xml")

    def credit(self, **said: Any) -> None:
        made = self.ask("POST", "/_mock/credits", json.dumps({"account": "ACME", **said}).encode())
        assert "id" in made, made

    def next_day(self) -> None:
        self.ask("POST", "/_mock/advance?days=1")

    def messages(self, kind: str) -> list[bytes]:
        return [
            message["body"].encode()
            for message in self.ask("GET", f"/_mock/mailbox?leave&type={kind}")
        ]

    def entries(self) -> list[Entry | Statement]:
        """What the statements of our account say."""
        return [
            item
            for body in self.messages("camt.053")
            for item in read(BytesIO(body))
            if item.account == OURS
        ]


@pytest.fixture
def bank() -> Iterator[Bank]:
    """The bank on a free port, on a Monday morning."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = executable()
    assert started is not None
    process = subprocess.Popen(
        [started, "--port", str(port), "--clock", "2026-10-05T09:00", "--quiet"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    made = Bank(f"http://127.0.0.1:{port}")
    ends = time.monotonic() + 20
    try:
        while True:
            try:
                made.ask("GET", "/_mock/health")
                break
            except OSError:
                assert process.poll() is None, "the bank did not start"
                assert time.monotonic() < ends, "the bank did not answer"
                time.sleep(0.05)
        yield made
    finally:
        process.terminate()
        process.wait(timeout=10)


def refunds() -> bytes:
    """Two refunds, one to an account that is closed."""
    ben, gone = Party(name="Ben Müller", iban=GLOBEX), Party(name="Gone Person", iban=CLOSED)
    return order(
        message_id="ORDER-1",
        created_at=datetime(2026, 10, 5, 9, tzinfo=UTC),
        execute_on=date(2026, 10, 5),
        debtor=Party(name="Zählmich", iban=OURS, bic="MOCKNL2A"),
        transfers=[
            Transfer(id="R-1", to=ben, amount=Money(amount_minor=1250, currency="EUR")),
            Transfer(id="R-2", to=gone, amount=Money(amount_minor=700, currency="EUR")),
        ],
    )


def test_an_order_is_taken_and_each_payment_answered(bank: Bank) -> None:
    bank.order(refunds())
    (body,) = bank.messages("pain.002")
    report = read_status(body)
    assert "ORDER-1" == report.message_id
    assert Status.ACCEPTED == report.of("R-1").status
    assert (Status.REJECTED, "AC04") == (report.of("R-2").status, report.of("R-2").code)


def test_what_was_paid_comes_back_on_the_statement_with_our_id(bank: Bank) -> None:
    bank.order(refunds())
    bank.next_day()
    *paid, end = bank.entries()
    assert [("R-1", -1250, "Ben Muller", GLOBEX)] == [
        (one.end_to_end_id, one.signed_minor, one.counterparty, one.counterparty_account)
        for one in paid
        if isinstance(one, Entry)
    ]
    assert isinstance(end, Statement) and end.is_proved


def test_the_same_order_again_is_refused_as_a_duplicate(bank: Bank) -> None:
    bank.order(refunds())
    bank.order(refunds())
    _first, second = map(read_status, bank.messages("pain.002"))
    assert (Status.REJECTED, "DUPL") == (second.of("R-1").status, second.of("R-1").code)


def test_three_of_three_references_are_matched_one_typed_by_hand(bank: Bank) -> None:
    cleo = own_reference("7k3m9qxt")
    expected = {
        reference: Expected(amount=Money(amount_minor=minor, currency="EUR"))
        for reference, minor in (("RF18539007547034", 5000), ("RF97PL000002", 2550), (cleo, 700))
    }
    bank.credit(amount=5000, reference="RF18539007547034", debtor={"name": "Ben", "iban": GLOBEX})
    bank.credit(amount=2550, note="spende RF97 PL000002 danke")
    # Cut by the bank wherever the cut falls.
    bank.credit(amount=700, note=f"for the barber of our street: {printed(cleo).lower()}", wrap=35)
    bank.credit(amount=900, note="no idea")
    bank.next_day()
    entries = [item for item in bank.entries() if isinstance(item, Entry)]
    decisions = match(entries, expected=expected)
    booked = {one.reference for one in decisions if one.act is Act.BOOK}
    assert expected.keys() == booked
    assert [Verdict.UNKNOWN_REFERENCE] == [
        one.verdict for one in decisions if one.act is not Act.BOOK
    ]
    # Fetched again, nothing is new.
    seen = frozenset(one.entry_id for one in entries)
    again = [item for item in bank.entries() if isinstance(item, Entry)]
    assert () == match(again, expected=expected, seen=seen)
    assert all(one.direction is Direction.CREDIT for one in entries)


def test_a_statement_with_a_hole_in_it_is_refused(bank: Bank) -> None:
    bank.ask("PATCH", "/_mock/accounts/ACME", json.dumps({"behaviour": "statement-gap"}).encode())
    bank.credit(amount=5000, reference="RF18539007547034")
    bank.credit(amount=2550, note="spende RF97 PL000002 danke")
    bank.next_day()
    with pytest.raises(BankFileRefused, match=re.escape("does not add up")):
        bank.entries()
