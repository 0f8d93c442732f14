"""Every page in its main states: axe finds nothing, no console complains, and it has a picture."""

from __future__ import annotations

import re
import tempfile
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.apps.payments.bank.statements import Moved, camt
from tests.browser.conftest import (
    ENLARGED,
    PHONE,
    Arrive,
    Complaints,
    keep_picture,
    sign_in,
    too_wide,
    violations,
)
from tests.journeys.terms import CAMPAIGNS, campaign, pledge
from tests.live import Live, Story, launch

pytestmark = pytest.mark.slow

PUBLIC = (
    "home", "campaigns", "campaigns-settled", "how", "campaign-open", "campaign-settled",
    "campaign-released", "campaign-again", "pledge", "pledge-faulty", "ledger-empty", "ledger",
    "mine-unconfirmed", "mine-waiting", "mine-purchase", "mine-presence", "mine-call",
    "mine-hours", "mine-withdrawn", "change", "withdraw", "confirmed", "outbox",
    "pledge-transfer", "mine-transfer", "transfer", "outbox-letter", "outbox-voucher", "missing",
    "login", "login-code", "signup", "signup-sent", "freeze", "campaign-proof", "ledger-paid",
    "campaign-plans", "pledge-plans", "campaign-failed", "mine-failed", "fallback", "ballot",
    "styleguide", "poster", "embed", "search-nothing", "pledge-friend",
)  # fmt: skip
ORGANISE = (
    "desk", "choose", "new-fund", "new-faulty", "draft", "edit", "rehearse", "rehearse-bare",
    "ask-launch", "launch-refused", "watch-open", "watch-settled", "story", "thank", "cancel",
    "logout", "payouts", "payouts-faulty", "account", "hand-over", "proof", "proof-wanted",
    "desk-payouts", "desk-payout", "desk-payout-faulty", "desk-money", "desk-bank",
    "watch-failed", "execute", "fail", "fail-faulty", "finish",
)  # fmt: skip
#: Also looked at in the dark.
DARK = (
    "home", "campaign-open", "campaign-settled", "pledge-faulty", "mine-waiting", "watch-settled",
    "rehearse", "styleguide", "campaigns",
)  # fmt: skip
#: Also looked at from right to left.
ARABIC = ("home", "campaign-open", "campaign-settled", "pledge", "mine-waiting", "styleguide")


@pytest.fixture(scope="module")
def world(live: Live, ana: str) -> dict[str, str]:
    """A campaign in each main state; where each page is."""
    kept = {kind: tipped(live, ana, kind) for kind in CAMPAIGNS}
    story, mine = open_campaign(live, ana)
    lapsed, again = released(live, ana)
    draft = write_draft(live, ana, title="A draft of mine")
    bare = write_draft(live, ana, title="A market", kinds=["purchase"], currency="EUR")
    live.rest()
    awaited, asked = awaited_transfer(live, ana)
    council = live.mails("council@example.org")[-1]["id"]
    buyer = kept["purchase"][0]
    paying = payouts(live, ana)
    voucher = live.mails(buyer.address("ben"))[-1]["id"]
    return {
        "home": "/",
        "campaigns": "/campaigns/",
        "campaigns-settled": "/campaigns/?state=settled",
        "how": "/how/",
        "campaign-open": f"/c/{story.code}/",
        "campaign-settled": f"/c/{buyer.code}/",
        "campaign-released": f"/c/{lapsed.code}/",
        "campaign-again": f"/c/{again}/",
        "styleguide": "/styleguide/",
        "poster": f"/c/{story.code}/poster/",
        "embed": f"/embed/{story.code}/",
        "search-nothing": "/campaigns/?q=nothing+of+the+kind",
        "pledge-friend": f"/c/{story.code}/pledge/?friend={mine['waiting']['code']}",
        "pledge": f"/c/{story.code}/pledge/",
        "pledge-faulty": f"/c/{story.code}/pledge/",
        "ledger-empty": f"/c/{story.code}/ledger/",
        "ledger": f"/c/{buyer.code}/ledger/",
        **{f"mine-{name}": made["manage_url"] for name, made in mine.items()},
        **{f"mine-{kind}": made["manage_url"] for kind, (_, made) in kept.items()},
        "change": mine["waiting"]["manage_url"].replace("/?", "/change/?"),
        "withdraw": mine["waiting"]["manage_url"].replace("/?", "/withdraw/?"),
        "confirmed": confirm_link(story, "confirmed"),
        "pledge-transfer": f"/c/{awaited.code}/pledge/",
        "mine-transfer": asked["manage_url"],
        "transfer": asked["manage_url"].replace("/?", "/transfer/?"),
        "desk-money": "/desk/money/",
        "desk-bank": "/desk/bank/",
        "outbox": "/outbox/",
        "outbox-letter": f"/outbox/{council}/",
        "outbox-voucher": f"/outbox/{voucher}/",
        "missing": "/c/nothing/",
        "login": "/account/login/",
        "login-code": "/account/login/",
        "signup": "/account/signup/",
        "signup-sent": "/account/signup/",
        "desk": "/organise/",
        "choose": "/organise/new/",
        "new-fund": "/organise/new/fund/",
        "new-faulty": "/organise/new/gather/",
        "draft": f"/organise/{draft}/",
        "edit": f"/organise/{draft}/edit/",
        "rehearse": f"/organise/{draft}/rehearse/",
        "rehearse-bare": f"/organise/{bare}/rehearse/",
        "ask-launch": f"/organise/{draft}/launch/",
        "launch-refused": f"/organise/{bare}/launch/",
        "watch-open": f"/organise/{story.code}/",
        "watch-settled": f"/organise/{kept['signature'][0].code}/",
        "story": f"/organise/{story.code}/story/",
        "thank": f"/organise/{buyer.code}/thank/",
        "cancel": f"/organise/{story.code}/cancel/",
        "logout": "/account/logout/",
        **paying,
        **plans(live, ana),
    }


