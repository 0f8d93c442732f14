"""Who may be given a shared page, what makes two of them ask the same, and asking as nobody."""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.http.cookie import parse_cookie
from django.utils.translation import get_language_from_request

from countmein.intake.cache import Headers, Key
from countmein.intake.routes import Route

Scope = MutableMapping[str, Any]

#: A query longer than this is no link of ours, and would fill the memory.
_QUERY_BYTES_AT_MOST: Final = 200
_ACCEPTED_CHARACTERS_AT_MOST: Final = 200


def shared_key(scope: Scope, route: Route) -> Key | None:
    """Under which key the answer is shared; None for one who must be answered alone.

    A session, a message waiting to be shown, or a token makes the answer somebody's own.
    """
    if not route.is_shared or len(scope["query_string"]) > _QUERY_BYTES_AT_MOST:
        return None
    said = dict(scope["headers"])
    cookie = said.get(b"cookie", b"")
    if b"authorization" in said or any(name in cookie for name in _personal()):
        return None
    # Nobody sends two of these but by mistake or with a purpose.
    if sum(name == b"cookie" for name, _value in scope["headers"]) > 1:
        return None
    accepted = said.get(b"accept-language", b"").decode("latin1")[:_ACCEPTED_CHARACTERS_AT_MOST]
    return Key(
        proto=said.get(b"x-forwarded-proto", b""),
        host=said.get(b"host", b""),
        path=scope["path"],
        query=scope["query_string"],
        language="" if route.is_file else spoken(_chosen(cookie), accepted),
        code=route.code,
    )


def as_nobody(scope: Scope, key: Key) -> Scope:
    """The request as somebody would send it of whom nothing is known but the language."""
    headers: Headers = [(b"host", key.host), (b"content-length", b"0")]
    if key.language:
        headers.append((b"accept-language", key.language.encode()))
    if key.proto:
        headers.append((b"x-forwarded-proto", key.proto))
    return {**scope, "method": "GET", "headers": headers, "client": None}


@lru_cache(maxsize=4096)
def spoken(chosen: str, accepted: str) -> str:
    """The site's language for somebody, as Django would choose it."""
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = accepted
    if chosen:
        request.COOKIES[settings.LANGUAGE_COOKIE_NAME] = chosen
    return get_language_from_request(request)


def language_of(scope: Scope) -> str:
    """The site's language for whoever sent a request."""
    said = dict(scope["headers"])
    accepted = said.get(b"accept-language", b"").decode("latin1")[:_ACCEPTED_CHARACTERS_AT_MOST]
    return spoken(_chosen(said.get(b"cookie", b"")), accepted)


def _chosen(cookie: bytes) -> str:
    name = settings.LANGUAGE_COOKIE_NAME
    if name.encode() not in cookie:
        return ""
    return parse_cookie(cookie.decode("latin1")).get(name, "")[:20]


def _personal() -> tuple[bytes, bytes]:
    """The names of the cookies that make a page somebody's own."""
    return (settings.SESSION_COOKIE_NAME.encode() + b"=", b"messages=")
