"""`countmein verify`: whether the public log, or a pledge's proof, is right."""

import sys
from collections.abc import Sequence

from countmein.cli.site import enter_django, home
from countmein.rules import verify


def run(arguments: Sequence[str]) -> int:
    """Check a file as `verify.py` does; without --key by the key of this site's home."""
    given = list(arguments)
    if "--key" not in given and not {"-h", "--help"} & set(given):
        enter_django(home())
        from countmein.log.keys import verifier_key

        given += ["--key", verifier_key()]
    try:
        verify.main(given)  # type: ignore[no-untyped-call]  # it is for people, not for mypy
    except SystemExit as end:
        return int(end.code or 0)
    except OSError as fault:
        print(f"countmein: {fault}", file=sys.stderr)
        return 2
    return 0
