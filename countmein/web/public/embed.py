"""The widget: a campaign's count on a stranger's page, in a frame of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from countmein.campaigns import queries
from countmein.campaigns.links import campaign_url
from countmein.web.public.page import live_part
from countmein.web.public.pledging import campaign_or_404
from countmein.web.shared import shared

_THEMES: Final = ("light", "dark")
_ACCENTS: Final = ("brand", "ink")


def _framed(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let others frame it. The package's own types know no view with a part of its address."""
    return cast(Callable[..., HttpResponse], csp_replace({"frame-ancestors": ["*"]})(view))


# The only page that others may frame: it knows nobody, takes nothing, and its one link opens our
# own site, where no frame can be laid over the button.
@xframe_options_exempt
@_framed
@shared
@require_safe
def embed(request: HttpRequest, code: str) -> HttpResponse:
    """Show a campaign's count, small, in the theme the page around it asked for."""
    campaign = campaign_or_404(code)
    theme, accent = request.GET.get("theme", ""), request.GET.get("accent", "")
    view = queries.public_view(campaign)
    context = {
        **live_part(campaign, view),
        "page_url": campaign_url(campaign),
        "theme": theme if theme in _THEMES else "",
        "accent": accent if accent in _ACCENTS else "",
    }
    return render(request, "public/embed.html", context)
