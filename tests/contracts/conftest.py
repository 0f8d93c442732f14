"""The sandbox as real processes on free ports, and somebody for its webhooks to reach."""

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from countmein.payments.providers import PROVIDERS, PaymentProvider

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "countmein.settings")

ROOT = Path(__file__).parents[2]
WEBHOOK_SECRET = "whsec_sandbox"


class Service:
    """One sandbox process; its ports are read from the line it prints when it is up."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.line = self.process.stderr.readline()
        # The first of each kind is its own; a webhook address may follow.
        found = re.findall(r"(smtp|http)://(127\.0\.0\.1:\d+)", self.line)
        addresses = dict(reversed(found))
        self.url = f"http://{addresses['http']}"
        self.smtp_url = f"smtp://{addresses.get('smtp')}"

    @property
    def port(self) -> str:
        """The HTTP port, to start again on the same one."""
        return self.url.rpartition(":")[2]

    def get(self, path: str) -> Any:
        """Read one of the witness's pages."""
        with urllib.request.urlopen(self.url + path, timeout=10) as reply:
            return json.load(reply)

    def control(self, **wanted: Any) -> None:
        """Plant faults."""
        request = urllib.request.Request(
            self.url + "/_control", data=json.dumps(wanted).encode(), method="POST"
        )
        urllib.request.urlopen(request, timeout=10).close()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.communicate()

    def stop(self) -> int:
        """End it politely and return its exit code."""
        self.process.terminate()
        self.process.communicate(timeout=10)
        return self.process.returncode


Start = Callable[..., Service]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Start sandbox processes; whatever still runs at the end of the module is stopped."""
    started: list[Service] = []

    def begin(module: str, *arguments: str) -> Service:
        started.append(Service(module, *arguments))
        return started[-1]

    yield begin
    for service in started:
        if service.process.poll() is None:
            service.stop()


@pytest.fixture(scope="module")
def provider(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The payment provider, with our adapter pointed at it."""
    book = tmp_path_factory.mktemp("provider") / "book.sqlite3"
    service = start("sandbox.payments", "--port", "0", "--book", str(book), "--rate", "100000")
    with override_settings(
        STRIPE_API_KEY="sk_test_sandbox",
        STRIPE_API_BASE=service.url,
        STRIPE_WEBHOOK_SECRET=WEBHOOK_SECRET,
    ):
        yield service


@pytest.fixture(params=sorted(PROVIDERS))
def port(request: pytest.FixtureRequest, provider: Service) -> PaymentProvider:
    """Each provider of the table, with its sandbox behind it."""
    return PROVIDERS[request.param]


@pytest.fixture
def settings_of() -> Any:
    """Change settings for the length of a `with`."""
    return override_settings


@pytest.fixture(scope="module")
def mailbox(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The mail server, with our channel pointed at it."""
    book = tmp_path_factory.mktemp("mail") / "book.sqlite3"
    service = start("sandbox.mail", "--smtp-port", "0", "--http-port", "0", "--book", str(book))
    with override_settings(
        SMTP_URL=service.smtp_url, MAIL_FROM="Zählmich <hello@countmein.example>"
    ):
        yield service


class Listener:
    """Somebody webhooks can reach; refuses the first `refusals` of them."""

    def __init__(self, refusals: int = 0) -> None:
        self.taken: list[tuple[bytes, str]] = []
        self.refusals = refusals
        outer = self

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.refusals > 0:
                    outer.refusals -= 1
                    self.send_response(503)
                else:
                    outer.taken.append((body, self.headers["Stripe-Signature"]))
                    self.send_response(204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/stripe"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def kinds(self) -> list[str]:
        """The types of the events taken."""
        return [json.loads(body)["type"] for body, _ in self.taken]


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A webhook listener that takes everything, unless told to refuse."""
    made = Listener()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Poll a condition, at most ten seconds."""

    def wait(condition: Callable[[], bool]) -> None:
        ends = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < ends, "it did not happen within ten seconds"
            time.sleep(0.01)

    return wait
