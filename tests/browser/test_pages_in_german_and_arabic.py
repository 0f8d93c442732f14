"""The main pages in long words and from right to left; the pictures are kept to be looked at."""

from __future__ import annotations

import pytest

from tests.browser.conftest import ARTEFACTS, DESK, PHONE, Arrive
from tests.live import Begin, Live

pytestmark = pytest.mark.slow

MONEY = {
    "kinds": ["money"],
    "currency": "EUR",
    "rule": {"all": [{"people": 12}, {"sum": {"kind": "money", "at_least": 300000}}]},
    "places": ["Leeds", "York"],
}


@pytest.mark.parametrize("language", ["de", "ar"])
def test_pages_fit_and_read_in_their_direction(
    arrive: Arrive, begin: Begin, live: Live, language: str
) -> None:
    title = {"de": "Eine Bank am See", "ar": "مقعد عند البحيرة"}[language]
    story = begin(title=title, **MONEY)
    made = story.join(
        "ben", kind="money", amount=2000, payment_method="pm_card_visa", public_name=True
    )
    story.people(1)
    direction = "rtl" if language == "ar" else "ltr"
    addresses = {
        "home": "/",
        "campaigns": "/campaigns/",
        "campaign": f"/c/{story.code}/",
        "pledge": f"/c/{story.code}/pledge/",
        "mine": f"/p/{made['code']}/?receipt={made['receipt']}",
        "how": "/how/",
    }
    for width, viewport in ((360, PHONE), (1280, DESK)):
        page = arrive(viewport=viewport, locale=language)
        for name, address in addresses.items():
            page.goto(address)
            assert language == page.evaluate("document.documentElement.lang")
            assert direction == page.evaluate("document.documentElement.dir")
            beyond = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            ARTEFACTS.mkdir(exist_ok=True)
            page.screenshot(path=ARTEFACTS / f"{language}-{width}-{name}.png", full_page=True)
            assert beyond <= 0, (name, width)
