"""Every request is counted by door, class of route and status, and never by its address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from countmein.base.metrics import REQUEST_SECONDS, REQUESTS
from countmein.intake.app import Intake
from countmein.intake.measured import PLEDGES, measured, route_class
from countmein.watch.counted import DESK_ACTS


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("GET /", "home"),
        ("GET /campaigns/", "browse"),
        ("GET /c/abc/", "campaign"),
        ("GET /c/abc", "campaign"),
        ("GET /c/abc/pledge/", "campaign"),
        ("POST /c/abc/pledge/", "pledge"),
        ("GET /c/abc/events", "live"),
        ("GET /c/abc/meter/", "live"),
        ("GET /p/abc/", "own_pledge"),
        ("POST /api/v1/campaigns/abc/pledges", "pledge"),
        ("GET /api/v1/campaigns/abc/pledges", "campaign"),
        ("GET /api/v1/campaigns/abc", "campaign"),
        ("GET /api/v1/campaigns/abc/events", "live"),
        ("DELETE /api/v1/pledges/abc", "own_pledge"),
        ("GET /api/v1/self-check", "api"),
        ("POST /hooks/stripe", "hooks"),
        ("GET /desk/money/", "desk"),
        ("GET /static/css/tokens.css", "static"),
        ("GET /healthz", "health"),
        ("GET /wp-login.php", "other"),
        ("GET /api", "api"),
        ("OPTIONS *", "home"),
        ("GET /a/b/c/d/e/f/g", "other"),
    ],
)
def test_each_address_has_one_of_a_few_classes(asked: str, expected: str) -> None:
    method, path = asked.split()
    assert expected == route_class(method, path)


def pages(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """A site that has one page."""
    start("404 Not Found", [("Content-Type", "text/plain")])
    return [b"nothing"]


def ask(app: Any, method: str, path: str) -> None:
    """Send one request to an ASGI callable, as the server would."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Any) -> None: ...

    asyncio.run(app(scope, receive, send))


def test_a_request_is_counted_by_the_door_that_answered() -> None:
    intake = Intake(pages=pages)
    for door, route, status, path in (
        ("intake", "health", "200", "/healthz"),
        ("pages", "own_pledge", "404", "/p/abc/"),
    ):
        before = REQUESTS.value(door, route, status)
        ask(intake, "GET", path)
        assert before + 1 == REQUESTS.value(door, route, status)
        assert [door, route] in [labels for labels, _, _ in REQUEST_SECONDS.rows()]


def test_what_is_never_answered_counts_as_a_failure() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("planted")

    before = REQUESTS.value("intake", "other", "500")
    with pytest.raises(RuntimeError, match="planted"):
        ask(lambda *asgi: measured(broken, *asgi), "GET", "/x")
    assert before + 1 == REQUESTS.value("intake", "other", "500")


@pytest.mark.parametrize(
    ("path", "status", "to", "is_one"),
    [
        ("/api/v1/campaigns/abc/pledges", 201, None, True),
        ("/api/v1/campaigns/abc/pledges", 422, None, False),
        ("/api/v1/campaigns/abc/pledges", 503, None, False),
        ("/c/abc/pledge/", 302, "/p/xyz/?receipt=1", True),
        ("/c/abc/pledge/", 302, "https://checkout.stripe.com/c/pay", True),
        ("/c/abc/pledge/", 302, "/c/abc/", False),
        ("/c/abc/pledge/", 200, None, False),
        ("/organise/new/", 201, None, False),
    ],
)
def test_a_pledge_is_counted_once_its_sender_is_told(
    path: str, status: int, to: str | None, is_one: bool
) -> None:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        headers = [] if to is None else [(b"location", to.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})

    before = PLEDGES.value("intake")
    ask(lambda *asgi: measured(answer, *asgi), "POST", path)
    assert before + is_one == PLEDGES.value("intake")


def test_acts_at_the_desk_are_counted_and_looks_are_not() -> None:
    async def done(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 302})

    before = DESK_ACTS.value()
    for method in ("GET", "POST"):
        ask(lambda *asgi: measured(done, *asgi), method, "/desk/money/")
    assert before + 1 == DESK_ACTS.value()
