"""Which requests the fast door takes; all others go through Django to the same verb."""

from __future__ import annotations

from typing import Any

import pytest

from countmein.base import http
from countmein.base.http import peer
from countmein.campaigns import pledge_door
from countmein.intake import app, routes
from countmein.intake.pledging import code_of
from countmein.intake.routes import route_of
from tests.conftest import Launch

PLAIN = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]


def scope(*more: tuple[bytes, bytes], **said: Any) -> dict[str, Any]:
    return {
        "method": "POST",
        "path": "/api/v1/campaigns/abc/pledges",
        "query_string": b"",
        "client": ("192.0.2.1", 5000),
        "headers": [*PLAIN, *more],
        **said,
    }


def test_a_plain_pledge_is_taken() -> None:
    assert "abc" == code_of(scope((b"idempotency-key", b"k")))


@pytest.mark.parametrize(
    "other",
    [
        scope((b"authorization", b"Bearer x")),
        scope((b"cookie", b"a=b")),
        scope((b"expect", b"100-continue")),
        scope((b"idempotency-key", b"k"), (b"idempotency-key", b"l")),
        scope((b"content-type", b"text/plain")),
        scope((b"x-forwarded-for", b"192.0.2.1"), (b"x-forwarded-for", b"192.0.2.2")),
        scope((b"accept-language", b"de"), (b"accept-language", b"fr")),
        scope(query_string=b"a=1"),
        scope(method="GET"),
        scope(path="/api/v1/campaigns/ABC/pledges"),
        scope(path="/api/v1/campaigns/abc/pledges/"),
    ],
)
def test_whatever_looks_unusual_goes_through_django(other: dict[str, Any]) -> None:
    assert code_of(other) is None


def test_a_site_on_https_takes_only_what_came_by_it(settings: Any) -> None:
    """Whether it did only a trusted proxy can say; Django sends all others on."""
    settings.SECURE_SSL_REDIRECT = True
    settings.TRUSTED_PROXIES = ("127.0.0.1",)
    secure = (b"x-forwarded-proto", b"https")
    assert code_of(scope()) is None
    assert code_of(scope(secure)) is None
    assert code_of(scope(client=("127.0.0.1", 5000))) is None
    assert "abc" == code_of(scope(secure, client=("127.0.0.1", 5000)))


@pytest.mark.parametrize(
    ("remote", "said", "sender"),
    [
        ("198.51.100.7", "192.0.2.1", "198.51.100.7"),
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "203.0.113.9, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("10.0.0.1", "192.0.2.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", ", ".join(["203.0.113.9"] * 20 + ["192.0.2.1"]), "192.0.2.1"),
    ],
)
def test_who_sent_it_is_said_by_trusted_proxies_only(remote: str, said: str, sender: str) -> None:
    found = peer(remote=remote, forwarded_for=said, trusted=("10.0.0.0/8",))
    assert sender == found.address


def test_no_request_can_fill_the_memory_of_those_that_were_looked_at() -> None:
    """Long texts are not remembered, nor what nobody believes, nor what a query says."""
    trusted = ("10.0.0.0/8",)
    caches = (http._peer, routes._route_of, app._is_ours)
    peer(remote="198.51.100.7", forwarded_for="", trusted=trusted)
    route_of("GET", "/c/abc/", b"q")
    before = [cache.cache_info().currsize for cache in caches]
    for n in range(5):
        peer(remote="198.51.100.7", forwarded_for=f"192.0.2.{n}", trusted=trusted)
        peer(remote="10.0.0.1", forwarded_for=f"192.0.2.{n}, " * 20, trusted=trusted)
        route_of("GET", f"/c/abc{n}" + "/x" * 200, b"")
        route_of("GET", "/c/abc/", b"q=%d" % n)
        assert not app._is_known_host({"headers": [(b"host", b"%d" % n + b"x" * 300)]})
    assert before == [cache.cache_info().currsize for cache in caches]


def test_who_waited_for_a_look_up_finds_what_it_found(
    transactional_db: None, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = launch()
    pledge_door.KNOWN._seen.clear()
    asked, really = [], pledge_door.campaign_by_code
    monkeypatch.setattr(
        pledge_door, "campaign_by_code", lambda code: asked.append(code) or really(code)
    )
    found = [pledge_door.KNOWN.look_up(campaign.code) for _ in range(3)]
    assert [campaign.id] * 3 == [each.id for each in found if each]
    assert [campaign.code] == asked
