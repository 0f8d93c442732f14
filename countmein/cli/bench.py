"""`countmein bench`: measure this machine, each figure beside its physical limit."""

import argparse
import importlib
import json
from collections.abc import Sequence

#: Each bench is a module with `measure(seconds=…) -> result`, imported only when called.
BENCHES = {"pledge": "bench_pledge"}


def run(arguments: Sequence[str]) -> int:
    """Print what a bench measured; exit status 1 if anything acknowledged was lost."""
    parser = argparse.ArgumentParser(prog="countmein bench")
    parser.add_argument("name", metavar="NAME", choices=sorted(BENCHES), help=", ".join(BENCHES))
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each round lasts")
    parser.add_argument("--json", action="store_true", help="print the whole result as JSON")
    chosen = parser.parse_args(arguments)
    if chosen.seconds <= 0:
        parser.error("--seconds is above 0")
    bench = importlib.import_module(f"countmein.cli.{BENCHES[chosen.name]}")
    result = bench.measure(seconds=chosen.seconds)
    if chosen.json:
        print(json.dumps(result, indent=1))
    else:
        print("\n".join(bench.lines(result)))
    return 0 if result["ok"] else 1
