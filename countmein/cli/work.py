"""`countmein work`: the job worker, until it is told to stop."""

import argparse
from collections.abc import Sequence

from countmein.cli.site import enter_django, home


def run(arguments: Sequence[str]) -> int:
    """Work off jobs until SIGTERM."""
    argparse.ArgumentParser(prog="countmein work").parse_args(arguments)
    enter_django(home())
    from countmein.schedule import work

    work()
    return 0
