"""Payments to suppliers: a person pays at the bank, with purpose, reference and document."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO

import pytest

from countmein.base.clock import site_now
from countmein.campaigns.actions.hand_over import HandOverRefused, hand_over
from countmein.campaigns.actions.pay_out import PayoutRefused, approve
from countmein.campaigns.actions.pay_supplier import mark_delivery, mark_paid, mark_returned, order
from countmein.campaigns.documents import DocumentRefused, checked
from countmein.members.models import Organiser
from countmein.payments.actions.bank_import import import_statements
from countmein.payments.actions.bank_orders import make_order
from countmein.payments.bank_models import BankTransfer
from countmein.payments.models import Delivery, Document
from tests.apps.campaigns.payout_acts import PDF, Settled, accounts_of, ask_own, fresh
from tests.apps.payments.bank.statements import Moved, camt
from tests.conftest import Site

INVOICE = checked(name="invoice.pdf", content=PDF)


def test_it_is_paid_by_a_person_with_reference_and_document(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    campaign = settled(10_000, people=4)
    payout = ask_own(campaign, 8_000, payee="Evening Standard", purpose="half a page")
    site.work()
    assert "asked" == fresh(payout).state
    assert fresh(payout).agreed_at is not None
    with pytest.raises(PayoutRefused, match="no_document"):
        mark_paid(campaign=campaign, payout_id=payout.id, reference="E2E-1")
    mark_paid(campaign=campaign, payout_id=payout.id, reference="E2E-1", document=INVOICE)
    assert ("paid", "E2E-1") == (fresh(payout).state, fresh(payout).reference)
    assert 8_000 == accounts_of(campaign)["paid:Evening Standard"]
    with pytest.raises(PayoutRefused):
        mark_paid(campaign=campaign, payout_id=payout.id, reference="E2E-2")
    mark_delivery(campaign=campaign, payout_id=payout.id, delivery=Delivery.LOST)
    assert "lost" == fresh(payout).delivery
    mark_returned(campaign=campaign, payout_id=payout.id, note="account closed")
    assert "returned" == fresh(payout).state
    assert 40_000 == accounts_of(campaign)["held:money"]
    site.work()
    site.check()


def test_the_bank_is_ordered_to_pay_once_nothing_stands_in_the_way(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    """It is paid when the statement shows that the money has left."""
    campaign = settled(100_000, people=4)
    iban = {"iban": "FR1420041010050500013M02606"}
    payout = ask_own(campaign, 180_000, payee="Druckerei", purpose="posters", **iban)
    with pytest.raises(PayoutRefused, match="second_person_needed"):
        order(campaign=campaign, payout_id=payout.id, document=INVOICE)
    approve(campaign=campaign, payout_id=payout.id, by=olga)
    with pytest.raises(PayoutRefused, match="no_document"):
        order(campaign=campaign, payout_id=payout.id)
    order(campaign=campaign, payout_id=payout.id, document=INVOICE)
    with pytest.raises(PayoutRefused, match="not_asked"):
        mark_paid(campaign=campaign, payout_id=payout.id, reference="by hand as well")
    site.work()
    assert "sending" == fresh(payout).state
    make_order(by=olga)
    (transfer,) = BankTransfer.objects.all()
    name = transfer.end_to_end_id
    left = Moved(minor=-180_000, id="B-1", end_to_end_id=name)
    import_statements(BytesIO(camt(left, on=site_now().date())))
    site.work()
    assert ("paid", name) == (fresh(payout).state, fresh(payout).reference)
    assert 180_000 == accounts_of(campaign)["paid:Druckerei"]
    site.check()


@pytest.mark.parametrize("iban", ["", "DE00"])
def test_without_an_account_no_bank_is_ordered(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser, iban: str
) -> None:
    campaign = settled(10_000, people=4)
    payout = ask_own(campaign, 8_000, payee="A shop", purpose="nails", document=INVOICE, iban=iban)
    with pytest.raises(PayoutRefused, match="no_order"):
        order(campaign=campaign, payout_id=payout.id)
    assert "asked" == fresh(payout).state


def test_a_large_one_needs_a_second_person(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    campaign = settled(100_000, people=4)
    payout = ask_own(campaign, 180_000, payee="The paper", purpose="a page", document=INVOICE)
    with pytest.raises(PayoutRefused, match="second_person_needed"):
        mark_paid(campaign=campaign, payout_id=payout.id, reference="E2E-1")
    approve(campaign=campaign, payout_id=payout.id, by=olga)
    mark_paid(campaign=campaign, payout_id=payout.id, reference="E2E-1")
    assert "paid" == fresh(payout).state


def test_after_a_hand_over_it_rests_and_what_was_asked_for_oneself_is_stopped(
    site: Site, settled: Settled, ana: Organiser, cleo: Organiser, olga: Organiser
) -> None:
    campaign = settled(10_000, people=4)
    supplier = ask_own(campaign, 8_000, payee="A shop", purpose="nails", document=INVOICE)
    own = ask_own(campaign, 8_000)
    hand_over(campaign=campaign, by=ana, to=cleo)
    assert "stopped" == fresh(own).state
    assert fresh(supplier).agreed_at is None
    with pytest.raises(HandOverRefused):
        hand_over(campaign=campaign, by=ana, to=olga)
    with pytest.raises(PayoutRefused, match="not_the_organiser"):
        ask_own(campaign, 1_000, by=ana)
    with pytest.raises(PayoutRefused, match="owner_changed_lately"):
        mark_paid(campaign=campaign, payout_id=supplier.id, reference="E2E-1")
    site.advance(timedelta(hours=73))
    site.work()
    mark_paid(campaign=campaign, payout_id=supplier.id, reference="E2E-1")
    site.check()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("invoice.pdf", b"<script>alert(1)</script>", "unknown_kind"),
        ("page.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unknown_kind"),
        ("nothing.pdf", b"", "unknown_kind"),
        ("big.pdf", b"%PDF-" + b"x" * (2 * 1024 * 1024), "too_large"),
    ],
)
def test_a_file_is_judged_by_its_content(name: str, content: bytes, reason: str) -> None:
    with pytest.raises(DocumentRefused, match=reason):
        checked(name=name, content=content)


def test_the_name_of_a_file_cannot_fool_anybody() -> None:
    said = checked(name="../../etc/\u202efdp.exe\r\nX: y.html", content=b"\x89PNG\r\n\x1a\n...")
    assert ("image/png", True) == (said.media_type, said.name.endswith(".png"))
    assert not set(said.name) & set("/\\\r\n:\u202e")


def test_a_document_is_kept_with_its_hash(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    import hashlib

    campaign = settled(10_000, people=4)
    payout = ask_own(campaign, 100, payee="A shop", purpose="nails", document=INVOICE)
    kept = Document.objects.get(lane=campaign.lane, payout_id=payout.id)
    assert (hashlib.sha256(PDF).hexdigest(), PDF) == (kept.sha256, bytes(kept.bytes))
