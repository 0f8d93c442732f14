"""`python -m tests.simulator 4711` tells one run; `--count 5000` looks for failing ones."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict

from tests.simulator.options import drawn, said
from tests.simulator.run import failing, minimal, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("seed", nargs="?", type=int, help="tell this run step by step")
    parser.add_argument("--count", type=int, default=200, help="so many seeds")
    parser.add_argument("--first", type=int, default=1, help="from this one on")
    parser.add_argument("--bug", default="", help="plant one of the bugs in bugs.py")
    parser.add_argument("--json", action="store_true", help="for the tests: one object")
    asked = parser.parse_args()
    if asked.seed is not None:
        told = run(drawn(asked.seed), bug=asked.bug, is_traced=True)
        print(*told.trace, sep="\n")
        print(json.dumps(said(told.options)), told.end, f"{told.steps} steps", told.failure)
        return bool(told.failure)
    began = time.process_time()
    found = failing(range(asked.first, asked.first + asked.count), bug=asked.bug)
    spent = time.process_time() - began
    if asked.json:
        print(json.dumps({"cpu_seconds": spent, "failing": [asdict(each) for each in found]}))
        return 0
    for each in found:
        needs = said(minimal(each.options, bug=asked.bug))
        print(f"seed {each.options.seed}: {each.failure}\n    {json.dumps(needs)}")
    print(f"{len(found)} of {asked.count} fail; {asked.count / spent:.0f} runs a CPU second")
    return bool(found)


if __name__ == "__main__":
    raise SystemExit(main())
