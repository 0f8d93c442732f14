"""Kim's film: saved cards, a deadline, cards that fail, a week to mend them, and what then counts.

The Kickstarter story, a tenth of its crowd: every ratio and every way to fail stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.live import Begin, Live, Story
from tests.provider_page import ASKS_ALWAYS, WORKS, give_card

pytestmark = pytest.mark.slow

GOAL = 100_000
GOOD, BAD, ASKS = "pm_card_visa", "pm_card_chargeCustomerFail", "pm_card_authenticationRequired"


def film(begin: Begin, live: Live, **terms: Any) -> Story:
    """$1,000 in thirty days, judged once at the deadline."""
    return begin(
        title="A film about the river",
        kinds=["money"],
        currency="USD",
        rule={"sum": {"kind": "money", "at_least": GOAL}},
        latch="at_deadline",
        deadline=(live.now() + timedelta(days=30)).isoformat(),
        **terms,
    )


def back(story: Story, who: str, amount: int, card: str = GOOD) -> dict[str, Any]:
    return story.join(who, kind="money", amount=amount, payment_method=card)


def cancel(live: Live, made: dict[str, Any]) -> None:
    answer = live.api("DELETE", f"/pledges/{made['code']}?receipt={made['receipt']}")
    assert 200 == answer.status, answer.text


def crowd(story: Story, live: Live) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """41 pledge $1,030, 2 cancel ($50), 3 join ($90): $1,070, of which three and two will fail."""
    for n in range(36):
        back(story, f"b{n}", 2500)
    soft = [back(story, f"soft{n}", 2000, BAD) for n in range(3)]
    asks = [back(story, f"asks{n}", 2250, ASKS) for n in range(2)]
    gone = [back(story, f"gone{n}", 2500) for n in range(2)]
    for made in gone:
        cancel(live, made)
    for n in range(3):
        back(story, f"late{n}", 3000 if n else 500)
    live.rest()
    assert [] == story.charged(), "nothing is charged before the deadline"
    return soft, asks


def test_cards_are_charged_mended_and_dropped_and_the_film_is_made(
    begin: Begin, live: Live
) -> None:
    story = film(begin, live, shortfall="release")
    soft, asks = crowd(story, live)
    pledged = story.view()["tally"]["sum"]["money"]
    assert 36 * 2500 + 3 * 2000 + 2 * 2250 + 6500 == pledged
    assert 0 < story.view()["expected_minor"] < pledged
    live.clock("30d")
    live.clock("1h")
    seen = story.view()
    assert ("settling", {"money": 96_500}, {"money": 10_500}, {"money": 0}) == (
        seen["state"],
        seen["collected"],
        seen["failing"],
        seen["collecting"],
    )
    # One gives another card, one pays in person by the mailed link, both get the money through.
    mended = live.api(
        "PATCH",
        f"/pledges/{soft[0]['code']}?receipt={soft[0]['receipt']}",
        {"payment_method": GOOD},
    )
    assert 200 == mended.status, mended.text
    live.clock("48h")
    pay_in_person(live, story, "asks0")
    story.until_mine(asks[0], "fulfilled")
    give_another_card(live, story, "asks1")
    story.until_mine(asks[1], "fulfilled")
    for _step in range(3):
        live.clock("48h")
    seen = story.until("settled")
    assert ("dropped", "dropped") == tuple(story.mine(made)["state"] for made in soft[1:])
    assert {"money": 103_000} == seen["collected"]
    assert sum(story.charged()) == 103_000
    words = live.visitor().see(f"/c/{story.code}/").words
    for fact in ("Collected US$1,030.00", "Failing US$0.00", "Refunded US$0.00"):
        assert fact in words
    told = [m["subject"] for m in live.mails(story.address("soft1"))]
    assert 4 == sum("Your pledge needs you" in subject for subject in told)
    assert 1 == sum("could not be charged" in subject for subject in told)


def link_of(live: Live, story: Story, who: str) -> str:
    """The button of the latest mail that asks for a member."""
    (*_, mail) = [m for m in live.mails(story.address(who)) if "needs you" in m["subject"]]
    found = re.search(r"https?://\S+/card/\?receipt=\w+", mail["text"])
    assert found is not None, mail["text"]
    return found[0]


def through_the_page(live: Live, story: Story, who: str, *, way: str, number: str) -> None:
    visitor = live.visitor()
    choice = visitor.see(link_of(live, story, who))
    assert 200 == choice.status
    page = visitor.submit(choice, way=way)
    assert "/c/pay/" in page.url, page.text
    mine = visitor.see(give_card(page.url, number))
    assert "My pledge" in mine.words


def pay_in_person(live: Live, story: Story, who: str) -> None:
    through_the_page(live, story, who, way="payment", number=ASKS_ALWAYS)


def give_another_card(live: Live, story: Story, who: str) -> None:
    through_the_page(live, story, who, way="card", number=WORKS)


def everybody_is_given_back(story: Story, live: Live) -> None:
    seen = story.until("released")
    assert ({"money": 0}, {"money": 97_000}) == (seen["collected"], seen["refunded"])


def it_goes_on(story: Story, live: Live) -> None:
    seen = story.until("settled")
    assert ({"money": 97_000}, {"money": 0}) == (seen["collected"], seen["refunded"])


def three_days_bring_the_rest(story: Story, live: Live) -> None:
    seen = story.until("topup")
    assert {"kind": "money", "missing": 3_000} == seen["missing"][0]["sum"]
    back(story, "friend", 3_000)
    seen = story.until("settled")
    assert {"money": 100_000} == seen["collected"]


def three_days_bring_nothing(story: Story, live: Live) -> None:
    story.until("topup")
    live.clock("73h")
    everybody_is_given_back(story, live)


@pytest.mark.parametrize(
    ("shortfall", "follows"),
    [
        ("release", everybody_is_given_back),
        ("proceed", it_goes_on),
        ("topup", three_days_bring_the_rest),
        ("topup", three_days_bring_nothing),
    ],
)
def test_drops_leave_too_little_and_the_rule_of_the_launch_is_kept(
    begin: Begin, live: Live, shortfall: str, follows: Callable[[Story, Live], None]
) -> None:
    story = film(begin, live, shortfall=shortfall)
    for n in range(10):
        back(story, f"b{n}", 9_700)
    back(story, "bad", 3_000, BAD)
    live.clock("30d")
    for _step in range(4):
        live.clock("48h")
    follows(story, live)
    live.rest()
