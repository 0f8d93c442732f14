"""`countmein keys`: the keys that seal what is personal, and what each of them still seals."""

import argparse
from collections.abc import Sequence

from countmein.base.kept_files import append_kept
from countmein.cli.site import SiteRefused, enter_django, home, is_running


def run(arguments: Sequence[str]) -> int:
    """List the site's keys, or add one that seals from the next start on."""
    parser = argparse.ArgumentParser(prog="countmein keys")
    parser.add_argument(
        "--add", action="store_true", help="make a newer key; then restart the site"
    )
    chosen = parser.parse_args(arguments)
    enter_django(home())
    from countmein.base.sealing import keys_in, new_line
    from countmein.campaigns.actions.seal_old import is_all_sealed, sealed_by

    path = home() / "sealing_keys"
    if not path.exists():
        raise SiteRefused(f"This home has no {path.name}: they are where the site runs.")
    known = keys_in(path.read_text())
    if chosen.add:
        number = max(known) + 1
        append_kept(path, line=new_line(number).strip())
        again = " Restart the site." if is_running(home()) else ""
        print(f"Key {number} seals from the next start on; older ones are wrapped anew.{again}")
        return 0
    counts = sealed_by()
    for number in sorted({*known, *counts}):
        word = "seals" if number == max(known) else "is old"
        lost = "" if number in known or number == 0 else "  MISSING"
        print(f"key {number}  {word}  holds {counts.get(number, 0)}{lost}")
    if not is_all_sealed():
        print("Not everything is sealed by the newest key yet; that goes on by itself.")
    return 0
