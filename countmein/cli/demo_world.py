"""`countmein demo-world`: seed the running site, replay the past, and report what came of it."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from countmein.cli.demo_report import Row, closing_report, row_of
from countmein.cli.door import Door
from countmein.cli.people import ORGANISERS
from countmein.cli.recordings import recorded_file, terms
from countmein.cli.replay import Outcome, open_door, replay
from countmein.cli.seeding import found_or_launched, is_filled, plant
from countmein.cli.seeds import LAPSING, SEEDS
from countmein.cli.series import every_nth, plan, read_series

if TYPE_CHECKING:
    from countmein.campaigns.models import Campaign

#: Replayed one after the other, each with so many people at most: a minute's worth in all.
_REPLAYED = ("grim-dawn", "eu_ref_131215")
_PEOPLE = 400
_REST_SECONDS = 120.0


def run(arguments: Sequence[str]) -> int:
    """Fill the world, print the report, and with --once leave it at that."""
    parser = argparse.ArgumentParser(prog="countmein demo-world")
    parser.add_argument("--once", action="store_true")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    doors = {name: open_door(*who[:2]) for name, who in ORGANISERS.items()}
    from countmein.base.clock import site_now

    now = site_now()
    campaigns = [plant(seed, door=doors[seed.organiser], now=now) for seed in SEEDS]
    _say(f"{len(campaigns)} campaigns are there, {time.monotonic() - began:.1f} s")
    outcomes = []
    for name in _REPLAYED:
        campaign, outcome = _replayed(name, door=doors["ana"], now=now)
        campaigns.append(campaign)
        outcomes += [outcome] if outcome else []
    _say("waiting until everything due is done")
    faults = _await_rest(_campaign_of_lapse(campaigns))
    rows = [row_of(campaign) for campaign in campaigns]
    is_good = closing_report(rows, outcomes, faults=faults, seconds=time.monotonic() - began)
    if not chosen.once:
        _invite(rows)
        signal.pause()
    return 0 if is_good else 1


def _replayed(name: str, *, door: Door, now: datetime) -> "tuple[Campaign, Outcome | None]":
    """The campaign of a recording; what is missing of its crowd comes through the public door."""
    series = read_series(recorded_file(name))
    every = every_nth(series, most_people=_PEOPLE)
    said = terms(series, every=every, now=now)
    campaign = found_or_launched(said, organiser="ana", door=door)
    if is_filled(campaign, people=sum(len(step.joining) for step in plan(series, every=every))):
        return campaign, None
    return campaign, replay(door, campaign.code, series, every=every)


def _campaign_of_lapse(campaigns: "Sequence[Campaign]") -> "Campaign":
    return campaigns[SEEDS.index(LAPSING)]


def _await_rest(lapsing: "Campaign") -> list[str]:
    """Wait until nothing is due any more and the one campaign has lapsed; name what is left."""
    from countmein.campaigns.gates import gate_of
    from countmein.schedule import unfinished

    deadline = time.monotonic() + _REST_SECONDS
    while time.monotonic() < deadline:
        left = unfinished()
        if not left and gate_of(lapsing).state == "released":
            return []
        time.sleep(0.2)
    return [f"still to do after {_REST_SECONDS:.0f} s: {', '.join(left) or 'the lapse'}"]


def _invite(rows: Sequence[Row]) -> None:
    """Say where to look; the seeds' rows come first."""
    from django.conf import settings

    url = settings.SITE_URL
    lines = [
        "",
        "Look at:",
        f"  {url}/  the campaigns",
        *(f"  {row.url}  {seed.hint}" for seed, row in zip(SEEDS, rows, strict=False) if seed.hint),
        f"  {url}/outbox/  every mail, voucher and letter that was sent",
        f"  {url}/organise/  the organiser's desk; sign in as ana@example.org by mailed link",
        "Move the time on with `countmein clock --advance 48h`; Ctrl-C stops the site.",
    ]
    print("\n".join(lines), flush=True)


def _say(line: str) -> None:
    print(f"demo      {line}", file=sys.stderr, flush=True)
