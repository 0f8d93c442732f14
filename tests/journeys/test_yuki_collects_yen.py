"""A currency without decimals: what was said is charged, and shown as it is written there."""

from __future__ import annotations

import pytest

from tests.live import Begin, Live

pytestmark = pytest.mark.slow


def test_yen_have_no_decimals_anywhere(begin: Begin, live: Live) -> None:
    """¥1,500 are 1500 minor units at every door and 1500 at the provider."""
    story = begin(
        title="桜を植えよう",
        kinds=["money"],
        currency="JPY",
        rule={"sum": {"kind": "money", "at_least": 3000}},
        timezone="Asia/Tokyo",
    )
    page = live.visitor().see(f"/c/{story.code}/")
    assert ("¥3,000" in page.words, "¥3,000.00" in page.words) == (True, False)
    for who in ("yuki", "ken"):
        story.join(who, kind="money", amount=1500, payment_method="pm_card_visa")
    seen = story.until("settled")
    assert [1500, 1500] == story.charged()
    assert {"money": 3000} == seen["collected"]
    mail = story.mail("yuki", "It tipped")
    assert "¥1,500" in mail["text"].replace("￥", "¥")
    entries = live.api("GET", f"/campaigns/{story.code}/ledger").body["entries"]
    assert [("JPY", 1500)] * 2 == [
        (entry["postings"][1]["currency"], entry["postings"][1]["amount_minor"])
        for entry in entries
    ]
