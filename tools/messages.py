"""The catalogues of words: `python tools/messages.py` brings them up to date and compiles them.

The .po files are the truth and are edited by people; what is new in the code is added to them with
an empty translation, what is gone stays at their end (`#~`) and is taken up again when it comes
back. No tool outside Python is needed.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT: Final = Path(__file__).resolve().parent.parent
LOCALES: Final = ROOT / "countmein" / "locale"
#: How each language counts, as gettext says it.
PLURALS: Final = {
    "de": "nplurals=2; plural=n != 1;",
    "fr": "nplurals=2; plural=n > 1;",
    "es": "nplurals=2; plural=n != 1;",
    "ar": "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 "
    ": n%100>=11 && n%100<=99 ? 4 : 5;",
}
_KEYWORDS: Final = {
    **dict.fromkeys(("gettext", "gettext_lazy", "gettext_noop", "_"), None),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}


def marked() -> Catalog:
    """Every message that the product's code and templates mark."""
    found = Catalog(fuzzy=False)
    for path in sorted((ROOT / "countmein").rglob("*")):
        for message, context in _messages(path):
            place = (path.relative_to(ROOT).as_posix(), 1)
            found.add(message, locations=[place], context=context)
    return found


def _messages(path: Path) -> Iterator[tuple[str | tuple[str, ...], str | None]]:
    if path.suffix == ".py":
        source = path.read_text()
    elif path.suffix in (".html", ".txt") and "templates" in path.parts:
        # Becomes calls between filler; what remains of the layout is no Python.
        calls = templatize(path.read_text(), origin=str(path))
        source = "\n".join(line.strip() for line in calls.split("\n"))
    else:
        return
    for _line, message, _comments, context in extract(
        "python", io.BytesIO(source.encode()), keywords=_KEYWORDS
    ):
        yield message, context


def read(language: str) -> Catalog:
    """The catalogue of a language as it is kept."""
    with _po(language).open("rb") as file:
        return read_po(file, locale=language)


def brought_up(language: str, found: Catalog) -> bytes:
    """The text of a language's catalogue with the messages that are marked; others rest below."""
    kept = read(language)
    rest = {(old.context, _first(old)): old for old in (*kept.obsolete.values(), *kept) if old.id}
    new = Catalog(locale=language, fuzzy=False)
    for message in found:
        if not message.id:
            continue
        old = rest.pop((message.context, _first(message)), None)
        if old and isinstance(old.id, str) != isinstance(message.id, str):
            old = None  # it is counted now, or no longer
        string = old.string if old else ("" if isinstance(message.id, str) else ())
        comments = old.user_comments if old else ()
        new.add(
            message.id,
            string,
            locations=sorted({(place, 1) for place, _line in message.locations}),
            context=message.context,
            flags=message.flags,
            user_comments=comments,
        )
    for key, old in rest.items():
        if full(old):
            old.locations = []
            new.obsolete[key] = old
    text = io.BytesIO()
    write_po(text, new, omit_header=True, include_lineno=False, width=100)
    header = (
        'msgid ""\nmsgstr ""\n'
        f'"Language: {language}\\n"\n'
        '"MIME-Version: 1.0\\n"\n'
        '"Content-Type: text/plain; charset=UTF-8\\n"\n'
        '"Content-Transfer-Encoding: 8bit\\n"\n'
        f'"Plural-Forms: {PLURALS[language]}\\n"\n\n'
    )
    return header.encode() + text.getvalue()


def _first(message: Message) -> str:
    return str(message.id if isinstance(message.id, str) else message.id[0])


def compiled(language: str) -> bytes:
    """The catalogue as gettext reads it."""
    text, words = io.BytesIO(), read(language)
    # Compiled twice, the same words are the same bytes.
    words.creation_date = words.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    write_mo(text, words)
    return text.getvalue()


def _po(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / "django.po"


def main() -> int:
    """Bring all catalogues up to date, compile them, and say what is untranslated."""
    found, missing = marked(), 0
    for language in PLURALS:
        _po(language).write_bytes(brought_up(language, found))
        lacking = [message.id for message in read(language) if message.id and not full(message)]
        for message_id in lacking:
            print(f"{language}: not translated: {message_id!r}")
        missing += len(lacking)
        _po(language).with_suffix(".mo").write_bytes(compiled(language))
    return 1 if missing else 0


def full(message: Message) -> bool:
    """Whether each form of a message has its words."""
    string = message.string
    return bool(string) if isinstance(string, str) else bool(string) and all(string)


if __name__ == "__main__":
    sys.exit(main())
