"""R5, R6 and R7: the instants at which everything is decided."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import InterfaceError, OperationalError, connection, connections, transaction

from countmein.base.clock import real_now, set_offset, site_now
from countmein.campaigns.actions.count import count, decide
from countmein.campaigns.actions.pledge import Answer, pledge
from countmein.campaigns.actions.release import release
from countmein.campaigns.actions.settle import settle
from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.bodies import PledgeBody
from countmein.campaigns.gates import gate_of, hold
from countmein.campaigns.models import Campaign, Change, Move, Pledge
from countmein.campaigns.pledge_terms import PledgeRequest
from countmein.campaigns.queries import public_view
from countmein.rules.pledging import PledgeRefused, Reason
from tests.apps.campaigns.acts import Join, pledge_of, states
from tests.conftest import Launch, Site
from tests.faults.crowd import Crowd, Meanwhile, together
from tests.faults.masses import size
from tests.faults.stepper import hanging

pytestmark = pytest.mark.slow

#: R5, and R6 beside the days on which clocks change.
ROUNDS, ORDINARY = size(50, 1000), size(25, 1000)
#: What a session that was cut off says.
CUT = (OperationalError, InterfaceError)


def _tips(campaign: Campaign) -> int:
    rows = Move.objects.filter(lane=campaign.lane, campaign_id=campaign.id, state="tipped")
    return int(rows.count())


def _counted(campaign: Campaign) -> int:
    rows = Change.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    return sum(rows.values_list("people", flat=True))


def test_a_campaign_tips_exactly_once(site: Site, launch: Launch, join: Join) -> None:
    """16 clients round the goal, some leave again, three workers count all the time.

    In every tenth round sessions of the database are cut off meanwhile, whoever has them.
    """
    with Crowd() as crowd:
        campaigns = [launch(rule={"people": 12}) for _turn in range(ROUNDS)]
        for turn, campaign in enumerate(campaigns):
            _round_the_goal(campaign, crowd, join, turn, is_chaos=turn % 10 == 9)
    site.work()
    site.check()


def _round_the_goal(
    campaign: Campaign, crowd: Crowd, join: Join, turn: int, *, is_chaos: bool
) -> None:
    lonely = [join(campaign, f"r{turn}w{n}") for n in range(3)]
    acts: list[Callable[[], Any]] = [partial(join, campaign, f"r{turn}m{n}") for n in range(13)]
    acts[2:2] = [partial(withdraw, pledge=pledge_of(answer)) for answer in lonely]
    acts = [partial(_insist, act) for act in acts]
    workers = [
        Meanwhile(partial(count, str(campaign.id)), pause_seconds=0.005),
        Meanwhile(partial(count, str(campaign.id)), pause_seconds=0.005),
        Meanwhile(partial(decide, campaign), pause_seconds=0.005),
    ]
    cutter = Meanwhile(_cut_a_session, pause_seconds=0.02) if is_chaos else nullcontext()
    with workers[0], workers[1], workers[2], cutter:
        answers = crowd.together(acts)
    count(str(campaign.id))
    failures = [failure for worker in workers for failure in worker.failures]
    assert all(is_chaos and isinstance(failure, CUT) for failure in failures), failures
    assert 1 == _tips(campaign)
    unexpected = [a for a in answers if isinstance(a, Exception)]
    assert all(isinstance(a, PledgeRefused) and a.reason == "latched" for a in unexpected)
    left = sum(getattr(a, "state", "") == "withdrawn" for a in answers)
    assert 16 - left == _counted(campaign)


def _cut_a_session() -> None:
    """End one session of the tests' database, as the death of its process would; not our own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND state <> 'idle' ORDER BY random() LIMIT 1) busy"
        )


def _insist(act: Callable[[], Any]) -> Any:
    """Do it again while the database goes away, as a client under one key would."""
    while True:
        try:
            return act()
        except CUT:
            connection.close()


