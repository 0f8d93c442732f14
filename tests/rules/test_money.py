"""Money to the last minor unit: C-8, C-10, currencies and the text of an amount."""

from fractions import Fraction
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.rules.money import (
    CurrencyMismatch,
    Money,
    MoneyRefused,
    decimal_text,
    exponent,
    hamilton,
    parse_minor,
    refund_split,
    stage_floor,
    stage_last,
    stage_next,
)
from tests.rules.crowds import cases

MODEST = settings(max_examples=150, deadline=None)
gifts = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), st.integers(1, 10**6))


@st.composite
def gifts_and_stages(draw: st.DrawFn) -> tuple[dict[str, int], list[int]]:
    amounts = draw(gifts)
    whole = sum(amounts.values())
    return amounts, sorted(draw(st.lists(st.integers(0, whole), min_size=1, max_size=5)))


@MODEST
@given(gifts_and_stages())
def test_c_8_refunds_add_up_lie_within_a_cent_and_never_exceed_the_gift(
    case: tuple[dict[str, int], list[int]],
) -> None:
    amounts, stages = case
    whole, returned = sum(amounts.values()), stages[-1]
    refunds = refund_split(amounts, cost=whole - returned, seed="campaign")
    assert returned == sum(refunds.values())
    for key, amount in amounts.items():
        assert 0 <= refunds[key] <= amount
        assert abs(refunds[key] - Fraction(amount * returned, whole)) < 1


@MODEST
@given(gifts_and_stages())
def test_c_8_staged_payments_are_never_taken_back_and_end_at_the_same_cent(
    case: tuple[dict[str, int], list[int]],
) -> None:
    amounts, stages = case
    paid = dict.fromkeys(amounts, 0)
    for returned in stages[:-1]:
        pay = stage_floor(amounts, returned=returned, paid=paid)
        assert all(amount >= 0 for amount in pay.values())
        paid = {key: paid[key] + pay[key] for key in paid}
        assert sum(paid.values()) <= returned
    last = stage_last(amounts, returned=stages[-1], paid=paid, seed="campaign")
    assert all(amount >= 0 for amount in last.values())
    at_once = hamilton(amounts, total=stages[-1], seed="campaign")
    assert at_once == {key: paid[key] + last[key] for key in paid}


@st.composite
def gifts_and_small_steps(draw: st.DrawFn) -> tuple[dict[str, int], list[int]]:
    """A few units at a time, of gifts of a few units: where odd units weigh most."""
    amounts = draw(st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), st.integers(1, 60)))
    stages, whole = [0], sum(amounts.values())
    for step in draw(st.lists(st.integers(1, 5), max_size=30)):
        stages.append(min(whole, stages[-1] + step))
    return amounts, stages


@settings(max_examples=cases(400), deadline=None)
@given(gifts_and_stages() | gifts_and_small_steps(), st.text("abc", max_size=3))
def test_c_8_where_no_stage_is_known_to_be_the_last_all_is_paid_and_nobody_falls_behind(
    case: tuple[dict[str, int], list[int]], seed: str
) -> None:
    """Each stage pays all that came, takes nothing back, and leaves each within a unit."""
    amounts, stages = case
    whole, paid = sum(amounts.values()), dict.fromkeys(amounts, 0)
    for returned in sorted(stages):
        left = {key: amounts[key] - paid[key] for key in amounts}
        now = stage_next(left, paid=paid, total=returned - sum(paid.values()), seed=seed)
        assert all(0 <= now[key] <= left[key] for key in left)
        paid = {key: paid[key] + now[key] for key in paid}
        assert returned == sum(paid.values())
        for key, amount in amounts.items():
            assert abs(paid[key] * whole - amount * returned) < max(whole, 1)


@MODEST
@given(gifts, st.integers(0, 100), st.text("abc", max_size=3))
def test_the_first_of_such_stages_is_hamiltons(
    gifts: dict[str, int], share: int, seed: str
) -> None:
    total = sum(gifts.values()) * share // 100
    expected = hamilton(gifts, total=total, seed=seed)
    assert expected == stage_next(gifts, paid={}, total=total, seed=seed)
    assert expected == stage_next(dict(reversed(gifts.items())), paid={}, total=total, seed=seed)


