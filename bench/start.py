"""From a fresh clone to the first page, from a stop to it, and what a site at rest holds.

Beside the first stands the installation of the packages alone.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from bench.figures import Asked, Findings
from bench.processes import memory_mib
from bench.site import CHECKOUT

_PATIENCE_SECONDS = 300.0
_REST_SECONDS = 5.0


def measure(asked: Asked) -> Findings:
    """Each round clones, installs and starts anew; `--seconds` and `--size` say nothing here."""
    found = Findings()
    for _ in range(asked.rounds):
        home = Path(tempfile.mkdtemp(prefix="cmi-start-"))
        home.chmod(0o711)
        try:
            _round(found, home)
        finally:
            shutil.rmtree(home, ignore_errors=True)
    return found


def _round(found: Findings, home: Path) -> None:
    clone = home / "countmein"
    began = time.perf_counter()
    subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(clone)], check=True)
    installing = time.perf_counter()
    make = ["make", "--no-print-directory", f"PYTHON={sys._base_executable}"]
    done = subprocess.run(
        [*make, "install"], cwd=clone, capture_output=True, text=True, check=False
    )
    if done.returncode:
        # Without a registry there is nothing to install from; a start is measured all the same.
        found.facts["not installed"] = done.stderr.strip().splitlines()[-1:]
        (clone / ".venv").symlink_to(CHECKOUT / ".venv")
        installed = began = time.perf_counter()
    else:
        installed = time.perf_counter()
        found.add("packages installed", installed - installing, "s", role="limit")
    cold = _start(found, clone, began=began, name="fresh clone to first page", goal=60.0)
    found.add("first start alone", cold - (installed - began), "s")
    began = time.perf_counter()
    _start(found, clone, began=began, name="warm start to first page", goal=5.0, weighs=True)


def _start(
    found: Findings, clone: Path, *, began: float, name: str, goal: float, weighs: bool = False
) -> float:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [".venv/bin/python", "-m", "countmein", "up", "--port", str(port)],
        cwd=clone,
        env={k: v for k, v in os.environ.items() if not k.startswith(("COUNTMEIN_", "DATABASE_"))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        found.require(_answers(port), f"{name}: no page came")
        took = time.perf_counter() - began
        found.add(name, took, "s", at_most=goal)
        if weighs:
            time.sleep(_REST_SECONDS)
            _weigh(found, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    return took


def _weigh(found: Findings, root: int) -> None:
    held = memory_mib(root)
    site = sum(mib for part, mib in held.items() if part not in ("payments", "mail"))
    found.add("memory at rest", site, "MiB", at_most=400)
    for part, mib in sorted(held.items()):
        found.add(f"memory at rest, {part}", mib, "MiB")


def _answers(port: int) -> bool:
    """Wait for the first page."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
    return False
