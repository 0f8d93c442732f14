"""From a request to its answer: key, pace, planted faults, the same key's earlier answer."""

import base64
import binascii
import hashlib
import json
import sqlite3
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from sandbox.book import Writer
from sandbox.loopback import Answer, Request, as_json
from sandbox.payments.book import API_VERSION, Page, new_id
from sandbox.payments.forms import Problem, decode
from sandbox.payments.routes import Endpoint, find
from sandbox.payments.webhooks import Deliverer
from sandbox.payments.witness import charges, summary

# Refusals made before the work began are not kept under the key, as at Stripe:
# the same key may be used again once the request is put right.
NOT_REMEMBERED = frozenset({400, 401, 404, 409, 429})

FAULTS = ("timeout_after_success", "500", "hang")


@dataclass(slots=True, kw_only=True)
class Fault:
    """The next `times` writes to paths that begin with `path` go wrong in this way."""

    path: str
    mode: str
    times: int = 1


class Pace:
    """At most `rate` writes a second to each endpoint."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._second = 0
        self._seen: Counter[str] = Counter()

    def is_exceeded(self, endpoint: str) -> bool:
        """Count one more write; say whether it is one too many."""
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._seen.clear()
        self._seen[endpoint] += 1
        return self._seen[endpoint] > self._rate


class Provider:
    """The provider's front: one call per request."""

    def __init__(self, *, book: Writer, webhooks: Deliverer, rate: int) -> None:
        self._book = book
        self._webhooks = webhooks
        self._pace = Pace(rate)
        self._faults: list[Fault] = []

    async def answer(self, request: Request) -> Answer:
        """Answer a request of any kind; what fails in here is a 500 in Stripe's shape."""
        request_id = new_id("req")
        try:
            reply = await self._route(request, request_id)
        except Problem as problem:
            reply = as_json(problem.body, status=problem.status)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            reply = as_json(_OUR_FAULT, status=500)
        version = request.headers.get("stripe-version", API_VERSION)
        headers = {"Request-Id": request_id, "Stripe-Version": version, **reply.headers}
        return replace(reply, headers=headers)

    async def _route(self, request: Request, request_id: str) -> Answer:
        if request.path == "/_control":
            return self._control(request)
        if request.path == "/_book/charges":
            return as_json(await self._book.run(charges))
        if request.path == "/_book/summary":
            return as_json(await self._book.run(summary))
        _check_api_key(request)
        endpoint, id = find(request.method, request.path)
        if request.method == "GET":
            form = decode(request.query)
            found = self._book.run(lambda c: endpoint.answer(Page(connection=c), id, form))
            return as_json(await found)
        return await self._write(request, endpoint, id, request_id)

    async def _write(
        self, request: Request, endpoint: Endpoint, id: str, request_id: str
    ) -> Answer:
        if self._pace.is_exceeded(endpoint.path.pattern):
            raise Problem("Request rate limit exceeded.", status=429, code="rate_limit")
        fault = self._next_fault(request.path)
        if fault == "hang":
            return Answer(body=b"", is_sent=False)
        form = decode(request.body)
        key = request.headers.get("idempotency-key")

        def work(connection: sqlite3.Connection) -> tuple[Answer, list[tuple[str, str]]]:
            page = Page(connection=connection, request_id=request_id, key=key)
            return _once(page, request, lambda: _act(page, endpoint, id, form, fault)), page.owed

        reply: Answer
        reply, owed = await self._book.run(work)
        self._webhooks.deliver(owed)
        return replace(reply, is_sent=fault != "timeout_after_success")

    def _next_fault(self, path: str) -> str | None:
        for fault in self._faults:
            if fault.times > 0 and path.startswith(fault.path):
                fault.times -= 1
                return fault.mode
        return None

    def _control(self, request: Request) -> Answer:
        """Plant faults: `{"fail_next": {"path": …, "mode": …, "times": n}}`, or null to clear."""
        try:
            asked = json.loads(request.body)["fail_next"]
            planted = [] if asked is None else [*self._faults, Fault(**asked)]
            if any(fault.mode not in FAULTS for fault in planted):
                raise ValueError("mode")
        except (ValueError, TypeError, KeyError) as error:
            raise Problem(f"Not a control this sandbox knows: {error}") from None
        self._faults = planted
        return as_json({"ok": True})


_OUR_FAULT = {
    "error": {"message": "Something went wrong on the provider's end.", "type": "api_error"}
}


def _check_api_key(request: Request) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            given = ""
    if not given.startswith(("sk_test_", "rk_test_")):
        raise Problem(
            "You did not provide a test API key (Authorization: Bearer sk_test_…).", status=401
        )


def _act(
    page: Page, endpoint: Endpoint, id: str, form: dict[str, Any], fault: str | None
) -> Answer:
    if fault == "500":
        return as_json(_OUR_FAULT, status=500)
    try:
        return as_json(endpoint.answer(page, id, form))
    except Problem as problem:
        return as_json(problem.body, status=problem.status)


def _once(page: Page, request: Request, act: Any) -> Answer:
    """Act, or give the answer already given under this key.

    The book runs one request after another, so of those that carry the same key at the same
    time the later ones find the first one's answer.
    """
    key = page.key
    if key is None:
        answer: Answer = act()
        return answer
    fingerprint = hashlib.sha256(
        b"\0".join((request.method.encode(), request.path.encode(), request.body))
    ).hexdigest()
    earlier = page.recall(key)
    if earlier is None:
        answer = act()
        if answer.status not in NOT_REMEMBERED:
            page.remember(key, fingerprint=fingerprint, status=answer.status, body=answer.body)
        return replace(answer, headers={"Idempotency-Key": key})
    known, first_request_id, status, body = earlier
    if known != fingerprint:
        raise Problem(
            "Keys for idempotent requests can only be used with the same parameters they were"
            f" first used with. Try using a key other than '{key}'.",
            kind="idempotency_error",
        )
    headers = {
        "Idempotency-Key": key,
        "Idempotent-Replayed": "true",
        "Original-Request": first_request_id,
    }
    return Answer(status=status, body=body, headers=headers)
