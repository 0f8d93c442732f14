"""To pledge through the form."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from countmein.campaigns.models import Pledge
from tests.apps.web.conftest import hidden, path_of, said
from tests.apps.web.test_public import FUND


def fill(browser: Client, campaign: Any, **fields: str) -> dict[str, str]:
    """The form as Ben would send it."""
    key = hidden(browser.get(f"/c/{campaign.code}/pledge/"), "key")
    kind = campaign.kinds[0]
    return {"key": key, "kind": kind, "condition": "none", "email": "ben@example.org", **fields}


def pledges(campaign: Any) -> list[Pledge]:
    return list(Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).order_by("id"))


def test_a_signature_is_pledged_and_shown(site: Any, ben: Client, launch: Any) -> None:
    campaign = launch()
    sent = fill(ben, campaign, name="Ben")
    answer = ben.post(f"/c/{campaign.code}/pledge/", sent)
    assert 302 == answer.status_code
    words = said(ben.get(answer["Location"]))
    assert "Thank you. You are pledged." in words
    assert "What happens next" in words
    (row,) = pledges(campaign)
    assert not row.public_name


def test_the_same_form_sent_twice_is_one_pledge(site: Any, ben: Client, launch: Any) -> None:
    campaign = launch()
    sent = fill(ben, campaign)
    first = ben.post(f"/c/{campaign.code}/pledge/", sent)
    second = ben.post(f"/c/{campaign.code}/pledge/", sent)
    assert first["Location"] == second["Location"]
    assert 1 == len(pledges(campaign))


def test_another_form_of_the_same_mailbox_is_refused_in_words(
    site: Any, ben: Client, launch: Any
) -> None:
    campaign = launch()
    ben.post(f"/c/{campaign.code}/pledge/", fill(ben, campaign))
    again = ben.post(f"/c/{campaign.code}/pledge/", fill(ben, campaign))
    assert 422 == again.status_code
    assert "Somebody has pledged with this e-mail already." in said(again)


def test_money_with_a_condition_and_a_second_part(site: Any, ben: Client, launch: Any) -> None:
    campaign = launch(**FUND)
    sent = fill(
        ben,
        campaign,
        amount_money="12.50",
        condition="people",
        condition_people="500",
        more_amount="5",
        more_people="1000",
        place="Leeds",
        public_name="1",
    )
    answer = ben.post(f"/c/{campaign.code}/pledge/", sent)
    assert 302 == answer.status_code
    site.work()
    words = said(ben.get(path_of(answer["Location"]).replace("/card/", "/")))
    assert "£12.50" in words
    assert "One step is missing: a card." in words
    assert "when at least 500 people are in" in words
    (row,) = pledges(campaign)
    assert (1250, "Leeds", True) == (row.amount, row.place, row.public_name)
    assert 500 == row.more[0]["amount"]


@pytest.mark.parametrize(
    ("fields", "kept", "fault"),
    [
        ({"amount_money": "12,50"}, "12,50", "Write an amount such as 12.50."),
        ({"amount_money": ""}, "ben@example.org", "Write an amount"),
        ({"email": ""}, "10.00", "Write your e-mail address."),
        ({"email": "no-address"}, "no-address", "e-mail"),
        ({"condition": "people", "condition_people": "many"}, "many", "Write a whole number"),
        ({"condition": "pledge", "condition_pledge": "zzz"}, "zzz", "condition"),
        ({"condition": "odd"}, "10.00", "Choose when you count."),
        ({"kind": "hours"}, "10.00", "Choose what you pledge."),
        ({"place": "Atlantis"}, "10.00", "Choose one of the places."),
        ({"more_amount": "5", "more_people": "x"}, "10.00", "Write a whole number"),
        ({"name": "B" * 200}, "B" * 200, "100"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_typed_is_lost(
    site: Any, ben: Client, launch: Any, fields: dict[str, str], kept: str, fault: str
) -> None:
    campaign = launch(**FUND)
    sent = fill(ben, campaign, amount_money="10.00") | fields
    answer = ben.post(f"/c/{campaign.code}/pledge/", sent)
    assert 422 == answer.status_code
    html = answer.content.decode()
    assert fault in said(answer)
    assert kept in html
    assert sent["key"] == hidden(answer, "key")
    assert "errors-title" in html
    assert [] == pledges(campaign)


def test_a_link_of_the_summary_leads_to_its_field(site: Any, ben: Client, launch: Any) -> None:
    campaign = launch(**FUND)
    html = ben.post(
        f"/c/{campaign.code}/pledge/", fill(ben, campaign, amount_money="x", email="")
    ).content.decode()
    for name in ("amount_money", "email"):
        assert f'href="#{name}"' in html
        assert f'id="{name}"' in html
        assert f'id="{name}-fault"' in html


def test_a_reused_key_gets_a_fresh_form(site: Any, ben: Client, launch: Any) -> None:
    campaign = launch(**FUND)
    sent = fill(ben, campaign, amount_money="10.00")
    ben.post(f"/c/{campaign.code}/pledge/", sent)
    answer = ben.post(f"/c/{campaign.code}/pledge/", sent | {"amount_money": "20.00"})
    assert 422 == answer.status_code
    assert "sent before with other words" in said(answer)
    assert sent["key"] != hidden(answer, "key")


def test_a_closed_campaign_takes_no_form(site: Any, ben: Client, launch: Any) -> None:
    campaign = launch()
    sent = fill(ben, campaign)
    site.advance(timedelta(days=60))
    answer = ben.post(f"/c/{campaign.code}/pledge/", sent)
    assert 422 == answer.status_code
    assert "takes no more pledges" in said(answer)
    page = ben.get(f"/c/{campaign.code}/pledge/")
    assert f"/c/{campaign.code}/" == page["Location"]


def test_the_mailed_link_confirms_and_can_take_it_back(site: Any, ben: Client, launch: Any) -> None:
    campaign = launch(confirm="email")
    sent = fill(ben, campaign, email="robin@example.org")
    answer = ben.post(f"/c/{campaign.code}/pledge/", sent)
    assert "One step is left" in said(ben.get(answer["Location"]))
    site.work()
    mail = site.mails("robin@example.org")[-1]
    link = path_of(next(word for word in mail["text"].split() if "/confirm/" in word))
    words = said(ben.get(link))
    assert "You are in" in words
    assert "That wasn’t me" in words
    assert "You are in" in said(ben.get(link))
    ben.post(link)
    assert "You are out" in said(ben.get(link))
    (row,) = pledges(campaign)
    assert "withdrawn" == row.state


@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_a_wrong_token_is_answered_like_an_unknown_code(
    site: Any, ben: Client, launch: Any, join: Any, token: str
) -> None:
    campaign = launch(confirm="email")
    code = join(campaign, "ben")["code"]
    assert 404 == ben.get(f"/p/{code}/confirm/", {"token": token}).status_code


def test_csrf_is_asked_for(site: Any, launch: Any) -> None:
    campaign = launch()
    browser = Client(enforce_csrf_checks=True)
    answer = browser.post(f"/c/{campaign.code}/pledge/", {"kind": "signature"})
    assert 403 == answer.status_code
    assert "This form is too old" in said(answer)
