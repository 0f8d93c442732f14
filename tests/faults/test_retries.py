"""R4: a retry never doubles a pledge."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections, transaction

from countmein.campaigns import pledge_rows
from countmein.campaigns.actions.pledge import Answer, pledge
from countmein.campaigns.bodies import PledgeBody
from countmein.campaigns.models import Campaign, Pledge
from countmein.campaigns.pledge_terms import PledgeRequest
from countmein.rules.pledging import PledgeRefused, Reason
from tests.conftest import Launch, Site
from tests.faults.crowd import together
from tests.faults.stepper import hanging


def _request(number: int, *, key: str | None = None, name: str = "Ben") -> PledgeRequest:
    body = {"kind": "signature", "member": {"email": f"m{number}@example.org", "name": name}}
    return PledgeRequest(body=PledgeBody.model_validate(body), key=key or f"k{number}")


def _one(campaign: Campaign, request: PledgeRequest) -> Answer | PledgeRefused:
    (answer,) = pledge(campaign=campaign, requests=[request])
    return answer


def _rows(campaign: Campaign) -> int:
    return int(Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).count())


def test_one_key_sent_32_times_at_once_is_one_pledge(site: Site, launch: Launch) -> None:
    """All 32 get the same answer; exactly one of them is not a repetition."""
    campaign = launch(rule={"people": 100})
    answers = together([partial(_one, campaign, _request(1)) for _ in range(32)], threads=32)
    bodies = {answer.body["code"] for answer in answers if isinstance(answer, Answer)}
    assert 1 == len(bodies)
    assert 32 == sum(isinstance(a, Answer) for a in answers)
    assert 31 == sum(a.replayed for a in answers if isinstance(a, Answer))
    assert 1 == _rows(campaign)
    site.work()
    site.check()


def test_another_body_under_a_used_key_is_refused_every_time(site: Site, launch: Launch) -> None:
    """Whichever of two bodies comes first keeps the key; the other never gets in."""
    campaign = launch(rule={"people": 10_000})
    acts = [
        partial(_one, campaign, _request(number, key=f"k{number}", name=name))
        for number in range(100)
        for name in ("Ben", "Dora")
    ]
    answers = together(acts)
    refused = [a for a in answers if isinstance(a, PledgeRefused)]
    assert [Reason.key_reused] * 100 == [a.reason for a in refused]
    assert 100 == _rows(campaign)


@pytest.mark.slow
def test_5000_keys_sent_up_to_five_times_in_batches_and_singly(site: Site, launch: Launch) -> None:
    """Batches that overlap, repeat and come in another order each time."""
    campaign = launch(rule={"people": 10_000})
    whole = [_request(number) for number in range(5000)]
    batches = [whole[i : i + 250] for i in range(0, 5000, 250)]
    acts: list[Any] = [partial(pledge, campaign=campaign, requests=b) for b in batches]
    acts += [partial(pledge, campaign=campaign, requests=b[::-1]) for b in reversed(batches)]
    shifted = [whole[i : i + 250] for i in range(125, 5000, 250)]
    acts += [partial(pledge, campaign=campaign, requests=b) for b in shifted]
    acts += [partial(pledge, campaign=campaign, requests=[whole[i]]) for i in range(0, 5000, 20)]
    answers = together(acts, threads=8)
    failed = [a for a in answers if isinstance(a, Exception)]
    assert [] == failed
    given = [each for batch in answers for each in batch]  # type: ignore[union-attr]
    assert all(isinstance(each, Answer) for each in given)
    assert 5000 == len({each.body["code"] for each in given})
    assert 5000 == sum(not each.replayed for each in given)
    assert 5000 == _rows(campaign)
    site.work()
    site.check()


def test_without_the_key_constraint_the_same_retries_double(transactional_db: None) -> None:
    """The control: look, then insert, as it is so often done."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE naive_pledge (key text)")

    def naive(key: str) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM naive_pledge WHERE key = %s", [key])
            if cursor.fetchone() is None:
                cursor.execute("SELECT pg_sleep(0.005)")
                cursor.execute("INSERT INTO naive_pledge VALUES (%s)", [key])

    try:
        together([partial(naive, "one") for _ in range(32)], threads=32)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM naive_pledge")
            assert cursor.fetchone()[0] > 1
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE naive_pledge")


@pytest.mark.parametrize("is_sorted", [True, False])
def test_two_batches_that_share_people_wait_and_lock_nobody_out(
    site: Site, launch: Launch, monkeypatch: pytest.MonkeyPatch, is_sorted: bool
) -> None:
    """In two processes: one group commit would let them take turns. The control: in the order in
    which they came they wait for each other in a circle."""
    if not is_sorted:
        monkeypatch.setattr(pledge_rows, "sorted", lambda rows, **_: list(rows), raising=False)
    campaign = launch(rule={"people": 100})
    is_in, may_leave = threading.Event(), threading.Event()

    def stand_between() -> None:
        with transaction.atomic():
            _batch(campaign, "first", "x")
            is_in.set()
            assert may_leave.wait(30)
            transaction.set_rollback(True)
        connections.close_all()

    with ThreadPoolExecutor(3) as pool:
        between = pool.submit(stand_between)
        assert is_in.wait(30)
        both = [
            pool.submit(_batch, campaign, key, people)
            for key, people in (("one", "axb"), ("two", "bxa"))
        ]
        while hanging() < 2:
            pass
        may_leave.set()
        between.result(30)
        failed = [one.exception(30) for one in both]
    assert is_sorted == (failed == [None, None]), failed


def _batch(campaign: Campaign, key: str, people: str) -> None:
    try:
        pledge(
            campaign=campaign,
            requests=[
                PledgeRequest(
                    body=PledgeBody.model_validate(
                        {"kind": "signature", "member": {"email": f"{who}@example.org"}}
                    ),
                    key=f"{key}-{who}",
                )
                for who in people
            ],
        )
    finally:
        if key != "first":
            connections.close_all()
