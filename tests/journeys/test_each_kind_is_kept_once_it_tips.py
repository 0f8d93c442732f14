"""Three join, it tips, and what each of the six kinds promises is done once."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from icalendar import Calendar

from countmein.rules.canonical import voucher_ok
from tests.journeys.terms import SATURDAY, campaign, pledge
from tests.live import Begin, Live, Story

pytestmark = pytest.mark.slow

WHO = ("ben", "dora", "emil")


def tipped(begin: Begin, kind: str, **said: Any) -> tuple[Story, list[dict[str, Any]]]:
    """Launch a campaign of one kind and let three people tip it."""
    story = begin(**campaign(kind))
    pledges = [story.join(who, **pledge(kind, **said)) for who in WHO]
    seen = story.until("settled")
    assert (3, 0, []) == (seen["tally"]["people"], seen["tally"]["waiting_people"], seen["missing"])
    assert ["open", "tipped", "settling", "settled"] == [step["state"] for step in seen["history"]]
    assert ["fulfilled"] * 3 == [story.mine(made)["state"] for made in pledges]
    return story, pledges


def told_once(story: Story) -> list[dict[str, Any]]:
    """Everybody got one mail that says so; return them."""
    story.live.rest()
    mails = [story.mail(who, "It tipped") for who in WHO]
    assert [1] * 3 == [len(story.live.mails(story.address(who))) for who in WHO]
    return mails


def attached(mail: dict[str, Any], content_type: str) -> bytes:
    """The one attachment of a type."""
    (found,) = [a for a in mail["attachments"] if a["type"].startswith(content_type)]
    return base64.b64decode(found["bytes_b64"])


def appointment(mail: dict[str, Any]) -> Any:
    """The event that a calendar would read in a mail."""
    (event,) = Calendar.from_ical(attached(mail, "text/calendar")).walk("VEVENT")
    return event


def test_money_is_charged_once(begin: Begin) -> None:
    """Three cards, three charges, and the campaign's public books say the same."""
    story, _pledges = tipped(begin, "money")
    assert [2500, 2500, 2500] == story.charged()
    assert ({"money": 7500}, {"money": 0}) == (
        story.view()["collected"],
        story.view()["refunded"],
    )
    assert "Your card was charged £25.00, once." in told_once(story)[0]["text"]
    books = story.live.api("GET", f"/campaigns/{story.code}/ledger").body
    assert 0 == sum(account["balance_minor"] for account in books["accounts"])
    assert ["charge"] * 3 == [entry["kind"] for entry in books["entries"]]
    # Tip, settle and mail again and again: nothing happens twice.
    story.live.clock("1h")
    assert [2500, 2500, 2500] == story.charged()


def test_a_purchase_is_charged_and_gets_a_voucher(begin: Begin) -> None:
    """Two units at 12.50 each; the voucher's check character catches a slip."""
    story, pledges = tipped(begin, "purchase")
    assert [2500, 2500, 2500] == story.charged()
    assert {"purchase": 7500} == story.view()["collected"]
    tickets = [ticket for made in pledges for ticket in story.mine(made)["tickets"]]
    codes = [ticket["code"] for ticket in tickets]
    assert 3 == len(set(codes))
    for mail, ticket in zip(told_once(story), tickets, strict=True):
        assert ("purchase", 2) == (ticket["kind"], ticket["units"])
        assert voucher_ok(ticket["code"])
        wrong = ticket["code"][:-1] + ("0" if ticket["code"][-1] != "0" else "1")
        assert not voucher_ok(wrong)
        assert ticket["code"] in mail["text"]
        assert attached(mail, "image/png").startswith(b"\x89PNG")


def test_signatures_become_one_letter_to_the_target(begin: Begin, live: Live) -> None:
    """One letter for many; it names who chose to be named, and shows nobody's address."""
    before = len(live.mails("council@example.org"))
    story = begin(**campaign("signature"))
    story.join("ben", **pledge("signature", public_name=True))
    story.join("dora", **pledge("signature"))
    story.join("emil", **pledge("signature"))
    story.until("settled")
    live.until(lambda: len(live.mails("council@example.org")) > before)
    told_once(story)
    (letter,) = live.mails("council@example.org")[before:]
    assert "3 people ask you:" in letter["text"]
    assert "Build the crossing this year" in letter["text"]
    assert "Ben" in letter["text"]
    assert "2 people signed without a public name." in letter["text"]
    raw = letter["text"] + letter["html"]
    assert not [who for who in ("Dora", "Emil", "@example.org") if who in raw]
    live.clock("3h")
    assert before + 1 == len(live.mails("council@example.org"))


def test_presence_gets_the_appointment_and_a_code_for_the_door(begin: Begin) -> None:
    """The mail has the event for the calendar and a code with its picture."""
    story, pledges = tipped(begin, "presence")
    for mail, made in zip(told_once(story), pledges, strict=True):
        event = appointment(mail)
        assert (SATURDAY, "The old bridge, Leeds") == (event.decoded("dtstart"), event["location"])
        (ticket,) = story.mine(made)["tickets"]
        assert "presence" == ticket["kind"]
        assert ticket["code"] in mail["text"]
        assert attached(mail, "image/png").startswith(b"\x89PNG")


def test_a_caller_gets_number_and_script_and_tells_how_it_went(begin: Begin, live: Live) -> None:
    """The number can be tapped on the page, and the answer is kept."""
    story, pledges = tipped(begin, "call")
    for mail in told_once(story):
        assert "+44 20 7946 0000" in mail["text"]
        assert "Please publish the readings." in mail["text"]
    ben = live.visitor()
    page = ben.see(pledges[0]["manage_url"])
    assert 'href="tel:+442079460000"' in page.text
    path = f"/p/{pledges[0]['code']}/report/?receipt={pledges[0]['receipt']}"
    said = ben.submit(page, path=path, kind="call", answer="spoke", note="They promised.")
    assert "Thank you for telling how it went." in said.words
    (kept,) = story.mine(pledges[0])["reports"]
    assert ("call", "spoke", "They promised.") == (kept["kind"], kept["answer"], kept["note"])


def test_a_helper_gets_the_appointment_and_writes_the_hours_down(begin: Begin, live: Live) -> None:
    """An hour and a half was promised; two hours and ten minutes were done."""
    story, pledges = tipped(begin, "hours")
    assert {"hours": 270} == story.view()["tally"]["sum"]
    for mail in told_once(story):
        event = appointment(mail)
        assert (SATURDAY, "Lock 7") == (event.decoded("dtstart"), event["location"])
    ben = live.visitor()
    page = ben.see(pledges[0]["manage_url"])
    path = f"/p/{pledges[0]['code']}/report/?receipt={pledges[0]['receipt']}"
    wrong = ben.submit(page, path=path, kind="hours", minutes="a while")
    assert (422, True) == (wrong.status, "Write hours and minutes" in wrong.words)
    assert "Your hours are written down." in ben.submit(page, path=path, minutes="2:10").words
    (kept,) = story.mine(pledges[0])["reports"]
    assert ("hours", 130) == (kept["kind"], kept["minutes"])
