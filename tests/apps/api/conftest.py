"""The API as a program sees it, and the cast's tokens."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from countmein.base.clock import site_now
from countmein.campaigns import pledge_door
from countmein.members.actions import token_for
from countmein.members.models import Organiser
from countmein.web.api import asking

PREFIX = "/api/v1"


@dataclass
class Program:
    """A client that speaks JSON; `last` is the response behind the latest answer."""

    token: str | None = None
    client: Client = field(default_factory=Client)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        key: str | None = None,
        media_type: str = "application/json",
        **headers: str,
    ) -> Any:
        """Send a request and return the response; `.json()` reads it."""
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if key is not None:
            headers["Idempotency-Key"] = key
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        return self.client.generic(
            method, PREFIX + path, content, content_type=media_type, headers=headers
        )

    def get(self, path: str, **how: Any) -> Any:
        return self.ask("GET", path, **how)

    def post(self, path: str, body: Any = None, **how: Any) -> Any:
        return self.ask("POST", path, body, **how)

    def patch(self, path: str, body: Any = None, **how: Any) -> Any:
        return self.ask("PATCH", path, body, **how)

    def delete(self, path: str, **how: Any) -> Any:
        return self.ask("DELETE", path, **how)


@pytest.fixture(autouse=True)
def _fresh_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with nobody having asked for anything."""
    for limit in (pledge_door._BY_ADDRESS, asking._WRITES_BY_TOKEN):
        limit._windows.clear()


@pytest.fixture
def anonymous() -> Program:
    """Somebody without a token."""
    return Program()


@pytest.fixture
def program(ana: Organiser) -> Program:
    """Ana's program."""
    return Program(token=token_for(email=ana.email))


@pytest.fixture
def other(cleo: Organiser, program: Program) -> Program:
    """Cleo's program; Ana came first, so Cleo does not own the site."""
    return Program(token=token_for(email=cleo.email))


def terms(**said: Any) -> dict[str, Any]:
    """A petition that tips at 3, unless told otherwise."""
    return {
        "title": "Open the library on Sundays",
        "kinds": ["signature"],
        "rule": {"people": 3},
        "deadline": (site_now() + timedelta(days=30)).isoformat(),
        "confirm": "none",
        **said,
    }


def money_terms(**said: Any) -> dict[str, Any]:
    """The advert of the contract's example."""
    return terms(
        kinds=["money", "signature"],
        currency="GBP",
        rule={"all": [{"people": 2000}, {"sum": {"kind": "money", "at_least": 3000000}}]},
        minimum={"money": 100},
        cap={"money": 5000000},
        places=["Leeds", "York"],
        target={"name": "Shell plc", "ask": "Clean up", "email": "press@example.org"},
        **said,
    )


def signature(who: str = "ben", **said: Any) -> dict[str, Any]:
    """A signature of somebody."""
    return {"kind": "signature", "member": {"email": f"{who}@example.org", "name": who}, **said}


Opened = Callable[..., str]


@pytest.fixture
def opened(program: Program) -> Opened:
    """Draft and launch a campaign of Ana's through the API, and return its code."""

    def begin(said: dict[str, Any] | None = None) -> str:
        drafted = program.post("/campaigns", said or terms())
        assert 201 == drafted.status_code, drafted.content
        code = drafted.json()["code"]
        launched = program.post(f"/campaigns/{code}/launch")
        assert 200 == launched.status_code, launched.content
        return str(code)

    return begin


def problem(response: Any, status: int, reason: str, path: str | None = None) -> dict[str, Any]:
    """Read a problem and require that it is a whole one."""
    assert status == response.status_code, response.content
    assert "application/problem+json" == response["Content-Type"]
    said = dict(response.json())
    assert status == said["status"]
    assert reason == said["reason"], said
    assert {"type", "title", "detail"} <= said.keys()
    if path is not None:
        assert path in [fault["path"] for fault in said["errors"]], said
    return said
