"""A failure settled and a ballot closed: killed all along the way, and while others still vote."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction

from countmein.base.clock import site_now
from countmein.campaigns.actions.change import change
from countmein.campaigns.actions.close_ballots import _close_left_over, close_ballots
from countmein.campaigns.actions.fail import fail
from countmein.campaigns.actions.reallocate import reallocate
from countmein.campaigns.actions.vote import VoteRefused, vote
from countmein.campaigns.bodies import PledgePatch
from countmein.campaigns.gates import gate_of
from countmein.campaigns.models import Ballot, BallotPaper, Campaign, Gate, Pledge
from countmein.campaigns.moves import MoveRefused
from countmein.campaigns.plans import failures_of
from tests.apps.campaigns.acts import Join, pledge_of
from tests.apps.campaigns.plans import asked, balances, carried_out, crowd, paid, shares, with_plans
from tests.conftest import Launch, Site
from tests.faults.crowd import together
from tests.faults.test_kills import killed_every, picture

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("books_read")]
Made = dict[str, dict[str, Any]]


def _failed(site: Site, launch: Launch, join: Join, prefix: str) -> tuple[Campaign, Made]:
    """Nine who gave, of whom two want a refund; the plan leaves something over."""
    paper = {"title": "Another paper", "cost_minor": 3000, "rule": {"people": 3}}
    campaign = with_plans(launch, paper)
    chosen = {f"{prefix}{n}": (1000 + n, 1 if n < 7 else "refund") for n in range(9)}
    made = crowd(join, campaign, **chosen)
    carried_out(site, campaign)
    paid(campaign, 1234)
    refused = asked(campaign, 5000, "Times")
    fail(campaign=campaign, text="Refused.", refused=[refused.id])
    return campaign, made


def _all(campaign: Campaign) -> dict[str, Any]:
    """What must be the same whatever was killed."""
    seen = picture(campaign)
    # Which of several equal remainders gets the odd penny hangs on the codes, which differ.
    seen.pop("refunds")
    names = ("refund_minor", "delivered_minor", "left_over_minor")
    sums = {name: sum(getattr(row, name) for row in shares(campaign)) for name in names}
    ballots = Ballot.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    closed = list(ballots.values_list("outcome", "counts"))
    return {**seen, "sums": sums, "ballots": closed, "books": balances(campaign)}


def test_a_failure_is_settled_once_whatever_is_killed(
    site: Site, launch: Launch, join: Join
) -> None:
    """Digest, reallocation, refunds, letters, the ballot and its end."""
    campaign, _made = _failed(site, launch, join, "calm")
    for hours in (0, 24, 73):
        site.advance(timedelta(hours=hours))
        site.work()
    expected = _all(campaign)
    assert "settled" == expected["seen"][0]
    assert 9 == expected["told"]["failed_1"] == expected["told"]["plan_b_1"]
    assert 7 == expected["told"]["voted_left_over_1"]
    kills = 0
    for first in (0, 5):
        again, _made = _failed(site, launch, join, f"k{first}")
        for hours in (0, 24, 73):
            site.advance(timedelta(hours=hours))
            kills += killed_every(9, first=first)
        assert expected == _all(again)
    assert kills > 20
    site.check()


def _voting(site: Site, launch: Launch, join: Join) -> tuple[Campaign, Ballot, list[Pledge]]:
    campaign, made = _failed(site, launch, join, "v")
    site.advance(timedelta(hours=24))
    site.work()
    ballot = Ballot.objects.get(lane=campaign.lane, campaign_id=campaign.id)
    return campaign, ballot, [pledge_of(made[f"v{n}"]) for n in range(7)]


def test_each_vote_that_was_taken_is_counted(site: Site, launch: Launch, join: Join) -> None:
    """Seven vote at the very moment at which it ends, and four workers close it."""
    campaign, ballot, voters = _voting(site, launch, join)
    Ballot.objects.filter(lane=ballot.lane, id=ballot.id).update(
        ends_at=site_now() + timedelta(milliseconds=40)
    )

    def close() -> None:
        while not _is_closed(ballot):
            close_ballots(str(campaign.id))

    def cast(voter: Pledge) -> Callable[[], Any]:
        return lambda: vote(pledge=voter, ballot_id=ballot.id, choice="keep")

    answers = together([*(cast(voter) for voter in voters), *[close] * 4])
    refused = [a for a in answers[:7] if isinstance(a, Exception)]
    assert all(isinstance(a, VoteRefused) and a.reason == "ballot_closed" for a in refused)
    assert [] == [a for a in answers[7:] if isinstance(a, Exception)]
    closed = Ballot.objects.get(lane=ballot.lane, id=ballot.id)
    assert 7 - len(refused) == closed.counts["keep"] == _stored(ballot)
    site.work()
    site.check()


def _is_closed(ballot: Ballot) -> bool:
    rows = Ballot.objects.filter(lane=ballot.lane, id=ballot.id, closed_at=None)
    return not rows.exists()


def _stored(ballot: Ballot) -> int:
    papers = BallotPaper.objects.filter(lane=ballot.lane, ballot_id=ballot.id)
    return Counter(papers.values_list("choice", flat=True))["keep"]


def _vote_while_it_is_closed(campaign: Campaign, ballot: Ballot, cast: Callable[[], Any]) -> None:
    """A vote that has begun and is not committed when the closing comes to the ballot."""
    has_voted, closing = threading.Event(), threading.Thread(target=_close, args=[campaign, ballot])

    def voter() -> None:
        try:
            with transaction.atomic():
                cast()
                has_voted.set()
                _until(lambda: _waits_for_a_lock() or _is_closed(ballot))
        finally:
            connections.close_all()

    voting = threading.Thread(target=voter)
    voting.start()
    assert has_voted.wait(30)
    closing.start()
    for thread in (voting, closing):
        thread.join(30)
        assert not thread.is_alive()


def _close(campaign: Campaign, ballot: Ballot) -> None:
    try:
        with transaction.atomic():
            rows = Ballot.objects.filter(lane=ballot.lane, id=ballot.id)
            rows.select_for_update().get()
            _close_left_over(campaign, ballot)
    finally:
        connections.close_all()


def _until(is_so: Callable[[], bool]) -> None:
    for _look in range(100_000):
        if is_so():
            return
    raise AssertionError("it never came to be so")


def _waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted"
            " AND locktype IN ('transactionid', 'tuple'))"
        )
        (found,) = cursor.fetchone()
    return bool(found)


def test_the_closing_waits_for_a_vote_that_is_under_way(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign, ballot, (voter, *_others) = _voting(site, launch, join)
    _vote_while_it_is_closed(
        campaign, ballot, lambda: vote(pledge=voter, ballot_id=ballot.id, choice="keep")
    )
    counts = Ballot.objects.get(lane=ballot.lane, id=ballot.id).counts
    assert 1 == counts["keep"] == _stored(ballot)


def test_a_vote_that_holds_nothing_is_taken_and_not_counted(
    site: Site, launch: Launch, join: Join
) -> None:
    """The control: look whether it is open, then fill in the paper."""
    campaign, ballot, (voter, *_others) = _voting(site, launch, join)

    def naive() -> None:
        assert not _is_closed(ballot)
        BallotPaper.objects.filter(
            lane=ballot.lane, ballot_id=ballot.id, pledge_id=voter.id
        ).update(choice="keep")

    _vote_while_it_is_closed(campaign, ballot, naive)
    counts = Ballot.objects.get(lane=ballot.lane, id=ballot.id).counts
    assert (0, 1) == (counts["keep"], _stored(ballot))


def _choosing(site: Site, launch: Launch, join: Join) -> tuple[Campaign, list[Pledge]]:
    """Seven who want a refund so far, and a plan that takes whoever comes."""
    campaign = with_plans(launch, {"title": "A van"})
    made = crowd(join, campaign, **{f"c{n}": (1000 + n, "refund") for n in range(7)})
    carried_out(site, campaign)
    fail(campaign=campaign, text="Refused.")
    return campaign, [pledge_of(made[f"c{n}"]) for n in range(7)]


def _for_the_van(pledge: Pledge) -> Callable[[], Any]:
    return lambda: change(pledge=pledge, body=PledgePatch.model_validate({"fallback": 1}))


def test_each_choice_that_was_taken_is_carried_out(site: Site, launch: Launch, join: Join) -> None:
    """Seven change their mind at the moment at which choices are closed, and two workers settle."""
    campaign, members = _choosing(site, launch, join)
    Gate.objects.filter(lane=campaign.lane, id=campaign.id).update(
        reallocate_at=site_now() + timedelta(milliseconds=40)
    )

    def settle() -> None:
        while gate_of(campaign).state != "settled":
            reallocate(str(campaign.id))

    answers = together([*(_for_the_van(member) for member in members), settle, settle])
    refused = {m.id for m, a in zip(members, answers, strict=False) if isinstance(a, Exception)}
    assert [] == [a for a in answers[7:] if isinstance(a, Exception)]
    assert {m.id for m in members} - refused == {s.pledge_id for s in shares(campaign) if s.plan}
    site.work()
    site.check()


def test_it_fails_once_however_often_it_is_said(site: Site, launch: Launch, join: Join) -> None:
    """Eight at once: one failure, one digest, and seven are told that it is too late."""
    campaign = with_plans(launch, {"title": "A van"})
    crowd(join, campaign, ben=(1000, 1))
    carried_out(site, campaign)
    answers = together([lambda: fail(campaign=campaign)] * 8)
    assert 7 == sum(isinstance(answer, MoveRefused) for answer in answers)
    assert 1 == len(failures_of(campaign))
    site.work()
    assert 1 == picture(campaign)["told"]["failed_1"]
    site.check()
