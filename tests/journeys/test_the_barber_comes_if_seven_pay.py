"""The barber comes if seven pay $15 each: with seven he comes, with six nobody pays."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest

from tests.journeys.terms import SATURDAY
from tests.live import Begin, Live, Story

pytestmark = pytest.mark.slow


def barber(begin: Begin) -> Story:
    """Ana asks whether the barber shall come."""
    return begin(
        title="The barber comes to our street",
        kinds=["money"],
        currency="USD",
        rule={"people": 7},
        minimum={"money": 1500},
        starts_at=SATURDAY.isoformat(),
        venue="12 Mill Lane",
    )


def pay(story: Story, *numbers: int) -> list[dict[str, Any]]:
    """So many people pledge their $15."""
    return [
        story.join(f"p{n}", kind="money", amount=1500, payment_method="pm_card_visa")
        for n in numbers
    ]


def test_the_seventh_tips_it_and_seven_cards_are_charged(begin: Begin, live: Live) -> None:
    """Six are not enough and nobody is charged; the seventh makes it $105 and sends the date."""
    story = barber(begin)
    pay(story, *range(6))
    story.people(6)
    live.rest()
    seen = story.view()
    assert ("open", [], 6) == (seen["state"], story.charged(), story.cards_kept())
    assert [{"text": "1 more person", "people": 1}] == seen["missing"]
    pay(story, 6)
    seen = story.until("settled")
    assert [1500] * 7 == story.charged()
    assert {"money": 10500} == seen["collected"]
    for n in range(7):
        mail = story.mail(f"p{n}", "It tipped")
        assert any(a["type"].startswith("text/calendar") for a in mail["attachments"])
        assert "$15.00" in mail["text"]


def test_with_six_of_seven_nobody_pays_and_a_second_try_waits(begin: Begin, live: Live) -> None:
    """All are told, the cards are deleted, and a draft with the rule 6 is within reach."""
    story = barber(begin)
    pledges = pay(story, *range(6))
    story.people(6)
    live.until(lambda: story.cards_kept() == 6)
    live.clock("3h")
    seen = story.view()
    assert ("released", {"money": 0}) == (seen["state"], seen["collected"])
    assert ([], 0) == (story.charged(), story.cards_kept())
    assert {"released"} == {story.mine(made)["state"] for made in pledges}
    links = set()
    for n in range(6):
        mail = story.mail(f"p{n}", "It did not come about")
        assert "Try again with 6 people" in mail["text"]
        links |= set(re.findall(rf"{live.url}/c/(\w+)/", mail["text"])) - {story.code}
    (again,) = links
    page = live.visitor().see(f"/c/{again}/")
    assert (200, True) == (page.status, "Nobody can pledge yet." in page.words)
    assert "6 people" in page.words
    draft = live.api("GET", f"/campaigns/{again}", token=story.token).body
    assert ("draft", {"people": 6}, False) == (draft["state"], draft["rule"], draft["accepting"])
    assert live.now() < datetime.fromisoformat(draft["deadline"])
    # Whoever was in has to secure it anew: six pledge again, and this time he comes.
    launched = live.api("POST", f"/campaigns/{again}/launch", token=story.token)
    assert 200 == launched.status, launched.text
    second = Story(
        live=live,
        token=story.token,
        code=again,
        title=story.title,
        charges_before=len(live.book("charges")["items"]),
        cards_before=int(live.book("summary")["customers"]),
    )
    assert 0 == second.view()["tally"]["people"]
    pay(second, *range(6))
    second.until("settled")
    assert [1500] * 6 == second.charged()
