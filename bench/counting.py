"""What a count costs, and how long it makes pledgers wait: `python -m bench.counting [CROWDS …]`.

Prints JSON, one line for each number of crowds. On a database of its own, filled by SQL: as many
pledges as crowds, each with a compound condition of its own, and a thousand that join between two
counts. `wait_ms` is the longest that a probe waited for the gate, which it takes as pledgers do.
"""

import json
import multiprocessing
import os
import random
import sys
from collections.abc import Callable
from datetime import timedelta
from time import perf_counter, process_time
from typing import Any

import django
import psycopg

import tests.site  # noqa: F401  starts the database before Django reads its settings

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from countmein.base.clock import site_now  # noqa: E402
from countmein.campaigns import books  # noqa: E402
from countmein.campaigns.actions.accept import accept_slice  # noqa: E402
from countmein.campaigns.actions.count import catch_up, decide, tally_of  # noqa: E402
from countmein.campaigns.actions.draft import draft  # noqa: E402
from countmein.campaigns.actions.launch import launch  # noqa: E402
from countmein.campaigns.bodies import CampaignBody  # noqa: E402
from countmein.campaigns.models import Campaign, crowd_id  # noqa: E402
from countmein.members.models import Organiser  # noqa: E402
from countmein.rules import conditions  # noqa: E402

ROUNDS = 5
#: So many join between two counts.
JOINING = 1000


def begun(organiser: Organiser, crowds: int) -> Campaign:
    """A campaign in which everybody waits for more than there are."""
    body = {
        "title": f"{crowds} conditions",
        "kinds": ["signature"],
        "rule": {"people": crowds + ROUNDS * JOINING},
        "deadline": (site_now() + timedelta(days=30)).isoformat(),
        "confirm": "none",
    }
    campaign = draft(organiser=organiser, body=CampaignBody.model_validate(body))
    launch(campaign=campaign)
    return campaign


def pour(campaign: Campaign, *, start: int, said: list[Any]) -> None:
    """Pledges with these conditions, straight into the tables, in the gate's open round."""
    names = ["null" if c is None else conditions.canonical(parsed(c)) for c in said]
    ids = [crowd_id(campaign.id, name) for name in names]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO campaigns_crowd (lane, id, campaign_id, condition, is_core, is_in)
            SELECT %s, id, %s, condition, false, false
            FROM unnest(%s::uuid[], %s::jsonb[]) AS u(id, condition) ON CONFLICT DO NOTHING
            """,
            [campaign.lane, campaign.id, ids, [c and json.dumps(c) for c in said]],
        )
        cursor.execute(
            """
            WITH gate AS (SELECT round FROM campaigns_gate WHERE id = %(id)s), made AS (
              INSERT INTO campaigns_pledge (lane, id, campaign_id, code, key, digest, state,
                answered_state, round, kind, amount, place, crowd_id, more, accepted,
                was_waitlisted, mailbox, member_id, contact_id, public_name, payment_method,
                fallback, at, acted_at)
              SELECT %(lane)s, gen_random_uuid(), %(id)s, 'b' || %(start)s + n,
                'k' || %(start)s + n, '', 'active', 'active', gate.round, 'signature', 1, '', crowd,
                '[]', '{}', false,
                md5((%(start)s + n)::text) || md5(%(id)s::text), gen_random_uuid(),
                gen_random_uuid(), false, '', 'refund', now(), now()
              FROM gate, unnest(%(crowds)s::uuid[]) WITH ORDINALITY AS u(crowd, n)
              RETURNING id, crowd_id, round)
            INSERT INTO campaigns_change (lane, id, campaign_id, round, pledge_id, crowd_id, kind,
                place, people, amount)
            SELECT %(lane)s, gen_random_uuid(), %(id)s, round, id, crowd_id, 'signature', '', 1, 1
            FROM made
            """,
            {"lane": campaign.lane, "id": campaign.id, "start": start, "crowds": ids},
        )


def parsed(said: Any) -> conditions.Condition:
    return conditions.parse(said, path="condition", pledges_allowed=False)


def probe(campaign: Campaign, ready: Any, stopped: Any, longest: Any) -> None:
    """In a process of its own: take the gate as pledgers do, and remember the longest wait."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as line:
        ready.set()
        while not stopped.is_set():
            began = perf_counter()
            line.execute(
                "SELECT FROM campaigns_gate WHERE lane = %s AND id = %s FOR SHARE",
                [campaign.lane, campaign.id],
            )
            longest.value = max(longest.value, perf_counter() - began)


def timed(campaign: Campaign, act: Callable[[], Any]) -> dict[str, float]:
    """How long an act takes, and how long a pledger had to wait meanwhile."""
    forked = multiprocessing.get_context("fork")
    ready, stopped, longest = forked.Event(), forked.Event(), forked.Value("d", 0.0)
    watching = forked.Process(target=probe, args=[campaign, ready, stopped, longest])
    watching.start()
    ready.wait()
    began, cpu = perf_counter(), process_time()
    act()
    took, cpu = perf_counter() - began, process_time() - cpu
    stopped.set()
    watching.join()
    return {
        "ms": round(took * 1000, 1),
        "cpu_ms": round(cpu * 1000, 1),
        "wait_ms": round(longest.value * 1000, 1),
    }


def caught_up(campaign: Campaign) -> None:
    with books.turn(campaign.id) as mine:
        catch_up(campaign, mine)


def measured(organiser: Organiser, crowds: int) -> dict[str, Any]:
    rng = random.Random(crowds)
    campaign = begun(organiser, crowds)
    most = crowds + ROUNDS * JOINING
    wishes = [
        {"any": [{"people": most - rng.randrange(crowds // 2)}, {"people": most + n + 1}]}
        for n in range(crowds)
    ]
    for start in range(0, crowds, 20_000):
        pour(campaign, start=start, said=wishes[start : start + 20_000])
    found: dict[str, Any] = {
        "crowds": crowds,
        "first": timed(campaign, lambda: caught_up(campaign)),
    }
    rounds = []
    for number in range(ROUNDS):
        if number == ROUNDS - 1:
            found["again_from_rows"] = None
            books.forget()
        said = [rng.choice([None, rng.choice(wishes)]) for _ in range(JOINING)]
        pour(campaign, start=crowds + number * JOINING, said=said)
        took = timed(campaign, lambda: caught_up(campaign))
        if number == ROUNDS - 1:
            found["again_from_rows"] = took
        else:
            rounds.append(took)
    found["then_each"] = sorted(rounds, key=lambda took: took["ms"])[len(rounds) // 2]
    found["decide"] = timed(campaign, lambda: decide(campaign))
    slices = [timed(campaign, lambda: accept_slice(campaign)) for _slice in range(ROUNDS)]
    found["accept_slice"] = max(slices, key=lambda took: took["wait_ms"])
    tally = tally_of(campaign)
    assert most == tally.people + tally.waiting_people
    return found


def main() -> None:
    call_command("migrate", verbosity=0)
    organiser = Organiser.objects.create_user(email="bench@example.org", name="Bench")
    for crowds in [int(said) for said in sys.argv[1:]] or [1_000, 20_000]:
        print(json.dumps(measured(organiser, crowds)), flush=True)


if __name__ == "__main__":
    main()
