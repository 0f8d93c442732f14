"""Orders: to whom, what the bank rejects, what comes back; a payment is proved by the statement."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from django.db import transaction
from django.http import QueryDict

from countmein.base.clock import site_now
from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.gates import hold
from countmein.payments.actions.bank_import import import_statements
from countmein.payments.actions.bank_orders import (
    OrderImpossible,
    PayeeRefused,
    fill_in,
    make_order,
    order_bytes,
    order_payout,
    read_report,
    recall_payouts,
)
from countmein.payments.actions.bank_queue import ActRefused, return_all, taken_back
from countmein.payments.actions.payouts import set_aside
from countmein.payments.bank_models import BankEntry, BankOrder, BankTransfer
from countmein.payments.models import Payout, Refund
from countmein.web.desk.bank_views import desk_view
from tests.apps.campaigns.acts import states
from tests.apps.payments.bank.statements import PAYER, Moved, camt
from tests.apps.payments.conftest import accounts
from tests.apps.payments.test_bank import Bank, Tipped, bank, charge_of, olga, tipped
from tests.conftest import Site
from tests.faults.crowd import together

__all__ = ["bank", "olga", "tipped"]


def rejected(order: BankOrder, transfer: BankTransfer, code: str = "AC04") -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>
<OrgnlGrpInfAndSts><OrgnlMsgId>{order.message_id}</OrgnlMsgId><GrpSts>PART</GrpSts>
</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><TxInfAndSts>
<OrgnlEndToEndId>{transfer.end_to_end_id}</OrgnlEndToEndId><TxSts>RJCT</TxSts>
<StsRsnInf><Rsn><Cd>{code}</Cd></Rsn><AddtlInf>account closed</AddtlInf></StsRsnInf>
</TxInfAndSts></OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>""".encode()


def live() -> BankTransfer:
    """The one transfer that is due, ordered or done."""
    return BankTransfer.objects.get(state__in=["due", "ordered", "done"])


def leaves(bank: Bank, transfer: BankTransfer, id: str) -> None:
    bank.tells(Moved(minor=-transfer.amount_minor, id=id, end_to_end_id=transfer.end_to_end_id))


def test_what_the_bank_rejects_goes_out_again_to_the_account_that_a_person_types(
    site: Site, tipped: Tipped, bank: Bank, olga: Any
) -> None:
    campaign, people = tipped("ben")
    bank.tells(Moved(minor=5000, id="B-1", text=charge_of(people["ben"]).reference))
    cancel(campaign=campaign)
    site.work()
    order, first = make_order(by=olga), BankTransfer.objects.get()
    assert 0 == read_report(rejected(order, first, "DUPL")), "the first time stands"
    assert (1, 0) == (read_report(rejected(order, first)), read_report(rejected(order, first)))
    site.work()
    assert 1 == BankTransfer.objects.count(), "nothing is sent there again by itself"
    with pytest.raises(OrderImpossible):
        make_order(by=olga)
    with pytest.raises(PayeeRefused):
        fill_in(first.id, name="Ben", iban="DE00 3704")
    fill_in(first.id, name="Ben Müller", iban="FR14 2004 1010 0505 0001 3M02 606")
    with pytest.raises(PayeeRefused):
        fill_in(first.id, name="Ben", iban=PAYER)
    make_order(by=olga)
    second = live()
    assert ("Ben Muller", "FR1420041010050500013M02606") == (
        second.to_whom.name,
        second.to_whom.account,
    )
    # A statement that shows the rejected one after all is for a person to see.
    bank.tells(Moved(minor=-5000, id="B-8", end_to_end_id=first.end_to_end_id))
    assert "look" == BankEntry.objects.get(state="queued").act
    leaves(bank, second, "B-9")
    assert {"refunded": 1} == states(campaign)
    assert {} == accounts(campaign)


def test_a_refund_that_comes_back_is_booked_back_and_goes_out_once_more(
    site: Site, tipped: Tipped, bank: Bank, olga: Any
) -> None:
    campaign, people = tipped("ben")
    bank.tells(Moved(minor=5000, id="B-1", text=charge_of(people["ben"]).reference))
    cancel(campaign=campaign)
    site.work()
    make_order(by=olga)
    first = live()
    leaves(bank, first, "B-2")
    bank.tells(Moved(minor=5000, id="B-3", end_to_end_id=first.end_to_end_id, reversal=True))
    refund = Refund.objects.get(lane=campaign.lane)
    assert ("stuck", "came_back") == (refund.state, refund.code)
    assert {"backers": -5000, "held:money": 5000} == accounts(campaign)
    fill_in(first.id, name="Ben", iban=PAYER)
    make_order(by=olga)
    leaves(bank, live(), "B-4")
    assert {} == accounts(campaign)
    assert ["done"] == [row.state for row in Refund.objects.filter(lane=campaign.lane)]
    site.check()


