"""A pledge is answered in the same way by the fast door and by Django's: one definition, two ways
in. Through the fast one goes whoever shows neither token nor cookie."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from countmein.base.limits import Limit
from countmein.base.metrics import REQUESTS
from countmein.campaigns import pledge_door
from countmein.campaigns.models import Campaign, Pledge
from countmein.intake import pledging
from countmein.intake.routes import Level
from tests.apps.api.live import Live, poll, serving
from tests.conftest import Launch

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

MEMBER = {"email": "ben@example.org", "name": "Ben"}
PLEDGE = {"kind": "signature", "member": MEMBER}
#: What only tells one request from another.
OWN = ("code", "receipt", "manage_url", "secure_url")


@pytest.fixture
def live() -> Iterator[Live]:
    with serving() as running:
        yield running


Said = tuple[int, Any, dict[str, str]]


def send(
    live: Live, campaign: Campaign, raw: bytes, headers: dict[str, str], *, fast: bool
) -> Said:
    """Knock at one of the doors; a cookie is what leads to Django's."""
    wire = http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)
    asked = headers if fast else {**headers, "Cookie": "a=b"}
    wire.request("POST", f"/api/v1/campaigns/{campaign.code}/pledges", raw, asked)
    answer = wire.getresponse()
    text = answer.read().decode()
    wire.close()
    return answer.status, json.loads(text), {k.lower(): v for k, v in answer.getheaders()}


def headers(
    key: str | None = "a-key", media_type: str | None = "application/json"
) -> dict[str, str]:
    said = {"Content-Type": media_type, "Idempotency-Key": key}
    return {name: value for name, value in said.items() if value is not None}


REFUSED = {
    "no JSON": (b"{", headers()),
    "two keys": (b'{"kind":"signature","kind":"money"}', headers()),
    "not UTF-8": (b'{"kind":"\xff"}', headers()),
    "nothing": (b"", headers()),
    "a list": (b"[]", headers()),
    "another type": (json.dumps(PLEDGE).encode(), headers(media_type="text/plain")),
    "another charset": (
        json.dumps(PLEDGE).encode(),
        headers(media_type="application/json; charset=latin1"),
    ),
    "no type": (json.dumps(PLEDGE).encode(), headers(media_type=None)),
    "no key": (json.dumps(PLEDGE).encode(), headers(key=None)),
    "a strange key": (json.dumps(PLEDGE).encode(), headers(key="a key")),
    "too long": (b" " * 20_000, headers()),
    "unknown kind": (json.dumps({**PLEDGE, "kind": "song"}).encode(), headers()),
    "kind not offered": (json.dumps({**PLEDGE, "kind": "call"}).encode(), headers()),
    "unknown field": (json.dumps({**PLEDGE, "colour": "red"}).encode(), headers()),
    "unknown place": (json.dumps({**PLEDGE, "place": "Ys"}).encode(), headers()),
    "no address": (
        json.dumps({**PLEDGE, "member": {"email": "ben"}}).encode(),
        headers(),
    ),
    "condition": (json.dumps({**PLEDGE, "condition": {"people": 0}}).encode(), headers()),
    "condition on nobody": (
        json.dumps({**PLEDGE, "condition": {"pledge": "0000000000000000"}}).encode(),
        headers(),
    ),
    "deep": (b"[" * 10_000, headers()),
}


def without_length(said: dict[str, str]) -> dict[str, str]:
    left_out = ("content-length", "date", "server", "content-security-policy", "cache-control")
    return {name: value for name, value in said.items() if name not in left_out}


