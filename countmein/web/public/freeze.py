"""Whoever was told of a change and did not recognise it stops all payouts, by the link alone."""

from __future__ import annotations

import uuid
from datetime import date

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from countmein.base.clock import site_now
from countmein.campaigns.actions.account import freeze
from countmein.campaigns.links import same
from countmein.campaigns.payout_letters import freeze_key


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def freezing(request: HttpRequest, id: uuid.UUID) -> HttpResponse:
    """Ask whether payouts are to be stopped, then stop them; mail scanners only ever ask."""
    try:
        until = date.fromisoformat(request.GET.get("until", ""))
    except ValueError as no_day:
        raise Http404 from no_day
    if not same(request.GET.get("key", ""), freeze_key(id, until)):
        raise Http404
    is_over = site_now().date() > until
    is_done = request.method == "POST" and not is_over
    if is_done:
        freeze(id)
    context = {
        "is_done": is_done,
        "is_over": is_over,
        "until": until,
        "path": request.get_full_path(),
    }
    return render(request, "public/freeze.html", context, status=410 if is_over else 200)
