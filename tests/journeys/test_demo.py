"""The demo, as somebody sees it who has just cloned the project."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).parents[2]
_FOREIGN = ("COUNTMEIN_", "STRIPE_", "DATABASE_URL", "SMTP_URL", "OUTBOX_URL", "CHARGES_", "DJANGO")


@pytest.mark.slow
def test_the_demo_reports_that_all_is_well() -> None:
    """Campaigns tip and are charged once, one lapses, the books balance; it ends by itself."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    with tempfile.TemporaryDirectory(prefix="cmi-demo-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o711)
        done = subprocess.run(
            [sys.executable, "-m", "countmein", "demo", "--once", "--port", "0"],
            cwd=_CHECKOUT,
            env={**clean, "COUNTMEIN_HOME": home},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "All is well" in done.stdout
    assert "FAILED" not in done.stdout
    assert re.search(r"Grim Dawn.* settled ", done.stdout)
    assert re.search(r"phare.* released ", done.stdout)
    assert "difference 0.00" in done.stdout