def test_c_8_with_hamiltons_remainders_the_same_one_gets_every_odd_unit() -> None:
    """The negative control: a unit comes back five times, and one of two nearly equals gets all."""
    gave = {"a": 60, "b": 55}
    naive, fair = dict.fromkeys(gave, 0), dict.fromkeys(gave, 0)
    for _stage in range(5):
        for paid, share in ((naive, hamilton), (fair, partial(stage_next, paid=dict(fair)))):
            left = {key: gave[key] - paid[key] for key in gave}
            for key, unit in share(left, total=1, seed="7").items():
                paid[key] += unit
    assert {"a": 5, "b": 0} == naive
    assert {"a": 3, "b": 2} == fair


def test_c_8_paying_whole_shares_at_every_stage_would_have_to_take_back() -> None:
    """The negative control: without floors the Alabama paradox strikes."""
    weights = {"a": 6, "b": 6, "c": 2}
    paid = hamilton(weights, total=10, seed="7")
    with pytest.raises(MoneyRefused):
        stage_last(weights, returned=11, paid=paid, seed="7")


@MODEST
@given(
    gifts.flatmap(lambda g: st.tuples(st.just(g), st.permutations(list(g)))), st.integers(0, 10**6)
)
def test_c_10_a_permutation_of_rows_changes_nothing(
    case: tuple[dict[str, int], list[str]], total: int
) -> None:
    amounts, order = case
    total = total if amounts else 0
    shuffled = {key: amounts[key] for key in order}
    assert hamilton(amounts, total=total, seed="x") == hamilton(shuffled, total=total, seed="x")


def test_a_tie_is_broken_by_the_campaign_and_not_by_the_name() -> None:
    equal = dict.fromkeys("abcdefgh", 1)
    first = {
        max(equal, key=lambda key: hamilton(equal, total=1, seed=seed)[key])
        for seed in map(str, range(40))
    }
    assert len(first) > 1


@pytest.mark.parametrize(
    ("weights", "total"), [({"a": -1, "b": 5}, 1), ({"a": 1}, -1), ({}, 1), ({"a": 0}, 1)]
)
def test_a_split_that_makes_no_sense_is_refused(weights: dict[str, int], total: int) -> None:
    with pytest.raises(MoneyRefused):
        hamilton(weights, total=total, seed="x")


def test_nothing_to_share_is_nothing_for_everybody() -> None:
    assert {} == hamilton({}, total=0, seed="x")
    assert {"a": 0, "b": 0} == hamilton({"a": 0, "b": 0}, total=0, seed="x")
    assert {"a": 0} == stage_floor({"a": 0}, returned=0, paid={})


def test_a_weight_of_nothing_gets_nothing() -> None:
    assert {"a": 0, "b": 1, "c": 0} == hamilton({"a": 0, "b": 3, "c": 0}, total=1, seed="x")


def test_nobody_gets_back_more_than_was_given() -> None:
    for cost in (-1, 11):
        with pytest.raises(MoneyRefused):
            refund_split({"a": 10}, cost=cost, seed="x")
    with pytest.raises(MoneyRefused):
        stage_floor({"a": 10}, returned=11, paid={})
    with pytest.raises(MoneyRefused):
        stage_last({"a": 10}, returned=10, paid={"stranger": 1}, seed="x")


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.50", "GBP", 1250),
        ("12", "GBP", 1200),
        ("0.05", "EUR", 5),
        ("12.5", "EUR", 1250),
        ("500", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("1.2", "BHD", 1200),
    ],
)
def test_an_amount_is_read_in_the_decimals_of_its_currency(
    text: str, currency: str, minor: int
) -> None:
    assert minor == parse_minor(text, currency)


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        *((text, "GBP") for text in ("12,50", "1,000", "-1", "", ".5", "5.", "1.234", "1e3")),
        *((text, "GBP") for text in (" 1", "1\n", "١٢", "9" * 16, "nan")),
        *(("1.0", "JPY"), ("1", "XXX"), ("1", "gbp")),
    ],
)
def test_an_amount_that_two_readers_could_read_in_two_ways_is_refused(
    text: str, currency: str
) -> None:
    with pytest.raises(MoneyRefused):
        parse_minor(text, currency)


