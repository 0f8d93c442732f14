"""The page of one's own pledge."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from countmein.base.clock import site_now
from countmein.campaigns.models import Pledge, Report
from tests.apps.web.conftest import path_of, said
from tests.apps.web.test_public import FUND


def soon(**more: Any) -> dict[str, Any]:
    """Terms of a campaign that meets somewhere."""
    begins = site_now() + timedelta(days=40)
    return {
        "starts_at": begins.isoformat(),
        "ends_at": (begins + timedelta(hours=3)).isoformat(),
        "venue": "The old mill",
        **more,
    }


def part(answer: dict[str, Any], name: str) -> str:
    """A page under one's own pledge, with the receipt."""
    return f"/p/{answer['code']}/{name}?receipt={answer['receipt']}"


@pytest.mark.parametrize("name", ["", "change/", "withdraw/", "report/", "ticket.png", "event.ics"])
@pytest.mark.parametrize("receipt", ["", "?receipt=", "?receipt=wrong", "?receipt=é"])
def test_a_wrong_receipt_is_answered_like_an_unknown_code(
    ben: Client, launch: Any, join: Any, name: str, receipt: str
) -> None:
    code = join(launch(), "ben")["code"]
    ask = ben.post if name == "report/" else ben.get
    assert 404 == ask(f"/p/{code}/{name}{receipt}").status_code
    assert 404 == ask(f"/p/nobody/{name}{receipt}").status_code


def test_the_page_is_kept_by_no_cache(ben: Client, launch: Any, join: Any) -> None:
    answer = ben.get(part(join(launch(), "ben"), ""))
    assert "no-store" in answer["Cache-Control"]