def test_every_no_is_the_same_at_both_doors(
    live: Live, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = launch()
    passed: list[str] = []
    monkeypatch.setattr(pledging, "code_of", _noting(passed))
    for name, (raw, asked) in REFUSED.items():
        fast = send(live, campaign, raw, asked, fast=True)
        slow = send(live, campaign, raw, asked, fast=False)
        assert fast[:2] == slow[:2], name
        assert fast[0] >= 400, name
        assert without_length(fast[2]) == without_length(slow[2]), name
        assert "default-src 'none'" in fast[2]["content-security-policy"]
    assert len(REFUSED) == len(passed)
    assert not Pledge.objects.all_lanes().exists()


def _noting(passed: list[str]) -> Any:
    honest = pledging.code_of

    def noting(scope: Any) -> str | None:
        if code := honest(scope):
            passed.append(code)
        return code

    return noting


def test_a_yes_is_the_same_at_both_doors_and_replayed_across_them(
    live: Live, launch: Launch
) -> None:
    campaign = launch(places=["Leeds"])
    said = {**PLEDGE, "place": "Leeds", "condition": {"people": 3}, "public_name": True}
    raw = json.dumps(said).encode()
    other = json.dumps({**said, "member": {"email": "cleo@example.org"}}).encode()
    fast = send(live, campaign, raw, headers("a"), fast=True)
    slow = send(live, campaign, other, headers("b"), fast=False)
    assert [201, 201] == [fast[0], slow[0]]
    assert list(fast[1]) == list(slow[1])
    assert {k: v for k, v in fast[1].items() if k not in OWN} == {
        k: v for k, v in slow[1].items() if k not in OWN
    }
    assert without_length(fast[2]) == without_length(slow[2])
    for is_fast in (True, False):
        again = send(live, campaign, raw, headers("a"), fast=is_fast)
        assert (201, fast[1]) == again[:2]
        assert "true" == again[2]["idempotency-replayed"]
        reused = send(live, campaign, other, headers("a"), fast=is_fast)
        assert (409, "key_reused") == (reused[0], reused[1]["reason"])
        twice = send(live, campaign, raw, headers("c"), fast=is_fast)
        assert (409, "already_pledged") == (twice[0], twice[1]["reason"])
    assert 2 == Pledge.objects.all_lanes().count()


def test_the_fast_door_outlives_its_database_connections(live: Live, launch: Launch) -> None:
    """Whoever comes first after the database was away may hear so; nobody hears it for ever."""
    campaign = launch()
    raw = [json.dumps({**PLEDGE, "member": {"email": f"m{n}@example.org"}}) for n in range(12)]
    said = [send(live, campaign, raw[0].encode(), headers("0"), fast=True)[0]]
    pledge_door.KNOWN._seen.clear()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    for n in range(1, 12):
        pledge_door.KNOWN._seen.clear()
        status = send(live, campaign, raw[n].encode(), headers(str(n)), fast=True)[0]
        if status == 503:
            status = send(live, campaign, raw[n].encode(), headers(str(n)), fast=True)[0]
        said.append(status)
    assert [201] * 12 == said
    assert 12 == Pledge.objects.all_lanes().count()


def test_an_unknown_campaign_and_another_host_are_turned_away_at_both(
    live: Live, launch: Launch
) -> None:
    campaign = launch()
    campaign.code = "nosuchcode"
    for is_fast in (True, False):
        assert 404 == send(live, campaign, json.dumps(PLEDGE).encode(), headers(), fast=is_fast)[0]
        foreign = {**headers(), "Host": "elsewhere.example"}
        assert 400 == send(live, campaign, json.dumps(PLEDGE).encode(), foreign, fast=is_fast)[0]


def test_both_doors_share_one_limit_for_each_sender(
    live: Live, launch: Launch, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """The sender is whom the trusted proxy saw, whatever else the header says."""
    monkeypatch.setattr(pledge_door, "_BY_ADDRESS", Limit(count=2, window_seconds=300))
    settings.TRUSTED_PROXIES = ("127.0.0.1",)
    campaign = launch()

    def ask(number: int, sender: str, *, fast: bool) -> Said:
        raw = json.dumps({**PLEDGE, "member": {"email": f"m{number}@example.org"}}).encode()
        seen = {"X-Forwarded-For": f"198.51.100.{number}, {sender}"}
        return send(live, campaign, raw, {**headers(str(number)), **seen}, fast=fast)

    said = [ask(number, "203.0.113.7", fast=True) for number in range(3)]
    assert [201, 201, 429] == [status for status, _body, _headers in said]
    assert int(said[-1][2]["retry-after"]) > 0
    assert 429 == ask(3, "203.0.113.7", fast=False)[0]
    assert 201 == ask(4, "203.0.113.8", fast=True)[0]


def test_a_wrong_token_is_refused_at_the_fast_address_too(live: Live, launch: Launch) -> None:
    shown = {**headers(), "Authorization": "Bearer nobody"}
    raw = json.dumps(PLEDGE).encode()
    assert 401 == send(live, launch(), raw, shown, fast=True)[0]
    assert not Pledge.objects.all_lanes().exists()


class Busy:
    """A process that sheds all it may."""

    level = Level.REPORTS


def test_a_pledge_is_never_shed_and_a_full_queue_is_said_alike(
    live: Live, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = launch()
    monkeypatch.setattr(live.intake, "_gauge", Busy())
    raw = [json.dumps({**PLEDGE, "member": {"email": f"m{n}@example.org"}}) for n in range(4)]
    for number, is_fast in ((0, True), (1, False)):
        asked = headers(str(number))
        assert 201 == send(live, campaign, raw[number].encode(), asked, fast=is_fast)[0]
    monkeypatch.setattr(pledge_door._together, "_room", 0)
    full = [
        send(live, campaign, raw[number].encode(), headers(str(number)), fast=is_fast)
        for number, is_fast in ((2, True), (3, False))
    ]
    assert [(503, "unavailable", "1")] * 2 == [
        (status, body["reason"], said["retry-after"]) for status, body, said in full
    ]
    assert 2 == Pledge.objects.all_lanes().count()


@pytest.mark.parametrize("cookie", ["", "Cookie: a=b\r\n"])
def test_what_broke_off_is_no_pledge_even_if_it_reads_like_a_whole_one(
    live: Live, launch: Launch, cookie: str
) -> None:
    """Half of an address is often an address, too."""
    campaign, raw = launch(), json.dumps(PLEDGE).encode()
    door = "intake"
    before = REQUESTS.value(door, "pledge", "499")
    with socket.create_connection(("127.0.0.1", live.port), timeout=20) as wire:
        head = (
            f"POST /api/v1/campaigns/{campaign.code}/pledges HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\nIdempotency-Key: k\r\n{cookie}"
            f"Content-Length: {len(raw) + 1}\r\n\r\n"
        )
        wire.sendall(head.encode() + raw)
    poll(lambda: REQUESTS.value(door, "pledge", "499") == before + 1)
    assert not Pledge.objects.all_lanes().exists()
