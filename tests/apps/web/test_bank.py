"""The desk for the bank, the form that takes a transfer, and the page of what to transfer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from countmein.base.clock import site_now
from countmein.campaigns.models import Campaign
from countmein.payments.apps import account_faults
from countmein.payments.bank_models import BankEntry, BankOrder, BankTransfer
from countmein.rules.remittance import printed
from tests.apps.campaigns.acts import Join, pledge_of
from tests.apps.payments.bank.statements import PAYER, Moved, camt
from tests.apps.payments.test_bank import charge_of
from tests.apps.web.conftest import said
from tests.apps.web.test_desk import as_olga
from tests.conftest import Launch, Site

__all__ = ["as_olga"]

Tip = Callable[..., tuple[Campaign, dict[str, Any]]]


@pytest.fixture
def tipped(site: Site, launch: Launch, join: Join) -> tuple[Campaign, dict[str, Any]]:
    """A campaign that tipped with Ben, who promised to transfer 50 euros."""
    campaign = launch(
        title="By bank & by heart",
        kinds=["money"],
        currency="EUR",
        rule={"people": 1},
        transfer_days=14,
    )
    ben = join(campaign, "ben", amount=5000, payment_method="bank_transfer")
    site.work()
    return campaign, ben


def brought(browser: Client, content: bytes) -> str:
    """What the desk says once a file was brought in."""
    file = SimpleUploadedFile("statement.xml", content, content_type="application/xml")
    return said(browser.post("/desk/bank/import/", {"file": file}, follow=True))


def test_the_page_says_what_to_transfer_until_it_has_come(
    site: Site, tipped: tuple[Campaign, dict[str, Any]], as_olga: Client
) -> None:
    _campaign, ben = tipped
    own = f"/p/{ben['code']}/"
    key = f"?receipt={ben['receipt']}"
    page = said(Client().get(f"{own}{key}"))
    assert "Bank transfer awaited: it has not arrived yet" in page
    reference = charge_of(ben).reference
    page = said(Client().get(f"{own}transfer/{key}"))
    assert printed(reference) in page and "NL41 MOCK 0000 0000 01" in page
    assert "image/png" == Client().get(f"{own}transfer.png{key}")["Content-Type"]
    day = site_now().date()
    brought(as_olga, camt(Moved(minor=5000, id="B-1", text=reference), on=day))
    site.work()
    assert "Bank transfer has arrived" in said(Client().get(f"{own}{key}"))
    answer = Client().get(f"{own}transfer/{key}", follow=True)
    assert "Nothing is to be transferred now." in said(answer)
    assert 404 == Client().get(f"{own}transfer.png{key}").status_code


def test_the_form_offers_transfers_only_where_they_are(
    site: Site, launch: Launch, settings: Any
) -> None:
    terms = {"kinds": ["money", "signature"], "currency": "EUR", "rule": {"people": 9}}
    cards, both = launch(**terms), launch(**terms, transfer_days=5)
    assert "How do you pay?" not in said(Client().get(f"/c/{cards.code}/pledge/"))
    assert "you have 5 days" in said(Client().get(f"/c/{both.code}/pledge/"))
    form = {"email": "ben@example.org", "condition": "none", "pay": "bank_transfer"}
    money = {**form, "kind": "money", "amount_money": "12.50"}
    answer = Client().post(f"/c/{both.code}/pledge/", money, follow=True)
    assert "promised; we ask for it if it tips" in said(answer)
    # A signature costs nothing, whatever is chosen below it.
    signature = {**form, "kind": "signature", "email": "cleo@example.org"}
    answer = Client().post(f"/c/{both.code}/pledge/", signature, follow=True)
    assert "Thank you. You are pledged." in said(answer)
    # Where only cards are taken a forged choice is none: the card is asked for.
    answer = Client().post(f"/c/{cards.code}/pledge/", money)
    assert "/card/" in answer["Location"]


def test_an_organiser_says_how_many_days(site: Site, as_ana: Client) -> None:
    page = said(as_ana.get("/organise/new/fund/"))
    assert "Days for a bank transfer" in page
    form = {
        "title": "Roof", "kinds": "money", "currency": "USD", "rule_people": "3",
        "deadline": "2090-01-01T12:00", "timezone": "UTC", "transfer_days": "14",
    }  # fmt: skip
    page = said(as_ana.post("/organise/new/fund/", {**form, "deadline": "2028-01-01T12:00"}))
    assert "Transfers are in euros" in page


def test_files_that_are_none_are_refused_in_words(site: Site, as_olga: Client) -> None:
    assert "nothing of it is kept: this is not XML" in brought(as_olga, b"hello")
    answer = as_olga.post("/desk/bank/import/", {}, follow=True)
    assert "Choose the file that the bank gave you." in said(answer)
    report = b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>'
    assert "not XML" in brought(as_olga, report)
    whole = report + b"<GrpHdr/></CstmrPmtStsRpt></Document>"
    assert "This answer is about no order of ours." in brought(as_olga, whole)


def test_the_queue_shows_no_whole_account_and_its_acts_are_done(
    site: Site, tipped: tuple[Campaign, dict[str, Any]], as_olga: Client
) -> None:
    campaign, ben = tipped
    reference = charge_of(ben).reference
    moved = (
        Moved(minor=6000, id="B-1", text=f"<b>{reference}</b>"),
        Moved(minor=100, id="B-2", text="?", iban=""),
    )
    assert "2 of 2 entries are new" in brought(as_olga, camt(*moved, on=site_now().date()))
    site.work()
    answer = as_olga.get("/desk/bank/")
    assert PAYER not in answer.content.decode() and "DE…3000" in said(answer)
    assert "<b>RF" not in answer.content.decode()
    assert campaign.title in said(answer) or "By bank &amp; by heart" in answer.content.decode()
    over, stray = BankEntry.objects.order_by("-amount_minor")
    page = act(as_olga, over, "return_excess")
    assert "Booked; what is too much goes into the next order." in page
    assert "Somebody has dealt with it meanwhile." in act(as_olga, over, "return_all")
    assert "perhaps a letter is wrong" in act(as_olga, stray, "assign", reference="RF00")
    assert "All of it goes into the next order." in act(as_olga, stray, "return_all")
    lacking = BankTransfer.objects.get(payee=None)
    refused = as_olga.post(f"/desk/bank/transfer/{lacking.id}/", {"name": "X", "iban": "?"})
    assert 302 == refused.status_code
    filled = {"name": "Ben", "iban": PAYER}
    page = said(as_olga.post(f"/desk/bank/transfer/{lacking.id}/", filled, follow=True))
    assert "2 payments, €11.00 in all" in page
    page = said(as_olga.post("/desk/bank/order/", follow=True))
    assert "download it and hand it to the bank" in page and "Nothing is to be paid." in page
    order = BankOrder.objects.get()
    file = as_olga.get(f"/desk/bank/order/{order.id}.xml")
    assert file.content.startswith(b"<?xml") and PAYER.encode() in file.content
    assert order.message_id in file["Content-Disposition"]
    site.work()
    assert "fulfilled" == pledge_of(ben).state


def act(browser: Client, entry: BankEntry, name: str, **fields: str) -> str:
    return said(browser.post(f"/desk/bank/entry/{entry.id}/", {"act": name, **fields}, follow=True))


def test_a_wrong_account_stops_the_site_from_starting(settings: Any) -> None:
    assert [] == account_faults()
    for wrong in ({"BANK_IBAN": "NL00MOCK0000000001"}, {"BANK_NAME": "数え上げ"}):
        for name, value in wrong.items():
            setattr(settings, name, value)
        assert ["countmein.E010"] == [fault.id for fault in account_faults()]
    settings.BANK_IBAN = ""
    assert [] == account_faults()
