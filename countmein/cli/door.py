"""The public door as a program uses it: HTTP with kept connections, safe to repeat."""

import http.client
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 30.0
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the site answered."""

    status: int
    body: Any

    @property
    def reason(self) -> str:
        """The stable word of a refusal."""
        return str(self.body.get("reason", "")) if isinstance(self.body, dict) else ""


class DoorShut(Exception):
    """The site did not answer, however often it was asked."""


class Door:
    """One site's API; may be used by many threads, each with a connection of its own."""

    def __init__(self, url: str, *, token: str = "") -> None:
        self._url = url
        parts = urlsplit(url)
        self._kept = threading.local()
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port
        self._is_https = parts.scheme == "https"
        self._authorisation = {"Authorization": f"Bearer {token}"} if token else {}
        self.repeats = 0

    def without_token(self) -> "Door":
        """The same site's door as anybody finds it."""
        return Door(self._url)

    def get(self, path: str) -> Any:
        """What the site shows at a path. Raises DoorShut if that is an error."""
        reply = self.ask("GET", path)
        if reply.status != 200:
            raise DoorShut(f"GET {path} was answered {reply.status} {reply.reason}")
        return reply.body

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request, again and again while the site is too busy or out of reach.

        A POST needs an Idempotency-Key among its headers: it makes the repeat harmless. Raises
        DoorShut after a minute.
        """
        sent = None if body is None else json.dumps(body).encode()
        given = {**self._authorisation, **(headers or {})}
        if sent is not None:
            given["Content-Type"] = "application/json"
        deadline, pause, last = time.monotonic() + _PATIENCE_SECONDS, 0.1, ""
        while time.monotonic() < deadline:
            try:
                answer, content = self._once(method, path, sent, given)
            except (OSError, http.client.HTTPException) as fault:
                self._close()
                last, wait = str(fault), pause
            else:
                if answer.status not in (429, 503):
                    return Reply(status=answer.status, body=json.loads(content or b"null"))
                last = str(answer.status)
                wait = max(pause, float(answer.getheader("Retry-After") or 0))
            self.repeats += 1
            time.sleep(min(wait, max(0.0, deadline - time.monotonic())))
            pause = min(2 * pause, 2.0)
        raise DoorShut(f"{method} {path} was not answered for a minute: {last}")

    def _once(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        connection = self._connection()
        connection.request(method, path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        return answer, answer.read()

    def _connection(self) -> http.client.HTTPConnection:
        kept: http.client.HTTPConnection | None = getattr(self._kept, "connection", None)
        if kept is None:
            how = http.client.HTTPSConnection if self._is_https else http.client.HTTPConnection
            kept = how(self._host, self._port, timeout=_TIMEOUT_SECONDS)
            self._kept.connection = kept
        return kept

    def _close(self) -> None:
        self._connection().close()
        del self._kept.connection
