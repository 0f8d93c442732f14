"""Every job killed before each of its statements and run again: the end is the same, told once."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from procrastinate.contrib.django import app

from countmein import schedule
from countmein.base.jobs_rescue import give_back
from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.models import Campaign, Letter, Move, Pledge, Ticket
from countmein.campaigns.queries import public_view
from countmein.members.contacts import opened
from countmein.outreach.actions import park_orphans
from countmein.outreach.models import Delivery
from countmein.payments.models import Charge, Mandate, Refund
from tests.apps.campaigns.acts import Join
from tests.conftest import Launch, Site
from tests.faults.kills import run_and_die
from tests.faults.masses import size

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("books_read")]
CARD = "pm_card_visa"


def one_round() -> bool:
    """Sweep once and do every job that waits, as one worker would; tell whether there was any.

    A job is `doing` while it is done, so that a kill leaves it as it leaves a real worker's.
    """
    app.perform_import_paths()
    schedule.sweep()
    done = 0
    while job := _next_job():
        job_id, name, args = job
        app.tasks[name](**_read(args))
        with connection.cursor() as cursor:
            cursor.execute("SELECT procrastinate_finish_job_v1(%s, 'succeeded', true)", [job_id])
        done += 1
    return done > 0


def _next_job() -> Any:
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE procrastinate_jobs SET status = 'doing' WHERE id = (
                 SELECT id FROM procrastinate_jobs j WHERE status = 'todo' AND NOT EXISTS (
                   SELECT FROM procrastinate_jobs d WHERE d.status = 'doing' AND d.lock = j.lock)
                 ORDER BY id LIMIT 1) RETURNING id, task_name, args"""
        )
        return cursor.fetchone()


def _read(args: Any) -> dict[str, Any]:
    return dict(json.loads(args) if isinstance(args, str) else args)


