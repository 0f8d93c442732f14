"""Ballots on money left over, and votes on milestones."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.rules.failure import (
    REFUND,
    SettlementRefused,
    ballot,
    milestone_passes,
)
from tests.rules.crowds import CODES

SOME = settings(max_examples=500, deadline=None)

stakes_of = st.dictionaries(st.sampled_from(CODES), st.integers(0, 9), max_size=6)


@SOME
@given(stakes_of, st.data(), st.integers(0, 10_000))
def test_a_ballot_needs_its_quorum_and_a_clear_winner(
    stakes: dict[str, int], data: st.DataObject, quorum_bp: int
) -> None:
    eligible = [id for id, stake in stakes.items() if stake]
    votes = {id: data.draw(st.sampled_from([REFUND, "keep", "plan 1"])) for id in eligible}
    for silent in data.draw(st.sets(st.sampled_from(CODES))):
        votes.pop(silent, None)
    left = data.draw(st.integers(0, sum(stakes.values())))
    result = ballot(
        stakes=stakes,
        votes=votes,
        options=["keep", "plan 1"],
        left_minor=left,
        quorum_bp=quorum_bp,
        seed="x",
    )
    assert result.is_quorate == (
        len(votes) >= 1 and len(votes) * 10_000 >= len(eligible) * quorum_bp
    )
    assert len(votes) == sum(result.counts.values())
    assert left == result.kept_minor + sum(result.refunds.values())
    if result.choice != REFUND:
        assert result.is_quorate
        others = [n for choice, n in result.counts.items() if choice != result.choice]
        assert result.counts[result.choice] > max(others)
        assert left == result.kept_minor
    for id, refund in result.refunds.items():
        assert refund <= stakes[id]
        if result.choice == REFUND and left:
            assert abs(refund - Fraction(stakes[id] * left, sum(stakes.values()))) < 1


@pytest.mark.parametrize(
    "fault",
    [
        {"votes": {"stranger": "keep"}},
        {"votes": {"c": "keep"}},
        {"votes": {"a": "party"}},
        {"left_minor": 16},
        {"left_minor": -1},
        {"quorum_bp": 10_001},
        {"stakes": {"a": 5, "b": -1}},
    ],
)
def test_a_ballot_takes_no_votes_but_of_those_whose_money_it_is(fault: dict[str, object]) -> None:
    fair: dict[str, object] = {"stakes": {"a": 5, "b": 10, "c": 0}, "votes": {"a": "keep"}}
    assert "keep" == ballot(**fair, options=["keep"], seed="x").choice  # type: ignore[arg-type]
    with pytest.raises(SettlementRefused):
        ballot(**fair | fault, options=["keep"], seed="x")  # type: ignore[arg-type]


people = st.frozensets(st.sampled_from(CODES))


@SOME
@given(people, people, people, st.integers(0, 10_000))
def test_silence_counts_as_no_at_a_milestone(
    eligible: frozenset[str], yes: frozenset[str], no: frozenset[str], bp: int
) -> None:
    yes, no = yes & eligible, no & eligible - yes
    silent = eligible - yes - no
    passes = milestone_passes(eligible=eligible, yes=yes, no=no, more_than_bp=bp)
    assert passes == milestone_passes(eligible=eligible, yes=yes, no=no | silent, more_than_bp=bp)
    assert not passes or milestone_passes(eligible=eligible, yes=yes | silent, more_than_bp=bp)
    assert not passes or len(yes) * 10_000 > bp * len(eligible)


def test_a_milestone_takes_one_vote_each_of_those_who_may() -> None:
    everyone = frozenset("abcd")
    assert not milestone_passes(eligible=everyone, yes=frozenset("ab"))
    assert milestone_passes(eligible=everyone, yes=frozenset("abc"))
    assert not milestone_passes(eligible=frozenset(), yes=frozenset())
    for yes, no in (("x", ""), ("a", "x"), ("a", "a")):
        with pytest.raises(SettlementRefused):
            milestone_passes(eligible=everyone, yes=frozenset(yes), no=frozenset(no))
    with pytest.raises(SettlementRefused):
        milestone_passes(eligible=everyone, yes=everyone, more_than_bp=-1)
