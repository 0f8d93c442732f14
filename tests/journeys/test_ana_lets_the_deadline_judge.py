"""Judged once, at the deadline: what held before may cease to hold, and a leaver decides."""

from __future__ import annotations

import pytest

from tests.live import Begin, Live

pytestmark = pytest.mark.slow


def test_the_rule_is_judged_at_the_deadline_and_not_before(begin: Begin, live: Live) -> None:
    """Three are enough, but it stays open until the clock says so; then it tips by itself."""
    story = begin(latch="at_deadline")
    for who in ("ben", "dora", "emil"):
        story.join(who, kind="signature")
    story.people(3)
    live.clock("30m")
    seen = story.view()
    assert ("open", True, []) == (seen["state"], seen["accepting"], seen["missing"])
    live.clock("2h")
    seen = story.view()
    assert "settled" == seen["state"]
    assert seen["deadline"] <= seen["tipped_at"]
    for who in ("ben", "dora", "emil"):
        story.mail(who, "It tipped")


def test_whoever_leaves_before_the_deadline_can_make_it_lapse(begin: Begin, live: Live) -> None:
    """Nothing is latched before: Ben leaves, and two are not three."""
    story = begin(latch="at_deadline")
    ben = story.join("ben", kind="signature")
    story.join("dora", kind="signature")
    story.join("emil", kind="signature")
    story.people(3)
    gone = live.api("DELETE", f"/pledges/{ben['code']}?receipt={ben['receipt']}")
    assert (200, "withdrawn") == (gone.status, gone.body["state"])
    live.clock("3h")
    assert ("released", 2) == (story.view()["state"], story.view()["tally"]["people"])
