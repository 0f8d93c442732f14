"""What was taken out of a campaign's count, and why: for everybody."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from countmein.campaigns.actions.moderate import moderations_of
from countmein.web.public.pledging import campaign_or_404
from countmein.web.removed_words import removed_rows


@require_safe
def removed(request: HttpRequest, code: str) -> HttpResponse:
    """List the acts by which pledges were held or found invalid, with reasons and counts."""
    campaign = campaign_or_404(code)
    rows = removed_rows(moderations_of(campaign))
    context = {"campaign": campaign, "rows": rows, "out": sum(row["out"] for row in rows)}
    return render(request, "public/removed.html", context)
