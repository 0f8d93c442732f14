"""What the published schema says beyond what the routes declare."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from countmein.base.problems import MEDIA_TYPE
from countmein.campaigns.bodies import GRAMMAR_MARK
from countmein.campaigns.grammar import GRAMMAR_SCHEMAS

#: Every route can answer these; a write also those below.
_READ_STATUSES: Final = (400, 404, 405, 422, 503)
_WRITE_STATUSES: Final = (*_READ_STATUSES, 409, 413, 415, 429)
_UNAUTHORISED: Final = 401
_HEADERS: Final = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    405: {"Allow": {"schema": {"type": "string"}}},
    429: {"Retry-After": {"schema": {"type": "integer"}}},
    503: {"Retry-After": {"schema": {"type": "integer"}}},
}

_FAULT: Final = {
    "title": "Fault",
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "reason": {"type": "string"},
        "detail": {"type": "string"},
    },
    "required": ["path", "reason", "detail"],
}
_PROBLEM: Final = {
    "title": "Problem",
    "description": "RFC 9457; `reason` is a stable word that a program can test.",
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}},
    },
    "required": ["type", "title", "status", "detail", "reason"],
}


def published(schema: dict[str, Any]) -> None:
    """Complete the generated schema in place."""
    schemas = schema["components"]["schemas"]
    schemas.update(GRAMMAR_SCHEMAS, Problem=_PROBLEM, Fault=_FAULT)
    for path in schema["paths"].values():
        for method, operation in path.items():
            _declare_refusals(method, operation)
    _refer_to_grammar(schema)


def _declare_refusals(method: str, operation: dict[str, Any]) -> None:
    statuses = _READ_STATUSES if method == "get" else _WRITE_STATUSES
    # A token can always be sent, and a wrong one is never passed over.
    for status in (*statuses, _UNAUTHORISED):
        operation["responses"].setdefault(status, _refusal(status))


def _refusal(status: int) -> dict[str, Any]:
    said: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in _HEADERS:
        said["headers"] = _HEADERS[status]
    return said


def _refer_to_grammar(node: Any) -> None:
    """Replace the marks of the bodies by references to the grammar."""
    if isinstance(node, dict):
        if GRAMMAR_MARK in node:
            name = node[GRAMMAR_MARK]
            node.clear()
            node["$ref"] = f"#/components/schemas/{name}"
        for inner in node.values():
            _refer_to_grammar(inner)
    elif isinstance(node, list):
        for inner in node:
            _refer_to_grammar(inner)
