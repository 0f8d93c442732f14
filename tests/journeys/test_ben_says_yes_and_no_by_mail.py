"""The mailbox decides: a link confirms a pledge, and another one withdraws it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.live import Begin, Live, Story

pytestmark = pytest.mark.slow


def link(mail: dict[str, Any], words: str) -> str:
    """The link in a mail that leads to such an address."""
    (found,) = {url for url in re.findall(r"https?://\S+", mail["text"]) if words in url}
    return str(found)


def test_ben_counts_from_the_click_in_his_mail(begin: Begin, live: Live) -> None:
    """Nothing counts before; the link works twice and says the same; nobody else has it."""
    story = begin(confirm="email", rule={"people": 2})
    made = story.join("ben", kind="signature", public_name=True)
    assert ("unconfirmed", None) == (made["state"], made["counted"])
    confirm = link(story.mail("ben", "Please confirm"), "/confirm/")
    live.rest()
    assert 0 == story.view()["tally"]["people"]
    forged = confirm[:-4] + ("aaaa" if not confirm.endswith("aaaa") else "bbbb")
    assert 404 == live.visitor().see(forged).status
    for _ in range(2):
        page = live.visitor().see(confirm)
        assert (200, True) == (page.status, "You are in" in page.words)
    story.people(1)
    assert "active" == story.mine(made)["state"]


def test_a_second_pledge_from_a_mailbox_tells_only_the_mailbox(begin: Begin, live: Live) -> None:
    """The answer is that of a first pledge; the mail says that one exists."""
    story = begin(confirm="email", rule={"people": 9})
    first = story.join("ben", kind="signature")
    live.visitor().see(link(story.mail("ben", "Please confirm"), "/confirm/"))
    story.people(1)
    body = {"kind": "signature", "member": {"email": story.address("ben").replace("@", "+x@")}}
    second = live.api("POST", f"/campaigns/{story.code}/pledges", body, key="second").body
    assert (first.keys(), "unconfirmed") == (second.keys(), second["state"])
    mail = live.mail(body["member"]["email"], f"You have already pledged: {story.title}")
    assert first["code"] in link(mail, "/p/")
    live.rest()
    assert 1 == story.view()["tally"]["people"]


def withdraw_by_page(story: Story, manage: str) -> str:
    """Follow the link of the mail, press withdraw, say yes; return what the page says then."""
    ben = story.live.visitor()
    page = ben.see(manage)
    (path,) = re.findall(r'href="(/p/[^"]+/withdraw/[^"]+)"', page.text)
    asked = ben.see(path)
    assert "Withdraw your pledge?" in asked.words
    return ben.submit(asked).words


def test_ben_leaves_by_the_link_in_his_mail(begin: Begin, live: Live) -> None:
    """The count falls, the card is forgotten, and he may come again."""
    story = begin(
        title="A bench by the lake",
        confirm="email",
        kinds=["money"],
        currency="EUR",
        rule={"people": 2},
    )
    made = story.join("ben", kind="money", amount=2000, payment_method="pm_card_visa")
    ben = live.visitor()
    page = ben.see(link(story.mail("ben", "Please confirm"), "/confirm/"))
    (manage,) = re.findall(r'href="([^"]+/p/[^"]+receipt=[^"]+)"', page.text)
    story.people(1)
    live.until(lambda: story.cards_kept() == 1)
    assert "You are out. Nothing will happen." in withdraw_by_page(story, manage)
    story.people(0)
    assert "withdrawn" == story.mine(made)["state"]
    live.until(lambda: story.cards_kept() == 0)
    body = {
        "kind": "money",
        "amount": 2500,
        "member": {"email": story.address("ben")},
        "payment_method": "pm_card_visa",
    }
    again = live.api("POST", f"/campaigns/{story.code}/pledges", body, key="again")
    assert (201, "unconfirmed") == (again.status, again.body["state"])


def test_after_the_tip_nobody_leaves(begin: Begin, live: Live) -> None:
    """Others have relied on it: the door says so and the page offers nothing."""
    story = begin(rule={"people": 1})
    made = story.join("ben", kind="signature")
    story.until("settled")
    refused = live.api("DELETE", f"/pledges/{made['code']}?receipt={made['receipt']}")
    assert (409, "latched") == (refused.status, refused.body["reason"])
    page = live.visitor().see(made["manage_url"])
    assert (200, False) == (page.status, "/withdraw/" in page.text)
