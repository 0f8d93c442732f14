"""`countmein demo`: the whole site, with a believable world in it."""

import argparse
from collections.abc import Sequence

from countmein.cli.site import SiteRefused, is_sandbox
from countmein.cli.up import run_site


def run(arguments: Sequence[str]) -> int:
    """Run the site, seed it, replay campaigns of the past and print what came of them.

    With --once it then stops, with exit status 1 if anything is not as it should be.
    """
    parser = argparse.ArgumentParser(prog="countmein demo")
    parser.add_argument("--once", action="store_true", help="stop after the report")
    parser.add_argument("--port", type=int, default=8000)
    chosen = parser.parse_args(arguments)
    if not 0 <= chosen.port <= 65_535:
        parser.error("--port is 0 to 65535")
    if not is_sandbox():
        raise SiteRefused("The demo makes people up; it does not run on a live site.")
    last = ["demo-world", *(["--once"] if chosen.once else [])]
    return run_site(port=chosen.port, workers=1, last=last)
