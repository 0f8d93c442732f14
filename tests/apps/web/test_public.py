"""The pages everybody may read."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from countmein.web.templatetags.words import story
from tests.apps.web.conftest import said

FUND = {
    "kinds": ["money"],
    "currency": "GBP",
    "rule": {"all": [{"people": 3}, {"sum": {"kind": "money", "at_least": 3000}}]},
    "places": ["Leeds", "York"],
}


def queries_of(browser: Client, path: str) -> int:
    """How many queries a page costs."""
    with CaptureQueriesContext(connection) as asked:
        assert 200 == browser.get(path).status_code
    return len(asked)


@pytest.mark.parametrize("path", ["/", "/campaigns/", "/campaigns/?state=open", "/how/"])
def test_the_pages_stand_on_an_empty_site(ben: Client, path: str) -> None:
    assert 200 == ben.get(path).status_code


@pytest.mark.parametrize(
    "path", ["/nope/", "/c/nope/", "/c/nope/ledger/", "/c/nope/pledge/", "/campaigns/?state=odd"]
)
def test_what_is_not_there_is_404_in_words(ben: Client, path: str) -> None:
    answer = ben.get(path)
    assert 404 == answer.status_code
    assert "There is no such page" in said(answer)


def test_a_campaign_says_its_rule_its_count_and_what_is_missing(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    campaign = launch(title="The ad", **FUND)
    join(campaign, "ben", amount=1000, payment_method="pm_card_visa", public_name=True)
    join(campaign, "dora", amount=500, payment_method="pm_card_visa", condition={"people": 3})
    site.work()
    words = said(ben.get(f"/c/{campaign.code}/"))
    assert "This happens if 3 people and £30 come together" in words
    assert "1 person is in" in words
    assert "2 to go" in words and "Missing: £20.00 more" in words
    assert "1 more person brings in 1 who is waiting." in words
    assert "Ben" in words
    assert "Dora" not in words


def test_a_draft_is_nobody_elses_business(ben: Client, ana: Any) -> None:
    from datetime import timedelta

    from countmein.base.clock import site_now
    from countmein.campaigns.actions.draft import draft
    from countmein.campaigns.bodies import CampaignBody

    terms = {
        "title": "Secret",
        "kinds": ["signature"],
        "rule": {"people": 2},
        "deadline": (site_now() + timedelta(days=1)).isoformat(),
    }
    campaign = draft(organiser=ana, body=CampaignBody.model_validate(terms))
    assert 404 == ben.get(f"/c/{campaign.code}/").status_code
    assert 404 == ben.get(f"/c/{campaign.code}/pledge/").status_code


def test_the_page_of_a_campaign_costs_the_same_however_many_are_in(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    campaign = launch(rule={"people": 50})
    for number in range(2):
        join(campaign, f"ben{number}", public_name=True)
    site.work()
    few = queries_of(ben, f"/c/{campaign.code}/")
    for number in range(20):
        join(campaign, f"dora{number}", public_name=True, condition={"people": number + 2})
    site.work()
    assert few == queries_of(ben, f"/c/{campaign.code}/")


def test_the_lists_cost_the_same_however_many_campaigns_there_are(
    site: Any, ben: Client, launch: Any
) -> None:
    launch()
    few = {path: queries_of(ben, path) for path in ("/", "/campaigns/")}
    for _number in range(6):
        launch()
    assert few == {path: queries_of(ben, path) for path in ("/", "/campaigns/")}


def test_the_welcome_shows_the_nearest_to_tipping_first(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    near = launch(title="Nearly there", rule={"people": 2})
    launch(title="Far away", rule={"people": 1000})
    join(near, "ben")
    site.work()
    words = said(ben.get("/"))
    assert words.index("Nearly there") < words.index("Far away")


def test_the_meter_is_the_same_part_the_page_includes(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    campaign = launch()
    join(campaign, "ben")
    site.work()
    part = ben.get(f"/c/{campaign.code}/meter/")
    assert "open" == part["X-Campaign-State"]
    assert part.content.decode().strip() in ben.get(f"/c/{campaign.code}/").content.decode()


def test_the_ledger_page_balances(site: Any, ben: Client, launch: Any, join: Any) -> None:
    campaign = launch(**{**FUND, "rule": {"people": 1}})
    assert "No money has moved" in said(ben.get(f"/c/{campaign.code}/ledger/"))
    join(campaign, "ben", amount=1250, payment_method="pm_card_visa")
    site.work()
    words = said(ben.get(f"/c/{campaign.code}/ledger/"))
    assert "£12.50" in words
    assert "Difference £0.00" in words
    assert 404 == ben.get(f"/c/{campaign.code}/ledger/?after=x").status_code


def test_a_page_carries_no_inline_script_or_style(ben: Client, launch: Any) -> None:
    campaign = launch(story="**bold**")
    answer = ben.get(f"/c/{campaign.code}/")
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe-inline" not in policy
    html = answer.content.decode()
    assert " style=" not in html
    assert "<style" not in html
    assert " onclick=" not in html


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "<img src=x onerror=alert(1)>",
        "![x](https://evil.example/pixel.png)",
        '<a href="https://x" style="position:fixed">x</a>',
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
    ],
)
def test_a_story_can_carry_no_script_and_no_picture(hostile: str) -> None:
    html = story(hostile)
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html
    assert 'href="data' not in html
    assert "<a href" not in html or "style" not in html


def test_a_storys_headings_fit_under_those_of_the_page() -> None:
    assert "<h3>Why</h3>" in story("# Why")


def test_the_page_reads_from_right_to_left_in_arabic(ben: Client, launch: Any) -> None:
    campaign = launch()
    with override_settings(LANGUAGES=[("en-gb", "English"), ("ar", "العربية")]):
        answer = ben.get(f"/c/{campaign.code}/", headers={"accept-language": "ar"})
    assert '<html lang="ar" dir="rtl">' in answer.content.decode()


@override_settings(LANGUAGES=[("en-gb", "English"), ("de", "Deutsch")])
def test_the_language_can_be_chosen_without_javascript(ben: Client) -> None:
    answer = ben.post("/language/", {"language": "de", "next": "/how/"})
    assert 302 == answer.status_code
    assert "/how/" == answer["Location"]
    assert '<html lang="de"' in ben.get("/how/").content.decode()
    away = ben.post("/language/", {"language": "de", "next": "https://evil.example/"})
    assert "evil" not in away["Location"]
