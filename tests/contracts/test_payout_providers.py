"""What every payment provider keeps about money that is passed on, against its sandbox."""

import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import replace
from typing import Any

import pytest

from countmein.payments.providers import (
    AccountSeen,
    LineKind,
    LookUpFailed,
    Outcome,
    PaymentProvider,
    TransferResult,
)
from countmein.rules.money import Money
from sandbox.payments.chaos import UNDOCUMENTED

FIVE_POUNDS = Money(amount_minor=500, currency="GBP")


@pytest.fixture
def name() -> str:
    """A reference and key nobody has used."""
    return uuid.uuid4().hex


@pytest.fixture
def funded(port: PaymentProvider, name: str) -> None:
    """Our balance there has something to pass on."""
    kept = port.mandate(
        reference=f"{name}-in", payment_method="pm_card_visa", currency="GBP", key=f"{name}-m"
    )
    paid = port.charge(
        mandate=kept.mandate, amount_minor=50_000, currency="GBP", reference=name, key=f"{name}-c"
    )
    assert Outcome.DONE == paid.outcome


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def fill_in(url: str, number: str) -> str:
    """Say on the provider's page who one is and where the money goes; return where it leads."""
    form = {"business_type": "individual", "account_number": number}
    opener = urllib.request.build_opener(_Stay)
    with pytest.raises(urllib.error.HTTPError) as answer:
        opener.open(url, data=urllib.parse.urlencode(form).encode(), timeout=10)
    return str(answer.value.headers["location"])


def account(port: PaymentProvider, name: str, *, number: str = "DE89370400440532013000") -> str:
    """An account whose owner has been on the provider's page."""
    made = port.create_account(reference=name, email="ana@example.org", key=f"account:{name}")
    assert Outcome.DONE == made.outcome
    if number:
        visit(port, made.account_id, number)
    return made.account_id


def visit(port: PaymentProvider, account_id: str, number: str) -> None:
    back, again = "http://127.0.0.1:8000/back/", "http://127.0.0.1:8000/again/"
    page = port.account_page(account_id=account_id, return_url=back, retry_url=again)
    assert Outcome.DONE == page.outcome
    assert back == fill_in(page.url, number)


def transfer(
    port: PaymentProvider, name: str, to: str, *, key: str = "", amount: Money = FIVE_POUNDS
) -> TransferResult:
    return port.transfer(
        account_id=to,
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        reference=name,
        key=key or f"payout:{name}",
    )


def test_an_account_is_verified_once_its_owner_has_said_who_they_are(
    port: PaymentProvider, name: str
) -> None:
    made = account(port, name, number="")
    assert AccountSeen(is_verified=False) == port.account(account_id=made)
    visit(port, made, "DE89370400440532013000")
    seen = port.account(account_id=made)
    assert (True, "3000") == (seen.is_verified, seen.bank_last4)
    assert seen.fingerprint


def test_the_same_key_makes_one_account(port: PaymentProvider, name: str) -> None:
    assert account(port, name, number="") == account(port, name, number="")


def test_another_bank_account_has_another_fingerprint_and_the_same_one_has_not(
    port: PaymentProvider, name: str
) -> None:
    made = account(port, name)
    first = port.account(account_id=made)
    visit(port, made, "DE89370400440532013000")
    assert first == port.account(account_id=made)
    visit(port, made, "GB29NWBK60161331926819")
    other = port.account(account_id=made)
    assert "6819" == other.bank_last4
    assert first.fingerprint != other.fingerprint


def test_an_account_that_is_not_there_cannot_be_looked_at(port: PaymentProvider) -> None:
    with pytest.raises(LookUpFailed):
        port.account(account_id="acct_nobody")


def test_money_is_passed_on_once_under_one_key(
    port: PaymentProvider, name: str, funded: None
) -> None:
    made = account(port, name)
    assert None is port.find_transfer(account_id=made, reference=name)
    first = transfer(port, name, made)
    assert (Outcome.DONE, FIVE_POUNDS) == (first.outcome, first.amount)
    assert (
        first == transfer(port, name, made) == port.find_transfer(account_id=made, reference=name)
    )
    # The control: it is the key that keeps it single, nothing else does.
    assert first != transfer(port, name, made, key=f"other:{name}")


