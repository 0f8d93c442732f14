"""Transfers after the tip: promised, asked for, told by the bank in every way people pay, settled.

The bank is a file a day. Whoever paid exactly is in; what is too much, twice or nobody's goes back
by an order; who paid nothing, or a part, is dropped, and not before the bank was looked at.
"""

from __future__ import annotations

import re
import urllib.request
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.apps.payments.bank.statements import Moved, camt
from tests.live import Answer, Begin, Live, Story, Visitor, send

pytestmark = pytest.mark.slow

_PAIN = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}"


def upload(visitor: Visitor, page: Answer, path: str, content: bytes) -> Answer:
    """Send a file with the page's form, as a browser does."""
    token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[0]
    edge = "----edge"
    head = f'--{edge}\r\nContent-Disposition: form-data; name="'
    body = (
        f'{head}csrfmiddlewaretoken"\r\n\r\n{token}\r\n{head}file"; filename="statement.xml"\r\n'
        "Content-Type: application/xml\r\n\r\n"
    ).encode() + content
    request = urllib.request.Request(
        page.url.split("/desk/")[0] + path,
        data=body + f"\r\n--{edge}--\r\n".encode(),
        headers={"Referer": page.url, "Content-Type": f"multipart/form-data; boundary={edge}"},
    )
    return send(visitor._opener, request)


@dataclass(slots=True)
class Bank:
    """What the bank tells, with balances that lead from one day to the next."""

    live: Live
    desk: Visitor
    balance: int = 0
    files: int = 0
    told: list[bytes] = field(default_factory=list)

    @property
    def today(self) -> date:
        return self.live.now().date()

    def tells(self, *moved: Moved) -> Answer:
        """Bring in the statement of today at the desk."""
        self.files += 1
        said = camt(*moved, on=self.today, opening=self.balance, name=f"S-{self.files}")
        self.balance += sum(one.minor for one in moved)
        self.told.append(said)
        return self.again(said)

    def again(self, said: bytes) -> Answer:
        answer = upload(self.desk, self.page(), "/desk/bank/import/", said)
        self.live.rest()
        return answer

    def page(self) -> Answer:
        return self.desk.see("/desk/bank/")

    def queue(self) -> dict[str, str]:
        """The entries that wait for a person, by what the payer wrote."""
        cards = re.findall(r'<li class="card stack-s">.*?</li>', self.page().text, re.DOTALL)
        found = {}
        for card in cards:
            wrote = re.search(r"They wrote</dt><dd dir=\"auto\">(.*?)</dd>", card)
            id = re.search(r"/desk/bank/entry/([0-9a-f-]+)/", card)
            if wrote and id:
                found[wrote[1].strip()] = id[1]
        return found

    def act(self, id: str, act: str, **fields: str) -> Answer:
        done = self.desk.submit(self.page(), path=f"/desk/bank/entry/{id}/", act=act, **fields)
        self.live.rest()
        return done

    def orders(self) -> list[tuple[str, int, str]]:
        """Make the order and return its payments: our id, how much, to which account."""
        made = self.desk.submit(self.page(), path="/desk/bank/order/")
        link = re.search(r'href="(/desk/bank/order/[0-9a-f-]+\.xml)"', made.text)
        assert link is not None, made.words
        whole = self.desk.see(link[1])
        assert whole.raw == self.desk.see(link[1]).raw, "the same bytes each time"
        return [
            (
                payment.findtext(f"{_PAIN}PmtId/{_PAIN}EndToEndId") or "",
                round(float(payment.findtext(f"{_PAIN}Amt/{_PAIN}InstdAmt") or 0) * 100),
                payment.findtext(f"{_PAIN}CdtrAcct/{_PAIN}Id/{_PAIN}IBAN") or "",
            )
            for payment in ElementTree.fromstring(whole.raw).iter(f"{_PAIN}CdtTrfTxInf")
        ]


