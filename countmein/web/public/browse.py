"""The pages everybody may read: the welcome, the campaigns, one campaign, its ledger."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_safe

from countmein.base.clock import site_now
from countmein.campaigns import queries, wording
from countmein.campaigns.models import Campaign
from countmein.web.meter import bars, nearness
from countmein.web.payout_words import public_payments
from countmein.web.public.page import campaign_page, live_part, unlock_text
from countmein.web.public.pledging import campaign_or_404
from countmein.web.shared import shared
from countmein.web.templatetags.words import number

_ON_A_PAGE: Final = 24
#: The welcome looks through so many open campaigns for those nearest to tipping.
_LOOKED_THROUGH: Final = 100
_ON_THE_WELCOME: Final = 6
#: So few more people are worth a word on a card.
_NEARLY: Final = 5
#: The dots of the welcome's picture: those in above the line, one on its way, those waiting.
_CROWD: Final = tuple(
    {"look": look, "x": 26 + 36 * column, "y": y}
    for look, y, columns in (
        ("in", 40, (1, 2, 4, 5, 7)),
        ("in", 76, (0, 2, 3, 5, 6, 8)),
        ("in", 112, (1, 3, 4, 6, 7)),
        ("one", 150, (4,)),
        ("wait", 188, (1, 2, 3, 5, 6)),
        ("wait", 222, (2, 4, 5, 7)),
    )
    for column in columns
)


@shared
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Welcome, with the open campaigns that are nearest to tipping."""
    views, _next = queries.open_list(state="open", after=None, limit=_LOOKED_THROUGH)
    cards = sorted(map(_card, views), key=lambda card: -float(card["nearness"]))
    context = {"campaigns": cards[:_ON_THE_WELCOME], "crowd": _CROWD, "now": site_now()}
    return render(request, "public/home.html", context)


@shared
@require_safe
def campaigns(request: HttpRequest) -> HttpResponse:
    """List the campaigns in one state, or all of them."""
    filters = [
        ("", gettext("All")),
        ("open", gettext("Open")),
        ("tipped", gettext("Tipped")),
        ("settled", gettext("Settled")),
        ("executing", gettext("Being carried out")),
        ("done", gettext("Done")),
        ("released", gettext("Released")),
    ]
    state = request.GET.get("state", "")
    if state not in dict(filters):
        raise Http404
    words = request.GET.get("q", "").replace("\0", " ").strip()[:100]
    after = request.GET.get("after") or None
    views, following = queries.open_list(
        state=state or None, after=after, limit=_ON_A_PAGE, words=words
    )
    context = {
        "words": words,
        "query": urlencode({"q": words}) if words else "",
        "campaigns": [_card(view) for view in views],
        "filters": filters,
        "state": state,
        "next": following,
        "now": site_now(),
    }
    return render(request, "public/campaigns.html", context)


@shared
@require_safe
def how(request: HttpRequest) -> HttpResponse:
    """Say in a page how it works."""
    return render(request, "public/how.html")


@shared
@require_safe
def campaign(request: HttpRequest, code: str) -> HttpResponse:
    """Show one campaign."""
    row = campaign_or_404(code)
    context = campaign_page(row, queries.public_view(row), now=site_now())
    return render(request, "public/campaign.html", context)


@shared
@require_safe
def meter(request: HttpRequest, code: str) -> HttpResponse:
    """Return the live part of a campaign's page, for the script that keeps it fresh."""
    row = campaign_or_404(code)
    view = queries.public_view(row)
    answer = render(request, "parts/live.html", live_part(row, view))
    answer["X-Campaign-State"] = view["state"]
    return answer


@shared
@require_safe
def ledger(request: HttpRequest, code: str) -> HttpResponse:
    """Show a campaign's books."""
    row = campaign_or_404(code)
    books = _books(row, request.GET.get("after"))
    totals: Counter[str] = Counter()
    for account in books["accounts"]:
        totals[account["currency"]] += account["balance_minor"]
    context = {
        "campaign": row,
        "accounts": [
            {
                "account": account["account"],
                "text": wording.money_text(account["balance_minor"], account["currency"]),
            }
            for account in books["accounts"]
        ],
        "differences": [wording.money_text(left, code) for code, left in totals.items()],
        "entries": [_entry_row(entry) for entry in books["entries"]],
        "next": books["next"],
        "payments": public_payments(row),
    }
    return render(request, "public/ledger.html", context)


def _books(row: Campaign, after: str | None) -> dict[str, Any]:
    try:
        return queries.ledger_view(row, after=after or None, limit=100)
    except ValueError as error:
        raise Http404 from error


def _entry_row(entry: dict[str, Any]) -> dict[str, str | datetime]:
    (source, destination) = entry["postings"]
    return {
        "at": entry["at"],
        "kind": entry["kind"],
        "source": source["account"],
        "destination": destination["account"],
        "text": wording.money_text(destination["amount_minor"], destination["currency"]),
    }


def _card(view: dict[str, Any]) -> dict[str, Any]:
    found = bars(view["rule"], view["tally"], currency=view["currency"] or "")
    return {
        "view": view,
        "language": view["language"],
        "bars": found,
        "nearness": nearness(found),
        "near_text": _near_text(view),
    }


def _near_text(view: dict[str, Any]) -> str:
    """What would make somebody join this very one; empty unless little is missing."""
    if view["state"] != "open":
        return ""
    if view["unlock"] and view["unlock"]["more_people"] == 1:
        return unlock_text(view["unlock"])
    missing = [gap["people"] for gap in view["missing"] if "people" in gap]
    if len(view["missing"]) == 1 and missing and missing[0] <= _NEARLY:
        words = ngettext("Only %(n)s more person.", "Only %(n)s more people.", missing[0])
        return words % {"n": number(missing[0])}
    return ""
