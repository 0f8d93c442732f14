"""A rehearsal shows what everybody would get, for every kind, even of a draft half written."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.journeys.terms import CAMPAIGNS, campaign
from tests.live import Live

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", CAMPAIGNS)
def test_a_draft_with_nothing_but_a_title_can_be_rehearsed(live: Live, ana: str, kind: str) -> None:
    """It cannot be launched like this, but its words can be read; nothing is mailed."""
    before = len(live.mails("ana@example.org"))
    said = {
        "title": "Half an idea",
        "kinds": [kind],
        "currency": campaign(kind).get("currency"),
        "rule": {"people": 3},
        "deadline": (live.now() + timedelta(days=9)).isoformat(),
    }
    drafted = live.api("POST", "/campaigns", said, token=ana)
    assert 201 == drafted.status, drafted.text
    words = live.countmein("rehearse", drafted.body["code"], "--at", said["deadline"])
    assert "the verdict is: lapse" in words
    assert ("It tipped: Half an idea" in words, "It did not come about" in words) == (True, True)
    assert before == len(live.mails("ana@example.org"))
