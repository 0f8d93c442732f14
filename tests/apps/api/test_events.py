"""The live tally: first at once, newest wins, one a second, through a lost database too."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from countmein.campaigns.models import Campaign, Tally
from tests.apps.api.live import Live, poll, serving

Launch = Callable[..., Campaign]


@pytest.fixture
def live(transactional_db: None) -> Iterator[Live]:
    """The site on a socket."""
    with serving() as running:
        yield running


def announce(campaign: Campaign, *, people: int) -> None:
    """Write a tally and announce it, as the count does."""
    row = Tally(
        lane=campaign.lane,
        id=campaign.id,
        as_of=campaign.created_at,
        people=people,
        sum={"signature": people},
    )
    Tally.objects.filter(lane=campaign.lane, id=campaign.id).delete()
    row.save(force_insert=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('tally', %s)", [campaign.code])


@pytest.mark.parametrize("path", ["/api/v1/campaigns/{}/events", "/c/{}/events"])
def test_the_first_tally_comes_at_once_and_is_the_campaigns_own(
    live: Live, launch: Launch, path: str
) -> None:
    campaign = launch()
    stream = live.stream(path.format(campaign.code))
    assert 200 == stream.response.status
    assert "text/event-stream; charset=utf-8" == stream.response.headers["Content-Type"]
    assert "nosniff" == stream.response.headers["X-Content-Type-Options"]
    name, said = stream.next()
    with urllib.request.urlopen(f"{live.url}/api/v1/campaigns/{campaign.code}") as answer:
        assert ("tally", json.load(answer)["tally"]) == (name, said)
    stream.close()


def test_changes_come_at_most_one_a_second_and_the_newest_wins(live: Live, launch: Launch) -> None:
    campaign = launch()
    stream = live.stream(f"/c/{campaign.code}/events")
    assert 0 == stream.next()[1]["people"]
    begun = time.monotonic()
    poll(lambda: live.intake._tallies._listener is not None)
    for people in range(1, 41):
        announce(campaign, people=people)
        time.sleep(0.05)
    seen: list[int] = []
    while not seen or seen[-1] < 40:
        seen.append(stream.next()[1]["people"])
    taken = time.monotonic() - begun
    assert sorted(seen) == seen
    assert len(seen) <= taken + 1
    assert taken < 6
    stream.close()


def test_many_watchers_share_one_look(live: Live, launch: Launch) -> None:
    campaign, looks = launch(), []
    tallies = live.intake._tallies
    look = tallies._look

    def counted(code: str) -> bytes | None:
        looks.append(code)
        return look(code)

    tallies._look = counted
    streams = [live.stream(f"/c/{campaign.code}/events") for _ in range(10)]
    for stream in streams:
        assert 0 == stream.next()[1]["people"]
    poll(lambda: tallies._listener is not None)
    time.sleep(0.5)
    looks.clear()
    announce(campaign, people=7)
    for stream in streams:
        assert 7 == stream.next()[1]["people"]
    assert 1 == len(looks)
    for stream in streams:
        stream.close()
    poll(lambda: not tallies._watchers)


def test_an_unknown_code_is_a_problem(live: Live, launch: Launch) -> None:
    stream = live.stream("/api/v1/campaigns/nobody/events")
    assert 404 == stream.response.status
    assert "application/problem+json" == stream.response.headers["Content-Type"]
    assert "not_found" == json.loads(stream.response.read())["reason"]
    stream.close()


def test_watchers_outlive_the_loss_of_every_database_connection(live: Live, launch: Launch) -> None:
    campaign = launch()
    stream = live.stream(f"/c/{campaign.code}/events")
    stream.next()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    announce(campaign, people=9)
    said: Any = None
    while said is None or said["people"] != 9:
        _, said = stream.next()
    stream.close()


def test_a_draining_server_ends_its_streams(live: Live, launch: Launch) -> None:
    stream = live.stream(f"/c/{launch().code}/events")
    stream.next()
    live.drain()
    assert b"" == stream.response.read()


def test_the_process_says_that_it_lives(live: Live) -> None:
    with urllib.request.urlopen(f"{live.url}/healthz") as answer:
        assert b"ok\n" == answer.read()


@pytest.mark.parametrize("host", ["attacker.invalid", "", "127.0.0.1@evil.test"])
def test_another_host_is_refused(live: Live, host: str) -> None:
    for path in ("/c/x/events", "/api/v1/campaigns", "/"):
        raw = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        assert live.send(raw.encode()).startswith(b"HTTP/1.1 400 ")


CHUNKED = (
    "POST /api/v1/campaigns/{code}/pledges HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    "Content-Type: application/json\r\nIdempotency-Key: one\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def chunks(*pieces: bytes) -> bytes:
    """The pieces as a chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def test_a_body_in_chunks_is_read_and_a_long_one_refused(live: Live, launch: Launch) -> None:
    head = CHUNKED.format(code=launch().code).encode()
    body = b'{"kind": "signature", "member": {"email": "ben@example.org"}}'
    answer = live.send(head + chunks(body[:20], body[20:]))
    assert answer.startswith(b"HTTP/1.1 201 "), answer
    answer = live.send(head + chunks(*[b" " * 4096] * 40))
    assert answer.startswith(b"HTTP/1.1 413 "), answer
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "line",
    [
        "GET /api/v1/campaigns?state=\u00e4 HTTP/1.1",
        "GET /api/v1/campaigns/%ff%fe HTTP/1.1",
        "GET /api/v1/campaigns/%00 HTTP/1.1",
        "GET /c/%00/events HTTP/1.1",
        "GET //evil.test/ HTTP/1.1",
        "GET /api/v1/campaigns?limit=%d9%a1 HTTP/1.1",
        "TRACE /api/v1/campaigns HTTP/1.1",
    ],
)
def test_strange_requests_are_answered_without_a_fault(live: Live, line: str) -> None:
    raw = f"{line}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    status = int(live.send(raw).split(b" ", 2)[1])
    assert 400 <= status < 500


def test_a_header_spelt_with_an_underscore_is_not_believed(
    live: Live, launch: Launch, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = ("127.0.0.1",)
    seen: list[str] = []
    raw = (
        "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        "X_Forwarded_For: 198.51.100.1\r\n\r\n"
    )

    def pages(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        seen.append(environ.get("HTTP_X_FORWARDED_FOR", ""))
        start("200 OK", [])
        return [b""]

    live.intake._pages.serve(pages)
    live.send(raw.encode())
    live.send(raw.replace("_", "-").encode())
    assert ["", "198.51.100.1"] == seen
