"""A thousand people watch a hot campaign: how soon each of them sees the newest tally."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from bench.figures import Asked, Findings
from bench.load import Job, run
from bench.pledges import KEY, pledge_kinds
from bench.site import CHECKOUT, Campaign, Site, running

_CONNECTIONS = 64
_PATIENCE_SECONDS = 60.0


def measure(asked: Asked) -> Findings:
    """`size` watchers, in each round while the campaign is pledged to as fast as it goes."""
    found, size = Findings(), asked.size_or(1_000)
    with running() as site:
        for round_ in range(asked.rounds):
            _round(site, found, asked, size=size, first=1 + round_ * 10**6)
        found.require(not (faults := site.self_check()), ", ".join(faults))
    return found


def _round(site: Site, found: Findings, asked: Asked, *, size: int, first: int) -> None:
    campaign = site.launch(title=f"Everybody is watching, {first}")
    watchers = subprocess.Popen(
        [sys.executable, "-m", "bench.watchers", site.url, site.dsn, campaign.code, str(size)],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watchers.stdout is not None
    try:
        if watchers.stdout.readline().strip() != "watching":
            raise RuntimeError("the watchers could not begin")
        before = site.processor_seconds()
        _pledge(site, found, campaign, asked.seconds, first)
        used = site.processor_seconds() - before
        rows = int(_count(site, campaign))
        site.until(lambda: _tally(site, campaign) == rows, seconds=_PATIENCE_SECONDS)
        # A watcher hears once a second at most; two are enough for the last one.
        time.sleep(3)
        said, _ = watchers.communicate("", timeout=_PATIENCE_SECONDS)
    finally:
        if watchers.poll() is None:
            watchers.kill()
            watchers.wait()
    report = json.loads(said)
    found.add("newest tally after it was announced, p50", report["p50_ms"], "ms", at_most=150)
    found.add("newest tally after it was announced, p99", report["p99_ms"], "ms")
    found.add("newest tally after its count began, p50", report["age_p50_ms"], "ms")
    found.add("tallies seen", report["arrivals"] / asked.seconds, "1/s")
    each = used["web"] / max(1, report["arrivals"]) * 1e6
    found.add("CPU of the web process for one, pledges included", each, "µs each")
    found.require(report["last"] == [rows], f"{rows} pledged, watchers last saw {report['last']}")
    found.require(report["ended"] == 0, f"{report['ended']} streams ended")
    found.facts["watchers"] = size
    found.facts["tallies whose announcement was heard"] = report["measured"]


def _pledge(site: Site, found: Findings, campaign: Campaign, seconds: float, first: int) -> None:
    file = site.home / "acknowledged"
    report = run(
        Job(
            host="127.0.0.1",
            port=site.port,
            kinds=pledge_kinds(campaign.code, port=site.port),
            connections=_CONNECTIONS,
            seconds=seconds,
            first=first,
            acknowledged=str(file),
        )
    )
    taken = sum(kind.of(201) for kind in report.kinds.values())
    found.add("pledges meanwhile", taken / report.seconds, "1/s")
    lost = site.lost(campaign, file, key=KEY)
    found.require(not lost, f"{lost} acknowledged pledges have no row")


def _count(site: Site, campaign: Campaign) -> int:
    return int(
        site.ask(
            "SELECT count(*) FROM campaigns_pledge WHERE lane = %s AND campaign_id = %s",
            campaign.lane,
            campaign.id,
        )
    )


def _tally(site: Site, campaign: Campaign) -> int:
    return int(site.ask("SELECT people FROM campaigns_tally WHERE id = %s", campaign.id) or 0)