def signed_in(live: Live, email: str) -> Visitor:
    """Ask for a code by mail and enter it."""
    visitor, before = live.visitor(), len(live.mails(email))
    asked = visitor.submit(visitor.see("/account/login/"), path="/account/login/code/", email=email)
    live.until(lambda: len(live.mails(email)) > before)
    code = re.search(r"^\s*([A-Z0-9-]{6,12})\s*$", live.mails(email)[-1]["text"], re.MULTILINE)
    assert code is not None
    assert 200 == visitor.submit(asked, code=code[1]).status
    return visitor


@pytest.fixture
def bank(live: Live, ana: str) -> Bank:
    """Ana owns the site, so its bank is hers to look after."""
    return Bank(live, signed_in(live, "ana@example.org"))


def reference(story: Story, pledge: dict[str, Any]) -> str:
    asked = story.mine(pledge)["payment"]["transfer"]
    assert (5000, "EUR") == (asked["amount_minor"], asked["currency"])
    return str(asked["reference"])


PEOPLE = ("exact", "spaces", "partial", "over", "double", "wrong", "nothing")


def test_every_way_to_pay_is_booked_or_goes_back(begin: Begin, live: Live, bank: Bank) -> None:
    story = begin(
        title="The barber comes back",
        kinds=["money"],
        currency="EUR",
        rule={"people": len(PEOPLE) + 1},
        shortfall="proceed",
        transfer_days=14,
    )
    made = {who: by_transfer(story, who) for who in PEOPLE}
    card = story.join("card", kind="money", amount=5000, payment_method="pm_card_visa")
    live.rest()
    story.until_mine(card, "fulfilled")
    refs = {who: reference(story, pledge) for who, pledge in made.items()}
    assert_is_asked(story, live, made["exact"], refs["exact"])
    entries = [
        Moved(minor=5000, id="B-1", text=refs["exact"]),
        Moved(minor=5000, id="B-2", text=f"fuer den  {_spaced(refs['spaces'])}, danke"),
        Moved(minor=2000, id="B-3", text=refs["partial"]),
        Moved(minor=6050, id="B-4", text=refs["over"]),
        Moved(minor=5000, id="B-5", text=refs["double"]),
        Moved(minor=5000, id="B-6", text=refs["double"], iban="FR1420041010050500013M02606"),
        Moved(minor=5000, id="B-7", text=_slipped(refs["wrong"])),
        Moved(minor=333, id="B-8", text="what a nice idea", iban=""),
    ]
    assert "8 of 8 entries are new" in bank.tells(*entries).words
    states = {who: story.mine(pledge)["state"] for who, pledge in made.items()}
    assert {who for who, state in states.items() if state == "fulfilled"} == {
        "exact",
        "spaces",
        "double",
    }
    assert_hears_of_the_rest(story, refs["partial"])
    assert "0 of 8 entries are new" in bank.again(bank.told[0]).words
    work_through_the_queue(bank, refs)
    assert "fulfilled" == story.mine(made["over"])["state"]
    assert "fulfilled" == story.mine(made["wrong"])["state"]
    give_back(bank, {refs["over"]: 1050, refs["double"]: 5000})
    live.clock("30d")
    assert {"partial": "accepted", "nothing": "accepted"} == {
        who: story.mine(made[who])["state"] for who in ("partial", "nothing")
    }, "nobody is dropped before the bank was looked at"
    bank.tells()
    story.until_mine(made["partial"], "dropped")
    story.until_mine(made["nothing"], "dropped")
    assert story.mail("nothing", "Your transfer did not arrive")
    (late,) = bank.queue().values()
    bank.act(late, "return_all")
    give_back(bank, {refs["partial"]: 2000})
    seen = story.until("settled")
    assert {"money": 6 * 5000} == seen["collected"]
    assert {} == bank.queue()


