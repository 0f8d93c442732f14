"""Who asks, how often, and whether this is the same request again."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja.security import HttpBearer
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from countmein.base.http import Peer, peer
from countmein.base.idempotency import Kept, KeyReused, once, request_digest
from countmein.base.limits import Limit
from countmein.base.problems import Fault, Problem, Refused, not_found, too_many
from countmein.campaigns.pledge_door import checked_key
from countmein.members.actions import organiser_of
from countmein.members.models import Organiser
from countmein.web.api.door import StrictJson, unauthorised

MAX_LISTED: Final = 1_000
_CODE: Final = re.compile(r"[0-9a-z]{1,32}")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_WRITES_BY_TOKEN: Final = Limit(count=100, window_seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The organiser a program acts for, and the token it showed."""

    organiser: Organiser
    token_id: uuid.UUID


class Bearer(HttpBearer):
    """A token of an organiser."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor:
        """Return who shows the token. Raises Refused."""
        found = organiser_of(token)
        if found is None:
            raise Refused(unauthorised())
        organiser, token_id = found
        if request.method not in _SAFE_METHODS and (wait := _WRITES_BY_TOKEN.take(str(token_id))):
            raise Refused(too_many(wait))
        return Actor(organiser=organiser, token_id=token_id)


BEARER: Final = Bearer()
#: How the schema says that a token may be shown and need not be.
MAY_SHOW_TOKEN: Final[dict[str, Any]] = {"security": [{}, {"Bearer": []}]}
#: The header that makes a write safe to repeat.
KEY_PARAMETER: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
}


def acting(request: HttpRequest) -> Actor | None:
    """Who shows a token, if anybody does; a wrong one is refused, not passed over."""
    if "Authorization" not in request.headers:
        return None
    actor = BEARER(request)
    if actor is None:
        raise Refused(unauthorised())
    assert isinstance(actor, Actor)
    return actor


def actor_of(request: HttpRequest) -> Actor:
    """Who was let in by the route's own need of a token."""
    actor = getattr(request, "auth", None)
    assert isinstance(actor, Actor)
    return actor


def peer_of(request: HttpRequest) -> Peer:
    """The sender of a request, as limits count it."""
    return peer(
        remote=request.META.get("REMOTE_ADDR", ""),
        forwarded_for=request.headers.get("X-Forwarded-For", ""),
        trusted=settings.TRUSTED_PROXIES,
    )


def key_of(request: HttpRequest) -> str | None:
    """The idempotency key, if one was sent. Raises Refused for one that no client should send."""
    key = request.headers.get("Idempotency-Key")
    return checked_key(key) if key else None


def require_code(code: str) -> str:
    """Refuse, as unknown, what cannot be a code; the database never sees strange letters."""
    if not _CODE.fullmatch(code):
        raise Refused(not_found())
    return code


def require_no_body(request: HttpRequest) -> None:
    """Refuse fields where none are known; an empty object is no field."""
    if not request.body:
        return
    said = StrictJson().parse_body(request)
    if said not in ({}, None):
        fault = Fault(path="", reason="unknown_field", detail="nothing is expected here")
        raise Refused(Problem(status=422, reason="invalid", detail=fault.detail, errors=(fault,)))


def answer(
    said: BaseModel, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """The model as a JSON response."""
    return HttpResponse(
        said.model_dump_json(), status=status, content_type="application/json", headers=headers
    )


def remembered(
    request: HttpRequest, *, scope: str, act: Callable[[], BaseModel], status: int = 200
) -> HttpResponse:
    """Act once for each idempotency key in the scope; without a key, act."""
    key = key_of(request)
    if key is None:
        return answer(act(), status=status)
    body = StrictJson().parse_body(request) if request.body else None
    digest = request_digest(method=str(request.method), path=request.path, body=body)
    try:
        kept = once(
            scope=scope,
            key=key,
            digest=digest,
            act=lambda: (status, json.loads(act().model_dump_json())),
        )
    except KeyReused as reused:
        detail = "This key was used for another request."
        raise Refused(Problem(status=409, reason="key_reused", detail=detail)) from reused
    return _kept_answer(kept)


def _kept_answer(kept: Kept) -> HttpResponse:
    headers = {"Idempotency-Replayed": "true"} if kept.replayed else {}
    return HttpResponse(
        json.dumps(kept.body, ensure_ascii=False),
        status=kept.status,
        content_type="application/json",
        headers=headers,
    )


def _limit(value: Any) -> Any:
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{1,18}", value, re.ASCII):
            raise PydanticCustomError("not_an_integer", "a whole number")
        value = int(value)
    return value


#: Where to go on: the `next` of the page before.
Cursor = Annotated[str, Field(pattern=r"^[0-9a-z-]{1,36}$")]
#: How many to list; more than a thousand is answered with a thousand.
ListLimit = Annotated[
    int,
    BeforeValidator(_limit),
    Field(ge=1),
    WithJsonSchema({"type": "integer", "minimum": 1, "default": 100, "maximum": 10**18 - 1}),
]


def capped(limit: int) -> int:
    """How many are listed at most."""
    return min(limit, MAX_LISTED)
