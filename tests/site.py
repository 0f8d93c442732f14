"""A pytest plugin: an embedded database and the sandbox's services for the length of a test run.

Loaded before Django reads its settings, because those come from the environment. Set DATABASE_URL
to run the tests on another PostgreSQL.
"""

from __future__ import annotations

import atexit
import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _service(module: str, *arguments: str) -> dict[str, str]:
    """Start a sandbox process and return the addresses it printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    atexit.register(_stop, process)
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.findall(r"(smtp|http)://(127\.0\.0\.1:\d+)", line)
    assert found, f"{module} did not start: {line}{process.stderr.read()}"
    return dict(reversed(found))


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.wait(timeout=10)


def _begin() -> None:
    # In memory where there is such a place: emptying all tables after each test is what takes time.
    memory = Path("/dev/shm")
    home = Path(tempfile.mkdtemp(prefix="cmi-test-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    home.chmod(0o711)
    key = home / "secret_key"
    key.write_text("a key for tests only, long enough to please the checks of Django 0123456789")
    sealing = home / "sealing_keys"
    sealing.write_text(f"1 {base64.b64encode(b'a sealing key for the tests only').decode()}\n")
    os.environ |= {
        "COUNTMEIN_HOME": str(home),
        "COUNTMEIN_SEALING_KEYS_FILE": str(sealing),
        "COUNTMEIN_SANDBOX": "1",
        "COUNTMEIN_SECRET_KEY_FILE": str(key),
        "COUNTMEIN_URL": "http://127.0.0.1:8000",
        "STRIPE_API_KEY": "sk_test_sandbox",
        "STRIPE_WEBHOOK_SECRET": "whsec_sandbox",
        "CHARGES_PER_SECOND": "5000",
        "COUNT_PAUSE_SECONDS": "0",
        "LOG_PAUSE_SECONDS": "0",
        "DJANGO_SETTINGS_MODULE": "countmein.settings",
    }
    if "DATABASE_URL" not in os.environ:
        from countmein.base import embedded

        running = embedded.start(home / "database", log=lambda _line: None)
        atexit.register(running.stop)
        os.environ["DATABASE_URL"] = running.dsn
    payments = _service(
        "sandbox.payments",
        "--port",
        "0",
        "--book",
        str(home / "payments.sqlite3"),
        "--rate",
        "100000",
    )
    mail = _service(
        "sandbox.mail",
        "--smtp-port",
        "0",
        "--http-port",
        "0",
        "--book",
        str(home / "mail.sqlite3"),
    )
    os.environ |= {
        "STRIPE_API_BASE": f"http://{payments['http']}",
        "SMTP_URL": f"smtp://{mail['smtp']}",
        "OUTBOX_URL": f"http://{mail['http']}",
    }


if not any(flag in sys.argv for flag in ("--help", "--version")):
    _begin()