def test_a_naive_tip_happens_more_than_once_in_most_rounds(transactional_db: None) -> None:
    """The control: read the count, then write the tip."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE naive_tip (round int)")
        cursor.execute("CREATE TABLE naive_member (round int)")

    def join_naively(turn: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO naive_member VALUES (%s)", [turn])
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT count(*) >= 12 FROM naive_member WHERE round = %s", [turn])
            (is_met,) = cursor.fetchone()
            cursor.execute("SELECT count(*) FROM naive_tip WHERE round = %s", [turn])
            if is_met and cursor.fetchone() == (0,):
                cursor.execute("SELECT pg_sleep(0.002)")
                cursor.execute("INSERT INTO naive_tip VALUES (%s)", [turn])

    try:
        for turn in range(20):
            together([partial(join_naively, turn) for _ in range(16)])
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM (SELECT FROM naive_tip GROUP BY round"
                " HAVING count(*) > 1) twice"
            )
            assert cursor.fetchone()[0] > 10
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE naive_tip, naive_member")


LONDON = ZoneInfo("Europe/London")
#: Ordinary closings, and two in the hours in which British clocks change.
CLOSINGS = [
    *[None] * ORDINARY,
    datetime(2027, 3, 28, 2, 0, tzinfo=LONDON),
    datetime(2027, 10, 31, 1, 30, tzinfo=LONDON, fold=1),
]


def test_acknowledged_before_the_deadline_is_settled_and_after_it_refused(
    site: Site, launch: Launch, join: Join
) -> None:
    """12 clients pledge across the closing instant while workers count, tip and release."""
    pledges = refusals = 0
    with Crowd(12) as crowd:
        crowd.together([connection.ensure_connection] * 12)
        for turn, local in enumerate(CLOSINGS):
            set_offset(timedelta(0))
            deadline = local or site_now() + timedelta(days=20)
            campaign = launch(
                rule={"people": 1},
                latch=("on_tip", "at_deadline")[turn % 2],
                deadline=deadline.astimezone(UTC).isoformat(),
                timezone="Europe/London",
            )
            acknowledged, refused = _across(campaign, crowd, join, turn)
            site.work()
            assert {"fulfilled": acknowledged} == states(campaign)
            seen = public_view(campaign)
            assert ("settled", acknowledged) == (seen["state"], seen["tally"]["people"])
            late = Pledge.objects.filter(
                lane=campaign.lane, campaign_id=campaign.id, acted_at__gte=deadline
            )
            assert 0 == late.count()
            pledges, refusals = pledges + acknowledged, refusals + refused
    assert pledges >= BEFORE * len(CLOSINGS)
    assert refusals >= 24 * len(CLOSINGS)
    set_offset(timedelta(0))


#: Acknowledged before the clock is set to shortly before the deadline.
BEFORE = 12


def _across(campaign: Campaign, crowd: Crowd, join: Join, turn: int) -> tuple[int, int]:
    """Pledge with 12 clients until all are refused: how many were acknowledged, and refused."""
    until_near = threading.Barrier(BEFORE, lambda: _set_before(campaign, seconds=0.2))

    def client(number: int) -> tuple[int, int]:
        mine = refused = 0
        while refused < 2:
            try:
                join(campaign, f"t{turn}c{number}n{mine}")
                mine += 1
                if mine == 1:
                    until_near.wait(60)
            except PledgeRefused as no:
                assert no.reason == "campaign_closed"
                refused += 1
        return mine, refused

    def worker() -> None:
        settle(str(campaign.id))
        if site_now() >= campaign.deadline and gate_of(campaign).state == "settled":
            release(str(campaign.id))

    with Meanwhile(worker, pause_seconds=0.02) as work:
        _set_before(campaign, seconds=3600)
        said = crowd.together([partial(client, number) for number in range(12)])
    assert [] == work.failures
    told = [each for each in said if not isinstance(each, Exception)]
    assert 12 == len(told)
    return sum(mine for mine, _refused in told), sum(refused for _mine, refused in told)


def _set_before(campaign: Campaign, *, seconds: float) -> None:
    set_offset(campaign.deadline - real_now() - timedelta(seconds=seconds))


def test_without_the_gate_acknowledged_pledges_miss_the_settled_total(
    transactional_db: None,
) -> None:
    """The control: the transaction's own start as the time, and no lock."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE naive_pledge (turn int)")
        cursor.execute("CREATE TABLE naive_campaign (turn int, deadline timestamptz)")
    drifted = 0
    try:
        for turn in range(10):
            drifted += _naive_closing(turn)
        assert drifted > 5
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE naive_pledge, naive_campaign")


def _naive_closing(turn: int) -> bool:
    acknowledged: list[int] = []
    settled: list[int] = []
    deadline = time.monotonic() + 0.2
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO naive_campaign VALUES (%s, clock_timestamp() + interval '0.2 s')", [turn]
        )

    def client() -> None:
        while True:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    "SELECT now() < deadline FROM naive_campaign WHERE turn = %s", [turn]
                )
                if cursor.fetchone() != (True,):
                    return
                cursor.execute("INSERT INTO naive_pledge VALUES (%s)", [turn])
                cursor.execute("SELECT pg_sleep(0.002)")
            acknowledged.append(1)

    def closer() -> None:
        threading.Event().wait(max(0.0, deadline - time.monotonic()))
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM naive_pledge WHERE turn = %s", [turn])
            settled.append(cursor.fetchone()[0])

    together([client] * 12 + [closer], threads=13)
    return settled != [len(acknowledged)]


