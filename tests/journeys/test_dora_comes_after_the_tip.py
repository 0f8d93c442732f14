"""The door stays open until the deadline: who comes after the tip is settled singly."""

from __future__ import annotations

import pytest

from tests.live import Begin, Live

pytestmark = pytest.mark.slow


def test_a_latecomer_is_charged_without_a_second_tip(begin: Begin, live: Live) -> None:
    """One tip, three charges: two at the tip and one for whoever came later."""
    story = begin(title="Seed for the meadow", kinds=["money"], currency="EUR", rule={"people": 2})
    for who in ("ben", "emil"):
        story.join(who, kind="money", amount=1000, payment_method="pm_card_visa")
    first = story.until("settled")
    assert first["accepting"]
    dora = story.join("dora", kind="money", amount=700, payment_method="pm_card_visa")
    story.until_mine(dora, "fulfilled")
    live.until(lambda: story.view()["collected"] == {"money": 2700})
    seen = story.view()
    assert [700, 1000, 1000] == story.charged()
    assert (first["history"], first["tipped_at"]) == (seen["history"], seen["tipped_at"])
    assert "€7.00" in story.mail("dora", "It tipped")["text"]
    live.clock("3h")
    assert not story.view()["accepting"]
    assert [1] * 3 == [len(live.mails(story.address(who))) for who in ("ben", "dora", "emil")]


def test_who_still_waits_when_the_door_shuts_is_let_go(begin: Begin, live: Live) -> None:
    """Their own condition never held, so nothing is asked of them."""
    story = begin(title="Paint for the fence", kinds=["money"], currency="EUR", rule={"people": 1})
    story.join("ben", kind="money", amount=1000, payment_method="pm_card_visa")
    dora = story.join(
        "dora", kind="money", amount=900, payment_method="pm_card_visa", condition={"people": 50}
    )
    story.until("settled")
    assert "active" == story.mine(dora)["state"]
    live.clock("3h")
    assert "released" == story.mine(dora)["state"]
    story.mail("dora", "You are released")
    assert ([1000], 0) == (story.charged(), story.cards_kept() - 1)
