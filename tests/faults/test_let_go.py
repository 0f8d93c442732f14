"""R12: a lapsed or cancelled campaign lets everybody go: told once, refunded once."""

from __future__ import annotations

import random
import resource
import smtplib
import time
from collections import Counter
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as site_settings

from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.actions.enrol import enrol_all
from countmein.campaigns.models import Campaign, Pledge
from countmein.campaigns.queries import public_view
from countmein.members.contacts import opened
from countmein.outreach import actions as outreach
from countmein.outreach.models import Delivery
from countmein.payments.models import Mandate, Refund
from tests.apps.campaigns.acts import states
from tests.conftest import Launch, Site
from tests.faults.kills import run_and_die
from tests.faults.masses import (
    CARD,
    IS_FULL,
    crowd,
    letters_at_sink,
    most_per_charge,
    paid_at_provider,
    size,
    until_tipped,
)
from tests.faults.test_kills import one_round, rescue
from tests.faults.wire import Wire

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("books_read")]
COUNT = size(300, 100_000)
KILLS = size(5, 20)
#: Refunds a second, against the sandbox, on a machine of its own.
RATE = 200


def _killed(draw: random.Random, *, longest: int) -> int:
    """Work to rest, killed so many times at some statement; how often it really died."""
    kills = 0
    for _kill in range(KILLS):
        kills += run_and_die(one_round, at=draw.randint(20, longest))
        rescue()
    while one_round():
        pass
    return kills


def _told_once(subject: str, prefix: str, *, kills: int) -> None:
    """At the mailbox: nobody twice, and who got none is one of the few marked as unknown."""
    got = letters_at_sink(subject)
    del got["ana@example.org"]  # the organiser hears of it too
    people = {f"{prefix}{n}@example.org" for n in range(COUNT)}
    assert people >= set(got)
    assert 1 == max(got.values())
    missing = people - set(got)
    unknown = Delivery.objects.all_lanes().filter(state="unknown")
    contacts = opened(unknown.values_list("lane", "contact_id"))
    assert missing <= {contact.address for contact in contacts.values()}
    # Each line to the mail server has one in the air when it is cut.
    assert len(missing) <= kills * outreach._LINES


def _flat(since_kilobytes: int) -> None:
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - since_kilobytes
    assert grown < 64 * 1024, f"{grown} kB more than before"


def _memory_kilobytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_lapsed_campaign_lets_everybody_go(site: Site, launch: Launch) -> None:
    """Everybody is released, told once and charged nothing; the cards are forgotten."""
    campaign = launch(title="Let go all", kinds=["money"], currency="EUR", rule={"people": 10**6})
    crowd(campaign, "lapse", [{"amount": 100, "payment_method": CARD}] * COUNT)
    while one_round():
        pass
    site.advance(timedelta(days=31))
    memory = _memory_kilobytes()
    # However many they are, a turn works in slices and has some thousand statements.
    kills = _killed(random.Random(12), longest=size(COUNT // 2, 3000))
    _flat(memory)
    assert kills > 2
    assert {"released": COUNT} == states(campaign)
    assert "released" == public_view(campaign)["state"]
    cards = Mandate.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    assert {"forgotten"} == set(cards.values_list("state", flat=True))
    assert [] == paid_at_provider(campaign)
    _told_once("Let go all", "lapse", kills=kills)
    site.check()


def test_a_cancelled_campaign_gives_everybody_the_money_back_once(
    site: Site, launch: Launch, settings: Any
) -> None:
    """In a storm of 429s, killed on the way."""
    campaign = launch(title="Called off", kinds=["money"], currency="EUR", rule={"people": COUNT})
    crowd(campaign, "off", [{"amount": 100, "payment_method": CARD}] * COUNT)
    until_tipped(campaign)
    while one_round():
        pass
    assert {"fulfilled": COUNT} == states(campaign)
    kept = letters_at_sink("Called off")
    cancel(campaign=campaign)
    memory, base, kills = _memory_kilobytes(), settings.STRIPE_API_BASE, 0
    draw = random.Random(21)
    with Wire(base=base, seed=12, path="/v1/refunds", rates={"429": 0.2}) as wire:
        settings.STRIPE_API_BASE = wire.url
        for _kill in range(KILLS):
            kills += run_and_die(one_round, at=draw.randint(50, size(300, 3000)))
            rescue()
    settings.STRIPE_API_BASE = base
    rate = _refund_rate(campaign)
    while one_round() or _refunds(campaign).exclude(state="done").exists():
        rescue()
    _flat(memory)
    assert kills > 2
    assert wire.seen["429"] > 0
    assert {"refunded": COUNT} == states(campaign)
    paid = paid_at_provider(campaign)
    assert (COUNT, 1) == (len(paid), most_per_charge(paid))
    assert all(c["amount"] == c["amount_refunded"] for c in paid)
    assert COUNT == _refunds(campaign).count()
    assert public_view(campaign)["refunded"] == {"money": 100 * COUNT}
    got = letters_at_sink("Called off")
    got.subtract(kept)
    assert max(got.values()) == 1
    assert COUNT - sum(n > 0 for who, n in got.items() if who.startswith("off")) <= kills
    if IS_FULL:
        assert rate >= RATE
    site.check()


def _refunds(campaign: Campaign) -> Any:
    return Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id)


def _refund_rate(campaign: Campaign) -> float:
    """Refunds a second over one undisturbed turn of the job."""
    from countmein.payments.actions.refunding import refund_due

    before, began = _refunds(campaign).filter(state="done").count(), time.monotonic()
    refund_due()
    made = _refunds(campaign).filter(state="done").count() - before
    rate = made / (time.monotonic() - began)
    print(f"{made} refunds at {rate:.0f} a second")
    return rate


def test_who_tells_first_and_marks_then_tells_somebody_twice(site: Site, launch: Launch) -> None:
    """The control: killed between the letter and the mark, it tells the same person again."""
    campaign = launch(title="Naive letters", rule={"people": 100})
    crowd(campaign, "naive", [{}] * 10)
    enrol_all(campaign)

    def tell_naively() -> None:
        at = urlsplit(site_settings.SMTP_URL)
        rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id, letter=None)
        with smtplib.SMTP(at.hostname or "", at.port or 25) as server:
            for row in list(rows.order_by("id")):
                key = (row.person_lane, row.contact_id)
                contact = opened([key])[key]
                text = f"Subject: Naive letters\r\nTo: {contact.address}\r\n\r\nIt is off.\r\n"
                server.sendmail("site@example.org", [contact.address], text)
                Pledge.objects.filter(lane=row.lane, id=row.id).update(letter=1)

    kills = sum(run_and_die(tell_naively, at=at) for at in range(1, 8))
    tell_naively()
    got: Counter[str] = letters_at_sink("Naive letters")
    assert kills > 3
    assert max(got.values()) > 1
