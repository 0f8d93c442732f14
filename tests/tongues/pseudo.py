"""A language in which every translated letter has a mark, so that what is not translated shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from django.utils.translation import trans_real

#: Every plain letter becomes one that no English word has.
_LETTERS = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "ÅßÇÐÉƑĜĤÎĴĶĻṀÑÖÞǪŔŠŢÛṼŴẊÝŽåƀçđéƒĝĥîĵķļɱñöþǫŕšţûṽŵẋýž",
)
_KEPT = re.compile(r"(%\(\w+\)[sd]|\{\w+\}|%%|<[^>]+>|&\w+;)")
_WORD = re.compile(r"[A-Za-z]{2,}")
_SPOKEN_ATTRIBUTES = ("alt", "aria-label", "placeholder", "title", "data-said-people")


def accented(text: str) -> str:
    """A text as the pseudo-language writes it; what stands for something else stays."""
    parts = _KEPT.split(text)
    return "".join(p if i % 2 else p.translate(_LETTERS) for i, p in enumerate(parts))


@pytest.fixture
def pseudo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Arabic be the pseudo-language: each message that is looked up comes back with marks.

    Arabic, because its dates and its names of zones have no Latin letters.
    """

    class Pseudo(trans_real.DjangoTranslation):
        def gettext(self, message: str) -> str:
            return accented(message.partition("\x04")[2] or message)

        def ngettext(self, one: str, many: str, n: int) -> str:
            return accented((one if n == 1 else many).rpartition("\x04")[2])

    language = Pseudo("ar")
    # Django keeps one object for each language.
    monkeypatch.setitem(trans_real._translations, "ar", language)


class _Said(HTMLParser):
    """Collects what a page says to its reader, with what stands in the reader's own words apart."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs)
        foreign = tag in ("script", "style", "code", "time", "textarea", "option") or (
            own.get("dir") == "auto"
            or (tag != "html" and "lang" in own)
            or "kept" in (own.get("class") or "")
        )
        if tag not in ("input", "br", "img", "meta", "link", "hr", "path", "rect", "circle", "wbr"):
            self._open.append((tag, foreign))
        if not any(f for _tag, f in self._open):
            self.said += [own[name] or "" for name in _SPOKEN_ATTRIBUTES if name in own]
            if tag == "input" and own.get("type") == "submit":
                self.said.append(own.get("value") or "")

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            last, _foreign = self._open.pop()
            if last == tag:
                return

    def handle_data(self, data: str) -> None:
        if not any(foreign for _tag, foreign in self._open):
            self.said.append(data)


def unmarked(html: str, *, names: set[str]) -> list[str]:
    """The words of a page that are in no catalogue, without names, addresses and codes."""
    page = _Said()
    page.feed(html)
    return sorted({word for text in page.said for word in _unmarked(text, names)})


def _unmarked(text: str, names: set[str]) -> Iterator[str]:
    bare = re.sub(r"\S+@\S+|https?://\S+|\{\w+\}|rule[.\[]\S+|[A-Z]{2}\d\d(?: \w{1,4})+", " ", text)
    for name in sorted(names, key=len, reverse=True):
        bare = bare.replace(name, " ")
    if _WORD.search(bare):
        yield " ".join(bare.split())
