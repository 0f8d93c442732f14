"""`countmein manage …`: Django's own commands, on the site of this home."""

import os
from collections.abc import Sequence

from countmein.cli.site import enter_site, home


def run(arguments: Sequence[str]) -> int:
    """Enter the site and hand the arguments over; Django exits by itself on failure."""
    enter_site(home())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "countmein.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(["countmein manage", *arguments])
    return 0
