"""The fast door to pledge through: the same body, verb, answers and refusals as the API's own.

It takes what a surge is made of, pledges as JSON from nobody in particular. Whoever shows a token
or a cookie, and whatever looks unusual, goes through Django to the same verb.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings

from countmein.base.http import is_trusted, peer
from countmein.base.problems import MEDIA_TYPE, Problem, Refused, not_found
from countmein.campaigns import pledge_door
from countmein.campaigns.actions.pledge import Answer
from countmein.campaigns.pledge_terms import PledgeRequest
from countmein.intake.sharing import language_of

_PATH: Final = re.compile(r"/api/v1/campaigns/([0-9a-z]{1,32})/pledges")
#: Headers that this door understands, or that have no say here.
_READ: Final = frozenset(
    {
        b"content-type",
        b"idempotency-key",
        b"accept-language",
        b"x-forwarded-for",
        b"x-forwarded-proto",
    }
)
_SLOW: Final = frozenset({b"authorization", b"cookie", b"expect"})

_log = logging.getLogger(__name__)


def code_of(scope: Any) -> str | None:
    """The campaign to which this request pledges, if it is one for this door."""
    if scope["method"] != "POST" or scope["query_string"]:
        return None
    match = _PATH.fullmatch(scope["path"])
    if match is None or (settings.SECURE_SSL_REDIRECT and not _is_secure(scope)):
        return None
    seen: set[bytes] = set()
    for name, _value in scope["headers"]:
        if name in _SLOW or name in seen:
            return None
        if name in _READ:
            seen.add(name)
    return match[1]


def _is_secure(scope: Any) -> bool:
    is_proxy = is_trusted(_remote(scope), settings.TRUSTED_PROXIES)
    return is_proxy and (b"x-forwarded-proto", b"https") in scope["headers"]


def _remote(scope: Any) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


async def pledge(code: str, scope: Any, body: bytes) -> tuple[int, bytes, str, dict[str, str]]:
    """Take a pledge; answer with status, body, media type and headers."""
    asked = dict(scope["headers"])
    language = language_of(scope)
    headers = {"Vary": "Accept-Language", "Content-Language": language}
    try:
        answer = await _pledge(code, asked, _remote(scope), body, language=language)
    except Exception as error:
        problem = pledge_door.problem_of(error)
        _note(problem, scope["path"])
        return problem.status, problem.body(), MEDIA_TYPE, {**headers, **problem.headers}
    if answer.replayed:
        headers["Idempotency-Replayed"] = "true"
    said = json.dumps(answer.body, ensure_ascii=False, separators=(",", ":"))
    return 201, said.encode(), "application/json", headers


def _note(problem: Problem, path: str) -> None:
    """Log a no as Django does."""
    level = logging.ERROR if problem.status >= 500 else logging.WARNING
    phrase = HTTPStatus(problem.status).phrase
    _log.log(level, "%s: %s", phrase, path, extra={"status_code": problem.status})


async def _pledge(
    code: str, headers: dict[bytes, bytes], remote: str, raw: bytes, *, language: str
) -> Answer:
    content_type = headers.get(b"content-type", b"").decode("latin1")
    body = pledge_door.body_of(raw, content_type=content_type)
    forwarded_for = headers.get(b"x-forwarded-for", b"").decode("latin1")
    trusted = settings.TRUSTED_PROXIES
    pledge_door.require_calm(peer(remote=remote, forwarded_for=forwarded_for, trusted=trusted))
    key = pledge_door.require_key(headers.get(b"idempotency-key", b"").decode("latin1"))
    campaign = pledge_door.KNOWN.get(code)
    if campaign is None:
        loop = asyncio.get_running_loop()
        campaign = await loop.run_in_executor(
            pledge_door.KNOWN.threads, pledge_door.KNOWN.look_up, code
        )
    if campaign is None:
        raise Refused(not_found())
    wanted = PledgeRequest(body=body, key=key, language=language)
    return await pledge_door.ask(campaign, wanted)
