"""What a campaign shows beyond its own page: sharing, pictures, the widget, search, machines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import Client, override_settings

from countmein.base.clock import site_now
from countmein.campaigns.actions.draft import draft
from countmein.campaigns.bodies import CampaignBody
from countmein.campaigns.models import Tally
from countmein.members.models import Organiser
from countmein.web.public import picture
from tests.apps.web.conftest import said


def test_a_page_draws_the_curve_of_those_who_wait(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    campaign = launch(title="The ad", rule={"people": 8})
    for who in ("ben", "dora", "eve"):
        join(campaign, who, condition={"people": 4})
    site.work()
    tally = Tally.objects.get(lane=campaign.lane, id=campaign.id)
    assert [[1, 3], [8, 3]] == tally.curve
    words = said(ben.get(f"/c/{campaign.code}/"))
    assert "If 5 more people join without a condition, enough are in." in words
    assert "More people join Who waited and come along Then in 0 0 0 1 3 4" in words
    join(campaign, "fay")
    site.work()
    tally.refresh_from_db()
    assert (4, []) == (tally.people, tally.curve)
    assert "What one more person sets off" not in said(ben.get(f"/c/{campaign.code}/"))


def test_a_link_to_it_has_words_and_a_picture(ben: Client, launch: Any) -> None:
    campaign = launch(title='Bread & "roses"', rule={"people": 3})
    text = ben.get(f"/c/{campaign.code}/").content.decode()
    assert f'/c/{campaign.code}/share.png">' in text
    assert 'content="Bread &amp; &quot;roses&quot;: it happens if 3 people' in text
    assert f"/c/{campaign.code}/" in unquote(text.split("https://wa.me/?text=")[1].split('"')[0])


@pytest.mark.parametrize("title", ["The ad", "word " * 30, "مئة جار يغلقون الشارع", "<&\"'>"])
def test_the_share_picture_is_drawn_for_any_title(ben: Client, launch: Any, title: str) -> None:
    campaign = launch(title=title.strip(), rule={"people": 3})
    answer = ben.get(f"/c/{campaign.code}/share.png")
    assert (200, "image/png") == (answer.status_code, answer["Content-Type"])
    assert answer.content.startswith(b"\x89PNG")
    assert len(picture._lines(title)) <= 3


def test_the_same_picture_is_drawn_once_and_a_large_count_is_rounded_down() -> None:
    assert [7, 999, 1_200, 98_000] == [picture._rounded(n) for n in (7, 999, 1_299, 98_765)]


def test_a_poster_carries_the_address_as_a_code(ben: Client, launch: Any) -> None:
    campaign = launch(rule={"people": 3})
    page = ben.get(f"/c/{campaign.code}/poster/").content.decode()
    assert f'src="/c/{campaign.code}/qr.svg"' in page
    code = ben.get(f"/c/{campaign.code}/qr.svg")
    assert "image/svg+xml" == code["Content-Type"]
    assert b"<svg" in code.content


def test_only_the_widget_may_be_framed(ben: Client, launch: Any) -> None:
    campaign = launch(title="The ad", rule={"people": 3})
    widget = ben.get(f"/embed/{campaign.code}/?theme=dark&accent=%22onload=x")
    assert "frame-ancestors *" in widget["Content-Security-Policy"]
    assert "X-Frame-Options" not in widget
    assert not widget.cookies
    text = widget.content.decode()
    assert 'data-theme="dark"' in text and "onload" not in text
    page = ben.get(f"/c/{campaign.code}/")
    assert "frame-ancestors 'none'" in page["Content-Security-Policy"]
    assert "DENY" == page["X-Frame-Options"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("bott", ["Change the bottles"]),
        ("BOTTLES change", ["Change the bottles"]),
        ("solar", ["Open the library"]),
        ("library bottles", []),
        ("le'); drop & | ! <-> :*", []),
        ("%", []),
    ],
)
def test_searching_finds_the_beginnings_of_all_words(
    ben: Client, launch: Any, words: str, found: list[str]
) -> None:
    launch(title="Change the bottles", story="Water from the tap.", rule={"people": 3})
    launch(title="Open the library", story="With solar panels.", rule={"people": 3})
    page = ben.get("/campaigns/", {"q": words})
    assert 200 == page.status_code
    titles = ("Change the bottles", "Open the library")
    assert found == [title for title in titles if title in said(page)]


def test_a_draft_is_not_found(ben: Client, ana: Organiser) -> None:
    said = {
        "title": "A secret plan",
        "kinds": ["signature"],
        "rule": {"people": 3},
        "deadline": (site_now() + timedelta(days=30)).isoformat(),
    }
    draft(organiser=ana, body=CampaignBody.model_validate(said))
    for path in ("/campaigns/?q=secret", "/feed/", "/sitemap.xml"):
        assert "A secret plan" not in ben.get(path).content.decode()


def test_machines_find_their_way(ben: Client, launch: Any) -> None:
    campaign = launch(title="The ad", rule={"people": 3})
    assert f"/c/{campaign.code}/" in ben.get("/feed/").content.decode()
    assert f"/c/{campaign.code}/</loc>" in ben.get("/sitemap.xml").content.decode()
    assert "Disallow: /p/" in ben.get("/robots.txt").content.decode()
    contact = ben.get("/.well-known/security.txt").content.decode()
    assert contact.startswith("Contact: mailto:") and "Expires: 2" in contact
    assert "/account/login/" == ben.get("/.well-known/change-password")["Location"]


def test_the_parts_are_shown_only_where_somebody_builds_the_site(ben: Client) -> None:
    assert 404 == ben.get("/styleguide/").status_code
    with override_settings(SHOWS_STYLEGUIDE=True):
        assert 200 == ben.get("/styleguide/").status_code


def test_a_condition_says_what_it_means_today(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    campaign = launch(rule={"people": 30})
    for who in ("ben", "dora"):
        join(campaign, who)
    for who in ("eve", "fay", "gil"):
        join(campaign, who, condition={"people": 6})
    site.work()
    page = ben.get(f"/c/{campaign.code}/pledge/")
    assert "Today 2 are in. With you it would be 6" in said(page)
    assert 'data-with-me="6"' in page.content.decode()


def test_whoever_waits_for_what_the_form_says_is_in_at_once(
    site: Any, launch: Any, join: Any
) -> None:
    """The promise of the sentence above, kept; and one more than that waits."""
    for wanted, inside in ((6, 6), (7, 2)):
        campaign = launch(rule={"people": 30})
        for who in ("ben", "dora"):
            join(campaign, who)
        for who in ("eve", "fay", "gil"):
            join(campaign, who, condition={"people": 6})
        join(campaign, "hal", condition={"people": wanted})
        site.work()
        assert inside == Tally.objects.get(lane=campaign.lane, id=campaign.id).people


def test_a_friends_link_waits_for_the_friend(
    ben: Client, site: Any, launch: Any, join: Any
) -> None:
    campaign = launch(rule={"people": 30})
    made = join(campaign, "dora")
    site.work()
    mine = ben.get(f"/p/{made['code']}/?receipt={made['receipt']}").content.decode()
    link = f"/c/{campaign.code}/pledge/?friend={made['code']}"
    assert f'{link}" dir="ltr"' in mine
    assert made["receipt"] not in mine.split("friend-title")[1].split("</section>")[0]
    form = ben.get(link).content.decode()
    assert 'name="condition" value="pledge" checked' in form
    assert f'name="condition_pledge" type="text" value="{made["code"]}"' in form
    odd = ben.get(f"/c/{campaign.code}/pledge/?friend=%22%3E<b>").content.decode()
    assert 'name="condition" value="none" checked' in odd


def test_a_bystander_is_not_shown_the_link_for_a_friend_once_it_is_decided(
    ben: Client, site: Any, launch: Any, join: Any
) -> None:
    campaign = launch(rule={"people": 1})
    made = join(campaign, "dora")
    site.work()
    assert (
        "friend=" not in ben.get(f"/p/{made['code']}/?receipt={made['receipt']}").content.decode()
    )


def test_before_the_tip_the_appointment_is_tentative(
    ben: Client, site: Any, launch: Any, join: Any
) -> None:
    soon = site_now() + timedelta(days=40)
    campaign = launch(
        kinds=["presence"], rule={"people": 9}, starts_at=soon.isoformat(), venue="The market"
    )
    made = join(campaign, "dora", kind="presence")
    path = f"/p/{made['code']}/event.ics?receipt={made['receipt']}"
    text = ben.get(path).content.decode()
    assert "STATUS:TENTATIVE" in text and "SUMMARY:If enough are in" in text
    assert path.replace("&", "&amp;") in ben.get(path.replace("event.ics", "")).content.decode()
