"""`expand[]`: whole objects in the place of their ids."""

from typing import Any

from sandbox.payments.book import Page
from sandbox.payments.forms import Problem

_DEEPEST = 4


def paths(form: dict[str, Any]) -> list[str]:
    """Take `expand` out of a form. Raises Problem if it is not a list of dotted names."""
    given = form.pop("expand", {})
    found = list(given.values()) if isinstance(given, dict) else [given]
    for path in found:
        if not isinstance(path, str) or path.count(".") >= _DEEPEST or not path.strip("."):
            raise Problem(
                f"You cannot expand more than {_DEEPEST} levels of a property.", param="expand"
            )
    return found


def expand(page: Page, shown: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    """Fill in what is asked for; `data.source` goes through every item of a list."""
    for path in wanted:
        _fill(page, shown, path.split("."), path)
    return shown


def _fill(page: Page, shown: dict[str, Any], steps: list[str], path: str) -> None:
    step, *rest = steps
    if step == "line_items" and shown.get("object") == "checkout.session":
        shown.setdefault("line_items", page.any(f"{shown['id']}_items"))
        return
    if step not in shown:
        raise Problem(f"This property cannot be expanded ({path}).", param="expand")
    if isinstance(shown[step], str):
        found = page.any(shown[step])
        if found is None:
            raise Problem(f"This property cannot be expanded ({path}).", param="expand")
        shown[step] = found
    inside = shown[step] if isinstance(shown[step], list) else [shown[step]]
    for each in inside if rest else ():
        if isinstance(each, dict):
            _fill(page, each, rest, path)
