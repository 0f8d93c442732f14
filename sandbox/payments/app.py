"""From a request to its answer: key, pace, planted faults, the same key's earlier answer."""

import asyncio
import base64
import binascii
import hashlib
import json
import sqlite3
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sandbox.book import Writer
from sandbox.loopback import Answer, Request, as_json
from sandbox.payments import alarms, hosted
from sandbox.payments.book import API_VERSION, Page, new_id
from sandbox.payments.chaos import Chaos
from sandbox.payments.disputes import open_dispute
from sandbox.payments.forms import Problem, decode
from sandbox.payments.routes import Endpoint, find
from sandbox.payments.terms import Clock, Terms
from sandbox.payments.webhooks import Deliverer
from sandbox.payments.witness import charges, movements, summary

# Refusals made before the work began are not kept under the key, as at Stripe:
# the same key may be used again once the request is put right.
NOT_REMEMBERED = frozenset({400, 401, 404, 409, 429})
# How often the provider looks whether something is to happen by itself.
TICK_SECONDS = 0.2

_WITNESS = {"charges": charges, "summary": summary, "movements": movements}


class Pace:
    """At most `rate` writes a second to each endpoint."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._second = 0
        self._seen: Counter[str] = Counter()

    def is_exceeded(self, endpoint: str) -> bool:
        """Count one more write; say whether it is one too many."""
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._seen.clear()
        self._seen[endpoint] += 1
        return self._seen[endpoint] > self.rate


class Provider:
    """The provider's front: one call per request."""

    def __init__(
        self, *, book: Writer, webhooks: Deliverer, rate: int, url: str, terms: Terms, clock: Clock
    ) -> None:
        self._book = book
        self._webhooks = webhooks
        self._pace = Pace(rate)
        self._chaos = Chaos()
        self._url = url
        self._terms = terms
        self._clock = clock

    async def answer(self, request: Request) -> Answer:
        """Answer a request of any kind; what fails in here is a 500 in Stripe's shape."""
        request_id = new_id("req")
        try:
            reply = await self._route(request, request_id)
        except Problem as problem:
            reply = _refused(problem)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            reply = as_json(_OUR_FAULT, status=500)
        version = request.headers.get("stripe-version", API_VERSION)
        headers = {"Request-Id": request_id, "Stripe-Version": version, **reply.headers}
        return replace(reply, headers=headers)

    async def keep_time(self) -> None:
        """Let happen what happens by itself, for as long as the process lives."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                await self._run(lambda page: None)
            except Exception:
                traceback.print_exc(file=sys.stderr)

    async def _run(
        self, work: Callable[[Page], Any], *, request: Request | None = None, request_id: str = ""
    ) -> Any:
        """Do a piece of work on the book, after all that was due before it."""
        key = request.headers.get("idempotency-key") if request else None
        account = request.headers.get("stripe-account") if request else None

        def act(connection: sqlite3.Connection) -> tuple[Any, list[tuple[str, str]]]:
            page = Page(
                connection=connection,
                now=self._clock.now(),
                terms=self._terms,
                url=self._url,
                account=account or None,
                request_id=request_id,
                key=key,
            )
            alarms.ring(page.on(None))
            return work(page), page.owed

        done, owed = await self._book.run(act)
        self._webhooks.deliver(owed)
        return done

    async def _route(self, request: Request, request_id: str) -> Answer:
        if request.path == "/_control":
            return await self._control(request)
        if request.path.startswith("/_book/"):
            tell = _WITNESS.get(request.path.removeprefix("/_book/"))
            if tell is not None:
                return as_json(await self._run(lambda page: tell(page.connection)))
        if request.path.startswith(hosted.PATHS):
            return await self._hosted(request)
        _check_api_key(request)
        endpoint, id = find(request.method, request.path)
        if request.method == "GET":
            form = decode(request.query)
            found = self._run(lambda page: endpoint.answer(page, id, form), request=request)
            return as_json(await found)
        return await self._write(request, endpoint, id, request_id)

    async def _hosted(self, request: Request) -> Answer:
        answer: Answer = await self._run(lambda page: hosted.answer(page, request))
        return answer

    async def _write(
        self, request: Request, endpoint: Endpoint, id: str, request_id: str
    ) -> Answer:
        if self._pace.is_exceeded(endpoint.path.pattern):
            raise _too_many()
        fault = self._chaos.next(request.path)
        if fault == "hang":
            return Answer(body=b"", is_sent=False)
        if fault == "429":
            raise _too_many()
        form = decode(request.body)

        def work(page: Page) -> Answer:
            return _once(page, request, lambda: _act(page, endpoint, id, form, fault))

        reply: Answer = await self._run(work, request=request, request_id=request_id)
        if fault == "undocumented":
            return Answer(body=next(self._chaos.undocumented))
        return replace(reply, is_sent=fault != "timeout_after_success")

    async def _control(self, request: Request) -> Answer:
        """What the tests and the site's movable clock ask for: one or more of

        `fail_next`, `faults` (see chaos), `rate` (writes a second per endpoint), `terms` (see
        terms), `clock` {"offset_seconds"}, `dispute` {"charge", "reason"}, `webhooks` and
        `deliver` (see webhooks).
        """
        try:
            asked = json.loads(request.body)
            if not isinstance(asked, dict) or not asked.keys() <= self._controls.keys():
                raise ValueError("unknown control")
            for name, wanted in asked.items():
                await self._controls[name](wanted)
        except (ValueError, TypeError, KeyError) as error:
            raise Problem(f"Not a control this sandbox knows: {error}") from None
        return as_json({"ok": True})

    @property
    def _controls(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "fail_next": _awaited(self._chaos.plant),
            "faults": _awaited(self._chaos.set_rates),
            "rate": _awaited(self._set_rate),
            "terms": _awaited(self._terms.change),
            "clock": self._set_clock,
            "dispute": self._dispute,
            "webhooks": _awaited(self._webhooks.misbehave),
            "deliver": _awaited(self._webhooks.flush),
        }

    def _set_rate(self, rate: Any) -> None:
        if not isinstance(rate, int) or rate < 1:
            raise ValueError("rate")
        self._pace.rate = rate

    async def _set_clock(self, asked: Any) -> None:
        self._clock.offset_seconds = int(asked["offset_seconds"])
        await self._run(lambda page: None)

    async def _dispute(self, asked: Any) -> None:
        def work(page: Page) -> None:
            charge = page.find("charge", asked["charge"])
            if charge is None:
                raise ValueError("no such charge")
            open_dispute(page, charge, reason=asked.get("reason", "general"))

        await self._run(work)


_OUR_FAULT = {
    "error": {"message": "Something went wrong on the provider's end.", "type": "api_error"}
}


def _awaited(act: Callable[[Any], None]) -> Callable[[Any], Any]:
    async def later(wanted: Any) -> None:
        act(wanted)

    return later


def _too_many() -> Problem:
    return Problem(
        "Request rate limit exceeded.",
        status=429,
        code="rate_limit",
        headers={"Retry-After": "1", "Stripe-Rate-Limited-Reason": "endpoint-rate"},
    )


def _refused(problem: Problem) -> Answer:
    return replace(as_json(problem.body, status=problem.status), headers=problem.headers)


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
        return _refused(problem)


def _once(page: Page, request: Request, act: Callable[[], Answer]) -> Answer:
    """Act, or give the answer already given under this key.

    The book runs one request after another, so of those that carry the same key at the same
    time the later ones find the first one's answer.
    """
    key = page.key
    if key is None:
        return act()
    fingerprint = hashlib.sha256(
        b"\0".join((request.method.encode(), request.path.encode(), request.body))
    ).hexdigest()
    earlier = page.recall(key)
    if earlier is None:
        answer = act()
        if answer.status not in NOT_REMEMBERED:
            page.remember(key, fingerprint=fingerprint, status=answer.status, body=answer.body)
        return replace(answer, headers={**answer.headers, "Idempotency-Key": key})
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
