"""Thousands of campaigns in virtual time, each from one seed, and every promise after each step."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from countmein.rules.states import CampaignState, PledgeState
from tests.faults.masses import size
from tests.simulator import run as runs
from tests.simulator.bugs import BUGS
from tests.simulator.options import Options, drawn, read, said
from tests.simulator.run import failing, minimal, run
from tests.simulator.site import Site
from tests.simulator.world import World

pytestmark = pytest.mark.slow
CAMPAIGNS = size(5_000, 250_000)
_WORKERS = 2
_HERE = Path(__file__).parent
_KEPT: list[dict[str, Any]] = json.loads((_HERE / "seeds.json").read_text())

#: Within so many seeds from 1 on each planted bug must be found, with the name of its promise.
FOUND_WITHIN = {
    "new key per retry": (100, "nobody_is_charged_twice"),
    "check, then tip": (50, "tips_once"),
    "webhook applied twice": (50, "ledger_matches_charges"),
    "refunded twice": (50, "nobody_refunded_more_than_paid"),
    "leaves after the tip": (50, "withdrawn_or_charged_never_both"),
    "keeps the money": (20, "everything_settles"),
    "sells twice": (100, "accepted_within_cap"),
    "takes an old answer": (1000, "no_unknown_is_left"),
}


def _begin(first: int, count: int) -> subprocess.Popen[str]:
    asked = ["--first", str(first), "--count", str(count), "--json"]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.simulator", *asked],
        cwd=_HERE.parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_every_campaign_keeps_every_promise_and_settles() -> None:
    """A failing seed is shown with the least that it needs: put that line into seeds.json."""
    share = CAMPAIGNS // _WORKERS
    workers = [_begin(1 + n * share, share) for n in range(_WORKERS)]
    found = []
    for worker in workers:
        told, _ = worker.communicate()
        assert 0 == worker.returncode
        found += json.loads(told)["failing"]
    shown = [
        f"{each['failure']}: {json.dumps(said(minimal(Options(**each['options']))))}"
        for each in found[:10]
    ]
    assert not found, "\n".join(shown)


@pytest.mark.parametrize("kept", _KEPT, ids=[str(each["options"]["seed"]) for each in _KEPT])
def test_a_seed_that_once_failed_passes_for_ever(kept: dict[str, Any]) -> None:
    assert "" == run(read(kept["options"])).failure, kept["why"]


@pytest.mark.parametrize("bug", BUGS)
def test_each_planted_bug_is_found(bug: str) -> None:
    """The controls: each is a mistake that was made in the field."""
    seeds, promise = FOUND_WITHIN[bug]
    broken = Counter(each.failure.split(":")[0] for each in failing(range(1, seeds + 1), bug=bug))
    assert broken[promise] > 0, broken


def test_a_seed_is_one_run_step_by_step() -> None:
    for seed in range(1, 6):
        first, again = (run(drawn(seed), is_traced=True) for _time in range(2))
        assert first == again
        assert first.trace


def test_what_a_failing_run_needs_still_fails_and_is_no_more_than_it_was() -> None:
    whole = failing(range(1, 30), bug="check, then tip")[0]
    least = minimal(whole.options, bug="check, then tip")
    assert "tips_once" in run(least, bug="check, then tip").failure
    assert least.members <= whole.options.members
    assert 0 == least.lost == least.crash == least.frozen


def test_the_runs_reach_every_state_and_every_way_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator in which nothing happens would pass, too."""
    seen = Counter[str]()
    live = runs._live

    def watched(world: World, site: Site) -> None:
        live(world, site)
        c = site.c
        seen.update({f"campaign {state}" for state in c.history})
        seen.update({f"pledge {p.state}" for p in c.pledges.values()})
        seen.update({f"refund {row.reason}" for row in c.money.refunds.values()})
        seen["paid out"] += bool(c.money.books.balance["paid"])
        seen["waited for a place"] += any(p.was_waitlisted for p in c.pledges.values())
        seen["tried again"] += any(row.attempt > 1 for row in c.money.rows())
        seen["repeated, and told once"] += bool(world.options.lost and c.by_key)

    monkeypatch.setattr(runs, "_live", watched)
    assert [] == failing(range(1, 1201))
    began = {CampaignState.draft, CampaignState.open}
    wanted = {f"campaign {state}" for state in CampaignState if state not in began}
    ends = ["fulfilled", "refunded", "withdrawn", "released", "dropped"]
    wanted |= {f"pledge {PledgeState(state)}" for state in ends}
    wanted |= {f"refund {why}" for why in ("condition", "shortfall", "cancelled", "plan_b")}
    wanted |= {"paid out", "waited for a place", "tried again", "repeated, and told once"}
    assert dict.fromkeys(wanted, True) == {name: seen[name] > 0 for name in wanted}, seen