def test_money_that_came_from_no_account_waits_for_one(site: Site, bank: Bank, olga: Any) -> None:
    bank.tells(Moved(minor=700, id="B-1", text="?", iban=""))
    return_all(BankEntry.objects.get().id, by=olga)
    with pytest.raises(OrderImpossible):
        make_order(by=olga)
    fill_in(live().id, name="Ben", iban=PAYER)
    make_order(by=olga)
    leaves(bank, live(), "B-2")
    assert "returned" == BankEntry.objects.get(bank_reference="B-1").state
    site.check()


def test_a_debit_of_another_amount_proves_nothing(site: Site, bank: Bank, olga: Any) -> None:
    bank.tells(Moved(minor=700, id="B-1", text="?"))
    return_all(BankEntry.objects.get().id, by=olga)
    make_order(by=olga)
    bank.tells(Moved(minor=-701, id="B-2", end_to_end_id=live().end_to_end_id))
    assert ("ordered", None) == (live().state, live().entry_id)
    assert ("look", "queued") == tuple(
        BankEntry.objects.values_list("act", "state").get(bank_reference="B-2")
    )


def test_the_same_debit_in_two_files_is_booked_once(
    site: Site, tipped: Tipped, bank: Bank, olga: Any
) -> None:
    campaign, people = tipped("ben")
    bank.tells(Moved(minor=5000, id="B-1", text=charge_of(people["ben"]).reference))
    cancel(campaign=campaign)
    site.work()
    make_order(by=olga)
    gone = Moved(minor=-5000, id="B-2", end_to_end_id=live().end_to_end_id)
    for name in ("intraday", "whole"):
        said = camt(gone, on=site_now().date(), opening=5000, name=name)
        import_statements(BytesIO(said))
        site.work()
    assert {} == accounts(campaign)
    site.check()


def test_what_the_bank_takes_back_is_booked_by_a_person(
    site: Site, tipped: Tipped, bank: Bank, olga: Any
) -> None:
    campaign, people = tipped("ben")
    reference = charge_of(people["ben"]).reference
    bank.tells(Moved(minor=5000, id="B-1", text=reference))
    bank.tells(Moved(minor=-4000, id="B-2", reversal=True))
    partly = BankEntry.objects.get(bank_reference="B-2")
    assert ("queued", "look") == (partly.state, partly.act)
    with pytest.raises(ActRefused, match="not_the_sum"):
        taken_back(partly.id, reference=reference, by=olga)
    bank.tells(Moved(minor=-5000, id="B-3", reversal=True))
    entry = BankEntry.objects.get(bank_reference="B-3")
    taken_back(entry.id, reference=reference, by=olga)
    with pytest.raises(ActRefused, match="done"):
        taken_back(entry.id, reference=reference, by=olga)
    site.work()
    assert {"refunded": 1} == states(campaign)
    assert {} == accounts(campaign)
    mail = site.mails("ben@example.org")[-1]
    assert campaign.title in mail["subject"] and "taken your transfer back" in mail["text"]
    site.check()


def test_a_refund_that_waits_is_called_off_when_the_payers_bank_takes_the_money(
    site: Site, tipped: Tipped, bank: Bank, olga: Any
) -> None:
    """Else it would go back twice: by the recall, and by our own order."""
    campaign, people = tipped("ben")
    reference = charge_of(people["ben"]).reference
    bank.tells(Moved(minor=5000, id="B-1", text=reference))
    cancel(campaign=campaign)
    site.work()
    assert "due" == live().state
    bank.tells(Moved(minor=-5000, id="B-2", reversal=True))
    taken_back(BankEntry.objects.get(bank_reference="B-2").id, reference=reference, by=olga)
    with pytest.raises(OrderImpossible):
        make_order(by=olga)
    site.work()
    with pytest.raises(OrderImpossible):
        make_order(by=olga)
    assert ["done", "moot"] == sorted(
        row.state for row in Refund.objects.filter(lane=campaign.lane)
    )
    assert {"refunded": 1} == states(campaign)
    assert {} == accounts(campaign)
    site.check()


def test_a_refund_that_is_ordered_is_stopped_at_the_bank_first(
    site: Site, tipped: Tipped, bank: Bank, olga: Any
) -> None:
    """Once the bank has rejected it, it is called off like one that waits, and paid no more."""
    campaign, people = tipped("ben")
    reference = charge_of(people["ben"]).reference
    bank.tells(Moved(minor=5000, id="B-1", text=reference))
    cancel(campaign=campaign)
    site.work()
    order, transfer = make_order(by=olga), live()
    bank.tells(Moved(minor=-5000, id="B-2", reversal=True))
    entry = BankEntry.objects.get(bank_reference="B-2")
    with pytest.raises(ActRefused, match="refund_ordered"):
        taken_back(entry.id, reference=reference, by=olga)
    assert 1 == read_report(rejected(order, transfer))
    taken_back(entry.id, reference=reference, by=olga)
    assert [] == desk_view(QueryDict())["lacking"].object_list
    with pytest.raises(PayeeRefused):
        fill_in(transfer.id, name="Ben", iban=PAYER)
    site.work()
    assert {"refunded": 1} == states(campaign)
    assert {} == accounts(campaign)
    site.check()


