"""Kim's film is paid for in two parts: 60 % when it is settled, 40 % once the backers have seen a
sample; two of them dispute their charge. And what happens if no sample comes."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest

from tests.live import Live, Story, Visitor, launch
from tests.provider_page import visit

pytestmark = pytest.mark.slow

EACH, BACKERS = 10_300, 10
WHOLE = EACH * BACKERS
PNG = b"\x89PNG\r\n\x1a\n a picture of the sample"


@pytest.fixture
def kim(live: Live, ana: str) -> str:
    """Kim's token; Ana runs the site."""
    return live.token("kim@example.org", "Kim")


def film(live: Live, kim: str, **terms: Any) -> tuple[Story, list[dict[str, Any]]]:
    """A film of $1,000 that has settled with ten backers; the card of an eleventh is dropped."""
    story = launch(
        live,
        kim,
        title="A film about the river",
        kinds=["money"],
        currency="USD",
        rule={"sum": {"kind": "money", "at_least": 100_000}},
        latch="at_deadline",
        deadline=(live.now() + timedelta(days=30)).isoformat(),
        payout={
            "stages_bp": [6000, 4000],
            "proof_by": (live.now() + timedelta(days=90)).isoformat(),
            "holdback_bp": 1000,
            "refund_days": 14,
        },
        **terms,
    )
    backers = [
        story.join(f"b{n}", kind="money", amount=EACH, payment_method="pm_card_visa")
        for n in range(BACKERS)
    ]
    story.join("bad", kind="money", amount=500, payment_method="pm_card_chargeCustomerFail")
    page = live.visitor().see(f"/c/{story.code}/").words
    assert "60 % is paid now, 40 % once the backers accept a proof, by" in page
    live.clock("30d")
    for _step in range(4):
        live.clock("48h")
    assert {"money": WHOLE} == story.until("settled")["collected"]
    return story, backers


def set_up_account(live: Live, browser: Visitor) -> None:
    """Kim goes to the provider's page, says where the money goes, and comes back."""
    page = browser.see("/organise/account/")
    there = browser.submit(page)
    assert "/setup/" in there.url, there.words
    form = {"business_type": "individual", "account_number": "DE89370400440532013000"}
    status, text, back = visit(there.url, form)
    assert 303 == status, text
    assert "Your account is verified." in browser.see(back).words


def ask_for(browser: Visitor, story: Story, amount: str) -> str:
    path = f"/organise/{story.code}/payouts/"
    answer = browser.submit(browser.see(path), path=path, to="organiser", amount=amount)
    return answer.words


def vote(live: Live, pledge: dict[str, Any], choice: str) -> None:
    """That member says so."""
    path = f"/pledges/{pledge['code']}/ballots?receipt={pledge['receipt']}"
    (ballot,) = live.api("GET", path).body["items"]
    said = live.api("POST", path, {"ballot": ballot["id"], "choice": choice})
    assert 200 == said.status, said.text


def may_vote(live: Live, pledge: dict[str, Any]) -> bool:
    """Whether that member has a paper: whoever disputed the charge has none."""
    path = f"/pledges/{pledge['code']}/ballots?receipt={pledge['receipt']}"
    return bool(live.api("GET", path).body["items"])


def passed_on(live: Live) -> int:
    """What the provider says it passed on to organisers, less what came back."""
    made = live.provider("transfers?limit=100")["data"]
    return sum(each["amount"] - each["amount_reversed"] for each in made)


def dispute(live: Live, story: Story, count: int) -> None:
    """So many of this story's charges, whosever they are, are disputed by their owners."""
    items = live.book("charges")["items"][story.charges_before :]
    taken = [charge["id"] for charge in items if charge["status"] == "succeeded"]
    for charge in taken[-count:]:
        live.control_provider(dispute={"charge": charge})
    live.clock("2h")


def test_sixty_per_cent_now_and_forty_on_proof(live: Live, kim: str) -> None:
    before = passed_on(live)
    story, backers = film(live, kim)
    browser = live.sign_in("kim@example.org")
    set_up_account(live, browser)
    assert "nothing is paid for 72 hours" in ask_for(browser, story, "500.00")
    live.clock("71h")
    assert before == passed_on(live)
    live.clock("2h")
    assert before + 50_000 == passed_on(live)
    assert "That much is only paid once the backers have accepted" in ask_for(
        browser, story, "300.00"
    )
    dispute(live, story, 2)
    assert {"money": 2 * EACH} == story.view()["disputed"]
    path = f"/organise/{story.code}/proof/"
    shown = browser.submit(
        browser.see(path),
        path=path,
        words="The sample is *cut*.",
        files={"document_1": ("sample.png", PNG)},
    )
    assert "The backers vote on your proof until" in shown.words
    live.rest()
    picture = re.search(rf"/c/{story.code}/documents/[0-9a-f-]+/", shown.text)
    assert picture is not None
    got = live.visitor().see(picture[0])
    assert (PNG, "image/png") == (got.raw, got.headers["content-type"])
    # Eight are still in; five are more than half of them.
    voters = [backer for backer in backers if may_vote(live, backer)]
    assert 8 == len(voters)
    for n, backer in enumerate(backers):
        told = [m["subject"] for m in live.mails(story.address(f"b{n}"))]
        asked = told.count(f"Is this proof enough? {story.title}")
        assert asked == 1 or (asked == 0 and backer not in voters)
    for backer in voters[:5]:
        vote(live, backer, "yes")
    vote(live, voters[5], "no")
    live.clock("8d")
    assert "Accepted" in live.visitor().see(f"/c/{story.code}/").words
    live.clock("10d")
    ask_for(browser, story, "250.00")
    live.rest()
    assert before + 75_000 == passed_on(live)
    report(live, browser, story)
    ledger = live.visitor().see(f"/c/{story.code}/ledger/").words
    assert "Difference US$0.00" in ledger
    assert "Organiser" in ledger


def report(live: Live, browser: Visitor, story: Story) -> None:
    """The backer report has Kickstarter's columns, one line a backer, and no address."""
    said = browser.see(f"/organise/{story.code}/backers.csv")
    header, *rows = csv.reader(io.StringIO(said.text))
    assert header[:4] == ["Backer Number", "Backer UID", "Backer Name", "Email"]
    at = header.index("Pledged Status")
    assert ["collected"] * 8 + ["disputed"] * 2 + ["dropped"] == sorted(row[at] for row in rows)
    assert "@" not in said.text


def test_without_a_proof_forty_per_cent_goes_back(live: Live, kim: str) -> None:
    """Failure B of the Kickstarter story."""
    before = passed_on(live)
    story, backers = film(live, kim)
    browser = live.sign_in("kim@example.org")
    live.clock("4d")
    ask_for(browser, story, "500.00")
    live.clock("60d")
    assert before + 50_000 == passed_on(live)
    entries = live.api("GET", f"/campaigns/{story.code}/ledger").body["accounts"]
    costs = next(a["balance_minor"] for a in entries if a["account"] == "processor")
    kept = (WHOLE - costs) * 6 // 10
    assert {"money": WHOLE - costs - kept} == story.view()["refunded"]
    for n in range(BACKERS):
        told = [m["subject"] for m in live.mails(story.address(f"b{n}"))]
        assert 1 == told.count(f"Refund: {story.title}")
    assert {"fulfilled"} == {story.mine(made)["state"] for made in backers}
