"""The pages of payouts: account, asking, the desk, proofs, hand-over, report, documents, ledger."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from countmein.base.clock import site_now
from countmein.campaigns.actions.hand_over import accept, decline, offer
from countmein.campaigns.backers import COLUMNS, guarded
from countmein.campaigns.models import Campaign, HandOver
from countmein.campaigns.payout_letters import freeze_url
from countmein.members.models import Organiser
from countmein.payments.actions.accounts import account_of
from countmein.payments.models import Document, Freeze, Payout
from countmein.web.desk import pages
from tests.apps.campaigns.acts import Join
from tests.apps.campaigns.conftest import olga, own_statement, settled
from tests.apps.campaigns.payout_acts import PDF, Settled, ask_own, give_bank, onboard
from tests.apps.web.conftest import hidden, path_of, said
from tests.conftest import Launch, Site
from tests.faults.crowd import together

__all__ = ["olga", "own_statement", "settled"]

DAY = timedelta(days=1)
PAGE = "/organise/{code}/payouts/"


@pytest.fixture
def as_olga(olga: Organiser) -> Client:
    """Olga's browser; she owns the site."""
    browser = Client()
    browser.force_login(olga)
    return browser


def paper(name: str = "invoice.pdf", content: bytes = PDF) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type="text/html")


def payouts_of(campaign: Campaign) -> list[Payout]:
    return list(Payout.objects.filter(lane=campaign.lane, campaign_id=campaign.id).order_by("id"))


def ask(browser: Client, campaign: Campaign, **fields: Any) -> Any:
    path = PAGE.format(code=campaign.code)
    key = hidden(browser.get(path), "key")
    return browser.post(path, {"key": key, **fields}, follow=True)


def test_an_organiser_sets_up_the_account_and_comes_back(
    site: Site, as_ana: Client, ana: Organiser
) -> None:
    assert "You have not set up an account yet." in said(as_ana.get("/organise/account/"))
    sent = as_ana.post("/organise/account/")
    assert 302 == sent.status_code
    back = give_bank(sent["Location"])
    page = said(as_ana.get(path_of(back), follow=True))
    assert "Your account is verified." in page
    assert "ending in 3000" in page
    assert "Nothing is paid before" in page
    found = account_of(ana.id)
    assert found is not None
    assert found.is_verified


def test_a_payout_is_asked_for_agreed_to_and_made(
    site: Site, settled: Settled, ana: Organiser, as_ana: Client, as_olga: Client, olga: Organiser
) -> None:
    campaign = settled(100_000, people=4)
    onboard(ana)
    site.advance(4 * DAY)
    page = said(as_ana.get(PAGE.format(code=campaign.code)))
    assert "Collected €4,000.00" in page
    assert "Can be paid out now €3,600.00" in page
    answer = said(ask(as_ana, campaign, to="organiser", amount="2000.00"))
    assert "A second person must agree" in answer
    (payout,) = payouts_of(campaign)
    desk = said(as_olga.get("/desk/payouts/"))
    assert "€2,000.00 · to the organiser" in desk
    one = as_olga.get(f"/desk/payouts/{payout.id}/")
    assert "Agree to €2,000.00" in said(one)
    as_olga.post(f"/desk/payouts/{payout.id}/approve/")
    site.work()
    assert "Paid" in said(as_ana.get(PAGE.format(code=campaign.code)))
    assert ["paid"] == [row.state for row in payouts_of(campaign)]
    ledger = said(Client().get(f"/c/{campaign.code}/ledger/"))
    assert "Organiser — €2,000.00 Paid" in ledger
    site.check()


