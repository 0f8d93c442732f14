"""The advert they would not print: a tenth of its crowd, ten times their money, every figure kept.

30,140.00 for a page; two suppliers show it for 12,000.00; the paper refuses on the evening before.
Its 18,000.00 are frozen, another paper is found, and what is left over is voted on by too few.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.live import Live, Story, launch, running

pytestmark = pytest.mark.slow

PEOPLE, REFUNDS = 200, 39
EACH, GOAL = 15_070, 3_000_000
CARD = "pm_card_visa"
#: What the organiser's desk does with payments to suppliers, until it has pages for them.
_PAYMENT = """
import json, uuid
from django.db import transaction
from countmein.base.clock import site_now
from countmein.campaigns.gates import hold
from countmein.campaigns.models import Campaign
from countmein.payments.actions import payouts
from countmein.payments.models import Payout, PayoutKind
campaign = Campaign.objects.get(code={code!r})
payout = Payout(lane=campaign.lane, campaign_id=campaign.id, kind=PayoutKind.SUPPLIER,
    payee={payee!r}, purpose="a full page", amount_minor={amount}, currency=campaign.currency,
    asked_by_id=uuid.UUID(int=1), asked_at=site_now())
with transaction.atomic():
    hold(campaign)
    payouts.set_aside(payout)
if {is_paid}:
    assert payouts.paid(payout, reference="by hand")
print("PAYOUT", payout.id)
"""


@pytest.fixture(scope="module")
def free() -> Iterator[Live]:
    """A site whose provider charges nothing, so that the figures are the story's own."""
    with running(SANDBOX_FEE_BP="0", SANDBOX_FEE_FIXED="0") as site:
        yield site
        site.rest()
        site.self_check()


def payment(story: Story, payee: str, amount: int, *, is_paid: bool) -> str:
    """Ask for a payment to a supplier, or make it; return its id."""
    script = _PAYMENT.format(code=story.code, payee=payee, amount=amount, is_paid=is_paid)
    said = story.live.countmein("manage", "shell", "-c", script)
    return re.search(r"PAYOUT (\S+)", said)[1]  # type: ignore[index]


def accounts(story: Story) -> dict[str, int]:
    """The public books: what is on each account that has something on it."""
    said = story.live.api("GET", f"/campaigns/{story.code}/ledger?limit=1").body
    return {
        row["account"]: row["balance_minor"] for row in said["accounts"] if row["balance_minor"]
    }


def told(story: Story, who: str, about: str) -> list[dict[str, Any]]:
    """The mails to somebody with these words in the subject."""
    return [m for m in story.live.mails(story.address(who)) if about in m["subject"]]


def everybody_hears_once(story: Story, about: str) -> None:
    """All two hundred have this mail within a minute, and each has one."""
    waiting = {f"p{n}" for n in range(PEOPLE)}

    def has_come() -> bool:
        waiting.difference_update([who for who in waiting if told(story, who, about)])
        return not waiting

    story.live.until(has_come, 60)
    assert {1} == {len(told(story, f"p{n}", about)) for n in range(PEOPLE)}


def one(story: Story, who: str, about: str) -> dict[str, Any]:
    """The one mail to somebody with these words in the subject."""
    story.live.until(lambda: told(story, who, about))
    (mail,) = told(story, who, about)
    return mail


def act(story: Story, verb: str, body: object = None) -> dict[str, Any]:
    """The organiser's program says something of the campaign."""
    path = f"/campaigns/{story.code}/{verb}"
    answer = story.live.api("POST", path, body, token=story.token)
    assert 200 == answer.status, answer.text
    return dict(answer.body)


def change_by_the_mailed_link(story: Story, who: str) -> None:
    """Who had ticked nothing now wants the other paper: the button of the digest leads there."""
    mail = one(story, who, "cannot be carried out")
    assert "A refund" in mail["text"]
    link = re.search(r"https?://\S+/fallback/\?receipt=\w+", mail["text"])
    assert link is not None, mail["text"]
    visitor = story.live.visitor()
    page = visitor.submit(visitor.see(link[0]), fallback="1")
    assert "Your choice is noted." in page.words


def advert(live: Live) -> tuple[Story, list[dict[str, Any]]]:
    """Two hundred give; it tips at 30,000.00. 160 tick another paper at the pledge."""
    story = launch(
        live,
        live.token("ana@example.org", "Ana"),
        title="The ad they would not print",
        kinds=["money"],
        currency="GBP",
        rule={"sum": {"kind": "money", "at_least": GOAL}},
        deadline=(live.now() + timedelta(days=6)).isoformat(),
        plan_b={
            "plans": [
                {"title": "Another paper", "cost_minor": 900_000, "rule": {"people": 50}},
                {"title": "A van that drives past", "rule": {"people": 150}},
            ],
            "decide_hours": 3,
            "set_aside_above_minor": GOAL,
        },
    )
    chosen: list[object] = [1] * 160 + ["refund"] * 39 + [None]
    made = [
        story.join(f"p{n}", kind="money", amount=EACH, payment_method=CARD, fallback=fallback)
        for n, fallback in enumerate(chosen)
    ]
    return story, made


