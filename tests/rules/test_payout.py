"""Commission, stages, the holdback and who may pay: B-8 and R38."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.rules.money import MoneyRefused
from countmein.rules.payout import (
    WHOLE_BP,
    Account,
    Funds,
    Obstacle,
    Request,
    commission,
    commission_back,
    end_unproven,
    may_pay,
    payable,
    stages,
    statement,
)
from tests.rules.crowds import cases

MANY = settings(max_examples=cases(1000), deadline=None)
SOME = settings(max_examples=500, deadline=None)
NOW = datetime(2010, 5, 17, 3, 0, tzinfo=UTC)

minor = st.integers(0, 10**6)
shares_bp = st.sampled_from(
    [(10_000,), (6000, 4000), (1, 9999), (3333, 3333, 3334), (2500,) * 4, (9999, 1)]
)


@SOME
@given(st.lists(st.tuples(minor, st.booleans()), max_size=12), st.integers(0, WHOLE_BP))
def test_the_commission_is_the_floor_on_what_stays_settled_after_any_history(
    history: list[tuple[int, bool]], bp: int
) -> None:
    net = taken = carried = 0
    for value, is_refund in history:
        if is_refund:
            value = min(value, net)
            step = commission_back(refunded_minor=value, bp=bp, carried=carried)
            net, taken = net - value, taken + step.taken_minor
            assert step.taken_minor <= 0
        else:
            step = commission(settled_minor=value, bp=bp, carried=carried)
            net, taken = net + value, taken + step.taken_minor
            assert step.taken_minor >= 0
        carried = step.carried
        assert net * bp // WHOLE_BP == taken
        assert net * bp == taken * WHOLE_BP + carried


def test_a_commission_that_forgets_its_fraction_takes_nothing_of_small_sums() -> None:
    """The negative control: 3 % of a hundred times 0.33 is 0.99, not a hundred times nothing."""
    taken = carried = 0
    for _sale in range(100):
        assert 0 == 33 * 300 // WHOLE_BP
        step = commission(settled_minor=33, bp=300, carried=carried)
        taken, carried = taken + step.taken_minor, step.carried
    assert 99 == taken


@pytest.mark.parametrize(
    "fault",
    [{"settled_minor": -1}, {"bp": -1}, {"bp": 10_001}, {"carried": -1}, {"carried": 10_000}],
)
def test_a_commission_that_makes_no_sense_is_refused(fault: dict[str, int]) -> None:
    with pytest.raises(MoneyRefused):
        commission(**{"settled_minor": 1, "bp": 300, "carried": 0} | fault)


@MANY
@given(minor, shares_bp)
def test_r_11_stages_add_up_to_the_whole(whole: int, shares: tuple[int, ...]) -> None:
    paid = stages(whole, shares_bp=shares)
    assert whole == sum(paid)
    for amount, bp in zip(paid[:-1], shares, strict=False):
        assert 0 <= amount * WHOLE_BP <= whole * bp < (amount + 1) * WHOLE_BP
    assert paid[-1] * WHOLE_BP >= whole * shares[-1]


@pytest.mark.parametrize("shares", [(), (10_001,), (9999,), (0, 10_000), (-1, 10_001)])
def test_stages_that_do_not_share_out_the_whole_are_refused(shares: tuple[int, ...]) -> None:
    with pytest.raises(MoneyRefused):
        stages(100, shares_bp=shares)


@st.composite
def some_funds(draw: st.DrawFn) -> Funds:
    collected = draw(minor)
    refunded = draw(st.integers(0, collected))
    shares = draw(shares_bp)
    return Funds(
        collected_minor=collected,
        refunded_minor=refunded,
        disputed_minor=draw(st.integers(0, collected - refunded)),
        processor_costs_minor=draw(st.integers(0, 10**4)),
        commission_minor=draw(st.integers(0, 10**4)),
        paid_out_minor=draw(st.one_of(st.just(0), minor)),
        holdback_bp=draw(st.integers(0, WHOLE_BP)),
        is_refund_window_open=draw(st.booleans()),
        stage_bp=shares,
        approved_stages=draw(st.integers(0, len(shares))),
    )


@SOME
@given(some_funds(), st.integers(0, WHOLE_BP))
def test_a_payout_is_never_negative_and_outlasts_the_worst_refunds_still_allowed(
    funds: Funds, bad_luck_bp: int
) -> None:
    pays = payable(funds)
    assert 0 <= pays
    # Costs are not given back, and to be safe the commission is not either.
    allowed = ceil(Fraction(funds.standing_minor * funds.holdback_bp, WHOLE_BP))
    refunds = allowed * bad_luck_bp // WHOLE_BP if funds.is_refund_window_open else 0
    later = replace(funds, refunded_minor=funds.refunded_minor + refunds)
    assert pays == 0 or funds.paid_out_minor + pays <= later.net_minor


def test_what_is_held_back_for_refunds_is_rounded_up() -> None:
    funds = Funds(collected_minor=101, holdback_bp=5000, is_refund_window_open=True)
    assert (51, 50) == (funds.held_back_minor, payable(funds))


@SOME
@given(some_funds(), st.integers(0, WHOLE_BP))
def test_what_is_at_risk_can_all_go_back_after_a_payout(funds: Funds, share_bp: int) -> None:
    at_risk = funds.standing_minor * share_bp // WHOLE_BP
    pays = payable(replace(funds, at_risk_minor=at_risk))
    assert 0 <= pays <= payable(funds)
    later = replace(funds, refunded_minor=funds.refunded_minor + at_risk)
    assert pays == 0 or funds.paid_out_minor + pays <= later.net_minor


@SOME
@given(some_funds())
def test_more_proof_or_a_closed_window_never_pays_less(funds: Funds) -> None:
    pays = payable(funds)
    assert pays <= payable(replace(funds, is_refund_window_open=False))
    if funds.approved_stages < len(funds.stage_bp):
        assert pays <= payable(replace(funds, approved_stages=funds.approved_stages + 1))
    assert 0 == payable(replace(funds, approved_stages=0))
    paid = replace(funds, paid_out_minor=funds.paid_out_minor + pays)
    assert 0 == payable(paid)


@SOME
@given(
    st.lists(st.tuples(minor, st.integers(0, WHOLE_BP)), min_size=1, max_size=8),
    shares_bp,
    st.integers(0, WHOLE_BP),
)
def test_b_8_gross_is_net_commission_costs_and_refunds(
    sales: list[tuple[int, int]], shares: tuple[int, ...], bp: int
) -> None:
    """A whole life: sales, some refunded in part, paid out in stages as soon as allowed."""
    funds = Funds(collected_minor=0, stage_bp=shares, approved_stages=0, holdback_bp=2000)
    carried = 0
    for sale, refund_bp in sales:
        refund = sale * refund_bp // WHOLE_BP
        took = commission(settled_minor=sale, bp=bp, carried=carried)
        back = commission_back(refunded_minor=refund, bp=bp, carried=took.carried)
        carried = back.carried
        funds = replace(
            funds,
            collected_minor=funds.collected_minor + sale,
            refunded_minor=funds.refunded_minor + refund,
            processor_costs_minor=funds.processor_costs_minor + sale // 100,
            commission_minor=funds.commission_minor + took.taken_minor + back.taken_minor,
            is_refund_window_open=True,
        )
    for proven in range(len(shares) + 1):
        funds = replace(funds, approved_stages=proven)
        funds = replace(funds, paid_out_minor=funds.paid_out_minor + payable(funds))
    funds = replace(funds, is_refund_window_open=False)
    paid_out = funds.paid_out_minor + payable(funds)
    closed = statement(funds)
    assert max(closed.net_minor, 0) == paid_out
    gone = closed.commission_minor + closed.processor_costs_minor + closed.refunds_minor
    assert closed.gross_minor == closed.net_minor + gone


@pytest.mark.parametrize(
    "fault",
    [
        {"collected_minor": -1},
        {"refunded_minor": 60, "disputed_minor": 41},
        {"processor_costs_minor": -1},
        {"holdback_bp": 10_001},
        {"holdback_bp": -1},
        {"stage_bp": (5000,)},
        {"approved_stages": 2},
        {"approved_stages": -1},
    ],
)
def test_figures_that_cannot_be_are_refused(fault: dict[str, object]) -> None:
    with pytest.raises(MoneyRefused):
        replace(Funds(collected_minor=100), **fault)  # type: ignore[arg-type]


VERIFIED = Account(is_verified=True)
FULL = Funds(collected_minor=10_000)


def obstacles(
    *, account: Account = VERIFIED, funds: Funds = FULL, now: datetime = NOW, **request: object
) -> tuple[Obstacle, ...]:
    asked = Request(**{"amount_minor": 1000, "requested_by": "ana"} | request)  # type: ignore[arg-type]
    return may_pay(asked, account=account, funds=funds, alone_up_to_minor=5000, now=now)


def test_a_small_payout_to_a_verified_account_needs_nobody_else() -> None:
    assert () == obstacles()
    assert () == obstacles(amount_minor=5000)


def test_r_38_nothing_is_paid_for_72_hours_after_an_account_or_its_owner_changed() -> None:
    fresh = Account(is_verified=True, changed_at=NOW, owner_changed_at=NOW)
    both = (Obstacle.account_changed_lately, Obstacle.owner_changed_lately)
    for hours in (-1, 0, 71):
        assert both == obstacles(account=fresh, now=NOW + timedelta(hours=hours))
    assert both == obstacles(account=fresh, now=NOW + timedelta(hours=72, microseconds=-1))
    assert () == obstacles(account=fresh, now=NOW + timedelta(hours=72))
    assert (Obstacle.account_unverified,) == obstacles(account=Account(is_verified=False))


def test_what_somebody_froze_is_not_paid_however_long_ago_the_change_was() -> None:
    frozen = Account(is_verified=True, changed_at=NOW, is_frozen=True)
    assert (Obstacle.frozen,) == obstacles(account=frozen, now=NOW + timedelta(days=400))


def test_a_large_payout_needs_a_second_person_who_is_another() -> None:
    second, own = Obstacle.second_person_needed, Obstacle.approved_own_request
    assert (second,) == obstacles(amount_minor=5001)
    assert () == obstacles(amount_minor=5001, approved_by=("ben",))
    assert (second, own) == obstacles(amount_minor=5001, approved_by=("ana",))
    assert (own,) == obstacles(amount_minor=5001, approved_by=("ana", "ben"))
    assert (Obstacle.approved_twice,) == obstacles(approved_by=("ben", "ben"))


def test_a_large_payout_cut_into_small_ones_needs_the_second_person_too() -> None:
    assert () == obstacles(paid_alone_minor=4000)
    assert (Obstacle.second_person_needed,) == obstacles(paid_alone_minor=4001)


def test_each_reason_for_too_much_is_told_apart() -> None:
    staged = replace(FULL, stage_bp=(6000, 4000))
    held = replace(FULL, holdback_bp=2000, is_refund_window_open=True)
    of = {"approved_by": ("ben",)}
    assert () == obstacles(funds=staged, amount_minor=6000, **of)
    assert (Obstacle.stage_not_proven,) == obstacles(funds=staged, amount_minor=6001, **of)
    assert () == obstacles(funds=held, amount_minor=8000, **of)
    assert (Obstacle.held_back,) == obstacles(funds=held, amount_minor=8001, **of)
    assert (Obstacle.nothing_left,) == obstacles(amount_minor=10_001, **of)


@SOME
@given(some_funds(), st.integers(1, 10**6))
def test_money_stands_in_the_way_of_exactly_what_is_more_than_payable(
    funds: Funds, amount: int
) -> None:
    assert (amount <= payable(funds)) == (
        () == obstacles(funds=funds, amount_minor=amount, approved_by=("ben",))
    )


def test_a_payout_of_nothing_is_refused() -> None:
    for fault in ({"amount_minor": 0}, {"amount_minor": -5}, {"paid_alone_minor": -1}):
        with pytest.raises(MoneyRefused):
            obstacles(**fault)


@SOME
@given(
    standing=st.integers(0, 10**7),
    costs=st.integers(0, 10**5),
    bp=st.integers(0, 5000),
    first_bp=st.integers(1, 9999),
    paid_share=st.integers(0, 100),
)
def test_an_end_without_a_proof_leaves_just_what_was_released(
    standing: int, costs: int, bp: int, first_bp: int, paid_share: int
) -> None:
    """The rest goes back, and with it its share of the commission; nothing is left over."""
    funds = Funds(
        collected_minor=standing,
        processor_costs_minor=costs,
        commission_minor=commission(settled_minor=standing, bp=bp, carried=0).taken_minor,
        stage_bp=(first_bp, 10_000 - first_bp),
    )
    funds = replace(funds, paid_out_minor=funds.proven_minor * paid_share // 100)
    end = end_unproven(funds, commission_bp=bp)
    assert standing == end.kept_minor + end.spent_minor + end.refunds_minor
    assert min(end.kept_minor, end.spent_minor, end.refunds_minor) >= 0
    stays = standing - end.refunds_minor
    left = Funds(
        collected_minor=standing,
        refunded_minor=end.refunds_minor,
        processor_costs_minor=costs,
        commission_minor=commission(settled_minor=stays, bp=bp, carried=0).taken_minor,
        paid_out_minor=funds.paid_out_minor,
    )
    if funds.net_minor >= 0:
        assert funds.proven_minor == end.kept_minor == left.net_minor
        assert payable(left) == end.kept_minor - funds.paid_out_minor