def test_a_form_that_is_sent_twice_asks_once(
    site: Site, settled: Settled, as_ana: Client, olga: Organiser
) -> None:
    campaign = settled(10_000, people=4)
    path = PAGE.format(code=campaign.code)
    key = hidden(as_ana.get(path), "key")
    for _time in range(2):
        as_ana.post(path, {"key": key, "to": "organiser", "amount": "10"})
    assert 1 == len(payouts_of(campaign))
    other = as_ana.post(path, {"key": key, "to": "organiser", "amount": "11"})
    assert "This form was sent before" in said(other)
    assert 1 == len(payouts_of(campaign))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"amount": "lots"}, "Write an amount such as 12.50"),
        ({"amount": "0"}, "Write an amount such as 12.50"),
        ({"amount": "1000000"}, "There is not that much left."),
        ({"amount": "380"}, "A part is held back for refunds"),
        ({"to": "supplier", "payee": "Organiser"}, "Name the supplier."),
        ({"to": "supplier", "payee": ""}, "One line of at most 48 characters."),
        ({"to": "supplier", "iban": "DE00 1234"}, "This is not an IBAN"),
        ({"to": "supplier", "document": paper(content=b"<html>")}, "Only PDF, PNG and JPEG"),
    ],
)
def test_what_cannot_be_asked_for_says_why_and_keeps_what_was_typed(
    site: Site,
    settled: Settled,
    as_ana: Client,
    olga: Organiser,
    fields: dict[str, Any],
    words: str,
) -> None:
    campaign = settled(10_000, people=4)
    sent = {
        "to": "organiser",
        "payee": "A shop",
        "purpose": "nails for the roof",
        "amount": "10",
        "supplier_amount": "10",
        **fields,
    }
    answer = ask(as_ana, campaign, **sent)
    assert 422 == answer.status_code
    assert words in said(answer)
    if sent["to"] == "supplier":
        assert "nails for the roof" in answer.content.decode()
    assert [] == payouts_of(campaign)


def test_a_supplier_is_paid_at_the_bank_and_everybody_can_see_what_for(
    site: Site, settled: Settled, as_ana: Client, as_cleo: Client, as_olga: Client
) -> None:
    campaign = settled(10_000, people=4)
    ask(
        as_ana,
        campaign,
        to="supplier",
        payee="Evening Standard",
        purpose="Half a page <b>on Monday</b>",
        supplier_amount="80",
        document=paper("Invoice <1>.html"),
    )
    (payout,) = payouts_of(campaign)
    document = Document.objects.get(lane=payout.lane, payout_id=payout.id)
    assert "Invoice _1.pdf" == document.name
    file = f"/c/{campaign.code}/documents/{document.id}/"
    assert [404, 404, 200, 200] == [
        browser.get(file).status_code for browser in (Client(), as_cleo, as_ana, as_olga)
    ]
    short = as_olga.post(f"/desk/payouts/{payout.id}/paid/", {"reference": ""})
    assert (422, "asked") == (short.status_code, payouts_of(campaign)[0].state)
    as_olga.post(f"/desk/payouts/{payout.id}/paid/", {"reference": "E2E-7"})
    assert ("paid", "E2E-7") == (payouts_of(campaign)[0].state, payouts_of(campaign)[0].reference)
    got = Client().get(file)
    assert (PDF, "application/pdf", "nosniff") == (
        got.content,
        got["Content-Type"],
        got["X-Content-Type-Options"],
    )
    assert got["Content-Disposition"].startswith("attachment; filename=")
    ledger = Client().get(f"/c/{campaign.code}/ledger/").content.decode()
    assert "Half a page &lt;b&gt;on Monday&lt;/b&gt;" in ledger
    assert file in ledger
    as_ana.post(f"{PAGE.format(code=campaign.code)}{payout.id}/delivery/", {"delivery": "lost"})
    assert "Lost" in said(Client().get(f"/c/{campaign.code}/ledger/"))
    as_olga.post(f"/desk/payouts/{payout.id}/returned/", {"return_note": "account closed"})
    assert "returned" == payouts_of(campaign)[0].state
    site.check()


def test_the_owner_stops_a_payout_and_says_why(
    site: Site, settled: Settled, as_ana: Client, as_olga: Client
) -> None:
    campaign = settled(10_000, people=4)
    ask(as_ana, campaign, to="organiser", amount="10")
    (payout,) = payouts_of(campaign)
    path = f"/desk/payouts/{payout.id}/stop/"
    assert 422 == as_olga.post(path, {"stop_note": ""}).status_code
    as_olga.post(path, {"stop_note": "Ring me first."})
    page = said(as_ana.get(PAGE.format(code=campaign.code)))
    assert "Stopped" in page
    assert "Ring me first." in page
    late = as_olga.post(f"/desk/payouts/{payout.id}/approve/")
    assert "It is too late" in said(late)


def test_an_organiser_takes_a_payout_back(
    site: Site, settled: Settled, as_ana: Client, as_cleo: Client, olga: Organiser
) -> None:
    campaign = settled(10_000, people=4)
    ask(as_ana, campaign, to="organiser", amount="10")
    (payout,) = payouts_of(campaign)
    path = f"{PAGE.format(code=campaign.code)}{payout.id}/stop/"
    assert 404 == as_cleo.post(path).status_code
    as_ana.post(path)
    assert "stopped" == payouts_of(campaign)[0].state


