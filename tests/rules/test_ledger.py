"""Transfers cannot be unbalanced."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.rules.ledger import Posting, Transfer, balances, postings
from countmein.rules.money import MoneyRefused

CHARGE = Transfer(
    entry="e1",
    kind="charge",
    source="member",
    destination="campaign:7",
    amount_minor=1500,
    currency="GBP",
)

accounts = st.sampled_from(["member", "campaign:7", "fees"])
transfers = st.lists(
    st.builds(
        replace,
        st.just(CHARGE),
        amount_minor=st.integers(1, 10**9),
        currency=st.sampled_from(["GBP", "JPY", "KWD"]),
        destination=st.sampled_from(["campaign:7", "fees", "payout"]),
    ),
    max_size=20,
)


def test_a_transfer_is_shown_as_two_postings_that_cancel_out() -> None:
    assert (
        Posting(account="member", amount_minor=-1500, currency="GBP"),
        Posting(account="campaign:7", amount_minor=1500, currency="GBP"),
    ) == postings(CHARGE)


@settings(max_examples=100, deadline=None)
@given(transfers)
def test_the_balances_of_each_currency_add_up_to_nothing(rows: list[Transfer]) -> None:
    balance_of = balances(rows)
    for currency in ("GBP", "JPY", "KWD"):
        assert 0 == sum(amount for key, amount in balance_of.items() if key[1] == currency)


def test_a_correction_is_a_transfer_back() -> None:
    back = replace(CHARGE, source=CHARGE.destination, destination=CHARGE.source, kind="refund")
    assert {("member", "GBP"): 0, ("campaign:7", "GBP"): 0} == balances([CHARGE, back])


@pytest.mark.parametrize(
    "fault",
    [
        {"amount_minor": 0},
        {"amount_minor": -1},
        {"amount_minor": 1.0},
        {"amount_minor": True},
        {"currency": "XXX"},
        {"destination": "member"},
        {"source": ""},
    ],
)
def test_a_transfer_that_moves_nothing_or_nowhere_is_refused(fault: dict[str, object]) -> None:
    with pytest.raises(MoneyRefused):
        replace(CHARGE, **fault)  # type: ignore[arg-type]