def test_amount_and_condition_can_be_changed(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    campaign = launch(**FUND)
    mine = join(
        campaign, "ben", amount=1250, payment_method="pm_card_visa", condition={"people": 9}
    )
    site.work()
    form = ben.get(part(mine, "change/")).content.decode()
    assert 'value="12.50"' in form
    assert 'name="condition_people" type="text" value="9"' in form
    sent = {"amount_money": "20", "condition": "none"}
    answer = ben.post(part(mine, "change/"), sent)
    assert "Your pledge was changed." in said(ben.get(answer["Location"]))
    row = Pledge.objects.get(lane=campaign.lane, code=mine["code"])
    assert 2000 == row.amount


def test_a_condition_the_form_cannot_say_stays_as_it_is(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    campaign = launch(rule={"people": 50})
    condition = {"any": [{"people": 9}, {"sum": {"kind": "signature", "at_least": 7}}]}
    mine = join(campaign, "ben", condition=condition)
    form = ben.get(part(mine, "change/"))
    assert 'value="kept" checked' in form.content.decode()
    before = Pledge.objects.get(lane=campaign.lane, code=mine["code"]).crowd_id
    assert 302 == ben.post(part(mine, "change/"), {"condition": "kept"}).status_code
    assert before == Pledge.objects.get(lane=campaign.lane, code=mine["code"]).crowd_id


def test_a_change_that_makes_no_sense_is_said_in_the_form(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    mine = join(launch(**FUND), "ben", amount=1250, payment_method="pm_card_visa")
    sent = {"amount_money": "lots", "condition": "none"}
    answer = ben.post(part(mine, "change/"), sent)
    assert 422 == answer.status_code
    assert "lots" in answer.content.decode()


def test_to_withdraw_is_asked_and_done(site: Any, ben: Client, launch: Any, join: Any) -> None:
    campaign = launch()
    mine = join(campaign, "ben")
    assert "Withdraw your pledge?" in said(ben.get(part(mine, "withdraw/")))
    assert "active" == Pledge.objects.get(lane=campaign.lane, code=mine["code"]).state
    answer = ben.post(part(mine, "withdraw/"))
    assert "You are out." in said(ben.get(answer["Location"]))
    assert "withdrawn" == Pledge.objects.get(lane=campaign.lane, code=mine["code"]).state


def test_after_the_tip_nobody_leaves(site: Any, ben: Client, launch: Any, join: Any) -> None:
    campaign = launch(rule={"people": 1})
    mine = join(campaign, "ben")
    site.work()
    page = said(ben.get(part(mine, "")))
    assert "Changed your mind?" not in page
    answer = ben.post(part(mine, "withdraw/"))
    assert "others have relied on that" in said(ben.get(answer["Location"]))


def test_a_purchase_shows_its_voucher(site: Any, ben: Client, launch: Any, join: Any) -> None:
    campaign = launch(
        kinds=["purchase"],
        currency="EUR",
        unit_price_minor=1200,
        cap={"purchase": 10},
        rule={"people": 1},
    )
    mine = join(campaign, "ben", amount=2, payment_method="pm_card_visa")
    site.work()
    assert "Your voucher" in said(ben.get(part(mine, "")))
    picture = ben.get(part(mine, "ticket.png"))
    assert ("image/png", b"\x89PNG") == (picture["Content-Type"], picture.content[:4])
    assert 404 == ben.get(part(mine, "event.ics")).status_code


def test_presence_shows_its_code_and_its_appointment(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    mine = join(launch(kinds=["presence"], rule={"people": 1}, **soon()), "ben")
    assert b"STATUS:TENTATIVE" in ben.get(part(mine, "event.ics")).content
    site.work()
    words = said(ben.get(part(mine, "")))
    assert "Show this at the door" in words
    assert "The old mill" in words
    calendar = ben.get(part(mine, "event.ics"))
    assert calendar["Content-Type"].startswith("text/calendar")
    assert b"BEGIN:VEVENT" in calendar.content
    assert b"TENTATIVE" not in calendar.content


def test_a_call_is_reported(site: Any, ben: Client, launch: Any, join: Any) -> None:
    target = {"name": "Minister", "phone": "+44 20 7946 0000", "script": "Hello"}
    campaign = launch(kinds=["call"], rule={"people": 1}, target=target)
    mine = join(campaign, "ben")
    assert 422 == ben.post(part(mine, "report/"), {"kind": "call", "answer": "spoke"}).status_code
    site.work()
    assert 'href="tel:+442079460000"' in ben.get(part(mine, "")).content.decode()
    assert 422 == ben.post(part(mine, "report/"), {"kind": "call", "answer": "odd"}).status_code
    answer = ben.post(part(mine, "report/"), {"kind": "call", "answer": "spoke", "note": "Kind."})
    assert "Thank you for telling how it went." in said(ben.get(answer["Location"]))
    assert "spoke" == Report.objects.get(lane=campaign.lane).answer


def test_hours_are_reported_in_hours_and_minutes(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    campaign = launch(kinds=["hours"], rule={"people": 1}, **soon())
    mine = join(campaign, "ben", amount=120)
    site.work()
    wrong = ben.post(part(mine, "report/"), {"kind": "hours", "minutes": "long"})
    assert 422 == wrong.status_code
    assert 'value="long"' in wrong.content.decode()
    ben.post(part(mine, "report/"), {"kind": "hours", "minutes": "2:30"})
    assert 150 == Report.objects.get(lane=campaign.lane).minutes


def test_the_address_in_the_answer_is_the_page(ben: Client, launch: Any, join: Any) -> None:
    assert 200 == ben.get(path_of(join(launch(), "ben")["manage_url"])).status_code


def test_the_outbox_shows_what_was_mailed(site: Any, ben: Client, launch: Any, join: Any) -> None:
    join(launch(rule={"people": 1}, **soon(kinds=["presence"])), "quentin")
    site.work()
    number = site.mails("quentin@example.org")[-1]["id"]
    assert "It tipped" in said(ben.get("/outbox/", {"to": "quentin@example.org"}))
    assert "quentin@example.org" in said(ben.get("/outbox/"))
    page = ben.get(f"/outbox/{number}/")
    assert "frame-src 'self'" in page["Content-Security-Policy"]
    frame = ben.get(f"/outbox/{number}/html")
    assert "sandbox" in frame["Content-Security-Policy"]
    assert "default-src 'none'" in frame["Content-Security-Policy"]
    assert "SAMEORIGIN" == frame["X-Frame-Options"]
    assert 200 == ben.get(f"/outbox/{number}/0/").status_code
    assert 404 == ben.get(f"/outbox/{number}/9/").status_code
    assert 404 == ben.get("/outbox/99999999/").status_code


def test_a_live_site_has_no_outbox(ben: Client, settings: Any) -> None:
    settings.SANDBOX = False
    for path in ("/outbox/", "/outbox/1/", "/outbox/1/html", "/outbox/1/0/"):
        assert 404 == ben.get(path).status_code
