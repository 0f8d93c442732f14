"""The log under fire: killed at any statement, written by two, restored from an older day."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections

from countmein.base.clock import real_now
from countmein.campaigns import unlogged
from countmein.campaigns.actions.count import count
from countmein.campaigns.actions.record import record, record_campaign
from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.models import Campaign, Pledge
from countmein.log import keys, queries
from countmein.log.actions import ForkRefused, seal
from countmein.log.models import Entry, Fact, Head, SignedCheckpoint, Standing, Tile
from countmein.rules import log as tree
from countmein.rules import verify
from tests.apps.campaigns.acts import Join, pledge_of
from tests.conftest import Launch, Site
from tests.faults.kills import run_and_die

pytestmark = pytest.mark.slow


def told(campaign: Campaign) -> int:
    """The people of a campaign, by the exported log."""
    log = verify.verify_export(list(queries.export()), keys.verifier_key())
    return int(log.campaigns[campaign.code].people)


def test_a_recording_killed_at_any_statement_is_run_again(
    site: Site, launch: Launch, join: Join
) -> None:
    """In each round somebody comes, somebody leaves, and it dies one statement later."""
    campaign = launch(rule={"people": 999})
    at, people = 1, 0
    answer = join(campaign, "first")
    while True:
        join(campaign, f"stays{at}")
        withdraw(pledge=pledge_of(answer))
        answer = join(campaign, f"leaves{at}")
        count(str(campaign.id))
        if not run_and_die(partial(record), at=at):
            break
        people = Pledge.objects.filter(
            lane=campaign.lane, campaign_id=campaign.id, state="active"
        ).count()
        if at % 4 == 0:
            record()
            assert people == told(campaign)
        at += 1
    assert at > 25
    record()
    assert at + 1 == told(campaign)
    facts = Standing.objects.filter(lane=campaign.lane, campaign_id=campaign.id, is_in=True)
    assert at + 1 == facts.count()


def together(*acts: Callable[[], Any]) -> list[BaseException]:
    """Do these at the same time, from a common start; return what was raised."""
    start = threading.Barrier(len(acts))
    raised: list[BaseException] = []

    def run(act: Callable[[], Any]) -> None:
        try:
            start.wait(timeout=60)
            act()
        except BaseException as fault:
            raised.append(fault)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_two_who_record_at_once_write_each_fact_once(
    site: Site, launch: Launch, join: Join
) -> None:
    campaigns = [launch(rule={"people": 99}) for _n in range(2)]
    for campaign in campaigns:
        for n in range(20):
            join(campaign, f"b{n}")
        count(str(campaign.id))
    assert [] == together(record, record, record)
    record()
    assert [20, 20] == [told(campaign) for campaign in campaigns]


def test_without_the_lock_two_write_the_same_number(site: Site, launch: Launch, join: Join) -> None:
    """The control: whoever reads the head without holding it collides with the other."""
    campaign = launch(rule={"people": 99})
    record()
    meet = threading.Barrier(2)

    def naive() -> None:
        size = Head.objects.get(id=1).size
        meet.wait(timeout=60)
        Entry.objects.create(n=size, campaign_id=campaign.id, text="{}")

    assert 1 == len(together(naive, naive))


def test_what_is_signed_continues_what_was_signed(site: Site, launch: Launch) -> None:
    """Killed between the file and the row, the signer signs the same again."""
    launch()
    assert run_and_die(record, at=None) is False
    (first,) = SignedCheckpoint.objects.all()
    with connection.cursor() as cursor:
        cursor.execute("GRANT DELETE ON log_signedcheckpoint TO CURRENT_USER")
    SignedCheckpoint.objects.all().delete()
    again = seal()
    assert again is not None
    assert (first.size, first.note) == (again.size, again.note)


def test_a_restored_database_signs_nothing(site: Site, launch: Launch, join: Join) -> None:
    """Yesterday's database grows another history; the key has signed beyond it."""
    campaign = launch(rule={"people": 99})
    for n in range(3):
        join(campaign, f"b{n}")
    count(str(campaign.id))
    record()
    signed = keys.last_signed()
    _forget_last_entries(2)
    with pytest.raises(ForkRefused):
        seal()
    for n in range(5):
        join(campaign, f"other{n}")
    count(str(campaign.id))
    record_campaign(campaign)
    assert Head.objects.get(id=1).size > signed[0]
    with pytest.raises(ForkRefused):
        seal()
    # The job says so and goes on with the rest.
    record()
    assert signed == keys.last_signed()


def _forget_last_entries(count: int) -> None:
    """Take the database back to before its last entries, as an older backup would."""
    with connection.cursor() as cursor:
        for table in ("log_entry", "log_signedcheckpoint", "log_fact"):
            cursor.execute(f"GRANT DELETE ON {table} TO CURRENT_USER")
    size = Head.objects.get(id=1).size - count
    hashes = [tree.leaf_hash(e.text.encode()) for e in Entry.objects.filter(n__lt=size)]
    last = Entry.objects.get(n=size - 1)
    Standing.objects.all_lanes().filter(n__gte=size).delete()
    Fact.objects.all_lanes().filter(n__gte=size).delete()
    Entry.objects.filter(n__gte=size).delete()
    SignedCheckpoint.objects.all().delete()
    Tile.objects.all().delete()
    for level, index, held in tree.grow_tiles(0, hashes, lambda _l, _i: b""):
        Tile.objects.create(level=level, index=index, hashes=held)
    Head.objects.update(size=size)
    import json

    said = json.loads(last.text)
    from countmein.log.models import Chain

    totals = {said["u"]: said["t"]} if "u" in said else {}
    Chain.objects.all_lanes().update(last=size - 1, people=said.get("m", 0), totals=totals, round=0)


def test_facts_are_looked_for_behind_the_last_whole_look(site: Site, launch: Launch) -> None:
    """A look that left something does not move the mark; one that left nothing does."""
    launch()
    assert 0 == unlogged.looked_from().int
    before = real_now()
    record()
    looked = Head.objects.get(id=1).looked_at
    assert looked is None or looked >= before
    record()
    assert unlogged.looked_from().int > 0
