"""Erased is erased: at once, everywhere, for good; what was pledged stays counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from countmein.base.clock import site_now
from countmein.base.ids import keyed_digest
from countmein.base.lanes import LaneQuerySet
from countmein.base.sealing import SealBroken
from countmein.campaigns.actions import erase as erasing_verbs
from countmein.campaigns.actions.count import count, tally_of
from countmein.campaigns.actions.enrol import enrol_newcomers
from countmein.campaigns.actions.erase import carry_out, erase, erase_again, unlink
from countmein.campaigns.actions.retain import forget_unneeded
from countmein.campaigns.actions.secure import secure
from countmein.campaigns.gates import gate_of
from countmein.campaigns.models import Campaign, Pledge
from countmein.members import erasing
from countmein.members.actions import Person
from countmein.members.contacts import opened, own_key
from countmein.members.models import ERASED, UNLINKED, Contact, Erasure, Member, Suppression
from countmein.outreach.models import Delivery
from countmein.payments.actions.mandates import make_mandates
from countmein.payments.models import Charge, Mandate
from countmein.rules.pledging import PledgeRefused
from tests.apps.members.conftest import rows_with
from tests.conftest import Launch, Site

Join = Callable[..., dict[str, Any]]
BEN = "ben@example.org"
MONEY = {"kinds": ["money"], "currency": "EUR", "rule": {"people": 3}}
CARD = {"amount": 2500, "payment_method": "pm_card_visa"}


def box_of(who: str) -> str:
    return Person(address=f"{who}@example.org").mailbox


def pledge_of(answer: dict[str, Any]) -> Pledge:
    return Pledge.objects.all_lanes().get(code=answer["code"])


def people_in(campaign: Campaign) -> int:
    return tally_of(campaign).people


def test_key_and_contacts_are_gone_at_once(site: Site, launch: Launch, join: Join) -> None:
    join(launch(), "ben", key="a")
    site.work()
    (member,) = Member.objects.all_lanes()
    (contact,) = Contact.objects.all_lanes()
    copy = bytes(contact.sealed)
    key = own_key(member)
    assert b"ben" in key.unseal(copy, about=f"contact:{contact.id}")
    erase(mailbox=box_of("ben"), by="member")
    assert not Member.objects.all_lanes().exists()
    assert not Contact.objects.all_lanes().exists()
    # A new member with the same mailbox has another key: a kept copy of the row opens with none.
    join(launch(title="Another"), "ben", key="b")
    site.work()
    (again,) = Member.objects.all_lanes()
    with pytest.raises(SealBroken):
        own_key(again).unseal(copy, about=f"contact:{contact.id}")


def test_a_signature_stays_counted_and_leads_to_nobody(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = launch(rule={"people": 9})
    answers = [join(campaign, who, key=f"k{n}") for n, who in enumerate(["ben", "dora", "emil"])]
    site.work()
    assert 3 == people_in(campaign)
    box = box_of("ben")
    erase(mailbox=box, by="member")
    site.work()
    row = pledge_of(answers[0])
    assert (3, "active", ERASED) == (people_in(campaign), row.state, row.contact_id)
    assert [] == rows_with(BEN)
    (done,) = Erasure.objects.all_lanes()
    assert ("", 1, 0, "member") == (done.mailbox, done.kept, done.withdrawn, done.by)
    # While the door is open a fingerprint keeps one mailbox from counting twice.
    with pytest.raises(PledgeRefused):
        join(campaign, "ben", key="again")
    site.advance(timedelta(days=31))
    site.work()
    row = pledge_of(answers[0])
    assert UNLINKED == row.contact_id
    assert [] == rows_with(BEN, box)
    site.check()


@pytest.mark.slow
def test_without_unlinking_the_mailbox_would_be_found(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the last lines above."""
    monkeypatch.setattr(erasing_verbs, "to_unlink", list)
    monkeypatch.setattr("countmein.schedule.to_unlink", list)
    campaign = launch(rule={"people": 9})
    join(campaign, "ben", key="a")
    site.work()
    erase(mailbox=box_of("ben"), by="member")
    site.advance(timedelta(days=31))
    site.work()
    assert ["public.campaigns_pledge"] == [table for table, _row in rows_with(box_of("ben"))]


