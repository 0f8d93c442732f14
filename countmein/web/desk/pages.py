"""Long lists on the desk: a page of each at a time, with a way on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from django.core.paginator import Page, Paginator
from django.http import QueryDict

#: How much of a list is on a page.
SHOWN: Final = 100


def page_of(
    asked: QueryDict, name: str, rows: Any, shown: Callable[[Iterable[Any]], list[Any]]
) -> Page[Any]:
    """The page of a list that the address asks for under its name; the nearest that there is."""
    page = Paginator(rows, SHOWN).get_page(asked.get(name))
    page.object_list = shown(page.object_list)
    return page
