"""R19: whoever waits at the screen for a mail gets it, however much else is to be sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection

from countmein.base.jobs import GROUPS
from countmein.campaigns.actions.tell import tell
from countmein.outreach import actions as outreach
from countmein.outreach.actions import BATCH, Letterhead, Post, address_lane, post
from countmein.outreach.models import Delivery
from tests.apps.campaigns.acts import Join
from tests.conftest import Launch, Site
from tests.faults.test_mail import arrived

pytestmark = pytest.mark.slow

MASS = 20_000


def _queue_mass() -> None:
    """As `post` would queue them, in one statement, due some time before anything else."""
    letter = json.dumps(
        {"subject": "News", "lines": ["It goes on."], "facts": [], "links": [], "code": "",
         "scan": "", "event": None, "footer": ""}
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO outreach_delivery (lane, id, once, to_address, channel, topic, language,
                letter, state, attempt, queued_at, due_at, receipt)
            SELECT n %% 64, gen_random_uuid(), 'mass:' || n, 'm' || n || '@mass.example', 'email',
                'thank', 'en-gb', %s::jsonb, 'queued', 0, t, t, ''
            FROM generate_series(1, %s) n, (SELECT now() - interval '1 hour' AS t) earlier
            """,
            [letter, MASS],
        )
        cursor.execute("ANALYZE outreach_delivery")


def _confirmations(people: int, *, is_awaited: bool = True) -> list[str]:
    addresses = [f"c{n}@waits.example" for n in range(people)]
    head = Letterhead(subject="Please confirm", lines=("Is it you?",))
    post(
        [
            Post(
                once=f"confirm:{a}",
                topic="confirm",
                letter=head,
                lane=address_lane(a),
                to_address=a,
                is_awaited=is_awaited,
            )
            for a in addresses
        ]
    )
    return addresses


def _handed_over(monkeypatch: pytest.MonkeyPatch, *, batches: int) -> list[str]:
    """The topics of the first batches that one worker alone hands over, in order."""
    seen: list[str] = []

    class Enough(Exception):
        pass

    def look(batch: Any) -> None:
        seen.extend(delivery.topic for delivery in batch)
        if len(seen) >= batches * BATCH:
            raise Enough

    monkeypatch.setattr(outreach, "_hand_over", look)
    with pytest.raises(Enough):
        outreach.send()
    return seen


@pytest.mark.parametrize("is_naive", [False, True])
def test_behind_a_mass_of_letters_a_confirmation_waits_for_one_batch_at_most(
    site: Site, monkeypatch: pytest.MonkeyPatch, is_naive: bool
) -> None:
    """One worker, one place to work at. The control: one lane for all, by the time of queueing."""
    _queue_mass()
    _confirmations(150, is_awaited=not is_naive)
    seen = _handed_over(monkeypatch, batches=3)
    before = seen.index("confirm") if "confirm" in seen else len(seen)
    if is_naive:
        assert before >= 3 * BATCH
    else:
        assert before <= BATCH
        assert 150 == seen.count("confirm")


def test_confirmations_arrive_by_their_own_job_while_the_mass_is_untouched(site: Site) -> None:
    _queue_mass()
    addresses = _confirmations(40)
    outreach.send_awaited()
    assert set(addresses) == set(arrived("@waits.example"))
    waiting = Delivery.objects.all_lanes().filter(state="queued")
    assert MASS == waiting.count()


def test_the_next_of_each_lane_is_found_without_a_look_at_the_backlog(site: Site) -> None:
    _queue_mass()
    _confirmations(3)
    with connection.cursor() as cursor:
        for is_awaited in (True, False):
            cursor.execute(
                "EXPLAIN (ANALYZE, FORMAT JSON) SELECT lane, id FROM outreach_delivery"
                " WHERE state = 'queued' AND is_awaited = %s AND due_at <= clock_timestamp()"
                " ORDER BY due_at LIMIT 200 FOR UPDATE SKIP LOCKED",
                [is_awaited],
            )
            (plan,) = cursor.fetchone()
            plan = json.loads(plan) if isinstance(plan, str) else plan
            assert "delivery_next" in json.dumps(plan)
            assert _most_rows(plan[0]["Plan"]) <= 200


def _most_rows(plan: dict[str, Any]) -> float:
    return max(
        plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0),
        *(_most_rows(below) for below in plan.get("Plans", [])),
        0,
    )


def test_the_job_that_writes_confirmations_has_a_place_of_its_own(
    site: Site, launch: Launch, join: Join
) -> None:
    """Letters of other topics stay where a mass of them may stand in line."""
    campaign = launch(confirm="email")
    join(campaign, "ben")
    tell.defer(campaign_id=str(campaign.id), topic="kept", pledge_ids=[])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT args->>'topic', queue_name FROM procrastinate_jobs"
            " WHERE task_name = 'campaigns.tell'"
        )
        assert {"confirm": "awaited", "kept": "sends"} == dict(cursor.fetchall())
    (places,) = [count for queues, count in GROUPS if "awaited" in queues]
    assert places > 0