def tipped(live: Live, ana: str, kind: str) -> tuple[Story, dict[str, Any]]:
    """A campaign of one kind that tipped, and Ben's pledge to it."""
    story = launch(live, ana, **campaign(kind, rule={"people": 1}))
    made = story.join("ben", **pledge(kind, public_name=True))
    story.until("settled")
    return story, made


def payouts(live: Live, ana: str) -> dict[str, str]:
    """Pages about money that leaves: one payment made, one that waits, a proof being voted on."""
    by = (live.now() + timedelta(days=90)).isoformat()
    staged = {"stages_bp": [6000, 4000], "proof_by": by, "holdback_bp": 0}
    shown, wanted = (
        launch(live, ana, **campaign("money", rule={"people": 1}, payout=staged)) for _ in range(2)
    )
    for story in (shown, wanted):
        story.join("ben", kind="money", amount=500_000, payment_method="pm_card_visa")
        story.until("settled")
    browser = live.sign_in("ana@example.org")
    path, paper = f"/organise/{shown.code}/payouts/", {"document": ("invoice.pdf", b"%PDF-1.4")}
    ids: list[str] = []
    for amount in ("90", "2500"):
        said = {"to": "supplier", "payee": "The paper", "purpose": "Half a page"}
        page = browser.submit(
            browser.see(path), path=path, files=paper, supplier_amount=amount, **said
        )
        found = re.findall(r"/payouts/([0-9a-f-]{36})/stop/", page.text)
        ids += [id for id in found if id not in ids]
    desk = f"/desk/payouts/{ids[0]}/"
    browser.submit(browser.see(desk), path=f"{desk}paid/", files=paper, reference="E2E-1")
    proof = f"/organise/{shown.code}/proof/"
    browser.submit(browser.see(proof), path=proof, words="It is *printed*.")
    frozen = re.search(r"/freeze/[^\"]+", browser.see("/organise/account/").text)
    assert frozen is not None
    return {
        "freeze": frozen[0],
        "campaign-proof": f"/c/{shown.code}/",
        "ledger-paid": f"/c/{shown.code}/ledger/",
        "payouts": path,
        "payouts-faulty": path,
        "account": "/organise/account/",
        "hand-over": f"/organise/{shown.code}/hand-over/",
        "proof": proof,
        "proof-wanted": f"/organise/{wanted.code}/proof/",
        "desk-payouts": "/desk/payouts/",
        "desk-payout": f"/desk/payouts/{ids[1]}/",
        "desk-payout-faulty": f"/desk/payouts/{ids[1]}/",
    }


