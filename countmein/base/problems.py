"""Errors as programs read them: RFC 9457, `application/problem+json`, with a stable reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong: where, a stable word, and the words for a person."""

    path: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An answer that says no: the status, why in one stable word, and which fields."""

    status: int
    reason: str
    detail: str
    errors: tuple[Fault, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """The members of the problem object; `errors` only where fields are at fault."""
        said: dict[str, Any] = {
            "type": f"urn:countmein:problem:{self.reason}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "reason": self.reason,
        }
        if self.errors:
            said["errors"] = [
                {"path": fault.path, "reason": fault.reason, "detail": fault.detail}
                for fault in self.errors
            ]
        return said

    def body(self) -> bytes:
        """The bytes of the problem object."""
        return json.dumps(self.json(), ensure_ascii=False).encode()


class Refused(Exception):
    """Carries a problem to the door, which answers with it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.status} {problem.reason}")
        self.problem = problem


def not_found() -> Problem:
    """What is unknown, and what is somebody else's, look the same."""
    return Problem(status=404, reason="not_found", detail="There is nothing here.")


def too_large(limit_bytes: int) -> Problem:
    """The body is longer than this door takes."""
    detail = f"At most {limit_bytes // 1024} KiB."
    return Problem(status=413, reason="too_large", detail=detail)


def too_many(wait_seconds: int) -> Problem:
    """The same sender has asked for too much lately."""
    return Problem(
        status=429,
        reason="too_many_requests",
        detail="Too many requests from here; please wait.",
        headers={"Retry-After": str(wait_seconds)},
    )


def unavailable() -> Problem:
    """Nothing is known to have happened: the same request, with its key, can be sent again."""
    return Problem(
        status=503,
        reason="unavailable",
        detail="Not now; please send the same again in a moment.",
        headers={"Retry-After": "1"},
    )
