"""The page of metrics: `/metrics`, for whoever has the site's token for it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe

from countmein.watch.exposition import CONTENT_TYPE, page


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with all numbers, in Prometheus's text format.

    A token is asked of everybody, also on this machine: behind a proxy that runs here, every
    visitor of the site would look like one of this machine.
    """
    scheme, _, said = request.headers.get("Authorization", "").partition(" ")
    known = settings.METRICS_TOKEN
    if not known or scheme.lower() != "bearer" or not constant_time_compare(said.strip(), known):
        response = HttpResponse("The token in the file metrics_token is asked for.\n", status=401)
        response["Content-Type"] = "text/plain; charset=utf-8"
        response["WWW-Authenticate"] = "Bearer"
        return response
    response = HttpResponse(page(), content_type=CONTENT_TYPE)
    response["Cache-Control"] = "no-store"
    return response
