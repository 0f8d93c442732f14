"""A recorded crowd comes through the public door of the running site, and some of it leaves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.live import Live

pytestmark = pytest.mark.slow

_SERIES = """time_utc,signatures
2016-06-25T08:00:00Z,20
2016-06-25T08:10:00Z,44
2016-06-25T08:20:00Z,31
2016-06-25T08:30:00Z,40
"""


def test_a_replay_ends_where_the_record_ends(live: Live, ana: str, tmp_path: Path) -> None:
    """Every second member comes, and falls are members who withdraw."""
    file = tmp_path / "small.csv"
    file.write_text(_SERIES)
    terms = {
        "title": "A small series",
        "kinds": ["signature"],
        "rule": {"people": 1000},
        "deadline": "2028-01-01T00:00:00Z",
        "confirm": "none",
    }
    code = live.api("POST", "/campaigns", terms, token=ana).body["code"]
    live.api("POST", f"/campaigns/{code}/launch", token=ana)
    printed = live.countmein("replay", str(file), "--campaign", code, "--every", "2")
    assert re.search(r"people\s+40\s+20\s+20\n", printed)
    assert 20 == live.api("GET", f"/campaigns/{code}").body["tally"]["people"]
    assert "26 joined and 6 withdrew" in printed
