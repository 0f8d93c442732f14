"""`countmein self-check`: whether the site keeps its word."""

import argparse
import json
from collections.abc import Sequence

from countmein.cli.site import enter_django, home


def run(arguments: Sequence[str]) -> int:
    """Print what every check found; exit status 1 if one failed.

    Alarms that stand are shown, and change nothing: they are about the machine, not the word.
    """
    parser = argparse.ArgumentParser(prog="countmein self-check")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args(arguments)
    enter_django(home())
    from countmein.campaigns.selfcheck import self_check
    from countmein.watch.alarms import standing

    checks = self_check()
    alarms = [alarm.said() for alarm in standing()]
    ok = all(check["ok"] for check in checks)
    if chosen.json:
        print(
            json.dumps({"ok": ok, "checks": checks, "alarms": alarms}, ensure_ascii=False, indent=1)
        )
    else:
        width = max(len(check["name"]) for check in checks)
        for check in checks:
            word = "ok    " if check["ok"] else "FAILED"
            print(f"{word}  {check['name']:<{width}}  {check['detail']}".rstrip())
        for alarm in alarms:
            print(f"alarm   {alarm['name']:<{width}}  {alarm['detail']}".rstrip())
        print("The site keeps its word." if ok else "The site does not keep its word.")
    return 0 if ok else 1