@pytest.mark.slow
def test_what_would_need_the_member_is_withdrawn_and_its_card_forgotten(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = launch(**MONEY)
    answer = join(campaign, "ben", key="a", **CARD)
    join(campaign, "dora", key="b", **CARD)
    site.work()
    assert 2 == people_in(campaign)
    erase(mailbox=box_of("ben"), by="member")
    site.work()
    row = pledge_of(answer)
    assert (1, "withdrawn", UNLINKED) == (people_in(campaign), row.state, row.contact_id)
    join(campaign, "ben", key="c", **CARD)
    site.work()
    assert 2 == people_in(campaign)
    site.check()


@pytest.mark.slow
def test_what_tipped_is_carried_out_without_a_word_to_the_erased(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = launch(**MONEY)
    answers = [join(campaign, who, key=who[0], **CARD) for who in ("zen", "dora", "emil")]
    while Mandate.objects.all_lanes().filter(state="made").count() != 3:
        make_mandates()
    secure(str(campaign.id))
    count(str(campaign.id))
    assert "tipped" == gate_of(campaign).state
    # It has tipped with Zen in it, and nobody is charged yet.
    erase(mailbox=box_of("zen"), by="member")
    site.work()
    assert "fulfilled" == pledge_of(answers[0]).state
    assert 3 == Charge.objects.all_lanes().filter(state="paid").count()
    assert [] == site.mails("zen@example.org")
    assert [] == rows_with("zen@example.org")
    site.check()


@pytest.mark.slow
def test_nothing_queued_is_sent_and_nothing_of_it_is_left(
    site: Site, launch: Launch, join: Join
) -> None:
    from countmein.campaigns.actions.tell import tell

    campaign = launch(confirm="email", rule={"people": 9})
    answer = join(campaign, "yva", key="a")
    row = pledge_of(answer)
    tell(campaign_id=str(campaign.id), topic="confirm", pledge_ids=[str(row.id)])
    assert 1 == Delivery.objects.all_lanes().count()
    erase(mailbox=box_of("yva"), by="desk")
    site.work()
    assert [] == site.mails("yva@example.org")
    assert 0 == Delivery.objects.all_lanes().count()
    assert "withdrawn" == pledge_of(answer).state


@pytest.mark.slow
def test_a_newcomer_is_erased_before_they_are_enrolled(
    site: Site, launch: Launch, join: Join
) -> None:
    answer = join(launch(rule={"people": 9}), "ben", key="a")
    row = pledge_of(answer)
    assert row.newcomer is not None
    erase(mailbox=box_of("ben"), by="member")
    enrol_newcomers([row])
    assert not Member.objects.all_lanes().exists()
    site.work()
    assert not Contact.objects.all_lanes().exists()
    assert pledge_of(answer).newcomer is None
    site.check()


def in_a_thread(act: Callable[[], Any]) -> threading.Thread:
    """Do something on a connection of its own."""

    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def await_lock_or_end(thread: threading.Thread) -> None:
    """Return once the thread has ended, or somebody in the database waits for a lock."""
    while thread.is_alive():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database())"
            )
            if cursor.fetchone() == (True,):
                return
        thread.join(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("is_naive", [False, True])
def test_enrolling_and_erasing_at_the_same_time_leaves_nobody(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch, is_naive: bool
) -> None:
    """Whoever enrols looks first and writes then; a whole erasure would fit in between, if the
    pledge were not held. The naive one holds nothing, and brings the person back for good."""
    answer = join(launch(rule={"people": 9}), "ben", key="a")
    row = pledge_of(answer)
    looked, go_on = threading.Event(), threading.Event()
    real = erasing.being_erased

    def slow(lanes: Any) -> Any:
        found = real(lanes)
        looked.set()
        assert go_on.wait(60)
        return found

    monkeypatch.setattr("countmein.campaigns.actions.enrol.being_erased", slow)
    if is_naive:
        monkeypatch.setattr(LaneQuerySet, "select_for_update", lambda self, **_how: self)
    enrolling = in_a_thread(lambda: enrol_newcomers([row]))
    assert looked.wait(60)
    erase(mailbox=box_of("ben"), by="member")
    (begun,) = Erasure.objects.all_lanes()
    erasing_thread = in_a_thread(lambda: carry_out(begun.lane, str(begun.id)))
    await_lock_or_end(erasing_thread)
    assert is_naive is not erasing_thread.is_alive()
    go_on.set()
    enrolling.join()
    erasing_thread.join()
    left = (Member.objects.all_lanes().exists(), Contact.objects.all_lanes().exists())
    assert (is_naive, is_naive) == left


@pytest.mark.slow
@pytest.mark.parametrize("is_naive", [False, True])
def test_who_pledges_again_while_they_are_forgotten_is_written_down_anew(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch, is_naive: bool
) -> None:
    """Whoever forgets looks for pledges first and deletes then; somebody may pledge in between.
    The naive one holds no member, and deletes the one whom the new pledge names."""
    first = launch(rule={"people": 9})
    old = join(first, "ben", key="a")
    site.work()
    unlink([pledge_of(old)])
    looked, go_on = threading.Event(), threading.Event()
    real = erasing.forget

    def slow(**given: Any) -> Any:
        looked.set()
        assert go_on.wait(60)
        return real(**given)

    monkeypatch.setattr(erasing, "forget", slow)
    if is_naive:
        monkeypatch.setattr(LaneQuerySet, "select_for_update", lambda self, **_how: self)
    forgetting = in_a_thread(lambda: forget_unneeded(box_of("ben")))
    assert looked.wait(60)
    new = pledge_of(join(launch(title="Another", rule={"people": 9}), "ben", key="b"))
    enrolling = in_a_thread(lambda: enrol_newcomers([new]))
    await_lock_or_end(enrolling)
    assert is_naive is not enrolling.is_alive()
    go_on.set()
    forgetting.join()
    enrolling.join()
    kept = Contact.objects.filter(lane=new.person_lane, id=new.contact_id).exists()
    assert is_naive is not kept
    assert is_naive is not Member.objects.all_lanes().exists()


@pytest.mark.slow
def test_an_erasure_that_is_killed_goes_on(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(5):
        join(launch(title=f"Number {n}", rule={"people": 9}), "ben", key=f"k{n}")
    site.work()
    erase(mailbox=box_of("ben"), by="member")
    with connection.cursor() as cursor:
        # The job itself is lost, too: the sweep finds the work by its state.
        cursor.execute("DELETE FROM procrastinate_jobs")
    monkeypatch.setattr(erasing_verbs, "SLICE", 2)
    unlink, calls = erasing_verbs.unlink, []

    def die_at_the_second(pledges: Any) -> None:
        calls.append(pledges)
        if len(calls) == 2:
            raise KeyboardInterrupt
        unlink(pledges)

    monkeypatch.setattr(erasing_verbs, "unlink", die_at_the_second)
    (row,) = Erasure.objects.all_lanes()
    with pytest.raises(KeyboardInterrupt):
        carry_out(row.lane, str(row.id))
    monkeypatch.setattr(erasing_verbs, "unlink", unlink)
    site.work()
    row.refresh_from_db()
    assert row.done_at is not None
    left = Pledge.objects.all_lanes().exclude(contact_id=ERASED)
    assert (5, 0) == (Pledge.objects.all_lanes().count(), left.count())
    site.check()


@pytest.mark.slow
def test_who_pledges_again_comes_back_with_that_alone(
    site: Site, launch: Launch, join: Join
) -> None:
    first = join(launch(rule={"people": 9}), "ben", key="a")
    site.work()
    erase(mailbox=box_of("ben"), by="member")
    site.advance(timedelta(seconds=1))
    second = join(launch(title="Another", rule={"people": 9}), "ben", key="b")
    site.work()
    assert ERASED == pledge_of(first).contact_id
    row = pledge_of(second)
    assert Contact.objects.filter(lane=row.person_lane, id=row.contact_id).exists()
    assert 1 == Member.objects.all_lanes().count()
    site.check()


@pytest.mark.slow
def test_no_import_brings_back_who_was_erased(site: Site, launch: Launch, join: Join) -> None:
    join(launch(), "ben", key="a")
    site.work()
    erase(mailbox=box_of("ben"), by="member")
    site.work()
    said = ["BEN+news@example.org", "dora@example.org"]
    assert ["dora@example.org"] == erasing.importable(said)
    (kept,) = Suppression.objects.all_lanes()
    # It agrees with nothing else that is kept, and says nothing without the site's key.
    assert keyed_digest("mailbox", BEN) != kept.digest
    assert ["public.members_suppression"] == [table for table, _row in rows_with(kept.digest)]


@pytest.mark.slow
def test_asking_twice_is_one_erasure(site: Site, launch: Launch, join: Join) -> None:
    join(launch(), "ben", key="a")
    site.work()
    for _time in range(2):
        erase(mailbox=box_of("ben"), by="member")
    site.work()
    assert 1 == Erasure.objects.all_lanes().count()
    assert site_now() >= Erasure.objects.all_lanes().get().done_at


@pytest.mark.slow
def test_a_restored_database_forgets_again_who_was_erased_since(
    site: Site,
    launch: Launch,
    join: Join,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COUNTMEIN_HOME", str(tmp_path))
    monkeypatch.delenv("COUNTMEIN_BACKUP_DIR", raising=False)
    campaign = launch(rule={"people": 9})
    for who in ("ben", "dora", "emil"):
        join(campaign, who, key=who[0])
    site.work()
    row = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).order_by("id")[2]
    row.newcomer = {"address": "emil@example.org", "name": "Emil", "language": "en-gb"}
    row.save()
    # As if these two had been erased after the copy was made, Ben after that pledging again.
    erasing.note_outside(box_of("ben"), at=site_now() - timedelta(days=1))
    for who in ("dora", "emil"):
        erasing.note_outside(box_of(who), at=site_now())
    assert 2 == erase_again(tmp_path / erasing.NOTES)
    assert [] == rows_with("dora@example.org", "emil@example.org")
    (left,) = Contact.objects.all_lanes()
    assert "ben@example.org" == opened([(left.lane, left.id)])[left.lane, left.id].address
    assert {"restore"} == set(Erasure.objects.all_lanes().values_list("by", flat=True))
    # The file names nobody, and a second restore finds nothing more to do.
    assert "@" not in (tmp_path / erasing.NOTES).read_text()
    assert 0 == erase_again(tmp_path / erasing.NOTES)
    assert 0 == erase_again(tmp_path / "none")
    site.work()
    site.check()
