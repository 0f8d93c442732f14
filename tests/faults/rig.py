"""The whole site as it is killed: which processes are which part, and how one is ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterable
from pathlib import Path

from tests.live import Live

#: What may die. `whole` is the machine's power switch as far as processes go.
PARTS = ("postgres", "serve-web", "work", "sandbox.payments", "sandbox.mail", "up", "whole")


def dsn_of(site: Live) -> str:
    """The running site's database."""
    return str(json.loads((site.home / "run" / "env.json").read_text())["DATABASE_URL"])


def below(pid: int) -> list[int]:
    """A process and all that came from it."""
    found = [pid]
    for number in found:
        with contextlib.suppress(OSError):
            said = Path(f"/proc/{number}/task/{number}/children").read_text()
            found += [int(child) for child in said.split()]
    return found


def signalled(pids: Iterable[int], sign: signal.Signals) -> None:
    """Send a signal to each that still lives."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)


def kill(site: Live, part: str) -> None:
    """Kill -9 one part with everything below it; what the supervisor does not start, we do."""
    assert site.process is not None
    if part in ("up", "whole"):
        dead = [site.process.pid] if part == "up" else below(site.process.pid)
        signalled(dead, signal.SIGKILL)
        site.process.wait()
        site.start()
        return
    dead = below(_until_alive(site, part))
    signalled(dead, signal.SIGKILL)
    site.until(lambda: site.part(part) not in (0, dead[0]), 60)


def _until_alive(site: Live, part: str) -> int:
    site.until(lambda: site.part(part), 60)
    return site.part(part)
