"""The door of the pledge form, and the page that keeps what somebody meant while it is full.

Forms go through a few at a time and wait in a short line, who came first goes first. Who finds the
line full is given a small page, made without the database, with all they had typed, the form's key
and a signed note of when they first came. Sent again it is the same pledge, however often, and in
the line it stands where it would have stood.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import re
from collections.abc import AsyncIterator
from functools import lru_cache
from html import escape
from typing import Final
from urllib.parse import parse_qsl

from django.conf import settings
from django.core import signing
from django.template.loader import render_to_string
from django.utils import translation

from countmein.base.http import FULL_HEADER
from countmein.base.idempotency import is_form_key, new_form_key
from countmein.base.problems import MEDIA_TYPE, unavailable
from countmein.intake.cache import Ask, Reply
from countmein.intake.security import Headers, security_headers
from countmein.intake.sharing import Scope, language_of

#: Forms inside at once: half of the threads, so that withdrawals and receipts find one.
_INSIDE_AT_MOST: Final = 8
_LINE_AT_MOST: Final = 256
#: Longer than this nobody looks at a page that does not come.
_PATIENCE_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 5
#: A place in the line is kept so long; by then somebody has gone away.
_ARRIVAL_SECONDS: Final = 3_600
_FIELDS_AT_MOST: Final = 100
_FIELDS_MARK: Final = "<!--fields-->"
_ARRIVED: Final = "arrived"
_FORM: Final = re.compile(r"/c/([0-9a-z]{1,32})/pledge/")
_MARK: Final = FULL_HEADER.lower().encode()


class DoorFull(Exception):
    """The line is full, or has not moved for too long; nothing has happened."""


class FormDoor:
    """A few inside at once, and a line in the order of arrival."""

    def __init__(
        self,
        *,
        inside_at_most: int = _INSIDE_AT_MOST,
        line_at_most: int = _LINE_AT_MOST,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self.inside_at_most = inside_at_most
        self._line_at_most = line_at_most
        self._patience_seconds = patience_seconds
        self._inside = 0
        self._number = 0
        self._line: list[tuple[int, int, asyncio.Future[None]]] = []

    @contextlib.asynccontextmanager
    async def turn(self, arrived_at: int) -> AsyncIterator[None]:
        """Wait for a turn, and be inside until the end of the block. Raises DoorFull."""
        if self._inside < self.inside_at_most and not self._line:
            self._inside += 1
        else:
            await self._stand(arrived_at)
        try:
            yield
        finally:
            self._inside -= 1
            self._call()

    async def take(self, code: str, scope: Scope, body: bytes, ask: Ask) -> Reply:
        """Have a filled form answered in its turn; if it cannot be, by the page that keeps it."""
        media_type = dict(scope["headers"]).get(b"content-type", b"")
        intent = intent_of(code, media_type, body)
        arrived_at = intent.arrived_at if intent else _signed_now()
        with contextlib.suppress(DoorFull):
            async with self.turn(arrived_at):
                reply = await ask()
            if not is_full(reply):
                return reply
        return full_page(intent, language=language_of(scope))

    async def _stand(self, arrived_at: int) -> None:
        """Stand in the line; whoever came last leaves it when there is no room."""
        turn = asyncio.get_running_loop().create_future()
        self._number += 1
        place = (arrived_at, self._number, turn)
        heapq.heappush(self._line, place)
        if len(self._line) > self._line_at_most:
            last = max(self._line, key=lambda place: place[:2])
            self._leave(last)
            last[2].set_exception(DoorFull())
        try:
            await asyncio.wait_for(turn, self._patience_seconds)
        except (TimeoutError, asyncio.CancelledError) as left:
            self._leave(place)
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # Called in at the very moment of leaving: the turn goes to the next.
                self._inside -= 1
                self._call()
            if isinstance(left, TimeoutError):
                raise DoorFull from None
            raise

    def _leave(self, place: tuple[int, int, asyncio.Future[None]]) -> None:
        if place in self._line:
            self._line.remove(place)
            heapq.heapify(self._line)

    def _call(self) -> None:
        """Call in whoever came first."""
        while self._line and self._inside < self.inside_at_most:
            _at, _number, turn = heapq.heappop(self._line)
            if not turn.done():
                self._inside += 1
                turn.set_result(None)


def form_code(method: str, path: str) -> str:
    """The campaign whose filled form this request brings; empty if it brings none."""
    match = _FORM.fullmatch(path) if method == "POST" else None
    return match[1] if match else ""


class Intent:
    """What somebody sent with the form, and when they first did."""

    def __init__(self, code: str, fields: list[tuple[str, str]]) -> None:
        said = dict(fields)
        key = said.get("key", "")
        self.code = code
        # The view would replace a mangled key by a new one at each try.
        self.key = key if is_form_key(key) else new_form_key()
        note = said.get(_ARRIVED, "")
        self.arrived_at = self._read(note)
        self.note = note
        if self.arrived_at == 0:
            self.note = _signer().sign(f"{code} {self.key}")
            self.arrived_at = self._read(self.note)
        own = ("key", _ARRIVED)
        self.fields = [pair for pair in fields if pair[0] not in own]
        self.fields += [("key", self.key), (_ARRIVED, self.note)]

    def _read(self, note: str) -> int:
        """The second of arrival that we signed for this form; 0 for any other."""
        try:
            said = _signer().unsign(note, max_age=_ARRIVAL_SECONDS)
        except signing.BadSignature:
            return 0
        if said != f"{self.code} {self.key}":
            return 0
        return _second(note)


def intent_of(code: str, media_type: bytes, body: bytes) -> Intent | None:
    """Read what was sent; None if no form of ours sends such a thing."""
    if media_type.split(b";")[0].strip().lower() != b"application/x-www-form-urlencoded":
        return None
    try:
        fields = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_FIELDS_AT_MOST, errors="strict"
        )
    except ValueError:
        return None
    return Intent(code, fields)


def is_full(reply: Reply) -> bool:
    """Whether the view says that the door behind it is full."""
    return reply.status == 503 and reply.has(_MARK)


def full_page(intent: Intent | None, *, language: str) -> Reply:
    """The page that keeps what was meant, ready to be sent again."""
    if intent is None:
        problem = unavailable()
        headers = [(n.lower().encode(), v.encode()) for n, v in problem.headers.items()]
        headers.append((b"content-type", MEDIA_TYPE.encode()))
        return Reply(status=503, headers=[*headers, *_headers()], body=problem.body())
    fields = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in intent.fields
    )
    page = _frame(language).replace("intent-code", intent.code).replace(_FIELDS_MARK, fields, 1)
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-language", language.encode()),
        (b"retry-after", b"%d" % _RETRY_SECONDS),
        *_headers(),
    ]
    return Reply(status=503, headers=headers, body=page.encode())


@lru_cache(maxsize=64)
def _frame(language: str) -> str:
    """The page in a language, but for what somebody sent; it asks nothing of the database."""
    with translation.override(language):
        context = {
            "site_name": settings.SITE_NAME,
            "is_sandbox": settings.SANDBOX,
            "retry_seconds": _RETRY_SECONDS,
        }
        return render_to_string("public/full.html", context)


def _headers() -> Headers:
    policy = "; ".join(
        f"{name} {' '.join(sources)}"
        for name, sources in settings.CONTENT_SECURITY_POLICY["DIRECTIVES"].items()
    )
    return [(b"cache-control", b"no-store"), *security_headers(policy)]


def _second(note: str) -> int:
    """When a note was signed."""
    return int(signing.b62_decode(note.split(":")[-2]))


def _signed_now() -> int:
    return _second(_signer().sign(""))


def _signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(salt="countmein.intake.arrival")
