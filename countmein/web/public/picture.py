"""Pictures of a campaign for elsewhere: the share image with the live count, and its QR code."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import resvg_py
import segno
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from countmein.base.clock import site_now
from countmein.campaigns import queries
from countmein.campaigns.links import campaign_url
from countmein.campaigns.models import Campaign
from countmein.web.meter import dots
from countmein.web.public.pledging import campaign_or_404
from countmein.web.public.telling import promise, share_text
from countmein.web.shared import shared
from countmein.web.templatetags.words import number

_FONT: Final = Path(__file__).parents[1] / "static" / "fonts" / "bricolage-picture.ttf"
#: So many letters of the display face at its size fill a line of the picture.
_LINE: Final = 28
_LINES_AT_MOST: Final = 3
#: A count beyond this is shown to its first two digits, so that a surge asks for few pictures.
_EXACT_UP_TO: Final = 1_000


@shared
@require_safe
def share_image(request: HttpRequest, code: str) -> HttpResponse:
    """Return the picture that other sites show beside a link to the campaign."""
    campaign = campaign_or_404(code)
    svg = render_to_string("public/share.svg", _shown(campaign))
    return HttpResponse(_png(svg), content_type="image/png")


@shared
@require_safe
def qr(request: HttpRequest, code: str) -> HttpResponse:
    """Return the campaign's address as a QR code, for its poster."""
    campaign = campaign_or_404(code)
    made = io.BytesIO()
    segno.make(campaign_url(campaign), error="q").save(
        made, kind="svg", border=0, dark="#1b2622", omitsize=True, svgns=True, xmldecl=False
    )
    return HttpResponse(made.getvalue(), content_type="image/svg+xml")


@shared
@require_safe
def poster(request: HttpRequest, code: str) -> HttpResponse:
    """Show a page that fits one sheet of paper, to print and to pin up."""
    campaign = campaign_or_404(code)
    view, now = queries.public_view(campaign), site_now()
    context = {
        "campaign": campaign,
        "view": view,
        "promise": promise(campaign, view, now=now),
        "words": share_text(campaign, view, now=now),
        "page_url": campaign_url(campaign),
    }
    return render(request, "public/poster.html", context)


def _shown(campaign: Campaign) -> dict[str, Any]:
    view = queries.public_view(campaign)
    people = _rounded(view["tally"]["people"])
    waiting = _rounded(view["tally"]["waiting_people"])
    seen = {**view["tally"], "people": people, "waiting_people": waiting}
    crowd = dots(campaign.rule, seen)
    if crowd is None:
        words = gettext("in") if people else gettext("Be the first")
    else:
        words = gettext("in, of %(goal)s") % {"goal": number(crowd.goal)}
    return {
        "lines": _lines(campaign.title),
        "count": number(people),
        "words": words,
        "dots": crowd,
        "waiting": gettext("%(n)s waiting") % {"n": number(waiting)} if waiting else "",
        "rule": view["rule_text"],
        "site_name": settings.SITE_NAME,
        "is_tipped": view["tipped_at"] is not None,
    }


def _rounded(people: int) -> int:
    """A large count to its first two digits, downwards: the picture never promises too much."""
    if people < _EXACT_UP_TO:
        return people
    step = int(10 ** (len(str(people)) - 2))
    return people // step * step


def _lines(title: str) -> list[str]:
    """The title in as many lines as fit; what does not fit is cut, and says so."""
    lines = [""]
    for word in title.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > _LINE:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    if len(lines) > _LINES_AT_MOST:
        return [*lines[: _LINES_AT_MOST - 1], f"{lines[_LINES_AT_MOST - 1]} …"]
    return lines


@lru_cache(maxsize=64)
def _png(svg: str) -> bytes:
    """Drawing takes a fifth of a second; the same picture is drawn once."""
    return bytes(
        resvg_py.svg_to_bytes(svg_string=svg, font_files=[str(_FONT)], font_family="Bricolage")
    )
