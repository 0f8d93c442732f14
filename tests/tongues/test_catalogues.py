"""Every word the product says is there in each of its languages, whole and in its grammar."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from django.conf import settings

from tools import messages

LANGUAGES = sorted(messages.PLURALS)
_PLACE = re.compile(r"%\((\w+)\)([sd])|\{(\w+)\}")
_TAG = re.compile(r"<[^>]+>")
#: Arabic has words of its own for none, one and two, which need no number.
_NUMBERLESS = {"ar": {0, 1, 2}}


@pytest.fixture(scope="module")
def marked() -> Catalog:
    return messages.marked()


def faults(message: Message, language: str) -> Iterator[str]:
    """What is wrong with one message of a catalogue."""
    singular, plural = (message.id, message.id) if isinstance(message.id, str) else message.id
    forms = [message.string] if isinstance(message.string, str) else list(message.string)
    count = 1 if isinstance(message.id, str) else int(messages.PLURALS[language][9])
    if message.fuzzy:
        yield f"fuzzy: {singular}"
    if len(forms) != count or not all(forms):
        yield f"not whole: {singular}"
        return
    for index, form in enumerate(forms):
        places, wanted = set(_PLACE.findall(form)), set(_PLACE.findall(plural))
        if index in _NUMBERLESS.get(language, ()) and not isinstance(message.id, str):
            if not places <= wanted:
                yield f"places: {form}"
        elif places not in (wanted, set(_PLACE.findall(singular)) if index == 0 else wanted):
            yield f"places: {form}"
        if "%(" in singular and re.search(r"%(?!\(\w+\)[sd])", form.replace("%%", "")):
            yield f"a lone per cent: {form}"
        if sorted(_TAG.findall(form)) != sorted(_TAG.findall(singular)):
            yield f"tags: {form}"
        if singular[:1].isspace() != form[:1].isspace() or singular[-1:] != form[-1:] == "\n":
            yield f"space at the ends: {form}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_translated_whole(marked: Catalog, language: str) -> None:
    kept = messages.read(language)
    wanted = {(m.context, m.id if isinstance(m.id, str) else m.id[0]) for m in marked if m.id}
    there = {(m.context, m.id if isinstance(m.id, str) else m.id[0]) for m in kept if m.id}
    assert set() == wanted - there, "run tools/messages.py and translate"
    assert set() == there - wanted, "run tools/messages.py"
    assert [] == [fault for message in kept if message.id for fault in faults(message, language)]


@pytest.mark.parametrize(
    ("id", "string", "fault"),
    [
        ("Hello %(name)s,", "Hallo,", "places"),
        ("Hello %(name)s,", "Hallo %(nom)s,", "places"),
        ("Hello", "", "not whole"),
        (("%(n)s day", "%(n)s days"), ("%(n)s Tag", ""), "not whole"),
        (("%(n)s day", "%(n)s days"), ("%(n)s Tag",), "not whole"),
        ("The <a href='/x'>desk</a>", "Die <a href='/y'>Seite</a>", "tags"),
        ("%(n)s %%", "%(n)s %", "per cent"),
    ],
)
def test_what_is_wrong_with_a_translation_is_found(id: Any, string: Any, fault: str) -> None:
    """The negative control of the test above."""
    assert fault in " ".join(faults(Message(id, string), "de"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    path = messages.LOCALES / language / "LC_MESSAGES" / "django.mo"
    with path.open("rb") as file:
        shipped = gettext.GNUTranslations(file)
    for message in messages.read(language):
        if not message.id:
            continue
        first = message.id if isinstance(message.id, str) else message.id[0]
        key = f"{message.context}\x04{first}" if message.context else first
        strings = [message.string] if isinstance(message.string, str) else message.string
        keys = [key] if isinstance(message.id, str) else [(key, i) for i in range(len(strings))]
        found = [shipped._catalog.get(each) for each in keys]  # type: ignore[attr-defined]
        assert list(strings) == found, "run tools/messages.py"


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_way_of_counting_is_reached(language: str) -> None:
    path = messages.LOCALES / language / "LC_MESSAGES" / "django.mo"
    with path.open("rb") as file:
        shipped = gettext.GNUTranslations(file)
    forms = {shipped.ngettext("%(count)s person", "%(count)s people", n) for n in range(120)}
    assert int(messages.PLURALS[language][9]) == len(forms)


def test_all_of_them_are_offered() -> None:
    assert {"en-gb", *LANGUAGES} == set(dict(settings.LANGUAGES))


def test_what_is_marked_in_templates_and_in_code_is_found(marked: Catalog) -> None:
    assert marked.get("Count me in")  # a template's
    assert marked.get("Choose when you count.")  # the code's
    assert marked.get("call", context="what is pledged")
    assert isinstance(marked.get("%(count)s person").id, tuple)  # type: ignore[union-attr]
