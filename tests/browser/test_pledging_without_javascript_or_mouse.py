"""Pledge and withdraw with JavaScript off, and with nothing but a keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Arrive
from tests.live import Begin, Live

pytestmark = pytest.mark.slow

_FOCUSED = """() => {
  const it = document.activeElement;
  const style = getComputedStyle(it);
  const words = it.labels?.[0]?.innerText ?? it.innerText ?? "";
  return [it.tagName, it.name ?? "", words.trim(), style.outlineStyle !== "none"];
}"""


def test_without_javascript(arrive: Arrive, begin: Begin) -> None:
    """A mistake is shown beside its field and nothing typed is lost; then it is taken."""
    story = begin(rule={"people": 5})
    page = arrive(java_script_enabled=False)
    page.goto(f"/c/{story.code}/")
    page.get_by_role("link", name="Count me in").click()
    page.get_by_label("Your name").fill("Ben")
    page.get_by_label("Your e-mail").fill("ben at home")
    page.get_by_role("button", name="Count me in").click()
    expect(page.get_by_role("heading", name="One thing needs another look")).to_be_visible()
    expect(page.get_by_label("Your name")).to_have_value("Ben")
    page.get_by_label("Your e-mail").fill(story.address("ben"))
    page.get_by_role("button", name="Count me in").click()
    expect(page.get_by_text("Thank you. You are pledged.")).to_be_visible()
    story.people(1)
    page.get_by_role("link", name="Withdraw").click()
    page.get_by_role("button", name="Yes, withdraw").click()
    expect(page.get_by_text("You are out. Nothing will happen.")).to_be_visible()
    story.people(0)


def tab_to(page: Page, words: str) -> None:
    """Press Tab until something with these words has the focus, and can be seen to have it."""
    for _ in range(40):
        page.keyboard.press("Tab")
        _tag, name, label, has_outline = page.evaluate(_FOCUSED)
        if words in (label.split("\n")[0], name):
            assert has_outline, f"{words}: nobody sees that it has the focus"
            return
    raise AssertionError(f"{words!r} cannot be reached with the keyboard")


def test_by_keyboard_alone(arrive: Arrive, begin: Begin, live: Live) -> None:
    """Skip the header, find the button, wait for two, send; then leave again."""
    story = begin(rule={"people": 5})
    page = arrive()
    page.goto(f"/c/{story.code}/")
    tab_to(page, "Skip to the page")
    page.keyboard.press("Enter")
    tab_to(page, "Count me in")
    page.keyboard.press("Enter")
    page.wait_for_url("**/pledge/")
    tab_to(page, "condition")
    page.keyboard.press("ArrowDown")
    tab_to(page, "condition_people")
    page.keyboard.type("2")
    tab_to(page, "email")
    page.keyboard.type(story.address("ben"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("Thank you. You are pledged.")).to_be_visible()
    live.until(lambda: story.view()["tally"]["waiting_people"] == 1)
    tab_to(page, "Withdraw")
    page.keyboard.press("Enter")
    page.wait_for_url("**/withdraw/**")
    tab_to(page, "Yes, withdraw")
    page.keyboard.press("Enter")
    expect(page.get_by_text("You are out. Nothing will happen.")).to_be_visible()
    live.until(lambda: story.view()["tally"]["waiting_people"] == 0)
