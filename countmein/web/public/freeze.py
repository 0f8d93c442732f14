"""Whoever was told of a change and did not recognise it stops all payouts, by the link alone."""

from __future__ import annotations

import uuid

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from countmein.campaigns.actions.account import freeze
from countmein.campaigns.links import same
from countmein.campaigns.payout_letters import freeze_key


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def freezing(request: HttpRequest, id: uuid.UUID) -> HttpResponse:
    """Ask whether payouts are to be stopped, then stop them; mail scanners only ever ask."""
    if not same(request.GET.get("key", ""), freeze_key(id)):
        raise Http404
    is_done = request.method == "POST"
    if is_done:
        freeze(id)
    context = {"is_done": is_done, "subject": id, "key": request.GET["key"]}
    return render(request, "public/freeze.html", context)
