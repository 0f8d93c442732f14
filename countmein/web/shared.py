"""Which pages are the same for everybody: only what a view marks here is ever shared."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse

from countmein.base.http import SHARED_HEADER

_Rest = ParamSpec("_Rest")


def shared(
    view: Callable[Concatenate[HttpRequest, _Rest], HttpResponse],
) -> Callable[Concatenate[HttpRequest, _Rest], HttpResponse]:
    """Mark what a view answers, see `mark`."""

    @wraps(view)
    def marked(request: HttpRequest, /, *args: _Rest.args, **kwargs: _Rest.kwargs) -> HttpResponse:
        return mark(view(request, *args, **kwargs))

    return marked


def mark(answer: HttpResponse) -> HttpResponse:
    """Say that this answer is the same for everybody without a session or a token.

    The intake asks for it as nobody, keeps it for a second, and says how long others may keep it.
    Whoever is known is answered by the view itself, and that answer is theirs alone.
    """
    answer[SHARED_HEADER] = "1"
    answer["Cache-Control"] = "private, no-cache"
    return answer
