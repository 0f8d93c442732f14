"""What comes in of what was pledged, how long it takes, and R9: no wrong batch starts."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.rules.collection import (
    PRIOR_BP,
    WHOLE_BP,
    BatchRefused,
    check_batch,
    expected_minor,
    expected_share_bp,
    minutes_left,
)
from countmein.rules.money import Money, MoneyRefused

SOME = settings(max_examples=500, deadline=None)
counts = st.integers(0, 10**6).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@SOME
@given(counts, st.integers(0, 10**12))
def test_what_is_expected_lies_between_the_prior_and_the_record(
    count: tuple[int, int], pledged: int
) -> None:
    charged, paid = count
    share = expected_share_bp(charged=charged, paid=paid)
    record = Fraction(paid * WHOLE_BP, charged) if charged else Fraction(PRIOR_BP)
    assert min(PRIOR_BP, int(record)) <= share <= max(PRIOR_BP, record)
    assert 0 <= expected_minor(pledged, charged=charged, paid=paid) <= pledged


@SOME
@given(counts)
def test_one_more_success_raises_and_one_more_failure_lowers_what_is_expected(
    count: tuple[int, int],
) -> None:
    charged, paid = count
    share = expected_share_bp(charged=charged, paid=paid)
    assert share <= expected_share_bp(charged=charged + 1, paid=paid + 1)
    assert share >= expected_share_bp(charged=charged + 1, paid=paid)


def test_counts_that_cannot_be_are_refused() -> None:
    for charged, paid in ((0, 1), (1, -1), (-1, -1)):
        with pytest.raises(MoneyRefused):
            expected_share_bp(charged=charged, paid=paid)
    with pytest.raises(MoneyRefused):
        expected_minor(-1, charged=0, paid=0)


@SOME
@given(st.integers(0, 10**7), st.integers(1, 200))
def test_charging_is_done_in_the_minutes_told_and_not_in_one_less(left: int, rate: int) -> None:
    minutes = minutes_left(left, per_second=rate)
    assert minutes * 60 * rate >= left
    assert minutes == 0 or (minutes - 1) * 60 * rate < left


def test_charges_at_no_rate_are_refused() -> None:
    for left, rate in ((1, 0), (1, -1), (-1, 1)):
        with pytest.raises(MoneyRefused):
            minutes_left(left, per_second=rate)


def money(amount_minor: int, currency: str = "GBP") -> Money:
    return Money(amount_minor=amount_minor, currency=currency)


amounts = st.lists(st.integers(1, 10**6), min_size=1, max_size=10)
currencies = st.sampled_from(["GBP", "JPY", "KWD"])


@SOME
@given(amounts, amounts, currencies)
def test_r_9_a_batch_that_adds_up_may_start(
    gifts: list[int], purchases: list[int], currency: str
) -> None:
    pledged = {
        "money": money(sum(gifts), currency),
        "purchase": money(sum(purchases), currency),
    }
    check_batch(pledged, [money(x, currency) for x in gifts + purchases])


@SOME
@given(amounts, currencies, st.data())
def test_r_9_a_batch_that_is_off_by_anything_does_not_start(
    gifts: list[int], currency: str, data: st.DataObject
) -> None:
    pledged = {"money": money(sum(gifts), currency)}
    other = data.draw(st.sampled_from(sorted({"GBP", "JPY", "KWD"} - {currency})))
    wrong = {
        "a hundred times": [100 * x for x in gifts],
        "doubled": gifts * 2,
        "one missing": gifts[1:],
        "one unit": [gifts[0] + 1, *gifts[1:]],
        "one of nothing": [*gifts, 0],
        "one hidden by another": [gifts[0] + 5, *gifts[1:], -5],
    }
    for batch in wrong.values():
        with pytest.raises(BatchRefused):
            check_batch(pledged, [money(x, currency) for x in batch])
    for batch in ([money(x, other) for x in gifts], [money(gifts[0], other)]):
        with pytest.raises(BatchRefused):
            check_batch(pledged, [money(x, currency) for x in gifts[1:]] + batch)


def test_nothing_pledged_charges_nothing() -> None:
    check_batch({}, [])
    check_batch({"money": money(0)}, [])
    with pytest.raises(BatchRefused, match="GBP: 1 are to be charged and 0 were pledged"):
        check_batch({}, [money(1)])
