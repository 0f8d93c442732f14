"""Contacts are sealed in the database, open for those who write to people, and old ones follow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from django.db import connection

from countmein.base.ids import keyed_digest, named_uuid
from countmein.base.models import Walk
from countmein.base.sealing import SealBroken, key_number
from countmein.campaigns.actions import seal_old as walks
from countmein.campaigns.actions.enrol import enrol_all
from countmein.campaigns.actions.seal_old import is_all_sealed, seal_old
from countmein.campaigns.models import Campaign, Pledge
from countmein.members.contacts import opened
from countmein.members.models import Contact, Member
from countmein.outreach.models import Delivery
from countmein.rules.canonical import canonical_json, digest, mailbox
from tests.apps.members.conftest import rows_with
from tests.conftest import Launch, Site

Join = Callable[..., dict[str, Any]]


def contact_of(row: Pledge) -> str:
    key = (row.person_lane, row.contact_id)
    return opened([key])[key].address


def pledges(campaign: Campaign) -> list[Pledge]:
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    return list(rows.order_by("id"))


def test_nobody_stands_in_the_database_before_enrolling_or_after(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = launch(confirm="email")
    join(campaign, "benedict", key="a", public_name=True)
    assert [] == rows_with("benedict")
    site.work()
    assert 1 == Contact.objects.all_lanes().count()
    assert [] == rows_with("benedict")
    assert 1 == len(site.mails("benedict@example.org"))


@pytest.mark.slow
def test_a_contact_in_the_clear_would_be_found(site: Site, launch: Launch, join: Join) -> None:
    """The negative control of the test above: what is open is seen, in text and in bytes."""
    campaign = launch()
    join(campaign, "benedict", key="a")
    site.work()
    Contact.objects.all_lanes().update(address="benedict@example.org")
    assert ["public.members_contact"] == [table for table, _row in rows_with("benedict")]
    Contact.objects.all_lanes().update(address="", sealed=b"\x00\x01benedict@example.org")
    assert ["public.members_contact"] == [table for table, _row in rows_with("benedict")]


@pytest.mark.slow
def test_a_contact_opens_in_its_own_row_alone(site: Site, launch: Launch, join: Join) -> None:
    campaign = launch()
    for who in ("ben", "dora"):
        join(campaign, who)
    site.work()
    ben, dora = pledges(campaign)
    assert ("ben@example.org", "dora@example.org") == (contact_of(ben), contact_of(dora))
    stolen = Contact.objects.get(lane=ben.person_lane, id=ben.contact_id).sealed
    Contact.objects.filter(lane=dora.person_lane, id=dora.contact_id).update(sealed=stolen)
    with pytest.raises(SealBroken):
        contact_of(dora)


ADDRESSES = [f"{who}@example.org" for who in ("ana", "ben", "benedict", "cleo", "dora", "emil")]
NAMES = ["", "Ana", "Ben", "Benedict", "Cleo", "Dora", "Emil"]


def bare_hashes(campaign: Campaign, row: Pledge) -> set[str]:
    """All that somebody with the dump and a list of addresses and names could hash without a key:
    digests, ids made of names, and whole bodies, with what stands in the row beside them."""
    found = set()
    for address, name in product(ADDRESSES, NAMES):
        box = mailbox(address)
        for text in (address, box, f"{address}\n{name}", f"mailbox\n{box}"):
            found.add(hashlib.sha256(text.encode()).hexdigest())
        found.add(digest("mailbox", box))
        for language in ("en-gb", "de"):
            found.add(str(named_uuid("contact", row.mailbox, address, name, language)))
            found.add(str(named_uuid("contact", box, address, name, language)))
        member = {"email": address, **({"name": name} if name else {})}
        said = {"kind": row.kind, "member": member, "amount": row.amount, "more": []}
        for body in (said, {**said, "public_name": row.public_name}):
            found.add(hashlib.sha256(canonical_json(body).encode()).hexdigest())
    return found


def found_by_dictionary(campaign: Campaign) -> int:
    """In how many rows of the whole database something stands that could be guessed."""
    guesses = {guess for row in pledges(campaign) for guess in bare_hashes(campaign, row)}
    return len(rows_with(*guesses))


def test_a_dictionary_of_every_address_finds_nobody(site: Site, launch: Launch, join: Join) -> None:
    campaign = launch()
    for who in ("ben", "dora", "emil"):
        join(campaign, who)
    assert 0 == found_by_dictionary(campaign)
    site.work()
    assert 0 == found_by_dictionary(campaign)


def test_bare_hashes_would_be_found(site: Site, launch: Launch, join: Join) -> None:
    """The negative control: a bare mailbox, a contact's id as it was, a body's digest as it was."""
    campaign = launch()
    for who in ("ben", "dora", "emil"):
        join(campaign, who)
    site.work()
    ben, dora, emil = pledges(campaign)
    bare = named_uuid("contact", ben.mailbox, "ben@example.org", "Ben", "en-gb")
    Contact.objects.filter(lane=ben.person_lane, id=ben.contact_id).update(id=bare)
    Pledge.objects.filter(lane=dora.lane, id=dora.id).update(
        mailbox=hashlib.sha256(b"dora@example.org").hexdigest()
    )
    said = {"kind": "signature", "amount": 1, "more": [], "public_name": False}
    body = {**said, "member": {"email": "emil@example.org", "name": "Emil"}}
    Pledge.objects.filter(lane=emil.lane, id=emil.id).update(
        digest=hashlib.sha256(canonical_json(body).encode()).hexdigest()
    )
    assert 3 == found_by_dictionary(campaign)


def as_it_was(campaign: Campaign) -> None:
    """Put the rows back into the shape that they had before anything was sealed."""
    with connection.cursor() as cursor:
        for row in pledges(campaign):
            key = (row.person_lane, row.contact_id)
            who = opened([key])[key]
            bare = named_uuid("contact", row.mailbox, who.address, who.name, who.language)
            cursor.execute(
                "UPDATE members_contact SET id = %s, sealed = NULL, address = %s, name = %s"
                " WHERE lane = %s AND id = %s",
                [bare, who.address, who.name, *key],
            )
            cursor.execute(
                "UPDATE campaigns_pledge SET contact_id = %s, digest = %s"
                " WHERE lane = %s AND id = %s",
                [bare, hashlib.sha256(row.key.encode()).hexdigest(), row.lane, row.id],
            )
            cursor.execute(
                "UPDATE outreach_delivery SET contact_id = %s WHERE lane = %s AND contact_id = %s",
                [bare, *key],
            )
        cursor.execute("UPDATE members_member SET wrapped_key = NULL")


@pytest.mark.slow
def test_what_is_older_than_the_keys_is_sealed_slice_by_slice_and_survives_a_kill(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = launch(confirm="email", rule={"people": 100})
    people = [f"old{n}" for n in range(9)]
    for who in people:
        join(campaign, who, key=f"k-{who[3:]}")
    site.work()
    as_it_was(campaign)
    assert 9 == len(rows_with("@example.org")) - len(rows_with("ana@example.org"))
    # Until its turn comes, an old row is read as it is.
    assert [f"{who}@example.org" for who in people] == [contact_of(r) for r in pledges(campaign)]

    monkeypatch.setattr(walks, "SLICE", 2)
    rename = walks._rename
    calls = []

    def die_at_the_third(moved: Any) -> None:
        calls.append(moved)
        if len(calls) == 3:
            raise KeyboardInterrupt
        rename(moved)

    monkeypatch.setattr(walks, "_rename", die_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        seal_old()
    left = len(rows_with("@example.org")) - len(rows_with("ana@example.org"))
    assert 0 < left < 9
    assert not is_all_sealed()
    seal_old()
    assert is_all_sealed()
    assert [] == rows_with(*people)
    rows = pledges(campaign)
    assert [f"{who}@example.org" for who in people] == [contact_of(row) for row in rows]
    assert all(row.digest.startswith("k") for row in rows)
    assert 9 == Contact.objects.all_lanes().count() == Member.objects.all_lanes().count()
    told = Delivery.objects.all_lanes().filter(topic="confirm").values_list("contact_id", flat=True)
    assert {row.contact_id for row in rows} == set(told)
    site.check()


@pytest.mark.slow
def test_who_pledged_before_the_sealing_is_enrolled_sealed(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = launch()
    join(campaign, "ben")
    (row,) = pledges(campaign)
    old = named_uuid("contact", row.mailbox, "ben@example.org", "Ben", "en-gb")
    typed = {"address": "ben@example.org", "name": "Ben", "language": "en-gb"}
    Pledge.objects.filter(lane=row.lane, id=row.id).update(newcomer=typed, contact_id=old)
    enrol_all(campaign)
    (row,) = pledges(campaign)
    assert "ben@example.org" == contact_of(row)
    assert [] == rows_with("ben@example.org")


@pytest.mark.slow
def test_keys_are_wrapped_anew_under_a_new_site_key(
    site: Site, launch: Launch, join: Join, settings: Any
) -> None:
    campaign = launch()
    for who in ("ben", "dora", "emil"):
        join(campaign, who)
    site.work()
    seal_old()
    assert is_all_sealed()
    settings.SEALING_KEYS = {**settings.SEALING_KEYS, 2: b"2" * 32}
    assert not is_all_sealed()
    seal_old()
    assert is_all_sealed()
    settings.SEALING_KEYS = {2: b"2" * 32}
    wrapped = Member.objects.all_lanes().values_list("wrapped_key", flat=True)
    assert {2} == {key_number(bytes(key)) for key in wrapped}
    people = ["ben@example.org", "dora@example.org", "emil@example.org"]
    assert people == [contact_of(row) for row in pledges(campaign)]
    assert keyed_digest("mailbox", "ben@example.org") == pledges(campaign)[0].mailbox
    assert Walk.objects.filter(name="wrap-keys-2").exists()
