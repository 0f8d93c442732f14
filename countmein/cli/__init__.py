"""The `countmein` command: results to stdout, all else to stderr.

Exit status 0 means done, 1 that a check failed or the site refused, 2 that it was called wrongly.
"""

import importlib
import sys
from collections.abc import Sequence

from countmein.base.embedded import EmbeddedRefused
from countmein.cli.site import SiteRefused

#: Each command is a module with `run(arguments) -> exit status`, imported only when called, so
#: that none waits for Django but those that need it.
COMMANDS = {
    "up": ("up", "run everything on this machine: database, web, worker, sandbox"),
    "demo": ("demo", "up, with a made-up world and campaigns of the past replayed"),
    "self-check": ("self_check", "check that the site keeps its word"),
    "alarms": ("alarms", "what is wrong with the site itself; --drill writes to its owners"),
    "backup": ("backup", "copy the embedded database, or say what copies there are"),
    "restore": ("restore", "a fresh home from a backup, as it was at a given second"),
    "keys": ("keys", "the site's sealing keys: what each still seals; --add makes a newer one"),
    "verify": ("verify", "check an export of the public log, or a proof"),
    "bank": ("bank", "take in statements of the site's bank account"),
    "token": ("token", "print a program's token for an organiser"),
    "clock": ("clock", "show or move the sandbox's clock"),
    "replay": ("replay", "a recorded campaign once more, through the public door"),
    "bench": ("bench", "measure this machine, on a site that is thrown away"),
    "rehearse": ("rehearse", "what a campaign would do at an instant; writes nothing"),
    "manage": ("manage", "run one of Django's own commands on the site"),
    "serve-web": ("serve_web", "one web process (started by up)"),
    "demo-world": ("demo_world", "seed, replay and report (started by demo)"),
    "work": ("work", "the job worker (started by up)"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name and answer its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    name, *rest = given or ["--help"]
    if name in ("-h", "--help"):
        print(_usage())
        return 0
    if name not in COMMANDS:
        print(f"countmein: there is no command {name!r}\n\n{_usage()}", file=sys.stderr)
        return 2
    command = importlib.import_module(f"countmein.cli.{COMMANDS[name][0]}")
    try:
        status: int = command.run(rest)
    except (SiteRefused, EmbeddedRefused) as refusal:
        print(f"countmein: {refusal}", file=sys.stderr)
        return 1
    return status


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {purpose}" for name, (_, purpose) in COMMANDS.items()]
    return "\n".join(["usage: countmein COMMAND …", "", *lines])
