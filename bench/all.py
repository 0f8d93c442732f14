"""Run every bench, one after the other, and draw the report: `make bench`.

`--small` is for each change: a minute in all, on small crowds. It looks at whether every row is
right, for a shared machine's figures say nothing; nothing is kept.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]
#: Full size and small size, for each bench in its turn; the small run leaves out what is not named.
_FULL: dict[str, list[str]] = {
    "clear": [],
    "surge": [],
    "mixed": [],
    "live": ["--rounds", "1", "--seconds", "15"],
    "settle": ["--rounds", "1"],
    "release": ["--rounds", "1"],
    "growth": ["--rounds", "1"],
    "start": ["--rounds", "1"],
}
_SMALL: dict[str, list[str]] = {
    "clear": ["--size", "20000", "--rounds", "1"],
    "surge": ["--seconds", "2", "--rounds", "1"],
    "live": ["--size", "100", "--seconds", "3", "--rounds", "1"],
    "settle": ["--size", "600", "--seconds", "1", "--rounds", "1"],
}


def main() -> int:
    """Exit status 1 if any bench found a wrong row; the others are run all the same."""
    parser = argparse.ArgumentParser(prog="python -m bench.all", description=__doc__)
    parser.add_argument("--small", action="store_true")
    chosen = parser.parse_args()
    wrong = []
    for name, arguments in (_SMALL if chosen.small else _FULL).items():
        more = ["--no-record"] if chosen.small else []
        done = subprocess.run(
            [sys.executable, "-m", "bench", name, *arguments, *more], cwd=_CHECKOUT, check=False
        )
        if done.returncode:
            wrong.append(name)
    if not chosen.small:
        from bench.report import write

        write()
    if wrong:
        print(f"wrong: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
