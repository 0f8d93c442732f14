"""How the cost of one step grows with the size of the crowd, and with the number of campaigns.

The steps run in one process, `bench.steps`, on the site's database; the site's worker stands still
meanwhile, so that nobody else counts.
"""

from __future__ import annotations

import json
import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from bench.figures import Asked, Findings
from bench.pledges import one_pledge
from bench.processes import pids_of
from bench.seeding import Crowd, many_campaigns
from bench.site import Site, running

_CROWD = 1_000_000
_CAMPAIGNS = 100_000
_PATIENCE_SECONDS = 600.0
#: A step in the largest crowd may cost so many times what it costs in the smallest.
_FLAT = 3.0


def measure(asked: Asked) -> Findings:
    """Crowds of 1,000 up to `size` in one campaign, then a tenth as many campaigns."""
    found, most = Findings(), asked.size_or(_CROWD)
    with running() as site:
        _crowds(site, found, most)
        _campaigns(site, found, min(_CAMPAIGNS, max(1_000, most // 10)))
    return found


def _crowds(site: Site, found: Findings, most: int) -> None:
    campaign = site.launch()
    one_pledge(site, campaign)
    crowd, had = Crowd(site.dsn, campaign_id=campaign.id, kind=1), 1
    costs: dict[str, list[float]] = defaultdict(list)
    sizes = [size for size in _powers(1_000) if size <= most]
    for size in sizes:
        crowd.grow(size - had)
        had = size
        look = "SELECT people FROM campaigns_tally WHERE id = %s"
        counted = site.until(lambda: site.ask(look, campaign.id) == had, seconds=_PATIENCE_SECONDS)  # noqa: B023
        found.require(counted < _PATIENCE_SECONDS, f"{size:,} were never counted")
        with _worker_still(site):
            said = json.loads(site.run("bench.steps", "crowd", campaign.code))
        had += said.pop("pledged")
        for step, cost in said.items():
            costs[step].append(cost)
    _tell(found, costs, sizes, "pledges in one campaign")


def _campaigns(site: Site, found: Findings, most: int) -> None:
    campaign = site.launch(title="One of many")
    site.run("countmein", "token", "--email", "many@example.org")
    had, costs = 0, defaultdict(list)
    sizes = [size for size in _powers(100) if size <= most]
    for size in sizes:
        many_campaigns(site.dsn, campaign_id=campaign.id, first=had + 1, last=size)
        had = size
        with _worker_still(site):
            said = json.loads(site.run("bench.steps", "campaigns", campaign.code))
        for step, cost in said.items():
            costs[step].append(cost)
    _tell(found, costs, sizes, "campaigns")


def _tell(found: Findings, costs: dict[str, list[float]], sizes: list[int], of: str) -> None:
    for step, values in costs.items():
        found.curve(title=f"{step}, by {of}", unit="ms", x=sizes, y=values)
        times = values[-1] / values[0]
        name = f"{step}, {sizes[-1]:,} to {sizes[0]:,} {of}"
        found.add(name, times, "×", at_most=_FLAT)


def _powers(first: int) -> list[int]:
    return [first * 10**power for power in range(6)]


@contextmanager
def _worker_still(site: Site) -> Iterator[None]:
    (pid,) = pids_of("worker", site.process.pid)[:1]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
