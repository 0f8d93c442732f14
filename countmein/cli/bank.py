"""`countmein bank import FILE`: take in a statement of the site's bank account."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from countmein.cli.site import SiteRefused, enter_django, home


def run(arguments: Sequence[str]) -> int:
    """Take in each file as a whole or not at all, and say how much of it was new."""
    parser = argparse.ArgumentParser(prog="countmein bank")
    verbs = parser.add_subparsers(dest="verb", required=True)
    importing = verbs.add_parser("import", help="take in statements (camt.053)")
    importing.add_argument("files", nargs="+", type=Path, metavar="FILE")
    chosen = parser.parse_args(arguments)
    enter_django(home())
    from countmein.payments.actions.bank_import import import_statements
    from countmein.payments.bank.elements import BankFileRefused

    for path in chosen.files:
        try:
            with path.open("rb") as file:
                done = import_statements(file)
        except (OSError, BankFileRefused) as refused:
            raise SiteRefused(f"{path} was not taken in: {refused}") from refused
        print(f"{path}: {done.fresh} of {done.entries} entries are new")
    return 0