def plans(live: Live, ana: str) -> dict[str, str]:
    """One with plans that is open, one that is carried out, one that failed and left money over."""
    paper = {
        "title": "Another paper",
        "cost_minor": 1000,
        "text": "They said yes.",
        "supplier": "Metro Ltd",
        "document": "https://metro.example.org/offers/7",
    }
    van = {"title": "A van", "rule": {"people": 3}}
    offered = {"plans": [paper, van], "decide_hours": 0}
    terms = {"title": "An advert", "kinds": ["money"], "currency": "GBP", "plan_b": offered}
    still_open = launch(live, ana, **terms, rule={"people": 9})
    carried, failed = (launch(live, ana, **terms, rule={"people": 1}) for _ in range(2))
    for story in (carried, failed):
        made = story.join("ben", **pledge("money"), fallback=1)
        story.until("settled")
        live.api("POST", f"/campaigns/{story.code}/execute", token=ana)
    said = {"text": "They refused it."}
    live.api("POST", f"/campaigns/{failed.code}/fail", said, token=ana)
    failed.until("settled")
    return {
        "campaign-plans": f"/c/{still_open.code}/",
        "pledge-plans": f"/c/{still_open.code}/pledge/",
        "campaign-failed": f"/c/{failed.code}/",
        "mine-failed": made["manage_url"],
        "fallback": made["manage_url"].replace("/?", "/fallback/?"),
        "ballot": made["manage_url"].replace("/?", "/ballot/?"),
        "watch-failed": f"/organise/{failed.code}/",
        "execute": f"/organise/{failed.code}/execute/",
        "fail": f"/organise/{carried.code}/fail/",
        "fail-faulty": f"/organise/{carried.code}/fail/",
        "finish": f"/organise/{carried.code}/finish/",
    }


def open_campaign(live: Live, ana: str) -> tuple[Story, dict[str, dict[str, Any]]]:
    """One that money, places and people are on their way to, with pledges in several states."""
    story = launch(
        live,
        ana,
        title="The advert they won’t print",
        kinds=["money", "signature"],
        currency="GBP",
        story="We *asked* three papers. [Read on](https://example.org).\n\n* one\n* two",
        confirm="email",
        places=["Leeds", "York"],
        minimum={"money": 100},
        rule={"all": [{"people": 20}, {"sum": {"kind": "money", "at_least": 30000}}]},
    )
    made = {
        "unconfirmed": story.join("unconfirmed", kind="signature"),
        "confirmed": story.join("confirmed", kind="signature", public_name=True, place="Leeds"),
        "waiting": story.join("waiting", **pledge("money"), condition={"people": 9}, place="York"),
        "withdrawn": story.join("withdrawn", kind="signature"),
    }
    for who in ("confirmed", "waiting", "withdrawn"):
        live.visitor().see(confirm_link(story, who))
    gone = made["withdrawn"]
    live.api("DELETE", f"/pledges/{gone['code']}?receipt={gone['receipt']}")
    live.until(lambda: story.view()["tally"]["waiting_people"] == 1)
    return story, made


def confirm_link(story: Story, who: str) -> str:
    """The link in somebody's mail."""
    found = re.search(r"https?://\S+/confirm/\S+", story.mail(who, "Please confirm")["text"])
    assert found is not None
    return found[0]


def awaited_transfer(live: Live, ana: str) -> tuple[Story, dict[str, Any]]:
    """One that tipped and awaits Ben's transfer; what came is wrong in every way there is."""
    story = launch(
        live,
        ana,
        title="The barber comes back",
        kinds=["money"],
        currency="EUR",
        rule={"people": 2},
        transfer_days=14,
    )
    ben, cleo = (
        story.join(who, kind="money", amount=5000, payment_method="bank_transfer")
        for who in ("ben", "cleo")
    )
    live.rest()
    references = [story.mine(made)["payment"]["transfer"]["reference"] for made in (ben, cleo)]
    moved = [
        Moved(minor=6000, id="B-1", text=references[1]),
        Moved(minor=1000, id="B-2", text=references[0]),
        Moved(minor=500, id="B-3", text=f"{references[0][:-1]}?"),
        Moved(minor=-300, id="B-4", reversal=True),
    ]
    with tempfile.NamedTemporaryFile(suffix=".xml") as file:
        file.write(camt(*moved, on=live.now().date()))
        file.flush()
        live.countmein("bank", "import", file.name)
    live.rest()
    return story, ben


def released(live: Live, ana: str) -> tuple[Story, str]:
    """One that lapsed, and the code of its second try."""
    soon = (live.now() + timedelta(minutes=5)).isoformat()
    story = launch(live, ana, title="Too few came", rule={"people": 7}, deadline=soon)
    story.join("ben", kind="signature")
    story.people(1)
    live.clock("10m")
    mail = story.mail("ben", "It did not come about")
    (again,) = set(re.findall(r"/c/(\w+)/", mail["text"])) - {story.code}
    return story, str(again)


