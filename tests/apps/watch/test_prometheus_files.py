"""The files that operators are given for Prometheus say what is, in words that it understands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from countmein.base.metrics import METRICS, Histogram
from countmein.watch.models import AlarmName
from countmein.watch.state import names

FILES = Path(__file__).parents[3] / "docs" / "guide" / "prometheus"
#: What may stand in a rule besides names of ours, labels and numbers.
WORDS = {"up", "max", "sum", "rate", "by", "or", "and", "histogram_quantile", "le"}
LABELS = {"alarm", "job", "status", "route", "queue"}


def read(name: str) -> Any:
    return yaml.safe_load((FILES / name).read_text())


RULES = read("alerts.yml")["groups"][0]["rules"]


def known() -> set[str]:
    """Every name on the page of metrics."""
    histograms = [name for name, metric in METRICS.items() if isinstance(metric, Histogram)]
    parts = {f"{name}{part}" for name in histograms for part in ("_bucket", "_sum", "_count")}
    return {*METRICS, *parts, *names()}


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_a_rule_is_about_what_the_site_says(rule: dict[str, Any]) -> None:
    assert {"alert", "expr", "labels", "annotations"} <= rule.keys()
    assert rule.keys() <= {"alert", "expr", "labels", "annotations", "for"}
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
    assert rule["labels"]["severity"] in ("page", "ticket")
    bare = re.sub(r'"[^"]*"|\[\d+[smh]\]', "", rule["expr"])
    for opening, closing in ("()", "{}"):
        assert bare.count(opening) == bare.count(closing)
    said = set(re.findall(r"[a-z_]+", bare))
    assert said - WORDS - LABELS <= known()


def test_an_alert_about_a_name_that_is_none_is_found() -> None:
    """The negative control."""
    assert "countmein_mistyped" not in known()
    assert "countmein_requests_total" in known()


def test_the_scraper_reads_the_page_with_its_token() -> None:
    (job,) = read("scrape.yml")["scrape_configs"]
    assert ("/metrics", "Bearer") == (job["metrics_path"], job["authorization"]["type"])
    assert job["authorization"]["credentials_file"].endswith("/metrics_token")


def test_the_guide_names_every_alarm() -> None:
    guide = (FILES.parent / "operate.md").read_text()
    assert [] == [name for name in AlarmName if f"`{name.value}`" not in guide]