def test_an_order_and_a_recall_at_once_pay_once(
    site: Site, tipped: Tipped, bank: Bank, olga: Any
) -> None:
    """Whoever is first decides: the refund is called off, or the recall has to wait."""
    campaign, people = tipped("ben")
    reference = charge_of(people["ben"]).reference
    bank.tells(Moved(minor=5000, id="B-1", text=reference))
    cancel(campaign=campaign)
    site.work()
    bank.tells(Moved(minor=-5000, id="B-2", reversal=True))
    entry = BankEntry.objects.get(bank_reference="B-2")
    ordered, recalled = together(
        [
            lambda: make_order(by=olga).id,
            lambda: taken_back(entry.id, reference=reference, by=olga).id,
        ]
    )
    assert [isinstance(ordered, Exception), isinstance(recalled, Exception)].count(True) == 1


def supplier(campaign: Any, *, iban: str, minor: int = 3000) -> Payout:
    """The printer is to be paid out of what the campaign holds."""
    payout = Payout(
        lane=campaign.lane,
        campaign_id=campaign.id,
        kind="supplier",
        payee="Druckerei Grün",
        purpose="2,000 posters",
        amount_minor=minor,
        currency="EUR",
        asked_by_id=campaign.organiser_id,
        asked_at=site_now(),
    )
    payout.keep_iban(iban)
    with transaction.atomic():
        hold(campaign)
        set_aside(payout)
    return payout


def test_a_supplier_is_paid_by_an_order_once(
    site: Site, tipped: Tipped, bank: Bank, olga: Any
) -> None:
    campaign, people = tipped("ben")
    bank.tells(Moved(minor=5000, id="B-1", text=charge_of(people["ben"]).reference))
    nowhere = supplier(campaign, iban="DE00", minor=100)
    with pytest.raises(PayeeRefused):
        order_payout(nowhere)
    assert "asked" == Payout.objects.get(lane=campaign.lane, id=nowhere.id).state
    payout = supplier(campaign, iban="FR1420041010050500013M02606")
    order_payout(payout)
    with pytest.raises(PayeeRefused):
        order_payout(payout)
    order, transfer = make_order(by=olga), live()
    assert ("sending", "Druckerei Grun", "2,000 posters") == (
        Payout.objects.get(lane=campaign.lane, id=payout.id).state,
        transfer.to_whom.name,
        transfer.text,
    )
    assert b"FR1420041010050500013M02606" in order_bytes(order)
    leaves(bank, transfer, "B-2")
    payout = Payout.objects.get(lane=campaign.lane, id=payout.id)
    assert ("paid", transfer.end_to_end_id) == (payout.state, payout.reference)
    assert 3000 == accounts(campaign)["paid:Druckerei Grün"]
    site.check()
    bank.tells(Moved(minor=3000, id="B-3", end_to_end_id=transfer.end_to_end_id, reversal=True))
    assert "returned" == Payout.objects.get(lane=campaign.lane, id=payout.id).state
    with pytest.raises(PayeeRefused):
        fill_in(transfer.id, name="Druckerei", iban=PAYER)
    assert 4900 == accounts(campaign)["held:money"]
    site.check()


def test_what_is_rejected_of_a_payout_is_agreed_to_anew(
    site: Site, tipped: Tipped, bank: Bank, olga: Any
) -> None:
    """No account is typed over what was agreed to; the money stays set aside."""
    campaign, people = tipped("ben")
    bank.tells(Moved(minor=5000, id="B-1", text=charge_of(people["ben"]).reference))
    payout = supplier(campaign, iban="FR1420041010050500013M02606")
    order_payout(payout)
    order, transfer = make_order(by=olga), live()
    assert 1 == read_report(rejected(order, transfer))
    with pytest.raises(PayeeRefused):
        fill_in(transfer.id, name="Somebody", iban=PAYER)
    payout = Payout.objects.get(lane=campaign.lane, id=payout.id)
    assert ("asked", None) == (payout.state, payout.agreed_at)
    # It waits at the desk for payouts, so the one for the bank does not ask for an account.
    assert [] == desk_view(QueryDict())["lacking"].object_list
    order_payout(payout)
    recall_payouts([campaign.id])
    with pytest.raises(OrderImpossible):
        make_order(by=olga)
    assert "asked" == Payout.objects.get(lane=campaign.lane, id=payout.id).state
    site.check()