def vote(story: Story, pledge: dict[str, Any], choice: str) -> None:
    """Vote over the API."""
    path = f"/pledges/{pledge['code']}/ballots?receipt={pledge['receipt']}"
    (ballot,) = story.live.api("GET", path).body["items"]
    answer = story.live.api("POST", path, {"ballot": ballot["id"], "choice": choice})
    assert 200 == answer.status and choice == answer.body["items"][0]["choice"], answer.text


def test_the_paper_refuses_and_every_pound_is_accounted_for(free: Live) -> None:
    story, made = advert(free)
    free.rest()
    assert {"money": 3_014_000} == story.until("settled")["collected"]
    act(story, "execute")
    payment(story, "Evening Standard", 800_000, is_paid=True)
    payment(story, "Ad van", 400_000, is_paid=True)
    times = payment(story, "Financial Times", 1_800_000, is_paid=False)
    assert (1_800_000, 14_000) == (
        accounts(story)["pending:Financial Times"],
        accounts(story)["held:money"],
    )
    # The evening before: frozen at once, and a digest to all of them.
    seen = act(story, "fail", {"text": "They will not print it.", "refused": [times]})
    assert "failed" == seen["state"] and seen["failures"][0]["sums"] is None
    assert 1_814_000 == accounts(story)["held:money"]
    free.rest()
    everybody_hears_once(story, "cannot be carried out")
    change_by_the_mailed_link(story, "p199")
    everybody_gets_what_they_chose(story, made)
    too_few_vote(story, made)
    the_other_paper_prints_it(story)


def everybody_gets_what_they_chose(story: Story, made: list[dict[str, Any]]) -> None:
    """161 go to the other paper, 39 get 90.00 back, 5,630.00 is left over."""
    story.live.clock("3h")
    seen = story.until("settled")
    (failure,) = seen["failures"]
    assert (161, True, 900_000, 1) == (
        failure["plans"][0]["people"],
        failure["plans"][0]["runs"],
        failure["plans"][0]["delivered_minor"],
        failure["majority"],
    )
    assert {
        "collected_minor": 3_014_000,
        "spent_minor": 0,
        "kept_minor": 1_200_000,
        "returned_minor": 0,
        "delivered_minor": 900_000,
        "refund_minor": REFUNDS * 9_000,
        "left_over_minor": 563_000,
    } == failure["sums"]
    mine = story.mine(made[170])
    assert (6_000, 9_000, 0, 70, None) == tuple(mine["shares"][0][name] for name in _SHARE)
    letter = one(story, "p170", "What becomes of your money")
    for fact in ("£60.00", "£90.00", "£0.70", "/ballot/?receipt="):
        assert fact in letter["text"]
    assert {"money": 351_000} == seen["refunded"]
    assert {
        "backers": -3_014_000 + 351_000,
        "held:money": 900_000,
        "pending:ballot": 563_000,
        "paid:Evening Standard": 800_000,
        "paid:Ad van": 400_000,
    } == accounts(story)


_SHARE = ("borne_minor", "refund_minor", "delivered_minor", "left_over_minor", "plan")


def too_few_vote(story: Story, made: list[dict[str, Any]]) -> None:
    """The failure of the failure: 19 of 200 are no quorum, so it goes back in proportion."""
    for pledge in made[:18]:
        vote(story, pledge, "keep")
    letter = one(story, "p18", "What becomes of your money")
    link = re.search(r"https?://\S+/ballot/\?receipt=\w+", letter["text"])
    assert link is not None
    visitor = story.live.visitor()
    voted = visitor.submit(visitor.see(link[0]), choice="keep")
    assert "Your vote is counted." in voted.words
    story.live.clock("73h")
    (ballot,) = story.view()["ballots"]
    assert ("refund", 19, 181) == (ballot["outcome"], ballot["counts"]["keep"], ballot["silent"])
    assert {"money": 351_000 + 563_000} == story.view()["refunded"]
    assert "£0.70" in one(story, "p170", "The vote is over")["text"]
    assert 9_070 == story.mine(made[170])["payment"]["refunded_minor"]
    words = visitor.see(f"/c/{story.code}/").words
    for fact in ("Everybody gets their part back.", "Left over £5,630.00", "161 people chose it"):
        assert fact in words


def the_other_paper_prints_it(story: Story) -> None:
    """It is paid, it is done, and the campaign holds nothing any more."""
    payment(story, "Metro", 900_000, is_paid=True)
    act(story, "execute")
    seen = act(story, "finish")
    assert "done" == seen["state"]
    assert ["executing", "failed", "reallocating", "settled", "executing", "done"] == [
        step["state"] for step in seen["history"]
    ][-6:]
    assert {
        "backers": -2_100_000,
        "paid:Evening Standard": 800_000,
        "paid:Ad van": 400_000,
        "paid:Metro": 900_000,
    } == accounts(story)
    story.live.rest()
    everybody_hears_once(story, "What becomes of your money")