def by_transfer(story: Story, who: str) -> dict[str, Any]:
    """Pledge by the form, or by the API: both count at once."""
    if who != "exact":
        made = story.join(who, kind="money", amount=5000, payment_method="bank_transfer")
        assert "active" == made["state"]
        return made
    visitor = story.live.visitor()
    page = visitor.see(f"/c/{story.code}/pledge/")
    assert "You count at once, on your word." in page.words
    mine = visitor.submit(
        page,
        kind="money",
        amount_money="50.00",
        email=story.address(who),
        condition="none",
        pay="bank_transfer",
    )
    assert "promised; we ask for it if it tips" in mine.words, mine.words
    found = re.search(r"/p/([a-z0-9]+)/\?receipt=([0-9a-f]+)", mine.url)
    assert found is not None, mine.url
    return {"code": found[1], "receipt": found[2]}


def assert_is_asked(story: Story, live: Live, pledge: dict[str, Any], asked: str) -> None:
    """The mail and the page say what to transfer, and both carry the picture."""
    mail = story.mail("exact", "It tipped, please transfer")
    printed = " ".join(asked[start : start + 4] for start in range(0, len(asked), 4))
    assert printed in mail["text"]
    assert ["transfer.png"] == [each["name"] for each in mail["attachments"]]
    link = re.search(r"http\S+/transfer/\?receipt=\w+", mail["text"])
    assert link is not None
    visitor = live.visitor()
    page = visitor.see(link[0])
    assert printed in page.words and "€50.00" in page.words
    picture = visitor.see(link[0].replace("/transfer/?", "/transfer.png?"))
    assert picture.raw.startswith(b"\x89PNG")


def assert_hears_of_the_rest(story: Story, asked: str) -> None:
    """Whose part came reads how much came, how much is missing, under what, and until when."""
    mail = story.mail("partial", "A part of your transfer has arrived")
    printed = " ".join(asked[start : start + 4] for start in range(0, len(asked), 4))
    for said in (mail["text"], mail["html"]):
        for fact in ("€20.00", "€30.00", printed, "Last day"):
            assert fact in said, fact


def _spaced(asked: str) -> str:
    return " ".join(asked.lower()[start : start + 3] for start in range(0, len(asked), 3))


def _slipped(asked: str) -> str:
    """The last two letters that differ, swapped."""
    at = next(n for n in range(len(asked) - 2, 4, -1) if asked[n] != asked[n + 1])
    return asked[:at] + asked[at + 1] + asked[at] + asked[at + 2 :]


def work_through_the_queue(bank: Bank, refs: dict[str, str]) -> None:
    """Too much: the excess back; twice: back; a slip: assigned; nobody's: put aside."""
    queue = bank.queue()
    assert {refs["over"], refs["double"], _slipped(refs["wrong"]), "what a nice idea"} == set(queue)
    bank.act(queue[refs["over"]], "return_excess")
    bank.act(queue[refs["double"]], "return_all")
    bank.act(queue[_slipped(refs["wrong"])], "assign", reference=refs["wrong"])
    gift = queue["what a nice idea"]
    assert "Write down why" in bank.act(gift, "close", note="").words
    bank.act(gift, "close", note="A gift to the site.")
    assert {} == bank.queue()


def give_back(bank: Bank, wanted: dict[str, int]) -> None:
    """Order what is due; the next statement shows that it left."""
    payments = bank.orders()
    assert sorted(wanted.values()) == sorted(minor for _id, minor, _iban in payments)
    bank.tells(
        *(
            Moved(minor=-minor, id=f"OUT-{id[:8]}", end_to_end_id=id, iban=iban)
            for id, minor, iban in payments
        )
    )
    assert "Nothing is to be paid." in bank.page().words


def test_the_command_takes_a_file_and_refuses_another(
    live: Live, bank: Bank, tmp_path: Path
) -> None:
    path = tmp_path / "statement.xml"
    path.write_bytes(camt(on=bank.today, name="S-cli", opening=0))
    foreign = upload(
        bank.desk,
        bank.page(),
        "/desk/bank/import/",
        camt(on=bank.today, account="DE89370400440532013000"),
    )
    assert "nothing of it is kept" in foreign.words and "DE…3000" in foreign.words
    assert "0 of 0 entries are new" in live.countmein("bank", "import", str(path))
