"""What we keep about you: asked for by mail, shown, taken along, erased, each by the link alone."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from countmein.campaigns import my_data
from countmein.members.models import Contact, Erasure, Member
from tests.apps.web.conftest import said

FUND = {"kinds": ["money"], "currency": "EUR", "rule": {"people": 9}}
ASKED = "If we know this address, a mail with a link is on its way."


def link_for(site: Any, browser: Client, who: str) -> str:
    """The path that was mailed to somebody who asked for it."""
    answer = browser.post("/my-data/", {"email": f"{who}@example.org"})
    assert ASKED in said(answer)
    site.work()
    mails = [m for m in site.mails(f"{who}@example.org") if "knows about you" in m["subject"]]
    links = re.findall(r"http://127\.0\.0\.1:8000(/my-data/\S+)", mails[-1]["text"])
    return str(links[0])


def beside(link: str, name: str) -> str:
    """A page under what the link opens."""
    return link.replace("/?token=", f"/{name}?token=")


def test_the_link_shows_all_of_it_and_the_file_has_every_personal_column(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    fund = launch(title="A new roof", **FUND)
    join(fund, "gwen", amount=2500, payment_method="pm_card_visa", public_name=True)
    join(launch(title="A petition"), "gwen", key="other")
    site.work()
    link = link_for(site, ben, "gwen")
    page = ben.get(link)
    for expected in ("gwen@example.org", "Gwen", "A new roof", "A petition", "shown on the"):
        assert expected in said(page)
    assert "no-store" in page["Cache-Control"]
    kept = ben.get(beside(link, "export.json"))
    assert "attachment" in kept["Content-Disposition"]
    told = json.loads(b"".join(kept.streaming_content))
    (contact,) = told["person"]["contacts"]
    assert ("gwen@example.org", "Gwen", "en-gb") == tuple(contact.values())
    assert {"A new roof", "A petition"} == {p["campaign_title"] for p in told["pledges"]}
    roof = next(p for p in told["pledges"] if p["campaign_title"] == "A new roof")
    assert ("4242", 2500, True) == (
        roof["payment"]["card"]["last4"],
        roof["amount"],
        roof["public_name"],
    )
    assert roof["consents"][0]["words"]
    assert "my_data" in {letter["about"] for letter in told["letters"]}


@pytest.mark.slow
def test_everybody_is_told_the_same_and_nobody_is_bombed(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    join(launch(), "hugo")
    site.work()
    first = said(ben.post("/my-data/", {"email": "hugo@example.org"}))
    assert first == said(ben.post("/my-data/", {"email": "unheard-of@example.org"}))
    for _time in range(5):
        ben.post("/my-data/", {"email": "HUGO+x@example.org"})
    site.work()
    assert my_data.LINKS_A_DAY == len(site.mails("hugo@example.org"))
    assert [] == site.mails("unheard-of@example.org")
    assert 422 == ben.post("/my-data/", {"email": "nowhere"}).status_code


@pytest.mark.slow
def test_the_link_ends_and_is_nobody_elses(
    site: Any, ben: Client, launch: Any, join: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = launch()
    for who in ("ivo", "jana"):
        join(campaign, who)
    site.work()
    link = link_for(site, ben, "ivo")
    assert 200 == ben.get(link).status_code
    ivo, jana = (
        f"{row.lane}-{row.id.hex}"
        for row in Member.objects.all_lanes().order_by("created_at", "id")
    )
    names = (ivo, jana) if ivo in link else (jana, ivo)
    until = int(re.search(r"token=([0-9]+)-", link)[1])  # type: ignore[index]
    for wrong in (
        link.replace(*names),
        link.replace(str(until), str(until + 1)),
        link[:-1] + ("0" if link[-1] != "0" else "1"),
        link.partition("?")[0],
        link.replace("token=", "token=é"),
    ):
        for name in ("", "export.json", "erase/"):
            assert 404 == ben.get(beside(wrong, name)).status_code, wrong
    real = my_data.real_now
    monkeypatch.setattr(my_data, "real_now", lambda: real() + timedelta(hours=25))
    assert 404 == ben.get(link).status_code


def test_erasing_says_what_it_means_and_asks_before_harm(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    join(launch(title="A new roof", **FUND), "kaya", amount=500, payment_method="pm_card_visa")
    join(launch(title="A petition"), "kaya", key="other")
    site.work()
    link = link_for(site, ben, "kaya")
    page = said(ben.get(beside(link, "erase/")))
    assert "This cannot be undone, by you or by us" in page
    assert "Is withdrawn with this A new roof" in page
    assert "Stays counted, without you A petition" in page
    answer = ben.post(beside(link, "erase/"))
    assert 422 == answer.status_code
    assert "Tick the box" in said(answer)
    assert Contact.objects.all_lanes().exists()
    assert "You are erased" in said(ben.post(beside(link, "erase/"), {"sure": "yes"}))
    assert not Contact.objects.all_lanes().exists()
    assert 404 == ben.get(link).status_code
    site.work()
    (row,) = Erasure.objects.all_lanes()
    assert ("member", 1, 1) == (row.by, row.withdrawn, row.kept)


@pytest.mark.slow
def test_the_desk_erases_on_request_and_keeps_no_name(
    site: Any, launch: Any, join: Any, ana: Any
) -> None:
    join(launch(), "lena")
    site.work()
    ana.is_owner = True
    ana.save()
    desk = Client()
    desk.force_login(ana)
    answer = desk.post("/desk/erasures/", {"email": "lena@example.org"})
    assert "Tick the box" in said(answer)
    assert Member.objects.all_lanes().exists()
    desk.post("/desk/erasures/", {"email": "lena@example.org", "sure": "yes"})
    assert not Member.objects.all_lanes().exists()
    site.work()
    page = said(desk.get("/desk/erasures/"))
    assert "At this desk, on request" in page
    assert "lena" not in page


@pytest.mark.slow
def test_ten_thousand_pledges_are_handed_over_slice_by_slice(
    site: Any, launch: Any, join: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(my_data, "SLICE", 2)
    for n in range(5):
        join(launch(title=f"Number {n}"), "mia", key=f"k{n}")
    site.work()
    (member,) = Member.objects.all_lanes()
    titles = [pledge["campaign_title"] for pledge in my_data.pledges_of(member)]
    assert [f"Number {n}" for n in range(5)] == sorted(titles)
