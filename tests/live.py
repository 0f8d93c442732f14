"""The real site, started as an operator starts it, and what people can do from outside."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.visitor import Answer, Visitor, send

CHECKOUT = Path(__file__).parents[1]
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_LOG_LINES = 25
#: What the plugin for the tests inside a process has set: this site has services of its own.
_FOREIGN = ("COUNTMEIN_", "STRIPE_", "DATABASE_URL", "SMTP_URL", "OUTBOX_URL", "CHARGES_", "DJANGO")


@dataclass(slots=True, kw_only=True)
class Live:
    """A running site."""

    home: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    ahead: timedelta = timedelta(0)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The shell an operator would work in."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        seen = {"COUNTMEIN_DEBUG": "1"}  # all parts of the pages
        return {**clean, **seen, **self.settings, "COUNTMEIN_HOME": str(self.home)}

    def start(self) -> None:
        """Run `countmein up` and wait until it is ready."""
        with (self.home / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "countmein", "up", "--port", str(self.port)],
                cwd=CHECKOUT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.until(self.is_ready, _START_SECONDS)

    def is_ready(self) -> bool:
        """Whether web, database and worker all say so."""
        assert self.process is not None and self.process.poll() is None, self.logs()
        try:
            return self.api("GET", "/readyz").status == 200
        except OSError:
            return False

    def stop(self) -> float:
        """Ask the site to stop, as the system does, and return how many seconds that took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.terminate()
        try:
            self.process.wait(timeout=_STOP_SECONDS)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            self.process = None
        return time.monotonic() - began

    def countmein(self, *arguments: str) -> str:
        """Run one of our commands in another shell; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "countmein", *arguments],
            cwd=CHECKOUT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert 0 == done.returncode, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def token(self, email: str, name: str = "") -> str:
        """A token for an organiser; the first one's owns the site."""
        token = self.countmein("token", "--email", email, "--name", name)
        self.owner = self.owner or token
        return token

    def clock(self, advance: str) -> None:
        """Move the site's clock on; returns when all work due by then is done."""
        said = datetime.fromisoformat(self.countmein("clock", "--advance", advance))
        self.ahead = said - datetime.now(UTC)

    def now(self) -> datetime:
        """The site's time, to a few seconds."""
        return datetime.now(UTC) + self.ahead

    def rest(self) -> None:
        """Wait until all work that is due is done."""
        self.clock("0s")

    def api(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        key: str | None = None,
    ) -> Answer:
        """Knock at the API."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Idempotency-Key": key} if key else {}
        content = None if body is None else json.dumps(body).encode()
        where = path if path.startswith("/readyz") else f"/api/v1{path}"
        request = urllib.request.Request(
            self.url + where, data=content, headers=headers, method=method
        )
        return send(urllib.request.build_opener(), request)

    def visitor(self) -> Visitor:
        """Somebody who comes with a browser of their own."""
        return Visitor(self.url)

    def _published(self, name: str) -> str:
        return str(json.loads((self.home / "run" / "env.json").read_text())[name])

    def _ask(self, url: str) -> Any:
        return send(urllib.request.build_opener(), urllib.request.Request(url)).body

    def mails(self, to: str) -> list[dict[str, Any]]:
        """The mails that arrived at an address, oldest first."""
        quoted = urllib.parse.quote(to)
        url = f"{self._published('OUTBOX_URL')}/messages?limit=1000&to={quoted}"
        return list(self._ask(url)["items"])

    def mails_about(self, words: str) -> list[dict[str, Any]]:
        """Every mail with these words in its subject, oldest first."""
        found, after = [], 0
        url = f"{self._published('OUTBOX_URL')}/messages?limit=1000&after="
        while items := self._ask(f"{url}{after}")["items"]:
            found += [mail for mail in items if words in mail["subject"]]
            after = items[-1]["id"]
        return found

    def mail(self, to: str, about: str, *, seconds: float = 30) -> dict[str, Any]:
        """The one mail to an address with these words in its subject, attachments and all."""
        found: list[dict[str, Any]] = []

        def has_come() -> bool:
            found[:] = [mail for mail in self.mails(to) if about in mail["subject"]]
            return bool(found)

        self.until(has_come, seconds)
        (mail,) = found
        whole = self._ask(f"{self._published('OUTBOX_URL')}/messages/{mail['id']}")
        return dict(whole)

    def book(self, name: str) -> Any:
        """The provider's own record: `charges` or `summary`."""
        return self._ask(f"{self._published('STRIPE_API_BASE')}/_book/{name}")

    def provider(self, path: str) -> Any:
        """What the provider answers whoever has the key of the site's account."""
        request = urllib.request.Request(
            f"{self._published('STRIPE_API_BASE')}/v1/{path}",
            headers={"Authorization": f"Bearer {self._published('STRIPE_API_KEY')}"},
        )
        return send(urllib.request.build_opener(), request).body

    def control_provider(self, **wanted: Any) -> None:
        """Have the provider do what only somebody else could: a card's owner, a bank."""
        url = f"{self._published('STRIPE_API_BASE')}/_control"
        request = urllib.request.Request(url, data=json.dumps(wanted).encode(), method="POST")
        assert 200 == send(urllib.request.build_opener(), request).status

    def sign_in(self, email: str) -> Visitor:
        """A browser in which this organiser has signed in by the code that was mailed."""
        browser, had = self.visitor(), len(self.mails(email))
        page = browser.see("/account/login/")
        asked = browser.submit(page, path="/account/login/code/", email=email)
        self.until(lambda: len(self.mails(email)) > had)
        link = re.search(
            r"https?://\S+/account/login/code/confirm/\S+", self.mails(email)[-1]["text"]
        )
        assert link is not None, asked.text
        form = browser.see(link[0])
        code = re.search(r'name="code" type="text" value="([^"]+)"', form.text)
        assert code is not None, form.text
        browser.submit(form, path="/account/login/code/confirm/", code=code[1])
        return browser

    def until(self, is_so: Callable[[], Any], seconds: float = 30) -> None:
        """Wait until something is so, at most so long."""
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end, f"it never came to be so\n{self.logs()}"
            time.sleep(0.1)

    def self_check(self) -> None:
        """The site keeps its word, by its own and the provider's books."""
        said = self.api("GET", "/self-check", token=self.owner).body
        assert [] == [check for check in said["checks"] if not check["ok"]]
        assert said["ok"] is True

    def part(self, command: str) -> int:
        """The process number of `work`, `serve-web` or `postgres`; 0 while that part is dead."""
        if command == "postgres":
            notes = self.home.glob("**/postmaster.pid")
            return next((int(note.read_text().split()[0]) for note in notes), 0)
        assert self.process is not None
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return next((int(child) for child in children if command in _arguments(child)), 0)

    def logs(self) -> str:
        """The last lines of every part."""
        logs = [self.home / "up.log", *sorted((self.home / "log").glob("*.log"))]
        tails = [
            f"== {log.name}\n" + "\n".join(log.read_text().splitlines()[-_LOG_LINES:])
            for log in logs
            if log.exists() and log.name != "migrate.log"
        ]
        return "\n".join(tails)


