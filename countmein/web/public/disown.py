"""Whoever got mail about a pledge that was not theirs takes it back, by the link alone."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from countmein.campaigns import own_pledge
from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.links import disown_token_of, same
from countmein.campaigns.models import Campaign
from countmein.rules.pledging import PledgeRefused


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def disowned(request: HttpRequest, code: str) -> HttpResponse:
    """Ask whether it was not they, then take it back: if it counts, the count falls.

    Scanners of mail follow links, and only ever ask.
    """
    row = own_pledge.pledge_by_code(code)
    if row is None or not same(request.GET.get("token", ""), disown_token_of(row)):
        raise Http404
    is_late = False
    if request.method == "POST":
        try:
            row = withdraw(pledge=row)
        except PledgeRefused:
            is_late = True
    context = {
        "campaign": Campaign.objects.get(id=row.campaign_id),
        "is_out": row.state in ("withdrawn", "released"),
        "is_late": is_late,
        "path": request.get_full_path(),
    }
    return render(request, "public/disown.html", context, status=409 if is_late else 200)
