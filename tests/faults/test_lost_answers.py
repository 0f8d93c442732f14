"""R4 by the wire: answers are cut after the commit, people try again, and nobody is in twice."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.faults.masses import size
from tests.faults.pledgers import kept, posted, signature
from tests.faults.proxy import Fate, through
from tests.faults.rig import dsn_of
from tests.live import Live, launch, running

pytestmark = pytest.mark.slow

KEYS = size(600, 50_000)
CLIENTS = 16
#: One answer in twenty is cut, on a connection that brings one answer after the other.
_ANSWERS_TO_A_CUT = 20
_ANSWER_BYTES = 900


def plan(number: int) -> Fate:
    """Cut somewhere in the first forty answers; some requests on the way there, too."""
    draw = random.Random(f"r4:{number}")
    if draw.random() < 0.2:
        return Fate(name="request cut", cut_request_after=draw.randrange(10_000))
    return Fate(
        name="answer cut",
        cut_answer_after=draw.randrange(2 * _ANSWERS_TO_A_CUT * _ANSWER_BYTES),
        piece_bytes=draw.choice([200, 65_536]),
    )


class Client:
    """Somebody with a kept connection who says a thing until it is answered, and then again."""

    def __init__(self, url: str, path: str) -> None:
        at = urlsplit(url)
        self._door = http.client.HTTPConnection(at.hostname or "", at.port or 80, timeout=30)
        self._path = path

    def insist(self, key: str, body: dict[str, Any]) -> tuple[int, Any]:
        """The first whole answer."""
        while True:
            status, content = posted(self._door, self._path, key, body)
            if status not in (0, 503):
                return status, json.loads(content)

    def close(self) -> None:
        """Hang up."""
        self._door.close()


@pytest.fixture(scope="module")
def site() -> Iterator[Live]:
    """A site with nobody else on it."""
    with running() as own:
        yield own


@pytest.fixture(scope="module")
def path(site: Live) -> str:
    """Where one pledges to a campaign that goes on and on."""
    story = launch(site, site.token("ana@example.org"), rule={"people": 10**9})
    return f"/api/v1/campaigns/{story.code}/pledges"


def _retried(number: int) -> int:
    """How often somebody who has an answer asks once more, as one who did not see it would."""
    return random.Random(f"again:{number}").choice([0, 0, 0, 0, 1, 2, 4])


def _all_say(url: str, path: str) -> list[tuple[int, int, Any]]:
    """Each key by one of the clients: the number, the status and the body of every answer."""

    def one(client_number: int) -> list[tuple[int, int, Any]]:
        client, heard = Client(url, path), []
        try:
            for number in range(client_number, KEYS, CLIENTS):
                for _time in range(1 + _retried(number)):
                    said = client.insist(f"k{number}", signature(f"m{number}"))
                    heard.append((number, *said))
        finally:
            client.close()
        return heard

    with ThreadPoolExecutor(CLIENTS) as clients:
        return [each for heard in clients.map(one, range(CLIENTS)) for each in heard]


def test_whoever_tries_again_after_a_lost_answer_is_in_once(site: Live, path: str) -> None:
    """Every key one row, every repetition the same pledge, another body under a used key 409."""
    with through(site.url, plan) as (url, wire):
        heard = _all_say(url, path)
        assert wire.seen["answer cut"] > KEYS // 50
    assert {201} == {status for _number, status, _body in heard}
    codes = {number: body["code"] for number, _status, body in heard}
    assert {codes[number] for number in codes} == {body["code"] for _n, _s, body in heard}
    rows = kept(dsn_of(site))
    assert {f"k{number}": code for number, code in codes.items()} == rows
    assert KEYS == len(rows)
    client = Client(site.url, path)
    others = [client.insist(f"k{n}", signature(f"other{n}")) for n in range(0, KEYS, 20)]
    client.close()
    assert {(409, "key_reused")} == {(status, body["reason"]) for status, body in others}


def test_one_key_sent_by_32_at_once_over_a_broken_wire_is_one_pledge(site: Live, path: str) -> None:
    """All of them hear of the same pledge."""
    start = threading.Barrier(32)

    def say(url: str) -> tuple[int, str]:
        client = Client(url, path)
        start.wait(30)
        try:
            status, body = client.insist("at-once", signature("at-once"))
            return status, body["code"]
        finally:
            client.close()

    cuts = (Fate(name="cut", cut_answer_after=0), Fate())
    with (
        through(site.url, lambda number: cuts[number % 2]) as (url, wire),
        ThreadPoolExecutor(32) as people,
    ):
        told = set(people.map(say, [url] * 32))
        assert wire.seen["cut"] > 0
    assert {(201, kept(dsn_of(site))["at-once"])} == told


@contextmanager
def _naive_door() -> Iterator[tuple[str, list[str]]]:
    """A door that takes whatever is said and knows no keys."""
    taken: list[str] = []
    lock = threading.Lock()

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                taken.append(said["member"]["email"])
            body = json.dumps({"code": "x" * (_ANSWER_BYTES - 200)}).encode()
            self.send_response(201)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients hang up on us; that is what we are here for."""

    with Server(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", taken
        server.shutdown()


def test_without_keys_the_same_people_are_in_twice() -> None:
    """The control: the same clients behind the same wire, at a door without a key column."""
    with _naive_door() as (door, taken), through(door, plan) as (url, _wire):
        client = Client(url, "/")
        for number in range(400):
            client.insist(f"k{number}", signature(f"m{number}"))
        client.close()
        assert len(taken) > len(set(taken))
