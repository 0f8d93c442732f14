"""R12 and R15: nobody is told twice, nobody is left untold, whatever dies on the way."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from countmein import schedule
from countmein.base.clock import real_now
from countmein.campaigns.actions.pledge import Answer, pledge
from countmein.campaigns.bodies import PledgeBody
from countmein.campaigns.models import Campaign
from countmein.campaigns.pledge_terms import PledgeRequest
from countmein.campaigns.queries import public_view
from countmein.outreach import actions as outreach
from countmein.outreach.actions import Letterhead, Post, address_lane, park_orphans, post, send
from countmein.outreach.channels import CHANNELS
from countmein.outreach.channels.port import Mail
from countmein.outreach.models import Delivery
from tests.apps.campaigns.acts import states
from tests.conftest import Launch, Site, ask
from tests.faults.kills import run_and_die
from tests.faults.test_kills import one_round, rescue

pytestmark = pytest.mark.slow


@pytest.fixture
def faults(site: Site) -> Iterator[Any]:
    """Plant faults in the sandbox's mail server; taken out again afterwards."""

    def plant(**wanted: float) -> None:
        body = json.dumps(wanted).encode()
        asked = urllib.request.Request(f"{settings.OUTBOX_URL}/_control", data=body, method="POST")
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert json.load(answer) == {"ok": True}

    yield plant
    plant(reject_4xx=0, reject_5xx=0, die_after_data=0)


def arrived(domain: str) -> Counter[str]:
    """At the sink: how many messages came for each address of a domain."""
    found: Counter[str] = Counter()
    after = 0
    while items := ask(f"{settings.OUTBOX_URL}/messages?limit=1000&after={after}")["items"]:
        found.update(m["to"] for m in items if m["to"].endswith(domain))
        after = items[-1]["id"]
    return found


def _posts(domain: str, people: int) -> list[str]:
    addresses = [f"m{n}@{domain}" for n in range(people)]
    letter = Letterhead(subject="News", lines=("It goes on.",))
    post(
        [
            Post(
                once=f"{domain}:{a}",
                topic="thank",
                letter=letter,
                lane=address_lane(a),
                to_address=a,
            )
            for a in addresses
        ]
    )
    return addresses


def test_no_mail_arrives_twice_when_the_server_refuses_and_dies(site: Site, faults: Any) -> None:
    """500 people: 5 % are told to wait, in 3 % the line breaks with the message taken."""
    addresses = _posts("r15.example", 500)
    faults(reject_4xx=0.05, die_after_data=0.03)
    for at in (100, 300, None, None, None):
        run_and_die(send, at=at)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE outreach_delivery SET due_at = now() WHERE state = 'queued'")
            cursor.execute(
                "UPDATE outreach_delivery SET done_at = now() - interval '1 h'"
                " WHERE state = 'sending'"
            )
        park_orphans()
    came = arrived("@r15.example")
    unknown = set(
        Delivery.objects.all_lanes().filter(state="unknown").values_list("to_address", flat=True)
    )
    assert 1 == max(came.values())
    assert 0 < len(unknown) < 40
    # Whoever is not unknown has exactly one; an unknown has at most one.
    assert {1} == {came[a] for a in addresses if a not in unknown}


def test_a_naive_retry_of_everything_unclear_doubles(site: Site, faults: Any) -> None:
    """The control: the same channel, sent again until it says yes."""
    faults(die_after_data=0.05)
    left = [
        Mail(
            id=f"m{n}@naive.example",
            to_address=f"m{n}@naive.example",
            subject="News",
            text="Hello",
            message_id=f"<{n}@naive.example>",
        )
        for n in range(200)
    ]
    for _try in range(5):
        said = {r.id: r.outcome for r in CHANNELS["email"].send(left)}
        left = [mail for mail in left if said[mail.id] != "sent"]
    assert 1 < max(arrived("@naive.example").values())


def _crowd(campaign: Campaign, people: int, domain: str) -> None:
    for start in range(0, people, 250):
        requests = [
            PledgeRequest(
                body=PledgeBody.model_validate(
                    {"kind": "signature", "member": {"email": f"m{n}@{domain}", "name": "M"}}
                ),
                key=f"k{n}",
            )
            for n in range(start, min(start + 250, people))
        ]
        answers = pledge(campaign=campaign, requests=requests)
        assert all(isinstance(answer, Answer) for answer in answers)


def test_2000_are_released_and_told_once_though_the_work_is_killed(
    site: Site, launch: Launch
) -> None:
    """Killed five times in the release, the telling and the sending."""
    campaign = launch(title="R12", rule={"people": 5000})
    _crowd(campaign, 2000, "r12.example")
    site.advance(timedelta(days=31))
    deaths: list[int] = [25, 60, 60, 400, 900]
    for _round in range(40):
        if run_and_die(one_round, at=deaths[0] if deaths else None):
            deaths.pop(0)
        rescue()
        schedule.sweep()
        if ("released", 0) == (public_view(campaign)["state"], _unsent()):
            break
    assert [] == deaths
    assert {"released": 2000} == states(campaign)
    unknown = Delivery.objects.all_lanes().filter(state="unknown").count()
    came = arrived("@r12.example")
    assert 1 == max(came.values())
    # At most the one message that was in the air on each line, at each of the last two kills.
    assert unknown <= 2 * outreach._LINES
    assert 2000 - unknown <= len(came)
    site.check()


def _unsent() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')")
        (jobs,) = cursor.fetchone()
    return int(jobs) + Delivery.objects.all_lanes().filter(state="queued").count()


def test_a_worker_that_froze_finds_its_mail_taken_by_another(transactional_db: None) -> None:
    """Between taking a message and sending it a worker may sleep for longer than a claim lasts."""
    head = outreach.Letterhead(subject="Hello", lines=("Hello",))
    outreach.post(
        [outreach.Post(once="x", topic="test", letter=head, lane=1, to_address="x@example.org")]
    )
    (frozen,) = outreach._claim(is_awaited=False)
    Delivery.objects.all_lanes().update(due_at=real_now() - timedelta(seconds=1))
    (awake,) = outreach._claim(is_awaited=False)
    assert not outreach._begin(frozen, [])
    assert outreach._begin(awake, [])
    assert not outreach._begin(awake, [])
