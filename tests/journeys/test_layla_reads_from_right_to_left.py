"""Layla reads Arabic: the pages, the mail and the way out are in it, whatever others read."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.live import Begin, Live

pytestmark = pytest.mark.slow


def test_layla_pledges_confirms_and_leaves_in_arabic(begin: Begin, live: Live) -> None:
    """The mail comes in the language in which she pledged; the campaign keeps its own."""
    story = begin(confirm="email", rule={"people": 9})
    address = story.address("layla")
    layla = live.visitor()
    chosen = layla.submit(layla.see("/how/"), path="/language/", language="ar")
    assert '<html lang="ar" dir="rtl">' in chosen.text
    page = layla.see(f"/c/{story.code}/pledge/")
    assert '<html lang="ar" dir="rtl">' in page.text
    assert "احسبوني معكم" in page.words
    answer = layla.submit(page, kind="signature", condition="none", email=address, name="ليلى")
    assert "شكرًا لك. بقيت خطوة واحدة" in answer.words
    mail = live.mail(address, "يُرجى التأكيد")
    assert "بقيت نقرة واحدة لتُحسب معنا." in mail["text"]
    assert '<html lang="ar" dir="rtl">' in mail["html"]
    confirmed = layla.see(link_of(mail, "/confirm/"))
    assert "أنت معنا" in confirmed.words
    story.people(1)
    (manage,) = set(re.findall(r'href="([^"]+/p/[^"]+receipt=[^"]+)"', confirmed.text))
    mine = layla.see(manage)
    (path,) = set(re.findall(r'href="(/p/[^"]+/withdraw/[^"]+)"', mine.text))
    gone = layla.submit(layla.see(path))
    assert "انسحبت. لن يحدث شيء." in gone.words
    story.people(0)


def link_of(mail: dict[str, Any], words: str) -> str:
    """The link in a mail that leads to such an address."""
    (found,) = {url for url in re.findall(r"https?://\S+", mail["text"]) if words in url}
    return str(found)