def test_currencies_have_none_two_or_three_decimals() -> None:
    assert (0, 2, 3) == (exponent("JPY"), exponent("GBP"), exponent("KWD"))
    for unknown in ("CLF", "XAU", "XXX", "gbp", "", "GBP "):
        with pytest.raises(MoneyRefused):
            exponent(unknown)


def test_money_adds_and_compares_within_one_currency_only() -> None:
    pound, fifty = pence(100), pence(50)
    assert pence(150) == pound + fifty
    assert fifty == pound - fifty
    assert pence(-50) == -fifty
    assert fifty < pound
    assert fifty <= pence(50)
    assert pound > fifty
    assert pound >= pence(100)
    yen = Money(amount_minor=100, currency="JPY")
    assert pound != yen
    for mixed in (lambda: pound + yen, lambda: pound - yen, lambda: pound < yen):
        with pytest.raises(CurrencyMismatch):
            mixed()
    for mixed in (lambda: pound <= yen, lambda: pound > yen, lambda: pound >= yen):
        with pytest.raises(CurrencyMismatch):
            mixed()


def pence(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="GBP")


@pytest.mark.parametrize("amount", [1.0, True, "1", None])
def test_money_is_never_a_fraction(amount: object) -> None:
    with pytest.raises(MoneyRefused):
        Money(amount_minor=amount, currency="GBP")  # type: ignore[arg-type]


@settings(max_examples=cases(5000), deadline=None)
@given(gifts, st.integers(0, 10**9), st.text("abc", max_size=3))
@pytest.mark.slow
def test_r_11_splits_add_up_to_the_last_unit(
    weights: dict[str, int], total: int, seed: str
) -> None:
    if not weights:
        return
    shares, whole = hamilton(weights, total=total, seed=seed), sum(weights.values())
    assert total == sum(shares.values())
    assert all(abs(shares[key] - Fraction(w * total, whole)) < 1 for key, w in weights.items())


def test_r_11_rounding_each_share_by_itself_loses_or_invents_money() -> None:
    """The negative control: three equal parts of 100 do not add up when each is rounded."""
    assert 100 != sum(round(100 / 3) for _part in range(3))
    assert 100 == sum(hamilton({"a": 1, "b": 1, "c": 1}, total=100, seed="x").values())


@MODEST
@given(st.integers(0, 10**17), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_an_amount_survives_its_decimal_text(amount_minor: int, currency: str) -> None:
    amount_minor //= 10 ** (3 - exponent(currency))
    assert amount_minor == parse_minor(decimal_text(amount_minor, currency), currency)


@settings(max_examples=cases(1000), deadline=None)
@given(
    gifts_and_stages(),
    st.sampled_from(["JPY", "EUR", "KWD"]),
    st.text("abc", max_size=3),
    st.data(),
)
def test_r_11_refunds_in_stages_add_up_in_currencies_of_every_exponent(
    case: tuple[dict[str, int], list[int]], currency: str, seed: str, data: st.DataObject
) -> None:
    """Whole units of the currency: the sum is the whole, each within one minor unit of exact."""
    scale = 10 ** exponent(currency)
    amounts = {key: amount * scale for key, amount in case[0].items()}
    whole = sum(amounts.values())
    stages = sorted(data.draw(st.lists(st.integers(0, whole), min_size=1, max_size=4)))
    returned = stages[-1]
    at_once = refund_split(amounts, cost=whole - returned, seed=seed)
    paid = dict.fromkeys(amounts, 0)
    for stage in stages[:-1]:
        now = stage_floor(amounts, returned=stage, paid=paid)
        paid = {key: paid[key] + now[key] for key in paid}
    last = stage_last(amounts, returned=returned, paid=paid, seed=seed)
    assert at_once == {key: paid[key] + last[key] for key in paid}
    total = sum(
        (Money(amount_minor=part, currency=currency) for part in at_once.values()),
        start=Money(amount_minor=0, currency=currency),
    )
    assert Money(amount_minor=returned, currency=currency) == total
    for key, amount in amounts.items():
        assert 0 <= at_once[key] <= amount
        assert abs(at_once[key] - Fraction(amount * returned, max(whole, 1))) < 1