def _arguments(pid: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:  # it has just died
        return []


@contextmanager
def running(*, at: Path | None = None, **settings: str) -> Iterator[Live]:
    """A site of its own in a fresh home, gone afterwards; `at` is a home that outlives it."""
    # Not pytest's directory: its parents are 0700, and the database's user must pass.
    home = at or Path(tempfile.mkdtemp(prefix="cmi-live-"))
    home.mkdir(exist_ok=True)
    home.chmod(0o711)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site = Live(home=home, port=port, settings=settings)
    try:
        site.start()
        yield site
    finally:
        if site.process is not None:
            site.stop()
        if at is None:
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    """The one site that all journeys and browsers share; each has people of its own."""
    with running() as site:
        yield site


@pytest.fixture(scope="session")
def ana(live: Live) -> str:
    """Ana's token. She came first, so the site is hers."""
    return live.token("ana@example.org", "Ana")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Show a failed test's site logs."""
    report = yield
    if report.failed:
        for site in getattr(item, "funcargs", {}).values():
            if isinstance(site, Live):
                report.sections.append(("the site's logs", site.logs()))
    return report


@dataclass(slots=True, kw_only=True)
class Story:
    """One campaign of Ana's, with a crowd whose addresses are its own."""

    live: Live
    token: str
    code: str
    title: str
    #: How much was in the provider's book before; journeys come one after the other.
    charges_before: int
    cards_before: int

    def view(self) -> dict[str, Any]:
        """What everybody sees."""
        return dict(self.live.api("GET", f"/campaigns/{self.code}").body)

    def until(self, state: str, *, seconds: float = 40) -> dict[str, Any]:
        """Wait until the campaign is in this state."""
        self.live.until(lambda: self.view()["state"] == state, seconds)
        return self.view()

    def address(self, who: str) -> str:
        """Somebody's mailbox, which nobody in any other story has."""
        return f"{who}-{self.code}@example.org"

    def join(self, who: str, **said: Any) -> dict[str, Any]:
        """Pledge as somebody; it must be taken."""
        body = {"member": {"email": self.address(who), "name": who.title()}, **said}
        answer = self.live.api("POST", f"/campaigns/{self.code}/pledges", body, key=f"key-{who}")
        assert 201 == answer.status, answer.text
        return dict(answer.body)

    def mine(self, pledge: Mapping[str, Any]) -> dict[str, Any]:
        """What somebody sees of their own pledge."""
        path = f"/pledges/{pledge['code']}?receipt={pledge['receipt']}"
        return dict(self.live.api("GET", path).body)

    def until_mine(self, pledge: Mapping[str, Any], state: str) -> dict[str, Any]:
        """Wait until somebody's pledge is in this state."""
        self.live.until(lambda: self.mine(pledge)["state"] == state)
        return self.mine(pledge)

    def people(self, count: int) -> None:
        """Wait until so many are counted in."""
        self.live.until(lambda: self.view()["tally"]["people"] == count)

    def mail(self, who: str, about: str) -> dict[str, Any]:
        """The one mail to somebody with these words in its subject."""
        return self.live.mail(self.address(who), f"{about}: {self.title}")

    def charged(self) -> list[int]:
        """What the provider took since the launch, in its own book; no card twice."""
        tried = self.live.book("charges")["items"][self.charges_before :]
        taken = [charge for charge in tried if charge["status"] == "succeeded"]
        cards = [charge["customer"] for charge in taken]
        assert len(set(cards)) == len(cards), "a card was charged twice"
        return sorted(charge["amount"] for charge in taken)

    def cards_kept(self) -> int:
        """How many cards saved since the launch the provider still has."""
        return int(self.live.book("summary")["customers"]) - self.cards_before


Begin = Callable[..., Story]


def launch(live: Live, token: str, **terms: Any) -> Story:
    """Launch a campaign: a petition that tips at 3 within two hours, unless told otherwise."""
    said = {
        "title": "Open the library on Sundays",
        "kinds": ["signature"],
        "rule": {"people": 3},
        "deadline": (live.now() + timedelta(hours=2)).isoformat(),
        "confirm": "none",
        **terms,
    }
    charges, summary = live.book("charges")["items"], live.book("summary")
    drafted = live.api("POST", "/campaigns", said, token=token)
    assert 201 == drafted.status, drafted.text
    code = drafted.body["code"]
    opened = live.api("POST", f"/campaigns/{code}/launch", token=token)
    assert 200 == opened.status, opened.text
    return Story(
        live=live,
        token=token,
        code=code,
        title=said["title"],
        charges_before=len(charges),
        cards_before=int(summary["customers"]),
    )


@pytest.fixture
def begin(live: Live, ana: str) -> Begin:
    """Launch a campaign of Ana's."""
    return lambda **terms: launch(live, ana, **terms)
