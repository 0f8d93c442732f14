"""The organiser's desk."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from countmein.base.clock import site_now
from countmein.campaigns.models import Campaign, Gate
from countmein.outreach.models import Delivery
from tests.apps.web.conftest import hidden, said

PAGES = ["", "edit/", "rehearse/", "launch/", "story/", "thank/", "cancel/"]


def filled(**more: Any) -> dict[str, Any]:
    """The form of a petition as Ana would send it."""
    deadline = (site_now() + timedelta(days=20)).strftime("%Y-%m-%dT12:00")
    return {
        "title": "Open the library on Sundays",
        "kinds": ["signature"],
        "rule_people": "3",
        "rule_mode": "all",
        "deadline": deadline,
        "timezone": "Europe/London",
        "latch": "on_tip",
        "confirm": "none",
        **more,
    }


def drafted(browser: Client, **more: Any) -> Campaign:
    answer = browser.post("/organise/new/petition/", filled(**more))
    assert 302 == answer.status_code, said(answer)
    return Campaign.objects.get(code=answer["Location"].split("/")[2])


def state(campaign: Campaign) -> str:
    return str(Gate.objects.get(lane=campaign.lane, id=campaign.id).state)


@pytest.mark.parametrize("path", ["/organise/", "/organise/new/", "/organise/new/fund/"])
def test_organising_asks_who_you_are(ben: Client, path: str) -> None:
    assert ben.get(path)["Location"].startswith("/account/login/")


@pytest.mark.parametrize("name", PAGES)
def test_cleo_may_not_look_at_what_is_anas(
    as_cleo: Client, ben: Client, launch: Any, name: str
) -> None:
    code = launch().code
    assert 404 == as_cleo.get(f"/organise/{code}/{name}").status_code
    assert 404 == as_cleo.post(f"/organise/{code}/launch/now/").status_code
    assert 302 == ben.get(f"/organise/{code}/{name}").status_code


@pytest.mark.parametrize("name", ["fund", "buy", "petition", "gather", "call", "volunteer"])
def test_every_template_has_a_form(as_ana: Client, name: str) -> None:
    assert 200 == as_ana.get(f"/organise/new/{name}/").status_code


def test_an_unknown_template_is_404(as_ana: Client) -> None:
    assert 404 == as_ana.get("/organise/new/war/").status_code


def test_ana_drafts_rehearses_launches_and_watches(
    site: Any, as_ana: Client, ben: Client, join: Any
) -> None:
    campaign = drafted(as_ana, target_name="City council", target_email="council@example.org")
    assert "Only you can see it." in said(as_ana.get(f"/organise/{campaign.code}/"))
    rehearsal = said(as_ana.get(f"/organise/{campaign.code}/rehearse/"))
    assert "it would lapse" in rehearsal
    assert "The one who must answer" in rehearsal
    assert "It did not come about" in rehearsal
    assert "draft" == state(campaign)
    assert 200 == as_ana.get(f"/organise/{campaign.code}/launch/").status_code
    as_ana.post(f"/organise/{campaign.code}/launch/now/")
    assert "open" == state(campaign)
    join(campaign, "ben", public_name=True)
    site.work()
    words = said(as_ana.get(f"/organise/{campaign.code}/"))
    assert "Ben" in words
    assert "ben@example.org" not in words


def test_a_rehearsal_writes_nothing(site: Any, as_ana: Client, launch: Any, join: Any) -> None:
    campaign = launch(rule={"people": 2})
    join(campaign, "ben")
    site.work()
    with CaptureQueriesContext(connection) as asked:
        as_ana.get(f"/organise/{campaign.code}/rehearse/?at=2027-01-01T12:00")
    wrote = [q["sql"] for q in asked if re.match(r"(INSERT|UPDATE|DELETE)", q["sql"])]
    assert [] == wrote


def test_a_rehearsal_at_a_moment_that_is_none_says_so(as_ana: Client, launch: Any) -> None:
    answer = as_ana.get(f"/organise/{launch().code}/rehearse/?at=soon")
    assert 422 == answer.status_code
    assert "Give a day and a time." in said(answer)


def test_what_a_launch_lacks_is_listed(as_ana: Client) -> None:
    campaign = drafted(as_ana, kinds=["presence"])
    answer = as_ana.post(f"/organise/{campaign.code}/launch/now/")
    assert 422 == answer.status_code
    html = answer.content.decode()
    assert f'href="/organise/{campaign.code}/edit/#venue"' in html
    assert "draft" == state(campaign)


def test_a_draft_comes_back_into_its_form_as_it_was_written(as_ana: Client) -> None:
    sent = filled(
        kinds=["money", "hours"],
        currency="GBP",
        rule_money="30000",
        rule_places="2",
        rule_places_people="10",
        rule_mode="any",
        minimum_money="1.50",
        places="Leeds\nYork\n",
        story="**Why**",
        venue="The old mill",
    )
    answer = as_ana.post("/organise/new/fund/", sent)
    code = answer["Location"].split("/")[2]
    form = as_ana.get(f"/organise/{code}/edit/").content.decode()
    for name, value in (
        ("rule_people", "3"),
        ("rule_money", "30000.00"),
        ("rule_places", "2"),
        ("rule_places_people", "10"),
        ("minimum_money", "1.50"),
        ("deadline", sent["deadline"]),
        ("venue", "The old mill"),
    ):
        assert re.search(rf'name="{name}" type="[a-z-]+" value="{value}"', form), name
    assert "**Why**" in form
    assert "Leeds\nYork" in form
    assert 'value="any" checked' in form
    changed = as_ana.post(f"/organise/{code}/edit/", {**sent, "title": "Another title"})
    assert 302 == changed.status_code
    assert "Another title" == Campaign.objects.get(code=code).title


def test_a_rule_written_by_hand_stays_by_hand(as_ana: Client) -> None:
    rule = {"some": {"of": [{"people": 5}, {"people": 9}], "at_least": 1}}
    campaign = drafted(as_ana, rule_people="", rule_json=json.dumps(rule))
    assert rule == campaign.rule
    assert "&quot;some&quot;" in as_ana.get(f"/organise/{campaign.code}/edit/").content.decode()


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"title": ""}, "Give it a title."),
        ({"kinds": []}, "Choose what people pledge."),
        ({"kinds": ["money"]}, "Choose the currency."),
        ({"rule_people": ""}, "Say when it tips"),
        ({"rule_people": "-3"}, "Write a whole number"),
        ({"rule_json": "{"}, "This is not JSON."),
        ({"rule_json": '{"people": 0}'}, "too small or too large"),
        ({"rule_json": "[" * 5000}, "This is not JSON."),
        ({"deadline": ""}, "Give a day and a time."),
        ({"deadline": "2020-01-01T12:00"}, "The deadline lies ahead."),
        ({"deadline": "2027-03-28T01:30"}, "this hour does not exist"),
        ({"deadline": "2027-10-31T01:30"}, "this hour happens twice"),
        ({"timezone": "Mars/Olympus"}, "Give a day and a time."),
        ({"target_email": "no"}, "mail"),
        ({"places": "Leeds\nLeeds"}, "Each of these stands here once."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_typed_is_lost(
    as_ana: Client, fields: dict[str, Any], fault: str
) -> None:
    sent = filled(story="A long story of mine.") | fields
    answer = as_ana.post("/organise/new/petition/", sent)
    assert 422 == answer.status_code
    assert fault in said(answer)
    assert "A long story of mine." in answer.content.decode()
    assert 0 == Campaign.objects.count()


def test_after_the_launch_only_the_story_goes_on(as_ana: Client, launch: Any) -> None:
    campaign = launch()
    assert (
        f"/organise/{campaign.code}/story/"
        == as_ana.get(f"/organise/{campaign.code}/edit/")["Location"]
    )
    as_ana.post(f"/organise/{campaign.code}/story/", {"story": "It goes on."})
    assert [1, 2] == list(campaign.stories.order_by("number").values_list("number", flat=True))


def test_thanks_reach_everybody_once(site: Any, as_ana: Client, launch: Any, join: Any) -> None:
    campaign = launch(rule={"people": 2})
    for who in ("rita", "sam"):
        join(campaign, who)
    site.work()
    form = as_ana.get(f"/organise/{campaign.code}/thank/")
    sent = {"thank_id": hidden(form, "thank_id"), "subject": "Thank you", "text": "It worked."}
    wrong = as_ana.post(f"/organise/{campaign.code}/thank/", {**sent, "count": "3"})
    assert 422 == wrong.status_code
    assert "It worked." in wrong.content.decode()
    assert sent["thank_id"] == hidden(wrong, "thank_id")
    for _repeat in range(2):
        as_ana.post(f"/organise/{campaign.code}/thank/", {**sent, "count": "2"})
        site.work()
    assert 2 == Delivery.objects.all_lanes().filter(topic="thank").count()
    assert ["Thank you"] == [
        mail["subject"] for mail in site.mails("rita@example.org") if mail["subject"] == "Thank you"
    ]
    other = {
        **sent,
        "thank_id": hidden(as_ana.get(f"/organise/{campaign.code}/thank/"), "thank_id"),
    }
    as_ana.post(f"/organise/{campaign.code}/thank/", {**other, "count": "2"})
    site.work()
    assert 4 == Delivery.objects.all_lanes().filter(topic="thank").count()


def test_thanks_go_out_in_slices(
    site: Any, as_ana: Client, launch: Any, join: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from countmein.campaigns.actions import thank

    monkeypatch.setattr(thank, "SLICE", 2)
    campaign = launch(rule={"people": 1})
    for number in range(5):
        join(campaign, f"tom{number}")
    site.work()
    sent = {"thank_id": "x", "subject": "Thank you", "text": "All.", "count": "5"}
    as_ana.post(f"/organise/{campaign.code}/thank/", sent)
    site.work()
    assert 5 == Delivery.objects.all_lanes().filter(topic="thank").count()


def test_to_cancel_is_typed(site: Any, as_ana: Client, launch: Any) -> None:
    campaign = launch()
    wrong = as_ana.post(f"/organise/{campaign.code}/cancel/", {"typed": "yes"})
    assert 422 == wrong.status_code
    assert "open" == state(campaign)
    as_ana.post(f"/organise/{campaign.code}/cancel/", {"typed": campaign.code})
    assert "cancelled" == state(campaign)
    site.work()
    again = as_ana.post(f"/organise/{campaign.code}/cancel/", {"typed": campaign.code})
    assert "too late" in said(as_ana.get(again["Location"]))


def test_the_desk_costs_the_same_however_many_pledge(
    site: Any, as_ana: Client, launch: Any, join: Any
) -> None:
    campaign = launch(rule={"people": 90})
    costs = []
    for number in range(12):
        join(campaign, f"uma{number}", public_name=True)
        if number in (1, 11):
            site.work()
            with CaptureQueriesContext(connection) as asked:
                as_ana.get(f"/organise/{campaign.code}/")
            costs.append(len(asked))
    assert costs[0] == costs[1]


def test_pledges_are_paged(
    site: Any, as_ana: Client, launch: Any, join: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from countmein.web.organise import watching

    monkeypatch.setattr(watching, "_ON_A_PAGE", 2)
    campaign = launch(rule={"people": 90})
    for number in range(3):
        join(campaign, f"vic{number}", public_name=True)
    first = as_ana.get(f"/organise/{campaign.code}/")
    match = re.search(r'href="(/organise/[^"]+\?after=[^"]+)"', first.content.decode())
    assert match is not None
    second = said(as_ana.get(match[1]))
    assert "Vic2" in second
    assert "Vic0" not in second
