"""Every page a person can open says nothing that is not in the catalogues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from countmein.campaigns.models import Campaign
from countmein.members.actions import token_for
from countmein.members.models import Organiser
from tests.apps.access_matrix import MATRIX
from tests.apps.web.test_organise import filled
from tests.apps.web.test_public import FUND
from tests.tongues.letters import terms
from tests.tongues.pseudo import accented, pseudo, unmarked

__all__ = ["pseudo"]

pytestmark = pytest.mark.slow

#: The languages' own names, and what people or machines named.
NAMES = {
    *("English", "Deutsch", "Français", "Español", "Countmein", "Ana", "Ben", "Leeds", "York"),
    *("Bluesky", "Facebook", "LinkedIn", "Signal, SMS", "Telegram", "WhatsApp"),
    *(
        "UK£",
        "NL…0001",
        "EXAMPLE",
        "IBAN",
        "BIC",
        "UTC",
        "SHA-256",
        "Europe/London",
        "JSON",
        "Markdown",
        "GBP",
        "EUR",
    ),
}
ARABIC = {"accept-language": "ar"}
#: Of the API and of programs.
NOT_PAGES = ("/api/", "/hooks/", "/metrics", "/healthz", "/readyz")


def found_on(answer: Any, names: set[str] = NAMES) -> list[str]:
    if not answer.get("Content-Type", "").startswith("text/html"):
        return []
    return unmarked(answer.content.decode(), names=names)


@pytest.fixture
def campaign(launch: Callable[..., Campaign], join: Any, site: Any) -> Campaign:
    """One with something of everything on its page."""
    made = launch(**terms(), places=["Leeds"])
    join(made, "ben", kind="signature", public_name=True)
    join(made, "dora", kind="signature", condition={"people": 9})
    site.work()
    return made


def test_every_page_goes_through_the_catalogues(
    pseudo: None, campaign: Campaign, join: Any, ana: Organiser
) -> None:
    mine = join(campaign, "emil", kind="signature")
    token_for(email="olga@example.org", name="Olga")
    owner = Organiser.objects.get(is_owner=True)
    wrong, seen = {}, 0
    for person in (None, ana, owner):
        browser = Client(headers=ARABIC)
        if person:
            browser.force_login(person)
        names = NAMES | {campaign.title, campaign.code, mine["code"], "Olga"}
        for rows in MATRIX.values():
            for method, address, _row in rows:
                here = address.format(
                    code=campaign.code,
                    draft=campaign.code,
                    doomed=campaign.code,
                    pledge=mine["code"],
                    receipt=mine["receipt"],
                )
                if method != "GET" or here.startswith(NOT_PAGES):
                    continue
                answer = browser.get(here)
                seen += answer.get("Content-Type", "").startswith("text/html")
                if words := found_on(answer, names):
                    wrong[here] = words
    assert {} == wrong
    assert seen > 60


@pytest.mark.parametrize(
    "fields",
    [
        {"email": "", "condition": "odd", "place": "Atlantis"},
        {"email": "x", "name": "ب" * 200, "condition": "people", "condition_people": "x"},
    ],
)
def test_the_faults_of_a_pledge_do_too(
    pseudo: None, launch: Any, site: Any, fields: dict[str, str]
) -> None:
    campaign = launch(**FUND | {"title": "المكتبة"})
    browser = Client(headers=ARABIC)
    answer = browser.post(f"/c/{campaign.code}/pledge/", {"kind": "money", "key": "x"} | fields)
    assert 422 == answer.status_code
    assert [] == found_on(answer)


def test_the_faults_of_a_campaign_do_too(pseudo: None, ana: Organiser) -> None:
    browser = Client(headers=ARABIC)
    browser.force_login(ana)
    for fields in (
        {"title": "", "deadline": ""},
        {"places": "Leeds\nLeeds", "title": "ب" * 500},
        {"rule_json": '{"people": 0}'},
        {"rule_json": '{"all": []}'},
        {"rule_json": '{"some": {"of": 1}}'},
        {"timezone": "Mars/Phobos"},
    ):
        answer = browser.post("/organise/new/petition/", filled() | fields)
        assert 422 == answer.status_code
        assert [] == found_on(answer, NAMES | {str(value) for value in filled().values()})


def test_a_word_that_is_not_marked_is_found() -> None:
    """The negative control: the same sentence with and without its marks."""
    page = '<html lang="ar"><p aria-label="{0}">{0} <b dir="auto">Ana</b></p></html>'
    assert ["Count me in"] == unmarked(page.format("Count me in"), names=set())
    assert [] == unmarked(page.format(accented("Count me in")), names=set())
    assert [] == unmarked(page.format(accented("Hello %(name)s") % {"name": "Ana"}), names={"Ana"})
