"""Every part that pages are put together from, in every state, on one page; for who builds them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from countmein.web.curve import curve
from countmein.web.meter import bars, dots, nearness
from countmein.web.public.page import unlock_text
from countmein.web.public.telling import Fact

_NOW: Final = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
_LONG: Final = (
    "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen for every single one of the "
    "four hundred and twelve retired captains of the upper Danube"
)
_ARABIC: Final = "مئة جار يغلقون الشارع من أجل مائدة طويلة واحدة"
_ICONS: Final = (
    *("money", "purchase", "signature", "presence", "call", "hours", "clock", "shield", "spark"),
    *("share", "link", "people", "calendar", "printer", "check"),
)
_COLOURS: Final = (
    *("paper", "card", "sunk", "ink", "ink-soft", "line", "line-strong", "brand", "brand-wash"),
    *("spark", "spark-wash", "gold", "gold-wash", "alarm", "alarm-wash"),
)
_COMPOUND: Final = {
    "all": [
        {"people": 200},
        {"sum": {"kind": "money", "at_least": 300_000}},
        {"places": {"people": 10, "at_least": 4}},
    ]
}


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Show the parts, where the site is run by somebody who builds it."""
    if not settings.SHOWS_STYLEGUIDE:
        raise Http404
    context = {
        "now": _NOW,
        "icons": _ICONS,
        "colours": _COLOURS,
        "meters": [_meter(*each) for each in _METERS],
        "cards": [_card(*each) for each in _CARDS],
        "curves": [curve(40, 80, [[1, 9], [31, 9]]), curve(0, 0, [[2, 3], [5, 12], [30, 40]])],
        "promise": [
            Fact(icon="clock", label="Decided by", text="Friday, 4 December, 16:00", small="soon"),
            Fact(icon="spark", label="If enough are in", text="The letter goes to the mayor."),
            Fact(icon="shield", label="Your risk", text="None until then."),
        ],
        "questions": [("What if too few join?", "Nobody owes anything."), (_LONG, _LONG)],
        "faults": {"sg-email": "Write an e-mail address such as ben@example.org."},
        "long": _LONG,
        "arabic": _ARABIC,
    }
    return render(request, "public/styleguide.html", context)


def _meter(name: str, rule: object, state: str, people: int, waiting: int) -> dict[str, Any]:
    tally = {
        "people": people,
        "waiting_people": waiting,
        "waitlisted_people": 12 if name == "More than there is room for" else 0,
        "sum": {"money": people * 1_500, "hours": people * 90},
        "places": {"Leeds": people // 2, "York": people // 3},
    }
    crowd = dots(rule, tally)
    unlock = {"more_people": 1, "brings_people": waiting} if waiting and state == "open" else None
    found = bars(rule, tally, currency="GBP")
    missing = any(bar.gap_text for bar in found)
    return {
        "name": name,
        "view": {"tally": tally, "state": state, "missing": missing, "unlock": unlock},
        "dots": crowd,
        "other_bars": [bar for bar in found if crowd is None or bar.source != "people"],
        "is_open": state == "open",
        "is_tipped": state == "settled",
        "unlock_text": unlock_text(unlock),
    }


_METERS: Final = (
    ("Empty", {"people": 3}, "open", 0, 0),
    ("On its way, some wait", {"people": 80}, "open", 40, 9),
    ("One is missing", {"people": 500}, "open", 499, 0),
    ("A compound rule", _COMPOUND, "open", 112, 18),
    ("No people in the rule", {"sum": {"kind": "hours", "at_least": 6_000}}, "open", 30, 0),
    ("Tipped", {"people": 25}, "settled", 31, 0),
    ("Large numbers", {"people": 2_000_000}, "open", 1_234_567, 200_000),
    ("More than there is room for", {"people": 20}, "settled", 32, 0),
)


def _card(title: str, language: str, state: str, people: int) -> dict[str, Any]:
    rule = {"people": 80}
    tally = {"people": people, "waiting_people": 9, "sum": {}, "places": {}}
    found = bars(rule, tally, currency="GBP")
    return {
        "view": {
            "code": "nothing",
            "title": title,
            "state": state,
            "kinds": ["presence", "money"],
            "accepting": state == "open",
            "deadline": _NOW + timedelta(days=9),
            "rule_text": "80 people",
        },
        "language": language,
        "bars": found,
        "nearness": nearness(found),
        "near_text": "1 more person brings in 9 who are waiting." if state == "open" else "",
    }


_CARDS: Final = (
    ("Eighty shoppers on one Saturday", "en", "open", 40),
    (_LONG, "de", "lapsed", 12),
    (_ARABIC, "ar", "settled", 80),
)
