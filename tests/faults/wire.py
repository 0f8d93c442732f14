"""The wire to the payment provider, cut and bent by a seed: it stands between it and the product.

What becomes of a write is drawn from the seed, its key and how often that key came; a reading
passes. An error that the provider keeps under its key is kept here.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_OUR_FAULT = {"error": {"message": "Something went wrong.", "type": "api_error"}}
_TOO_MANY = {"error": {"message": "Request rate limit exceeded.", "code": "rate_limit"}}


def _refusal(code: str, decline_code: str) -> dict[str, Any]:
    return {
        "error": {
            "type": "card_error",
            "code": code,
            "decline_code": decline_code,
            "message": "Your card was declined.",
        }
    }


@dataclass(kw_only=True)
class Wire:
    """A proxy in front of `base` for the length of a `with` block.

    `rates` by fault: `lost` is done but not answered, `500` is done or not, for ever an error
    under its key, `strange` is done and answered by nonsense, `soft` and `authenticate` are
    refusals, `429` is not done. `path` is where they happen.
    """

    base: str
    seed: int
    path: str = "/v1/payment_intents"
    rates: dict[str, float] = field(default_factory=dict)
    #: What happened to writes, and how many came.
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._times: Counter[str] = Counter()
        self._kept: dict[str, tuple[int, bytes]] = {}

    def __enter__(self) -> Wire:
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fate(self, path: str, key: str) -> str:
        """What becomes of the next write with this key."""
        with self._lock:
            self._times[key] += 1
            draw = random.Random(f"{self.seed}:{path}:{self._times.total()}").random()
            chosen = "well"
            for fault, rate in self.rates.items() if path.startswith(self.path) else ():
                if draw < rate:
                    chosen = fault
                    break
                draw -= rate
            if path.startswith(self.path):
                self.seen[chosen] += 1
            return chosen

    def kept(self, key: str) -> tuple[int, bytes] | None:
        with self._lock:
            return self._kept.get(key)

    def keep(self, key: str, status: int, body: dict[str, Any]) -> tuple[int, bytes]:
        with self._lock:
            return self._kept.setdefault(key, (status, json.dumps(body).encode()))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed has left its connection; that is what we are here for."""


def _handler(wire: Wire) -> type[BaseHTTPRequestHandler]:
    at = urlsplit(wire.base)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self.onward = http.client.HTTPConnection(at.hostname or "", at.port or 80, timeout=30)
            self.onward.connect()
            self.onward.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def finish(self) -> None:
            self.onward.close()
            super().finish()

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._pass_on()

        def do_DELETE(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            key = self.headers.get("Idempotency-Key", "")
            if (kept := wire.kept(key)) is not None:
                self._read()
                self._say(*kept, {"Idempotent-Replayed": "true", "Original-Request": "req_x"})
                return
            fate = wire.fate(self.path, key)
            if fate == "429":
                self._read()
                self._say(429, json.dumps(_TOO_MANY).encode())
            elif fate == "soft":
                self._read()
                self._say(*wire.keep(key, 402, _refusal("card_declined", "insufficient_funds")))
            elif fate == "authenticate":
                self._read()
                code = "authentication_required"
                self._say(*wire.keep(key, 402, _refusal(code, code)))
            elif fate == "500":
                if random.Random(f"{wire.seed}:{key}").random() < 0.5:
                    self._forward()
                else:
                    self._read()
                self._say(*wire.keep(key, 500, _OUR_FAULT))
            elif fate == "strange":
                self._forward()
                self._say(200, b'{"object": "teapot", "status": "brewing"}')
            elif fate == "lost":
                self._forward()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            else:
                self._pass_on()

        def _read(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _forward(self) -> tuple[int, bytes, dict[str, str]]:
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in ("host", "connection", "accept-encoding")
            }
            self.onward.request(self.command, self.path, self._read() or None, headers)
            answer = self.onward.getresponse()
            body = answer.read()
            names = ("Request-Id", "Idempotent-Replayed", "Original-Request")
            return answer.status, body, {n: v for n in names if (v := answer.getheader(n))}

        def _pass_on(self) -> None:
            self._say(*self._forward())

        def _say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            lines = [f"HTTP/1.1 {status} -", "Content-Type: application/json"]
            lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
            lines += [f"Content-Length: {len(body)}", "", ""]
            self.wfile.write("\r\n".join(lines).encode() + body)

    return Handler
