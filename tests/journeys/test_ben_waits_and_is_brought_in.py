"""Ben pledges if others do; the page tells how near that is, and others bring him in."""

from __future__ import annotations

import pytest

from tests.live import Begin, Live

pytestmark = pytest.mark.slow


def test_ben_is_brought_in_by_those_he_waited_for(begin: Begin, live: Live) -> None:
    """Three wait for five; two more bring all of them in, and the campaign tips."""
    story = begin(rule={"people": 5})
    waiting = [
        story.join(who, kind="signature", condition={"people": 5})
        for who in ("ben", "dora", "emil")
    ]
    live.until(lambda: story.view()["tally"]["waiting_people"] == 3)
    seen = story.view()
    assert (0, {"more_people": 2, "brings_people": 3}) == (seen["tally"]["people"], seen["unlock"])
    page = live.visitor().see(f"/c/{story.code}/")
    assert "2 more people bring in 3 who are waiting." in page.words
    assert "3 more are waiting for conditions of their own." in page.words
    mine = story.mine(waiting[0])
    assert (False, [{"text": "4 more people", "people": 4}]) == (
        mine["counted"],
        mine["waiting_for"],
    )
    story.join("fay", kind="signature")
    story.people(1)
    assert {"more_people": 1, "brings_people": 3} == story.view()["unlock"]
    story.join("gus", kind="signature")
    seen = story.until("settled")
    assert (5, 0, None) == (
        seen["tally"]["people"],
        seen["tally"]["waiting_people"],
        seen["unlock"],
    )
    assert ["fulfilled"] * 3 == [story.mine(made)["state"] for made in waiting]


def test_friends_who_wait_for_each_other_are_in_together(begin: Begin, live: Live) -> None:
    """Ben waits for two, as does Dora: each alone would stay out, both together are in."""
    story = begin(rule={"people": 9})
    story.join("ben", kind="signature", condition={"people": 2})
    live.until(lambda: story.view()["tally"]["waiting_people"] == 1)
    story.join("dora", kind="signature", condition={"people": 2})
    story.people(2)
    assert 0 == story.view()["tally"]["waiting_people"]


def test_ben_joins_only_with_cleo(begin: Begin, live: Live) -> None:
    """He names her pledge by its code; while she is out he is out, and he leaves with her."""
    story = begin(rule={"people": 9})
    cleo = story.join("cleo", kind="signature")
    ben = story.join("ben", kind="signature", condition={"pledge": cleo["code"]})
    story.people(2)
    live.api("DELETE", f"/pledges/{cleo['code']}?receipt={cleo['receipt']}")
    story.people(0)
    assert ("active", False) == (story.mine(ben)["state"], story.mine(ben)["counted"])
