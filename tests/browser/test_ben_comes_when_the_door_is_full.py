"""The form's door is full, then opens: with JavaScript it goes by itself, without by a button."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from countmein.campaigns.models import Campaign, Pledge
from countmein.intake import overload
from countmein.members.models import Organiser
from tests.apps.api.live import Live, serving
from tests.browser.conftest import ENLARGED, keep_picture, too_wide, violations

pytestmark = pytest.mark.slow

Launch = Callable[..., Campaign]


@pytest.fixture
def unguarded() -> Iterator[None]:
    """The browser has an event loop in this thread, which Django would take for a mistake."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    yield
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def ana(unguarded: None, transactional_db: None) -> Organiser:
    """Ana, in this process's own database."""
    return Organiser.objects.create_user(email="ana@example.org", name="Ana")


@pytest.fixture
def site(unguarded: None, transactional_db: None) -> Iterator[Live]:
    """The site in this process, so that its door can be shut."""
    with serving() as running:
        yield running


def shut(site: Live) -> None:
    """Let nobody in, and nobody wait."""
    site.intake._forms.inside_at_most = 0
    site.intake._forms._line_at_most = 0


def open_again(site: Live) -> None:
    """Let people in."""
    site.intake._forms.inside_at_most = 8
    site.intake._forms._line_at_most = 256


def arrive(chromium: Browser, site: Live, **options: Any) -> Page:
    """A page before this site."""
    context = chromium.new_context(base_url=site.url, locale="en-GB", **options)
    page = context.new_page()
    page.set_default_timeout(15_000)
    return page


def fill(page: Page, campaign: Campaign) -> None:
    """Fill the form and send it."""
    page.goto(f"/c/{campaign.code}/pledge/")
    page.get_by_label("Your name").fill("Ben")
    page.get_by_label("Your e-mail").fill("ben@example.org")
    page.get_by_role("button", name="Count me in").click()
    expect(page.get_by_role("heading", name="So many are coming in at once")).to_be_visible()


def test_without_javascript_a_button_sends_it_again(
    site: Live, chromium: Browser, launch: Launch
) -> None:
    campaign = launch()
    shut(site)
    page = arrive(chromium, site, java_script_enabled=False)
    fill(page, campaign)
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_role("heading", name="So many are coming in at once")).to_be_visible()
    open_again(site)
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_text("Thank you. You are pledged.")).to_be_visible()
    assert 1 == Pledge.objects.count()
    page.context.close()


def test_the_page_that_keeps_it_is_for_everybody(
    site: Live, chromium: Browser, launch: Launch
) -> None:
    """Looked at before it sends anything again."""
    campaign = launch()
    shut(site)
    page = arrive(chromium, site)
    page.route("**/intent.js", lambda route: route.abort())
    fill(page, campaign)
    assert [] == violations(page)
    keep_picture(page, "overload")
    page.set_viewport_size(ENLARGED)
    assert 0 >= too_wide(page)
    page.context.close()


def test_with_javascript_it_goes_in_by_itself_and_survives_a_closed_tab(
    site: Live, chromium: Browser, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overload, "_RETRY_SECONDS", 1)
    overload._frame.cache_clear()
    campaign = launch()
    shut(site)
    page = arrive(chromium, site)
    fill(page, campaign)
    expect(page.get_by_text("sends it again by itself")).to_be_visible()
    key = page.locator("input[name=key]").get_attribute("value")
    again = page.context.new_page()
    page.close()
    again.goto(f"/c/{campaign.code}/pledge/")
    expect(again.get_by_label("Your e-mail")).to_have_value("ben@example.org")
    assert key == again.locator("input[name=key]").input_value()
    again.get_by_role("button", name="Count me in").click()
    expect(again.get_by_text("sends it again by itself")).to_be_visible()
    open_again(site)
    # Each try waits longer than the last.
    expect(again.get_by_text("Thank you. You are pledged.")).to_be_visible(timeout=60_000)
    assert 1 == Pledge.objects.count()
    assert 0 == again.evaluate("Object.keys(localStorage).length")
    again.context.close()
    overload._frame.cache_clear()
