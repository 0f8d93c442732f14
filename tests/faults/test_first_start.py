"""R44: killed at any moment of its very first start, a site comes up by the next one."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.faults.rig import below, signalled
from tests.live import CHECKOUT, Live, running

pytestmark = pytest.mark.slow

#: What is there when a step of the first start is under way.
STEPS = ("bin.new", "pg.new", "pg18/postmaster.pid", "log/migrate.log", "log/worker.log")


def _killed_at(site: Live, step: Path) -> None:
    """Begin to start, and kill every process when the step has left its first trace."""
    process = subprocess.Popen(
        [sys.executable, "-m", "countmein", "up", "--port", str(site.port)],
        cwd=CHECKOUT,
        env=site.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not step.exists():
        time.sleep(0.002)
    signalled(below(process.pid), signal.SIGKILL)
    process.wait()


def test_a_first_start_killed_at_each_step_needs_no_hand() -> None:
    """One home, killed at one step after the other; the start after that is a site."""
    # Not pytest's directory: its parents are 0700, and the database's user must pass.
    home = Path(tempfile.mkdtemp(prefix="cmi-first-"))
    home.chmod(0o711)
    with socket.create_server(("127.0.0.1", 0)) as free:
        site = Live(home=home, port=free.getsockname()[1])
    try:
        for step in STEPS:
            _killed_at(site, home / step)
        with running(at=home) as site:
            site.token("ana@example.org", "Ana")
            site.self_check()
    finally:
        shutil.rmtree(home, ignore_errors=True)
