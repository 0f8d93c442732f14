"""The frame of the API: strict JSON in, problem+json for every no, and a schema that says so."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.http.request import RawPostDataException
from django.urls import URLPattern
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser

from countmein.base import strict_json
from countmein.base.problems import (
    MEDIA_TYPE,
    Fault,
    Problem,
    not_found,
    too_large,
)
from countmein.campaigns import pledge_door
from countmein.campaigns.actions.confirm import TokenWrong
from countmein.campaigns.actions.fail import PaymentRefused
from countmein.campaigns.actions.vote import VoteRefused
from countmein.campaigns.bodies import BODY_LIMIT_BYTES, body_limit_bytes
from countmein.campaigns.faults import fault_of, invalid
from countmein.campaigns.moves import MoveRefused
from countmein.campaigns.terms import TermsRefused
from countmein.web.api.schema import published


class StrictJson(Parser):
    """Reads a body as JSON that means one thing only."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the parsed body. Raises Refused for a wrong media type, size or spelling."""
        return strict_json.read(
            request.body,
            content_type=request.headers.get("Content-Type", ""),
            limit_bytes=body_limit_bytes(request.path),
        )


class Door(NinjaAPI):
    """The API under one version's path."""

    def get_openapi_schema(self, **where: Any) -> OpenAPISchema:
        """The schema as published: with the grammar, and every way of saying no."""
        schema = super().get_openapi_schema(**where)
        published(schema)
        return schema

    def routes(self) -> list[Any]:
        """The URL patterns, each answering an unknown address or method with a problem too."""
        patterns, _, _ = self.urls
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                pattern.callback = _with_problems(pattern.callback)
        return patterns


def _with_problems(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    @wraps(view)
    def answering(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
        except Http404:
            return say(not_found())
        if response.status_code == 405 and response.get("Content-Type") != MEDIA_TYPE:
            problem = Problem(
                status=405,
                reason="method_not_allowed",
                detail="This address does not take that method.",
                headers={"Allow": ", ".join(sorted(response["Allow"].split(", ")))},
            )
            return say(problem)
        return response

    return answering


def say(problem: Problem) -> HttpResponse:
    """The problem as a response."""
    return HttpResponse(
        problem.body(), status=problem.status, content_type=MEDIA_TYPE, headers=problem.headers
    )


def unknown(request: HttpRequest) -> HttpResponse:
    """Answer every address below the API's that nothing answers."""
    return say(not_found())


def problem_of(error: Exception) -> Problem:
    """What to answer to an exception, beside what a pledge can meet at any door."""
    if isinstance(error, HttpError) and isinstance(error.__cause__, Exception):
        # The frame hides what a parser raises behind a 400 of its own.
        error = error.__cause__
    match error:
        case TermsRefused(errors=errors):
            return invalid(errors)
        case PaymentRefused(field=field):
            return invalid((Fault(path=field, reason="payment_unfit", detail=str(error)),))
        case VoteRefused(reason=reason):
            status = 422 if reason == "choice_unknown" else 409
            detail = reason.replace("_", " ")
            return Problem(status=status, reason=reason, detail=detail)
        case MoveRefused():
            return Problem(status=409, reason="wrong_state", detail=str(error))
        case TokenWrong():
            return not_found()
        case ValidationError(errors=[{"type": "missing", "loc": ("body", _)}, *_]):
            return strict_json.malformed()
        case ValidationError():
            return invalid(tuple(_fault(found) for found in error.errors))
        case AuthenticationError():
            return unauthorised()
        case RequestDataTooBig():
            return too_large(BODY_LIMIT_BYTES)
        case UnreadablePostError() | RawPostDataException():
            return Problem(status=400, reason="malformed_body", detail="The body broke off.")
        case _:
            return pledge_door.problem_of(error)


def unauthorised() -> Problem:
    """A token is needed, or this one is nobody's."""
    return Problem(
        status=401,
        reason="token_invalid",
        detail="Send a valid token: Authorization: Bearer …",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _fault(found: dict[str, Any]) -> Fault:
    # The first step is where it was found, and in a body the second is our parameter's name.
    steps = found["loc"]
    return fault_of(found, steps=steps[2:] if steps[0] == "body" else steps[1:])
