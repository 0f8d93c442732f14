"""A real Chromium before the real site; whatever its console complains about fails the test."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.live import (
    CHECKOUT,
    Live,
    ana,
    begin,
    live,
    pytest_runtest_makereport,
)

__all__ = ["ana", "begin", "live", "pytest_runtest_makereport"]

CHROMIUM = Path("/usr/bin/chromium")
ARTEFACTS = CHECKOUT / "test-artefacts"
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 760}
TABLET = {"width": 768, "height": 1024}
#: A desk of 1,280 by 1,024 at 400 %: what WCAG asks to be readable without scrolling sideways.
ENLARGED = {"width": 320, "height": 256}
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Arrive = Callable[..., Page]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One browser for the package; its event loop must be gone before other tests run."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: apt-get install chromium fonts-noto-core")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        yield browser
        browser.close()


class Complaints:
    """What consoles complained about, but for the refusals that a test provokes."""

    def __init__(self) -> None:
        self._said: list[tuple[str, str]] = []
        self._refused: set[str] = set()

    def listen(self, context: BrowserContext) -> None:
        """Hear every page of a context, also those it opens itself."""
        context.on("response", self._hear_answer)
        context.on("console", self._hear_console)
        context.on("weberror", lambda error: self._said.append(("", str(error.error))))

    def _hear_answer(self, answer: Any) -> None:
        if answer.status in (404, 409, 422) and answer.request.is_navigation_request():
            self._refused.add(answer.url)

    def _hear_console(self, message: Any) -> None:
        if message.type == "error":
            self._said.append((message.location.get("url", ""), message.text))

    def left(self) -> list[tuple[str, str]]:
        """Complaints that are no refused form."""
        return [
            (url, text)
            for url, text in self._said
            if not (text.startswith("Failed to load resource") and url in self._refused)
        ]


@pytest.fixture
def arrive(chromium: Browser, live: Live) -> Iterator[Arrive]:
    """Somebody arrives with a browser of their own."""
    complaints, contexts = Complaints(), []

    def open_page(**options: Any) -> Page:
        settings = {"viewport": DESK, "locale": "en-GB", "reduced_motion": "reduce", **options}
        context = chromium.new_context(base_url=live.url, **settings)
        contexts.append(context)
        complaints.listen(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [] == complaints.left()


def sign_in(page: Page, live: Live, email: str) -> None:
    """Ask for a code by mail and enter it."""
    page.goto("/account/login/")
    before = len(live.mails(email))
    page.get_by_label("Your e-mail").fill(email)
    page.get_by_role("button", name="Mail me a code").click()
    live.until(lambda: len(live.mails(email)) > before)
    code = re.search(r"^\s*([A-Z0-9-]{6,12})\s*$", live.mails(email)[-1]["text"], re.MULTILINE)
    assert code is not None, live.mails(email)[-1]["text"]
    page.get_by_label("Code").fill(code[1])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/organise/")


@pytest.fixture(scope="package")
def signed_in(chromium: Browser, live: Live, ana: str) -> Any:
    """The cookies of Ana's browser, signed in."""
    context = chromium.new_context(base_url=live.url, locale="en-GB")
    sign_in(context.new_page(), live, "ana@example.org")
    cookies = context.storage_state()
    context.close()
    return cookies


def violations(page: Page) -> list[str]:
    """What axe finds, each with the first place it finds it."""
    found = Axe().run(page).response["violations"]
    return [
        f"{v['id']}: {v['nodes'][0]['html']} {v['nodes'][0].get('failureSummary')}" for v in found
    ]


def too_wide(page: Page) -> int:
    """By how much a page must be scrolled sideways; 0 or less if it need not be."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def keep_picture(page: Page, name: str) -> None:
    """Keep a picture of the whole page at the width of a phone, a tablet and a desk."""
    ARTEFACTS.mkdir(exist_ok=True)
    for size in (PHONE, TABLET, DESK):
        page.set_viewport_size(size)
        page.screenshot(path=ARTEFACTS / f"{name}-{size['width']}.png", full_page=True)
