"""`countmein token`: a program's right to act for an organiser."""

import argparse
from collections.abc import Sequence

from countmein.cli.site import enter_django, home
from countmein.rules.canonical import AddressRefused, mailbox


def run(arguments: Sequence[str]) -> int:
    """Print a new token, and nothing else; the organiser is made if there is none."""
    parser = argparse.ArgumentParser(prog="countmein token")
    parser.add_argument("--email", required=True, type=_address, help="the organiser's address")
    parser.add_argument("--name", default="", help="how the organiser is called on pages")
    parser.add_argument(
        "--owner", action="store_true", help="they run the site, like the very first one"
    )
    chosen = parser.parse_args(arguments)
    enter_django(home())
    from countmein.members.actions import token_for

    print(token_for(email=chosen.email, name=chosen.name, is_owner=chosen.owner))
    return 0


def _address(text: str) -> str:
    try:
        mailbox(text)
    except AddressRefused as refused:
        raise argparse.ArgumentTypeError(str(refused)) from refused
    return text
