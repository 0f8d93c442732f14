"""Money that comes back after a failure was settled: all of it goes back, to the cent."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.rules.afterwards import goes_back, share_late
from countmein.rules.money import MoneyRefused

MANY = settings(max_examples=500, deadline=None)
minor = st.integers(0, 10**6)
amounts = st.dictionaries(st.text("abc", min_size=1, max_size=3), minor, max_size=6)


@MANY
@given(spare=st.integers(-100, 10**7), standing=minor, bp=st.integers(0, 10_000))
def test_what_goes_back_takes_its_commission_with_it(spare: int, standing: int, bp: int) -> None:
    back = goes_back(spare_minor=spare, standing_minor=standing, commission_bp=bp)

    def left(back: int) -> int:
        falls = standing * bp // 10_000 - (standing - back) * bp // 10_000
        return spare - back + falls

    assert 0 <= back <= standing
    assert back == 0 or left(back) >= 0
    # One more would be more than there is; and nothing is left unless everything went back.
    assert back == standing or spare < 0 or left(back) == 0
    # Where nothing is held for nobody nothing goes back, whatever commission would fall for it.
    assert back == standing or spare <= 0 or left(back + 1) < 0


@MANY
@given(total=minor, own=amounts, borne=amounts, most=minor, seed=st.text("xyz", max_size=2))
def test_all_of_it_goes_to_those_whose_it_is(
    total: int, own: dict[str, int], borne: dict[str, int], most: int, seed: str
) -> None:
    whole = sum(borne.values()) + most
    late = share_late(
        total_minor=total, own_minor=own, borne_minor=borne, whole_minor=whole, seed=seed
    )
    assert min(total, sum(own.values()) + sum(borne.values())) == sum(
        share.back_minor for share in late.values()
    )
    for id, share in late.items():
        assert 0 <= share.back_minor <= own.get(id, 0) + borne.get(id, 0)
        # What is borne and what goes back are all there is of one's money.
        assert own.get(id, 0) == share.back_minor - share.relieved_minor
        assert borne.get(id, 0) - share.relieved_minor >= 0


def test_a_payment_that_came_back_goes_to_those_who_bore_it() -> None:
    late = share_late(
        total_minor=100,
        own_minor={},
        borne_minor={"a": 200, "b": 100},
        whole_minor=900,
        seed="s",
    )
    assert {"a": 67, "b": 33} == {id: share.back_minor for id, share in late.items()}
    assert {"a": 67, "b": 33} == {id: share.relieved_minor for id, share in late.items()}


def test_whose_dispute_was_won_bears_a_part_like_everybody() -> None:
    """Three gave 300 and 90 is gone. Two bore 45 each while the bank held the third's; it bears 30
    now, and the two get 15 back each."""
    late = share_late(
        total_minor=300,
        own_minor={"c": 300},
        borne_minor={"a": 45, "b": 45},
        whole_minor=600,
        seed="s",
    )
    assert {"a": 15, "b": 15, "c": 270} == {id: share.back_minor for id, share in late.items()}
    assert {"a": 15, "b": 15, "c": -30} == {id: share.relieved_minor for id, share in late.items()}


@pytest.mark.parametrize("fault", [{"total_minor": -1}, {"whole_minor": -1}])
def test_nothing_negative_is_shared_out(fault: dict[str, int]) -> None:
    with pytest.raises(MoneyRefused):
        share_late(
            **{"total_minor": 1, "whole_minor": 1, **fault}, own_minor={}, borne_minor={}, seed=""
        )


@pytest.mark.parametrize("fault", [{"commission_bp": 10_001}, {"standing_minor": -1}])
def test_a_commission_that_makes_no_sense_is_refused(fault: dict[str, int]) -> None:
    with pytest.raises(MoneyRefused):
        goes_back(**{"spare_minor": 1, "standing_minor": 1, "commission_bp": 1, **fault})