def test_a_campaign_is_handed_over_and_the_mailed_link_stops_payouts(
    site: Site,
    settled: Settled,
    ana: Organiser,
    cleo: Organiser,
    as_ana: Client,
    as_cleo: Client,
    as_olga: Client,
) -> None:
    campaign = settled(10_000, people=4)
    path = f"/organise/{campaign.code}/hand-over/"
    sent = {"email": "nobody@example.org", "typed": campaign.code}
    assert 422 == as_ana.post(path, sent).status_code
    assert 422 == as_ana.post(path, {"email": cleo.email, "typed": "yes"}).status_code
    offered = f"/organise/offered/{campaign.code}/"
    assert 404 == as_cleo.get(offered).status_code
    as_ana.post(path, {"email": "CLEO@example.org", "typed": campaign.code})
    # Nothing changes before Cleo has said yes, and nobody else can say it.
    assert "has not answered yet" in said(as_ana.get(path))
    assert [404, 404, 200] == [
        browser.get(offered).status_code for browser in (as_ana, as_olga, as_cleo)
    ]
    assert 404 == as_olga.post(offered, {"act": "accept"}).status_code
    assert 200 == as_ana.get(f"/organise/{campaign.code}/").status_code
    assert not HandOver.objects.all_lanes().exists()
    as_cleo.post(offered, {"act": "accept"})
    assert 404 == as_cleo.post(offered, {"act": "accept"}).status_code
    assert 1 == HandOver.objects.filter(lane=campaign.lane, campaign_id=campaign.id).count()
    assert [404, 200] == [
        browser.get(f"/organise/{campaign.code}/").status_code for browser in (as_ana, as_cleo)
    ]
    link = path_of(freeze_url(campaign.id))
    assert 404 == Client().post(link.replace("until=2", "until=3")).status_code
    site.advance(31 * DAY)
    assert 410 == Client().post(link).status_code
    assert "This link has ended" in said(Client().get(link))
    assert not Freeze.objects.exists()
    site.advance(-31 * DAY)
    assert "This link works until" in said(Client().get(link))
    assert "Stop all payouts?" in said(Client().get(link))
    assert not Freeze.objects.exists()
    assert "Payouts are stopped" in said(Client().post(link))
    row = Freeze.objects.get()
    assert campaign.title in said(as_olga.get("/desk/payouts/"))
    as_olga.post(f"/desk/payouts/freeze/{row.id}/")
    assert not Freeze.objects.filter(ended_at=None).exists()


def test_an_offer_is_declined_or_taken_back_and_both_are_told(
    site: Site,
    settled: Settled,
    ana: Organiser,
    cleo: Organiser,
    as_ana: Client,
    as_cleo: Client,
) -> None:
    campaign = settled(10_000, people=4)
    path, offered = f"/organise/{campaign.code}/hand-over/", f"/organise/offered/{campaign.code}/"

    def told() -> list[int]:
        site.work()
        subject = f"To be handed over: {campaign.title}"
        return [
            sum(mail["subject"] == subject for mail in site.mails(who.email)) for who in (ana, cleo)
        ]

    before = told()
    ends = (
        lambda: as_cleo.post(offered, {"act": "decline"}),
        lambda: as_ana.post(path, {"act": "take_back"}),
    )
    for turn, end in enumerate(ends):
        as_ana.post(path, {"email": cleo.email, "typed": campaign.code})
        assert 200 == as_cleo.get(offered).status_code
        end()
        assert 404 == as_cleo.post(offered, {"act": "accept"}).status_code
        assert [each + 2 * turn + 2 for each in before] == told()
    # One that nobody answers ends by itself.
    as_ana.post(path, {"email": cleo.email, "typed": campaign.code})
    site.advance(31 * DAY)
    assert 404 == as_cleo.post(offered, {"act": "accept"}).status_code
    assert not HandOver.objects.all_lanes().exists()
    campaign.refresh_from_db()
    assert ana == campaign.organiser


def test_a_yes_and_a_taking_back_at_once_are_one_of_them(
    site: Site, settled: Settled, ana: Organiser, cleo: Organiser
) -> None:
    campaign = settled(10_000, people=1)
    offer(campaign=campaign, by=ana, to=cleo)
    taken, back = together(
        [
            lambda: accept(campaign=Campaign.objects.get(id=campaign.id), by=cleo),
            lambda: decline(campaign=Campaign.objects.get(id=campaign.id), by=ana),
        ]
    )
    is_hers = Campaign.objects.get(id=campaign.id).organiser_id == cleo.id
    assert (is_hers, not is_hers) == (taken is None, back is True)