def test_a_transfer_is_a_line_of_the_statement_and_so_is_its_return(
    provider: Any, port: PaymentProvider, name: str, funded: None
) -> None:
    from datetime import UTC, datetime, timedelta

    from countmein.payments.providers.stripe import Stripe

    done = transfer(port, name, account(port, name))
    Stripe()._v1.transfers.reversals.create(done.transfer_id)
    since = datetime.now(UTC) - timedelta(minutes=1)
    lines = [line for line in port.lines(since=since) if line.charge_id == done.transfer_id]
    assert [(LineKind.TRANSFER, 500), (LineKind.TRANSFER, -500)] == [
        (line.kind, line.amount.amount_minor) for line in lines
    ]
    assert name == lines[1].reference


def test_an_account_without_its_owners_word_gets_nothing(
    port: PaymentProvider, name: str, funded: None
) -> None:
    refused = transfer(port, name, account(port, name, number=""))
    assert Outcome.REFUSED == refused.outcome


def test_what_the_balance_does_not_cover_is_refused_for_now(
    port: PaymentProvider, name: str
) -> None:
    refused = transfer(
        port, name, account(port, name), amount=Money(amount_minor=99_999_900, currency="CHF")
    )
    assert (Outcome.REFUSED, "balance_insufficient", False) == (
        refused.outcome,
        refused.code,
        refused.permanent,
    )


@pytest.mark.parametrize("mode", ["timeout_after_success", "hang"])
def test_no_answer_is_unknown_and_can_be_looked_up(
    provider: Any, port: Any, name: str, funded: None, mode: str
) -> None:
    made, impatient = account(port, name), replace(port, timeout_seconds=0.5)
    provider.control(fail_next={"path": "/v1/transfers", "mode": mode, "times": 1})
    result = transfer(impatient, name, made)
    assert (Outcome.UNKNOWN, "no_answer") == (result.outcome, result.code)
    found = port.find_transfer(account_id=made, reference=name)
    assert (found is not None) == (mode == "timeout_after_success")
    again = transfer(port, name, made)
    assert Outcome.DONE == again.outcome
    assert found in (None, again)


@pytest.mark.parametrize("turn", range(len(UNDOCUMENTED)))
def test_an_undocumented_answer_is_unknown_and_done_once(
    provider: Any, port: PaymentProvider, name: str, funded: None, turn: int
) -> None:
    made = account(port, name)
    provider.control(fail_next={"path": "/v1/transfers", "mode": "undocumented", "times": 1})
    assert Outcome.UNKNOWN == transfer(port, name, made).outcome
    again = transfer(port, name, made)
    assert Outcome.DONE == again.outcome
    assert again == port.find_transfer(account_id=made, reference=name)


@pytest.mark.parametrize("path", ["/v1/accounts", "/v1/account_links"])
def test_an_undocumented_answer_about_an_account_is_unknown(
    provider: Any, port: PaymentProvider, name: str, path: str
) -> None:
    made = account(port, f"{name}-0", number="")
    for _turn in UNDOCUMENTED:
        provider.control(fail_next={"path": path, "mode": "undocumented", "times": 1})
        answers = {
            "/v1/accounts": lambda: port.create_account(
                reference=name, email="ana@example.org", key=f"account:{uuid.uuid4().hex}"
            ),
            "/v1/account_links": lambda: port.account_page(
                account_id=made, return_url="http://127.0.0.1/", retry_url="http://127.0.0.1/"
            ),
        }
        assert Outcome.DONE != answers[path]().outcome


def test_a_500_is_unknown_until_its_key_proves_spent(
    provider: Any, port: PaymentProvider, name: str, funded: None
) -> None:
    made = account(port, name)
    provider.control(fail_next={"path": "/v1/transfers", "mode": "500", "times": 1})
    first, again = transfer(port, name, made), transfer(port, name, made)
    assert [Outcome.UNKNOWN, Outcome.RETRY_LATER] == [first.outcome, again.outcome]
    assert again.needs_new_key
    assert Outcome.DONE == transfer(port, name, made, key=f"{name}:2").outcome
