"""Reading XML from a bank, or from somebody who says that he is one.

A bank's files have no document type and no entities of their own, so both are refused before
anything is done with them. Elements are handed out one at a time and forgotten: what is kept does
not grow with the file. Nothing but the standard library, whose parser is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Final, cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser
from xml.parsers import expat

_CHUNK_BYTES: Final = 64 * 1024
#: Everything that stands before the root: a declaration, comments. Real files have a line of it.
_PROLOGUE_BYTES_AT_MOST: Final = 64 * 1024
#: The deepest bank file has some 15 levels.
_DEPTH_AT_MOST: Final = 40
#: What stands around the entries: headers, balances, sums. Real files have a hundred.
_AROUND_AT_MOST: Final = 50_000
_NAMES_AT_MOST: Final = 5_000
_SMALL_BYTES_AT_MOST: Final = 16 * 1024 * 1024


class BankFileRefused(ValueError):
    """The file is not what it should be; the message says which element, and where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A complete element and the one around it, as far as that has been read."""

    element: Element
    around: Element


class _Prologue:
    """Looks at the beginning of a file, with a parser of its own, until the root element."""

    def __init__(self, root: re.Pattern[str], expected: str) -> None:
        self.is_over = False
        self._root, self._expected, self._bytes = root, expected, 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._begin

    def feed(self, chunk: bytes) -> None:
        """Look at the next bytes. Raises BankFileRefused."""
        self._bytes += len(chunk)
        try:
            self._parser.Parse(chunk, False)
        except BankFileRefused:
            raise
        except (expat.ExpatError, ValueError, LookupError) as error:
            # What is wrong further on is for the real parser to say.
            if not self.is_over:
                raise BankFileRefused(f"this is not XML: {error}") from error
        if not self.is_over and self._bytes > _PROLOGUE_BYTES_AT_MOST:
            raise BankFileRefused("this is not XML of a bank: no element for a long time")

    def _refuse(self, *_declaration: object) -> None:
        raise BankFileRefused("the file declares a document type, which no bank's file does")

    def _begin(self, name: str, _attributes: object) -> None:
        if not self.is_over and self._root.fullmatch(name) is None:
            raise BankFileRefused(f"{self._expected} is expected, the file is {name[:99]!r}")
        self.is_over = True


@contextmanager
def _as_refusal() -> Iterator[None]:
    try:
        yield
    except BankFileRefused:
        raise
    except (ParseError, ValueError, LookupError) as error:
        raise BankFileRefused(f"this is not XML: {error}") from error


class _Walk:
    """Follows the parser through the file: how deep it is, and what has become complete."""

    def __init__(self, *, depth: int, name: str) -> None:
        self._depth, self._name = depth, name
        self._path: list[Element] = []
        self._names: dict[str, str] = {}
        self._space = ""
        self._around = 0
        self._is_inside = False

    def on(self, parser: XMLPullParser[Element]) -> list[Found]:
        """What has become complete since the last time. Written for speed: millions of events."""
        path, names, wanted_depth, complete = self._path, self._names, self._depth, []
        depth = len(path)
        events = cast("Iterator[tuple[str, Element]]", parser.read_events())
        for event, element in events:
            if event == "start":
                tag = element.tag
                element.tag = names[tag] if tag in names else self._short(tag)
                if depth <= wanted_depth:
                    self._is_inside = depth == wanted_depth and element.tag == self._name
                elif depth > _DEPTH_AT_MOST:
                    raise BankFileRefused("the elements are nested too deeply")
                path.append(element)
                depth += 1
                continue
            path.pop()
            depth -= 1
            if not self._is_inside:
                self._count_around()
            if depth == wanted_depth - 1 or (depth == wanted_depth and self._is_inside):
                self._is_inside = False
                complete.append(self._let_go(element))
        return complete

    def _let_go(self, element: Element) -> Found:
        around = self._path[-1] if self._path else element
        if self._path:
            around.remove(element)
        return Found(element=element, around=around)

    def _count_around(self) -> None:
        self._around += 1
        if self._around > _AROUND_AT_MOST:
            raise BankFileRefused("there is too much around the entries")

    def _short(self, tag: str) -> str:
        """The name without the namespace of the root; other namespaces stay, and match nothing."""
        if len(self._names) >= _NAMES_AT_MOST:
            raise BankFileRefused("no bank's file has so many names of elements")
        if not self._names:
            self._space = tag[: tag.rfind("}") + 1]
        self._names[tag] = tag.removeprefix(self._space)
        return self._names[tag]


def elements(
    file: BinaryIO,
    *,
    root: re.Pattern[str],
    expected: str,
    depth: int,
    name: str,
    bytes_at_most: int,
    element_bytes_at_most: int,
) -> Iterator[Found]:
    """Every element of this name at this depth (the root's is 0), and every one a level above.

    Names are without the root's namespace. The root's `namespace name` must match, or the file
    is refused as not the `expected` one. Raises BankFileRefused also for: not XML, too long, too
    deep, or too long without such an element.
    """
    prologue, walk = _Prologue(root, expected), _Walk(depth=depth, name=name)
    parser: XMLPullParser[Element] = XMLPullParser(events=("start", "end"))
    whole, since = 0, 0
    while chunk := file.read(_CHUNK_BYTES):
        whole, since = whole + len(chunk), since + len(chunk)
        if whole > bytes_at_most:
            raise BankFileRefused(f"the file has more than {bytes_at_most} bytes")
        if not prologue.is_over:
            prologue.feed(chunk)
        with _as_refusal():
            parser.feed(chunk)
            complete = walk.on(parser)
        yield from complete
        since = 0 if complete else since
        if since > element_bytes_at_most:
            raise BankFileRefused(f"one element has more than {element_bytes_at_most} bytes")
    with _as_refusal():
        parser.close()
        complete = walk.on(parser)
    yield from complete


def document(body: bytes, *, root: re.Pattern[str], expected: str, message: str) -> Element:
    """The message inside of a small file. Raises BankFileRefused."""
    found = elements(
        BytesIO(body),
        root=root,
        expected=expected,
        depth=1,
        name=message,
        bytes_at_most=_SMALL_BYTES_AT_MOST,
        element_bytes_at_most=_SMALL_BYTES_AT_MOST,
    )
    first = next(found, None)
    # To the end of the file, so that what is broken there is seen.
    for _more in found:
        pass
    if first is None or first.element.tag != message:
        raise BankFileRefused(f"{expected} is expected, the file holds no {message}")
    return first.element


def child(element: Element, *names: str) -> Element | None:
    """The first element down this path of names."""
    found: Element | None = element
    for name in names:
        if found is None:
            return None
        found = found.find(name)
    return found


def text(element: Element, *names: str) -> str:
    """The text of that element without the gaps around it, empty if there is none."""
    found: Element | None = element
    for name in names:
        if found is None:
            return ""
        found = found.find(name)
    return "" if found is None or found.text is None else found.text.strip()


def every(element: Element, *names: str) -> list[Element]:
    """All elements down this path of names."""
    found = [element]
    for name in names:
        found = [inner for outer in found for inner in outer.findall(name)]
    return found


def texts(element: Element, *names: str) -> list[str]:
    """The texts of all elements down this path of names that have one."""
    return [found.text.strip() for found in every(element, *names) if found.text]
