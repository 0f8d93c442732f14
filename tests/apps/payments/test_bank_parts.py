"""A part of a transfer came: its member is told once for each arrival, not of what is past."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from countmein.campaigns.actions import ask_rest as asking
from countmein.campaigns.actions.ask_rest import ask_rest, parts_to_tell
from countmein.campaigns.actions.tell import tell
from countmein.campaigns.models import Campaign
from countmein.members.models import Organiser
from countmein.payments.actions.bank_import import import_statements
from countmein.payments.actions.bank_match import match_slice
from countmein.payments.actions.bank_queue import assign, return_all
from countmein.payments.bank_models import BankEntry
from countmein.rules.remittance import printed
from tests.apps.campaigns.acts import pledge_of
from tests.apps.payments.bank.statements import Moved, camt
from tests.apps.payments.test_bank import Bank, Tipped, bank, charge_of, olga, the_queued, tipped
from tests.apps.payments.test_bank_once import at_once
from tests.conftest import Site

__all__ = ["bank", "olga", "tipped"]


def letters(site: Site, campaign: Campaign, who: str = "ben") -> list[dict[str, Any]]:
    """What somebody really got about parts, oldest first."""
    subject = f"A part of your transfer has arrived: {campaign.title}"
    return [mail for mail in site.mails(f"{who}@example.org") if mail["subject"] == subject]


def test_each_arrival_is_told_once_with_what_is_missing(
    site: Site, tipped: Tipped, bank: Bank
) -> None:
    campaign, people = tipped("ben", "cleo")
    charge = charge_of(people["ben"])
    bank.tells(Moved(minor=2000, id="P-1", text=charge.reference))
    site.work()
    (mail,) = letters(site, campaign)
    for said in (mail["text"], mail["html"]):
        assert "Of the €50.00 that you promised, €20.00 has arrived." in said
        assert "€30.00 is still missing" in said
        assert printed(charge.reference) in said
    assert ["transfer.png"] == [each["name"] for each in mail["attachments"]]
    bank.tells(Moved(minor=1750, id="P-2", text=charge.reference))
    bank.tells(Moved(minor=1, id="P-3", text="about something else"))
    second = letters(site, campaign)[1:]
    assert ["€37.50 has arrived" in each["text"] for each in second] == [True]
    assert "€12.50 is still missing" in second[0]["text"]
    assert "Last day: " in second[0]["text"]
    bank.tells(Moved(minor=1250, id="P-4", text=charge.reference))
    assert "fulfilled" == pledge_of(people["ben"]).state
    assert 2 == len(letters(site, campaign))
    assert [] == letters(site, campaign, "cleo")


def test_two_parts_in_one_statement_are_one_letter(site: Site, tipped: Tipped, bank: Bank) -> None:
    campaign, people = tipped("ben")
    reference = charge_of(people["ben"]).reference
    parts = (Moved(minor=minor, id=f"P-{minor}", text=reference) for minor in (1000, 1500))
    bank.tells(*parts)
    (mail,) = letters(site, campaign)
    assert "€25.00 has arrived" in mail["text"]
    assert "€10.00" in mail["text"] and "€15.00" in mail["text"]


def test_a_part_that_a_person_finds_to_be_theirs_is_told(
    site: Site, tipped: Tipped, bank: Bank, olga: Organiser
) -> None:
    campaign, people = tipped("ben")
    bank.tells(Moved(minor=2000, id="P-1", text="for the barber"))
    assert [] == letters(site, campaign)
    assign(the_queued().id, reference=charge_of(people["ben"]).reference, by=olga)
    site.work()
    assert 1 == len(letters(site, campaign))


def arrived(campaign_people: tuple[Campaign, dict[str, Any]], minor: int = 2000) -> Campaign:
    """A part has come and was matched; nobody was told yet."""
    campaign, people = campaign_people
    reference = charge_of(people["ben"]).reference
    said = camt(
        Moved(minor=minor, id="P-1", text=reference), on=charge_of(people["ben"]).due_at.date()
    )
    import_statements(BytesIO(said))
    match_slice()
    assert [campaign.id] == parts_to_tell()
    return campaign


def test_what_went_back_meanwhile_is_no_news(
    site: Site, tipped: Tipped, bank: Bank, olga: Organiser
) -> None:
    campaign = arrived(tipped("ben"))
    return_all(BankEntry.objects.get().id, by=olga)
    site.work()
    assert [] == letters(site, campaign)


@pytest.mark.slow
def test_who_was_dropped_before_the_letter_was_written_gets_none(
    site: Site, tipped: Tipped, bank: Bank
) -> None:
    campaign, people = tipped("ben")
    arrived((campaign, people))
    site.advance(timedelta(days=30))
    bank.tells()
    site.work()
    assert "dropped" == pledge_of(people["ben"]).state
    before = len(letters(site, campaign))
    tell.func(
        campaign_id=str(campaign.id), topic="part_9", pledge_ids=[str(pledge_of(people["ben"]).id)]
    )
    site.work()
    assert before == len(letters(site, campaign))


def handed_out() -> int:
    """How many jobs were made to tell somebody of a part."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'campaigns.tell'"
            " AND args->>'topic' LIKE 'part%'"
        )
        return int(cursor.fetchone()[0])


def test_two_workers_at_once_tell_it_once(site: Site, tipped: Tipped, bank: Bank) -> None:
    campaign = arrived(tipped("ben"))
    at_once(*[lambda: ask_rest.func(campaign_id=str(campaign.id))] * 4)
    assert 1 == handed_out()
    site.work()
    assert 1 == len(letters(site, campaign))
    assert [] == parts_to_tell()


def test_without_the_lock_two_who_count_at_once_tell_it_under_one_name(
    site: Site, tipped: Tipped, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: both find it untold; only the unique key of the letter is left."""
    campaign = arrived(tipped("ben"))
    both, handed = Barrier(2), []
    found = asking._untold

    def together() -> Any:
        rows = found()
        kept = list(rows.all())
        both.wait(timeout=20)
        monkeypatch.setattr(asking, "_untold", found)
        return rows.model.objects.filter(id__in=[row.id for row in kept])

    monkeypatch.setattr(asking, "hold_bank", lambda: None)
    monkeypatch.setattr(asking, "_untold", together)
    monkeypatch.setattr(asking, "defer", lambda *_job, **said: handed.append(said["topic"]))
    at_once(lambda: asking._ask_slice(campaign), lambda: asking._ask_slice(campaign))
    assert ["part_1", "part_1"] == handed
