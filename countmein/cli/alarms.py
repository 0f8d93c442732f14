"""`countmein alarms`: what is wrong with the site itself."""

import argparse
from collections.abc import Sequence

from countmein.cli.site import SiteRefused, enter_django, home


def run(arguments: Sequence[str]) -> int:
    """Print the alarms that stand; exit status 1 if there is one."""
    parser = argparse.ArgumentParser(prog="countmein alarms")
    parser.add_argument("--drill", action="store_true", help="write to the owners about nothing")
    chosen = parser.parse_args(arguments)
    enter_django(home())
    from countmein.watch import alarms

    if chosen.drill:
        if not alarms.drill():
            raise SiteRefused("Nobody was written to: there was a drill lately, or no owner.")
        print("The owners are being written to.")
        return 0
    standing = alarms.standing()
    for alarm in standing:
        print(f"{alarm.raised_at:%Y-%m-%d %H:%M:%S}  {alarm.name:<13}  {alarm.detail}")
    return 1 if standing else 0
