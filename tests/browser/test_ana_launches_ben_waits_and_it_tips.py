"""The whole story, as people see it: launch, pledge, a meter that moves, the tip, the mail."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Arrive, sign_in
from tests.live import Begin, Live, Story

pytestmark = pytest.mark.slow

TITLE = "Swings for the small park"


def test_ana_launches_ben_waits_and_it_tips(arrive: Arrive, live: Live, ana: str) -> None:
    """Ana's open page moves by itself when Ben comes, and when others bring him in."""
    desk = arrive()
    sign_in(desk, live, "ana@example.org")
    code = launch_from_a_template(desk, live)
    story = Story(live=live, token=ana, code=code, title=TITLE, charges_before=0, cards_before=0)
    desk.goto(f"/c/{code}/")
    desk.evaluate("window.isTheSamePage = true")
    expect(desk.locator("[data-people]")).to_have_text("0")

    phone = arrive(viewport=PHONE, has_touch=True, is_mobile=True)
    ben = story.address("ben")
    pledge_if_three_are_in(phone, code, ben)
    story.mail("ben", "Please confirm")
    confirm_in_the_outbox(phone, ben)
    expect(desk.locator("[data-waiting]")).to_have_text("1", timeout=10_000)

    for who in ("dora", "emil"):
        made = story.join(who, kind="signature")
        confirm = re.search(r"https?://\S+/confirm/\S+", story.mail(who, "Please confirm")["text"])
        assert confirm is not None
        assert 200 == live.visitor().see(confirm[0]).status
        story.until_mine(made, "active" if who == "dora" else "fulfilled")
    # The meter and its words come by themselves; only after the news does the page turn.
    expect(desk.locator("[data-people]")).to_have_text("3", timeout=10_000)
    assert desk.evaluate("window.isTheSamePage") is True
    story.until("settled")
    expect(desk.locator("main .kicker .chip").first).to_have_text("Settled", timeout=20_000)

    live.rest()
    phone.goto(f"/outbox/?to={ben}")
    phone.get_by_role("link", name=f"It tipped: {TITLE}").click()
    mail = phone.frame_locator("iframe.mail-html")
    expect(mail.get_by_text("Enough others are in, so your pledge counts.")).to_be_visible()
    with phone.expect_popup() as opened:
        mail.get_by_role("link", name="My pledge").click()
    expect(opened.value.get_by_role("heading", name="My pledge")).to_be_visible()
    expect(opened.value.get_by_text("It tipped, and your promise was carried out.")).to_be_visible()
    live.self_check()


def launch_from_a_template(page: Page, live: Live) -> str:
    """Choose a template, fill it, preview, rehearse, launch; return the campaign's code."""
    page.get_by_role("link", name="Start a campaign").first.click()
    page.get_by_role("link", name="Petition somebody").click()
    page.get_by_label("Title", exact=True).fill(TITLE)
    page.get_by_label("Story").fill("The **old** ones broke.")
    page.get_by_label("At least so many people").fill("3")
    ends = (live.now() + timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M")
    page.get_by_label("Time zone of all times here").select_option("UTC")
    page.get_by_label("Deadline", exact=True).fill(ends)
    page.get_by_label("What you ask of them").fill("Mend the swings")
    page.get_by_role("button", name="Save and see how it looks").click()
    expect(page.get_by_text("This is how it will look. Only you can see it.")).to_be_visible()
    expect(page.get_by_text("This happens if 3 people come together.")).to_be_visible()
    page.get_by_role("link", name="Rehearse it").click()
    expect(page.get_by_role("heading", name=f"It tipped: {TITLE}")).to_be_visible()
    expect(
        page.get_by_role("heading", name=f"It did not come about: {TITLE}").first
    ).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="Launch it").click()
    page.get_by_role("button", name="Yes, launch it").click()
    expect(page.get_by_text("It is open. Now tell people.")).to_be_visible()
    (code,) = re.findall(r"/organise/(\w+)/$", page.url)
    return str(code)


def pledge_if_three_are_in(page: Page, code: str, email: str) -> None:
    """Fill the form on the phone."""
    page.goto(f"/c/{code}/")
    page.get_by_role("link", name="Count me in").click()
    page.get_by_label("Only when enough people are in").check()
    page.get_by_label("At least this many people, me included").fill("3")
    page.get_by_label("Your name").fill("Ben")
    page.get_by_label("Your e-mail").fill(email)
    page.get_by_role("button", name="Count me in").click()
    expect(page.get_by_text("One step is left: open the link in the mail")).to_be_visible()


def confirm_in_the_outbox(page: Page, email: str) -> None:
    """Open the mail in the sandbox's outbox and press its button."""
    page.goto(f"/outbox/?to={email}")
    page.get_by_role("link", name=f"Please confirm: {TITLE}").click()
    mail = page.frame_locator("iframe.mail-html")
    with page.expect_popup() as opened:
        mail.get_by_role("link", name="Yes, count me in").click()
    expect(opened.value.get_by_role("heading", name="You are in")).to_be_visible()
    opened.value.close()


def test_cleo_withdraws_by_her_mailed_link(arrive: Arrive, begin: Begin, live: Live) -> None:
    """Link, button, yes: three clicks, and the count falls on a page that somebody watches."""
    story = begin(title="A kiosk by the river", confirm="email", rule={"people": 5})
    made = story.join("cleo", kind="signature")
    watching = arrive()
    watching.goto(f"/c/{story.code}/")
    page = arrive(viewport=PHONE)
    confirm = re.search(r"https?://\S+/confirm/\S+", story.mail("cleo", "Please confirm")["text"])
    assert confirm is not None
    page.goto(confirm[0])
    expect(watching.locator("[data-people]")).to_have_text("1", timeout=10_000)
    page.get_by_role("link", name="See my pledge").click()
    page.get_by_role("link", name="Withdraw").click()
    page.get_by_role("button", name="Yes, withdraw").click()
    expect(page.get_by_text("You are out. Nothing will happen.")).to_be_visible()
    expect(watching.locator("[data-people]")).to_have_text("0", timeout=10_000)
    assert "withdrawn" == story.mine(made)["state"]
