"""Bodies read as JSON that means one thing only."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from django.utils.http import parse_header_parameters

from countmein.base.problems import Problem, Refused, too_large


def read(body: bytes, *, content_type: str, limit_bytes: int) -> Any:
    """Return what a body says. Raises Refused for a wrong media type, size or spelling."""
    if len(body) > limit_bytes:
        raise Refused(too_large(limit_bytes))
    if not _is_json(content_type):
        detail = "Send application/json in UTF-8."
        raise Refused(Problem(status=415, reason="not_json", detail=detail))
    try:
        return json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(malformed()) from error


def malformed() -> Problem:
    """The body cannot be read at all."""
    detail = "The body is not one JSON value in UTF-8."
    return Problem(status=400, reason="malformed_json", detail=detail)


@lru_cache(maxsize=100)
def _is_json(content_type: str) -> bool:
    name, parameters = parse_header_parameters(content_type)
    return name == "application/json" and parameters.get("charset", "utf-8").lower() in (
        "utf-8",
        "utf8",
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        # Two readers would take two different values.
        raise ValueError("a key stands twice")
    return read


def _no_constant(_word: str) -> float:
    raise ValueError("not a JSON number")
