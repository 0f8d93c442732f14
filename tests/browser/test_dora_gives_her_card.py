"""A card on the provider's page, by phone: the first one, and one in person after it failed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Arrive, keep_picture
from tests.live import Begin, Live

pytestmark = pytest.mark.slow


def type_card(page: Page, number: str) -> None:
    """Fill in the provider's page."""
    page.get_by_label("Card number").fill(number)
    page.get_by_label("Expires (MM/YY)").fill("12/34")
    page.get_by_label("Security code").fill("123")
    page.get_by_role("button", name="Save card").or_(
        page.get_by_role("button", name="Pay", exact=True)
    ).click()


def require_accessible(page: Page) -> None:
    """No finding of axe."""
    found = Axe().run(page)
    assert 0 == found.violations_count, found.generate_report()


def test_dora_pledges_money_and_her_bank_says_yes(arrive: Arrive, begin: Begin, live: Live) -> None:
    story = begin(title="A piano for the station", kinds=["money"], currency="EUR")
    page = arrive(viewport=PHONE, has_touch=True, is_mobile=True)
    page.goto(f"/c/{story.code}/pledge/")
    expect(page.get_by_text("its number never reaches us")).to_be_visible()
    page.get_by_label("How much?").fill("12.50")
    page.get_by_label("Count me in, whoever else comes").or_(
        page.locator("input[name=condition][value=none]")
    ).first.check()
    page.get_by_label("Your e-mail").fill(story.address("dora"))
    keep_picture(page, "pledge-money")
    page.set_viewport_size(PHONE)
    page.get_by_role("button", name="Count me in").click()
    expect(page.get_by_role("heading", name="Save your card")).to_be_visible()
    expect(page.get_by_text("You allow €12.50")).to_be_visible()
    require_accessible(page)
    keep_picture(page, "provider-card")
    type_card(page, "4242 4242 4242 4241")
    expect(page.get_by_role("alert")).to_contain_text("not right")
    require_accessible(page)
    type_card(page, "4000 0025 0000 3155")
    require_accessible(page)
    page.get_by_role("button", name="Yes, it is me").click()
    expect(page.get_by_role("heading", name="My pledge")).to_be_visible()
    expect(page.get_by_text("Visa ending in 3155")).to_be_visible()
    page.get_by_text("What you allowed").click()
    expect(page.get_by_text("You allow €12.50")).to_be_visible()
    require_accessible(page)
    keep_picture(page, "mine-secured")
    story.people(1)


def test_dora_confirms_a_payment_that_failed_by_her_mailed_link(
    arrive: Arrive, begin: Begin, live: Live
) -> None:
    """The mail, two buttons, the bank; then the money is in and the campaign is settled."""
    story = begin(
        title="A stage in the park",
        kinds=["money"],
        currency="EUR",
        rule={"people": 2},
        deadline=(live.now() + timedelta(days=20)).isoformat(),
    )
    story.join("ben", kind="money", amount=1000, payment_method="pm_card_visa")
    made = story.join(
        "dora", kind="money", amount=2000, payment_method="pm_card_authenticationRequired"
    )
    story.until("settling")
    live.until(lambda: story.view()["failing"] == {"money": 2000})
    mail = story.mail("dora", "Your pledge needs you")
    page = arrive(viewport=PHONE, has_touch=True, is_mobile=True)
    link = next(word for word in mail["text"].split() if "/card/?receipt=" in word)
    page.goto(link)
    expect(page.get_by_text("Your bank wants you to confirm the payment")).to_be_visible()
    require_accessible(page)
    keep_picture(page, "card-failed")
    page.set_viewport_size(PHONE)
    page.get_by_role("button", name="Pay the €20.00 myself").click()
    type_card(page, "4000 0027 6000 3184")
    page.get_by_role("button", name="Yes, it is me").click()
    expect(page.get_by_role("heading", name="My pledge")).to_be_visible()
    story.until_mine(made, "fulfilled")
    story.until("settled")
    assert [1000, 2000] == story.charged()
    live.self_check()