def rescue() -> None:
    """What the supervisor does when it reaps a worker, and time: every lease has run out."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM procrastinate_jobs WHERE status = 'doing' ORDER BY id")
        for (job_id,) in cursor.fetchall():
            give_back(connection.connection, job_id=job_id)
        for table in ("payments_mandate", "payments_charge", "payments_refund"):
            cursor.execute(
                f"UPDATE {table} SET due_at = due_at - interval '40 s'"
                " WHERE state IN ('wanted', 'doing', 'forgetting')"
            )
        cursor.execute(
            "UPDATE outreach_delivery SET due_at = due_at - interval '3 min',"
            " done_at = done_at - interval '3 min' WHERE state IN ('queued', 'sending')"
        )
    park_orphans()


def killed_every(stride: int, *, first: int) -> int:
    """Work to rest, killing the worker before every `stride`-th statement or sooner.

    Answers how often it was killed. The stride grows a little each time a round starts over at
    the same place, so that every job gets past its longest step in the end.
    """
    kills, patience, at = 0, stride, first
    for _turn in range(400):
        if run_and_die(one_round, at=at):
            kills += 1
            rescue()
            at = patience = patience + size(max(1, patience // 8), 1)
            continue
        at = patience
        if not _is_work_left():
            return kills
    raise AssertionError("the site never comes to rest")


def _is_work_left() -> bool:
    schedule.sweep()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')")
        (left,) = cursor.fetchone()
    return bool(left)


def picture(campaign: Campaign) -> dict[str, Any]:
    """All that must be the same, whatever was killed on the way."""
    at = {"lane": campaign.lane, "campaign_id": campaign.id}
    seen = public_view(campaign)
    contacts = Pledge.objects.filter(**at).values_list("contact_id", flat=True)
    told = Delivery.objects.all_lanes().filter(contact_id__in=list(contacts))
    return {
        "seen": [seen[name] for name in ("state", "collected", "refunded", "failing")],
        "tally": {k: v for k, v in seen["tally"].items() if k != "as_of"},
        "states": Counter(Pledge.objects.filter(**at).values_list("state", flat=True)),
        "moves": sorted(Move.objects.filter(**at).values_list("state", flat=True)),
        "charges": Counter(Charge.objects.filter(**at).values_list("state", flat=True)),
        "refunds": Counter(Refund.objects.filter(**at).values_list("state", "amount_minor")),
        "mandates": Counter(Mandate.objects.filter(**at).values_list("state", flat=True)),
        "tickets": Ticket.objects.filter(**at).count(),
        "letters": list(Letter.objects.filter(**at).values_list("number", "signatures")),
        "told": Counter(told.values_list("topic", flat=True)),
    }


def _fund(launch: Launch, join: Join, prefix: str, **terms: Any) -> Campaign:
    """Four who pay, one whose card is empty, one whose condition hangs on the empty one."""
    campaign = launch(
        title=f"Kill {prefix}",
        kinds=["purchase", "signature"],
        currency="EUR",
        unit_price_minor=700,
        rule={"people": 4},
        cap={"purchase": 1000},
        target={"name": "The council", "email": f"{prefix}@town.example"},
        **terms,
    )
    for n in range(3):
        join(campaign, f"{prefix}p{n}", kind="purchase", amount=n + 1, payment_method=CARD)
    join(
        campaign,
        f"{prefix}m",
        kind="purchase",
        amount=1,
        payment_method=CARD,
        more=[{"kind": "signature", "amount": 1}],
    )
    join(
        campaign,
        f"{prefix}bad",
        kind="purchase",
        amount=1,
        payment_method="pm_card_authenticationRequired",
    )
    join(
        campaign,
        f"{prefix}if",
        kind="purchase",
        amount=1,
        payment_method=CARD,
        condition={"people": 7},
    )
    join(campaign, f"{prefix}s", kind="signature")
    return campaign


def test_settling_survives_a_kill_before_any_statement(
    site: Site, launch: Launch, join: Join
) -> None:
    """Count, secure, accept, charge, drop, refund, letters, mails: killed all along the way."""
    campaign = _fund(launch, join, "calm")
    site.work()
    assert "settling" == picture(campaign)["seen"][0]
    for _try in range(4):
        site.advance(timedelta(hours=48))
        site.work()
    expected = picture(campaign)
    assert "settled" == expected["seen"][0]
    assert {"fulfilled": 5, "refunded": 1, "dropped": 1} == expected["states"]
    kills = 0
    for first in size([0], [0, 5]):
        again = _fund(launch, join, f"k{first}")
        kills += killed_every(11, first=first)
        for _try in range(4):
            site.advance(timedelta(hours=48))
            kills += killed_every(11, first=first)
        assert expected == picture(again)
        _mailed_at_most_once(site, again)
        _charged_at_most_once(site, again)
    assert kills > 20
    site.check()


def test_letting_everybody_go_survives_a_kill_before_any_statement(
    site: Site, launch: Launch, join: Join
) -> None:
    """Lapsed at the deadline."""

    def lapse(prefix: str) -> Campaign:
        campaign = launch(
            title=f"Lapse {prefix}", kinds=["money"], currency="EUR", rule={"people": 9}
        )
        for n in range(4):
            join(campaign, f"{prefix}l{n}", amount=100, payment_method=CARD)
        site.work()
        return campaign

    campaign = lapse("calm")
    site.advance(timedelta(days=31))
    site.work()
    expected = picture(campaign)
    assert "released" == expected["seen"][0]
    kills = 0
    for first in size([7], [0, 7]):
        again = lapse(f"k{first}")
        site.advance(timedelta(days=31))
        kills += killed_every(9, first=first)
        assert expected == picture(again)
        _mailed_at_most_once(site, again)
    assert kills > 5
    assert 0 == sum(c["metadata"].get("reference") == "" for c in site.charged())
    site.check()


def test_a_cancelled_campaign_is_refunded_once_whatever_is_killed(
    site: Site, launch: Launch, join: Join
) -> None:
    """Settled with money, then called off."""

    def settled(prefix: str) -> Campaign:
        campaign = _fund(launch, join, prefix)
        site.work()
        cancel(campaign=campaign)
        return campaign

    campaign = settled("calmc")
    site.work()
    expected = picture(campaign)
    assert "released" == expected["seen"][0]
    kills = 0
    for first in (3,):
        again = settled(f"c{first}")
        kills += killed_every(9, first=first)
        assert expected == picture(again)
        _mailed_at_most_once(site, again)
    assert kills > 10
    site.check()


def _mailed_at_most_once(site: Site, campaign: Campaign) -> None:
    """At the mailbox: nobody got a letter twice, and who got none has one marked as unknown."""
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    for row in rows:
        key = (row.person_lane, row.contact_id)
        contact = opened([key])[key]
        arrived = Counter(mail["message_id"] for mail in site.mails(contact.address))
        states = Delivery.objects.filter(lane=row.person_lane, contact_id=row.contact_id)
        # A letter is told from others by its id: what it said is gone once it was sent.
        host = urlsplit(settings.SITE_URL).hostname
        written = Counter(f"<{id}@{host}>" for id in states.values_list("id", flat=True))
        assert arrived <= written, (arrived, written)
        sure = states.filter(state="sent").count()
        unsure = states.filter(state="unknown").count()
        assert sure <= arrived.total() <= sure + unsure
        assert sure + unsure == states.count()


def _charged_at_most_once(site: Site, campaign: Campaign) -> None:
    """In the provider's own book, which other tests write in too: some double on purpose."""
    rows = Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    ours = Counter({str(id): 0 for id in rows.values_list("id", flat=True)})
    for charge in site.charged():
        reference = charge["metadata"].get("reference")
        if reference in ours and charge["status"] == "succeeded":
            ours[reference] += 1
    assert {str(row.id): int(row.state == "paid") for row in rows} == ours
