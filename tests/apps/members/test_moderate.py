"""Pledges that may be nobody's leave the count, many at once, with a reason, and come back."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from countmein.campaigns.actions import moderate as verbs
from countmein.campaigns.actions.count import count, tally_of
from countmein.campaigns.actions.moderate import Choice, carry_on, chosen, lift, moderate
from countmein.campaigns.models import Campaign, ModeratedPledge, Moderation, Pledge
from countmein.members.models import Organiser
from countmein.rules.pledging import PledgeRefused
from tests.apps.web.conftest import said
from tests.conftest import Launch, Site

Join = Callable[..., dict[str, Any]]
BY = uuid.UUID(int=7)


def act(campaign: Campaign, choice: Choice, **more: Any) -> Moderation:
    terms = {"verdict": "held", "reason": "automated", "note": "", "by": BY, **more}
    return moderate(campaign=campaign, choice=choice, **terms)


def crowd(site: Site, launch: Launch, join: Join, **terms: Any) -> Campaign:
    """Three of one domain, two of another."""
    campaign = launch(rule={"people": 9}, places=["Leeds", "York"], **terms)
    for n in range(3):
        member = {"email": f"bot{n}@farm.example.com"}
        join(campaign, f"bot{n}", member=member, place="York")
    for who in ("ben", "dora"):
        join(campaign, who, place="Leeds")
    site.work()
    assert 5 == tally_of(campaign).people
    return campaign


def states(campaign: Campaign) -> list[str]:
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    return list(rows.order_by("id").values_list("state", flat=True))


def test_a_farm_is_held_and_comes_back_when_the_act_is_lifted(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = crowd(site, launch, join)
    row = act(campaign, Choice(domain="farm.example.com"))
    site.work()
    assert (2, ["held"] * 3 + ["active"] * 2) == (tally_of(campaign).people, states(campaign))
    row.refresh_from_db()
    assert (3, True) == (row.people, row.done_at is not None)
    # A held pledge keeps its mailbox: it cannot simply come in again.
    with pytest.raises(PledgeRefused):
        join(campaign, "again", member={"email": "bot0@farm.example.com"})
    site.check()
    lift(row)
    site.work()
    row.refresh_from_db()
    assert (5, ["active"] * 5) == (tally_of(campaign).people, states(campaign))
    assert (3, True) == (row.lifted_people, row.lifted_at is not None)
    site.check()


@pytest.mark.slow
def test_all_that_is_said_must_fit_and_who_comes_later_is_not_meant(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = crowd(site, launch, join)
    rows = list(Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).order_by("id"))
    for choice, expected in (
        (Choice(place="York"), 3),
        (Choice(place="York", codes=(rows[0].code, rows[4].code)), 1),
        (Choice(since=rows[3].at), 2),
        (Choice(until=rows[3].at), 3),
        (Choice(place="Leeds", until=rows[3].at), 0),
    ):
        assert expected == chosen(campaign, choice).count(), choice
        assert choice == Choice.of(choice.as_json())
    row = act(campaign, Choice(place="York"))
    site.advance(timedelta(seconds=1))
    join(campaign, "yann", place="York")
    site.work()
    row.refresh_from_db()
    assert (3, 3) == (row.people, tally_of(campaign).people)


@pytest.mark.slow
def test_who_was_accepted_is_left_alone_and_held_ones_are_let_go_at_the_end(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = launch(rule={"people": 2})
    for who in ("ben", "dora"):
        join(campaign, who)
    join(campaign, "waits", condition={"people": 50})
    site.work()
    row = act(campaign, Choice(since=campaign.created_at), verdict="invalid")
    site.work()
    row.refresh_from_db()
    assert (1, 2) == (row.people, tally_of(campaign).people)
    assert ["fulfilled", "fulfilled", "held"] == states(campaign)
    site.advance(timedelta(days=31))
    site.work()
    assert ["fulfilled", "fulfilled", "released"] == states(campaign)
    lift(row)
    site.work()
    row.refresh_from_db()
    assert (0, True) == (row.lifted_people, row.lifted_at is not None)
    site.check()


@pytest.mark.slow
def test_an_act_that_is_killed_takes_nobody_out_twice(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = crowd(site, launch, join)
    monkeypatch.setattr(verbs, "SLICE", 2)
    move, calls = verbs._move, []

    def die_every_other_time(*given: Any, **more: Any) -> None:
        calls.append(given)
        if len(calls) % 2:
            raise KeyboardInterrupt
        move(*given, **more)

    monkeypatch.setattr(verbs, "_move", die_every_other_time)
    row = act(campaign, Choice(since=campaign.created_at))
    for undo in (False, True):
        if undo:
            lift(row)
        for _kill in range(3):
            with pytest.raises(KeyboardInterrupt):
                carry_on(row.lane, str(row.id))
        carry_on(row.lane, str(row.id))
        row.refresh_from_db()
        count(str(campaign.id))
        assert (5 if undo else 0) == tally_of(campaign).people
    assert (5, 5) == (row.people, row.lifted_people)
    assert 5 == ModeratedPledge.objects.all_lanes().count()
    monkeypatch.setattr(verbs, "_move", move)
    site.work()
    site.check()


@pytest.mark.slow
def test_the_desk_asks_before_harm_and_everybody_sees_why(
    site: Site, launch: Launch, join: Join, ana: Organiser
) -> None:
    campaign = crowd(site, launch, join)
    ana.is_owner = True
    ana.save()
    desk, anybody = Client(), Client()
    desk.force_login(ana)
    at, public = f"/desk/moderation/{campaign.code}/", f"/c/{campaign.code}/removed/"
    form = {"place": "York", "reason": "automated", "verdict": "invalid", "note": "secret note"}
    assert "3 pledges that count fit." in said(desk.post(at, form))
    assert "Say which pledges you mean." in said(desk.post(at, {**form, "place": ""}))
    assert "Write an instant" in said(desk.post(at, {**form, "since": "now"}))
    assert not Moderation.objects.all_lanes().exists()
    desk.post(at, {**form, "sure": "yes"})
    site.work()
    page = said(anybody.get(public))
    assert "3 pledges are not counted" in page
    assert "Made by a program Found invalid 3 0" in page
    assert "secret note" not in page
    assert "secret note" in said(desk.get(at))
    row = Moderation.objects.all_lanes().get()
    desk.post(f"{at}{row.id}/")
    site.work()
    assert "Made by a program Found invalid 3 3" in said(anybody.get(public))
    assert 5 == tally_of(campaign).people