def test_a_proof_is_handed_in_and_everybody_sees_it(
    site: Site, settled: Settled, as_ana: Client, olga: Organiser
) -> None:
    campaign = settled(
        10_000,
        people=3,
        payout={"stages_bp": [6000, 4000], "proof_by": (site_now() + 90 * DAY).isoformat()},
    )
    public = said(Client().get(f"/c/{campaign.code}/"))
    assert "60 % is paid now, 40 % once the backers accept a proof, by" in public
    path = f"/organise/{campaign.code}/proof/"
    assert 422 == as_ana.post(path, {"words": ""}).status_code
    as_ana.post(path, {"words": "The **sample**.", "document_1": paper("sample.png")})
    assert "The backers vote on your proof until" in said(as_ana.get(path))
    public = Client().get(f"/c/{campaign.code}/").content.decode()
    assert "<strong>sample</strong>" in public
    found = re.search(rf"/c/{campaign.code}/documents/[0-9a-f-]+/", public)
    assert found is not None
    assert PDF == Client().get(found[0]).content


def test_the_backer_report_has_kickstarters_columns_and_no_formula(
    site: Site, launch: Launch, join: Join, as_ana: Client, olga: Organiser
) -> None:
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 2}, shortfall="proceed")
    for n in range(3):
        join(campaign, f"b{n}", amount=1_000 + n, payment_method="pm_card_visa", public_name=n > 0)
    wild = {"email": "w@example.org", "name": "=cmd|' /C calc'!A0"}
    join(campaign, "w", member=wild, amount=5_000, payment_method="pm_card_visa", public_name=True)
    site.work()
    answer = as_ana.get(f"/organise/{campaign.code}/backers.csv")
    assert answer["Content-Disposition"].startswith("attachment; ")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert "@example.org" not in text
    header, *rows = csv.reader(io.StringIO(text))
    assert list(COLUMNS) == header
    assert [
        ("1", "", "10.00 EUR", "collected"),
        ("2", "B1", "10.01 EUR", "collected"),
        ("3", "B2", "10.02 EUR", "collected"),
        ("4", "'=cmd|' /C calc'!A0", "50.00 EUR", "collected"),
    ] == [(row[0], row[2], row[9], row[12]) for row in rows]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_begins_like_a_formula(cell: str) -> None:
    assert not guarded(cell).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert "plain" == guarded("plain")


def test_a_draft_says_how_it_is_paid_out_and_keeps_it_through_the_form(
    site: Site, as_ana: Client
) -> None:
    fields = {
        "title": "A film",
        "kinds": ["money"],
        "currency": "EUR",
        "rule_money": "1000",
        "timezone": "Europe/Berlin",
        "deadline": (site_now() + 30 * DAY).strftime("%Y-%m-%dT%H:%M"),
        "payout_stages": "60, 40",
        "proof_by": (site_now() + 90 * DAY).strftime("%Y-%m-%dT%H:%M"),
        "holdback": "5",
        "refund_days": "0",
    }
    as_ana.post("/organise/new/fund/", fields)
    campaign = Campaign.objects.get(title="A film")
    stored = campaign.payout
    assert stored is not None
    assert ([6000, 4000], 500, 0) == (
        stored["stages_bp"],
        stored["holdback_bp"],
        stored["refund_days"],
    )
    page = as_ana.get(f"/organise/{campaign.code}/edit/").content.decode()
    for name in ("payout_stages", "proof_by", "holdback", "refund_days"):
        found = re.search(rf'name="{name}"[^>]* value="([^"]*)"', page)
        assert found is not None
        assert fields[name] == found[1]
    for wrong in ({"payout_stages": "60, 30"}, {"proof_by": ""}, {"holdback": "many"}):
        answer = as_ana.post(f"/organise/{campaign.code}/edit/", {**fields, **wrong})
        assert 422 == answer.status_code, wrong


def test_a_long_list_on_the_desk_has_a_way_on(
    site: Site,
    settled: Settled,
    as_ana: Client,
    as_olga: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pages, "SHOWN", 2)
    campaign = settled(10_000, people=4)
    for amount in (101, 102, 103):
        ask_own(campaign, amount)
    first = said(as_olga.get("/desk/payouts/"))
    assert "1 to 2 of 3" in first and "1.03" not in first
    further = said(as_olga.get("/desk/payouts/?waiting=2"))
    assert "3 to 3 of 3" in further and "1.03" in further
    # What is no page is the nearest one.
    assert "1.03" in said(as_olga.get("/desk/payouts/?waiting=999"))
    assert "1.01" in said(as_olga.get("/desk/payouts/?waiting=-1%22"))