def write_draft(live: Live, ana: str, **terms: Any) -> str:
    """A draft of Ana's."""
    said = {
        "kinds": ["signature"],
        "rule": {"people": 3},
        "deadline": (live.now() + timedelta(days=9)).isoformat(),
        **terms,
    }
    return str(live.api("POST", "/campaigns", said, token=ana).body["code"])


def act(page: Page, name: str) -> None:
    """Do what brings a page into its state, where opening it is not enough."""
    if name == "pledge-faulty":
        page.get_by_label("Your e-mail").fill("nobody")
        page.get_by_role("button", name="Count me in").click()
    elif name == "login-code":
        page.get_by_label("Your e-mail").fill("ana@example.org")
        page.get_by_role("button", name="Mail me a code").click()
    elif name == "signup-sent":
        page.get_by_label("Your e-mail").fill("new@example.org")
        page.get_by_role("button", name="Mail me a link").click()
    elif name == "new-faulty":
        page.get_by_role("button", name="Save and see how it looks").click()
    elif name == "payouts-faulty":
        page.get_by_role("button", name="Ask for this payment").click()
    elif name == "desk-payout-faulty":
        page.get_by_role("button", name="Note as paid").click()

    elif name == "fail-faulty":
        page.get_by_role("button", name="It cannot be carried out").click()
    elif name == "launch-refused":
        page.get_by_role("button", name="Yes, launch it").click()


def inspect(page: Page, name: str, world: dict[str, str]) -> None:
    """Open a page, look at it by the rules of accessibility, and keep its picture."""
    page.goto(world[name])
    act(page, name)
    assert [] == violations(page)
    keep_picture(page, name)
    page.set_viewport_size(PHONE)
    assert [] == violations(page)
    assert 0 >= too_wide(page), "a phone must scroll sideways"
    page.set_viewport_size(ENLARGED)
    assert 0 >= too_wide(page), "whoever enlarges it four times must scroll sideways"
    page.set_viewport_size(PHONE)
    if name in DARK:
        page.emulate_media(color_scheme="dark")
        assert [] == violations(page)
        keep_picture(page, f"{name}-dark")


def test_axe_and_the_console_are_heard(arrive: Arrive, chromium: Browser) -> None:
    """A button without words is found, and so is a script's complaint."""
    page = arrive()
    page.goto("/how/")
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert ["button-name"] == [found.split(":")[0] for found in violations(page)]
    context, complaints = chromium.new_context(), Complaints()
    complaints.listen(context)
    context.new_page().evaluate("console.error('no')")
    context.close()
    assert ["no"] == [text for _url, text in complaints.left()]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_page(arrive: Arrive, world: dict[str, str], name: str) -> None:
    """As a visitor sees it."""
    inspect(arrive(), name, world)


@pytest.mark.parametrize("name", ORGANISE)
def test_a_page_of_the_organiser(
    arrive: Arrive, world: dict[str, str], signed_in: Any, name: str
) -> None:
    """As Ana sees it."""
    inspect(arrive(storage_state=signed_in), name, world)


@pytest.mark.parametrize("name", ARABIC)
def test_a_page_in_arabic(arrive: Arrive, world: dict[str, str], name: str) -> None:
    """From right to left."""
    page = arrive(locale="ar")
    page.goto(world[name])
    assert "rtl" == page.locator("html").get_attribute("dir")
    assert [] == violations(page)
    keep_picture(page, f"{name}-ar")
    page.set_viewport_size(ENLARGED)
    assert 0 >= too_wide(page)


def test_what_is_offered_to_cleo(arrive: Arrive, live: Live, ana: str) -> None:
    """Ana offers her campaign; Cleo looks at what she would take on."""
    story = launch(live, ana, title="Somebody else should do this", rule={"people": 5})
    live.token("cleo@example.org", "Cleo")
    path, browser = f"/organise/{story.code}/hand-over/", live.sign_in("ana@example.org")
    browser.submit(browser.see(path), path=path, email="cleo@example.org", typed=story.code)
    page = arrive()
    sign_in(page, live, "cleo@example.org")
    inspect(page, "offered", {"offered": f"/organise/offered/{story.code}/"})