def test_a_pledge_is_withdrawn_or_taken_never_both_and_never_neither(
    site: Site, launch: Launch
) -> None:
    """300 withdrawals within some milliseconds of the tip, while acceptance runs."""
    campaigns = [launch(rule={"people": 10}) for _turn in range(30)]
    said: list[tuple[dict[str, Any], Any]] = []
    with Crowd(10) as crowd:
        for turn, campaign in enumerate(campaigns):
            answers = _twenty(campaign)
            # Eight withdrawals come one after the other from the start of the tip on; one has
            # come before, and one waits for it.
            first = _leave(answers[0], 0.0)
            acts = [partial(_leave, a, 0.004 * n * (turn % 10)) for n, a in enumerate(answers[1:9])]
            acts.append(partial(_leave_after_the_tip, campaign, answers[9]))
            *words, done = crowd.together([*acts, partial(settle, str(campaign.id))])
            assert done is None
            said += zip(answers[:10], [first, *words], strict=True)
            assert 1 == _tips(campaign)
    site.work()
    ends = [(word, pledge_of(answer).state) for answer, word in said]
    assert {("withdrawn", "withdrawn"), ("latched", "fulfilled")} == set(ends)
    assert 300 == len(ends)
    assert 30 <= ends.count(("withdrawn", "withdrawn")) <= 270
    site.check()


def _twenty(campaign: Campaign) -> list[dict[str, Any]]:
    requests = [
        PledgeRequest(
            body=PledgeBody.model_validate(
                {"kind": "signature", "member": {"email": f"n{n}@example.org", "name": "N"}}
            ),
            key=f"k{n}",
        )
        for n in range(20)
    ]
    answers = pledge(campaign=campaign, requests=requests)
    return [answer.body for answer in answers if isinstance(answer, Answer)]


def _leave_after_the_tip(campaign: Campaign, answer: dict[str, Any]) -> str:
    while gate_of(campaign).state == "open":
        threading.Event().wait(0.005)
    return _leave(answer, 0.0)


def _leave(answer: dict[str, Any], after_seconds: float) -> str:
    threading.Event().wait(after_seconds)
    try:
        return str(withdraw(pledge=pledge_of(answer)).state)
    except PledgeRefused as no:
        return str(no.reason)


def test_without_a_held_gate_somebody_is_both_withdrawn_and_charged(
    transactional_db: None,
) -> None:
    """The control: each side looks first and then writes."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE naive_member (id int, left_at timestamptz, charged boolean)")
        cursor.execute("INSERT INTO naive_member SELECT g FROM generate_series(1, 60) g")

    def check_then(member: int, write: str) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT left_at IS NULL AND charged IS NULL FROM naive_member WHERE id = %s",
                [member],
            )
            if cursor.fetchone() == (True,):
                cursor.execute("SELECT pg_sleep(0.003)")
                cursor.execute(f"UPDATE naive_member SET {write} WHERE id = %s", [member])

    try:
        acts = [
            partial(check_then, member, write)
            for member in range(1, 61)
            for write in ("left_at = now()", "charged = true")
        ]
        together(acts)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM naive_member WHERE left_at < now() AND charged")
            assert cursor.fetchone()[0] > 0
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE naive_member")


def test_whoever_waited_for_the_gate_beyond_the_deadline_is_late(
    site: Site, launch: Launch, join: Join
) -> None:
    """The clock is read after the lock was granted; read before, it would let this one in."""
    campaign = launch(rule={"people": 100})
    is_held, may_end = threading.Event(), threading.Event()

    def decide_slowly() -> None:
        with transaction.atomic():
            gate = hold(campaign)
            # Real time: a move of the site's clock would be in the waiting statement's snapshot.
            gate.deadline = site_now() + timedelta(milliseconds=300)
            gate.save(update_fields=["deadline"])
            is_held.set()
            assert may_end.wait(30)
            while site_now() <= gate.deadline:
                pass
        connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        decided = pool.submit(decide_slowly)
        assert is_held.wait(30)
        late = pool.submit(_tried_to_join, join, campaign)
        while not hanging() and not late.done():
            pass
        may_end.set()
        decided.result(30)
        assert Reason.campaign_closed == late.result(30)
    assert not Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).exists()


def _tried_to_join(join: Join, campaign: Campaign) -> Any:
    try:
        return join(campaign, "late")
    except PledgeRefused as refused:
        return refused.reason
    finally:
        connections.close_all()
