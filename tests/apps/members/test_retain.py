"""Retention runs by the site's clock: whoever need not be known is let go, nobody earlier."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from countmein.base.clock import real_now
from countmein.campaigns.actions import retain as walk
from countmein.campaigns.actions.confirm import confirm
from countmein.campaigns.actions.count import tally_of
from countmein.campaigns.actions.retain import is_retained, retain
from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.links import confirm_token_of
from countmein.campaigns.models import Pledge
from countmein.members.contacts import opened
from countmein.members.models import UNLINKED, Contact, Member
from countmein.payments.models import ProviderEvent
from tests.apps.members.conftest import rows_with
from tests.conftest import Launch, Site

Join = Callable[..., dict[str, Any]]
DAY = timedelta(days=1)


def pledge_of(answer: dict[str, Any]) -> Pledge:
    return Pledge.objects.all_lanes().get(code=answer["code"])


def known() -> list[str]:
    rows = Contact.objects.all_lanes().values_list("lane", "id")
    return sorted(who.name for who in opened(rows).values())


def test_who_never_confirmed_is_forgotten_after_thirty_days(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = launch(
        confirm="email", rule={"people": 9}, deadline=(real_now() + 90 * DAY).isoformat()
    )
    never = join(campaign, "nils", key="a")
    ever = join(campaign, "eva", key="b")
    left = join(campaign, "liv", key="c")
    site.work()
    for answer in (ever, left):
        row = pledge_of(answer)
        confirm(pledge=row, token=confirm_token_of(row))
    withdraw(pledge=pledge_of(left))
    site.advance(29 * DAY)
    retain()
    assert ["Eva", "Liv", "Nils"] == known()
    site.advance(2 * DAY)
    assert not is_retained()
    retain()
    assert is_retained()
    assert (["Eva"], 1) == (known(), Member.objects.all_lanes().count())
    row = pledge_of(never)
    assert ("released", UNLINKED) == (row.state, row.contact_id)
    token = confirm_token_of(row)
    assert "released" == confirm(pledge=row, token=token).state
    page = Client().get(f"/p/{row.code}/confirm/?token={token}").content.decode()
    assert "This pledge has ended" in page
    assert "You are in" not in page
    assert "active" == pledge_of(ever).state
    site.work()
    assert 1 == tally_of(campaign).people
    site.check()


@pytest.mark.slow
def test_details_go_after_the_stated_end_and_the_count_stays(
    site: Site, launch: Launch, join: Join, settings: Any
) -> None:
    settings.DETAILS_DAYS = 100
    campaign = launch(rule={"people": 2})
    for who in ("pia", "quin"):
        join(campaign, who, key=who[0])
    site.work()
    site.advance(31 * DAY)
    site.work()
    retain()
    site.advance(99 * DAY)
    retain()
    assert ["Pia", "Quin"] == known()
    site.advance(2 * DAY)
    retain()
    assert [] == known()
    assert [] == rows_with("pia@example.org", "quin@example.org")
    assert 2 == tally_of(campaign).people
    states = Pledge.objects.all_lanes().values_list("state", "contact_id")
    assert {("fulfilled", UNLINKED)} == set(states)
    site.check()


@pytest.mark.slow
def test_one_pledge_that_is_still_wanted_keeps_its_contact(
    site: Site, launch: Launch, join: Join
) -> None:
    first = launch(rule={"people": 9})
    second = launch(
        title="Another", rule={"people": 9}, deadline=(real_now() + 300 * DAY).isoformat()
    )
    join(first, "rosa", key="a")
    join(second, "rosa", key="b")
    site.work()
    site.advance(31 * DAY)
    site.work()
    site.advance(31 * DAY)
    retain()
    assert ["Rosa"] == known()
    gone, kept = Pledge.objects.all_lanes().order_by("id")
    assert (UNLINKED, True) == (gone.contact_id, kept.contact_id != UNLINKED)
    site.check()


@pytest.mark.slow
def test_a_walk_that_is_killed_goes_on_where_it_stood(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = launch(confirm="email", rule={"people": 9})
    for n in range(7):
        join(campaign, f"p{n}", key=f"k{n}")
    site.work()
    site.advance(31 * DAY)
    monkeypatch.setattr(walk, "SLICE", 2)
    let_go, calls = walk._let_go, []

    def die_at_the_third(rows: Any) -> None:
        calls.append(rows)
        if len(calls) == 3:
            raise KeyboardInterrupt
        let_go(rows)

    monkeypatch.setattr(walk, "_let_go", die_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        retain()
    assert 3 == Contact.objects.all_lanes().count()
    monkeypatch.setattr(walk, "_let_go", let_go)
    retain()
    assert is_retained()
    assert 0 == Contact.objects.all_lanes().count() == Member.objects.all_lanes().count()


@pytest.mark.slow
def test_what_a_provider_told_is_cut_down_after_a_day(site: Site) -> None:
    said = {"type": "checkout.session.completed", "data": {"object": {"email": "ben@example.org"}}}
    for name, hours in (("old", 25), ("new", 1)):
        at = real_now() - timedelta(hours=hours)
        ProviderEvent.objects.create(
            provider="stripe", event_id=name, body=said, received_at=at, read_at=at
        )
    retain()
    assert ["new"] == [
        event.event_id for event in ProviderEvent.objects.all() if "data" in event.body
    ]
