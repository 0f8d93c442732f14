"""Transfers after the tip: what comes is booked once and to the cent, or waits for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest

from countmein.base.clock import site_now
from countmein.campaigns.actions.fail import fail
from countmein.campaigns.actions.pay_out import PayoutRefused, ask_payout
from countmein.campaigns.models import Campaign
from countmein.campaigns.queries import public_view
from countmein.campaigns.selfcheck import self_check
from countmein.campaigns.transfers import transfer_of
from countmein.members.models import Organiser
from countmein.payments.actions.bank_compare import differences, reconcile_bank
from countmein.payments.actions.bank_import import import_statements
from countmein.payments.actions.bank_orders import make_order, order_bytes
from countmein.payments.actions.bank_queue import (
    ActRefused,
    assign,
    note,
    return_all,
    return_excess,
)
from countmein.payments.bank_models import BankEntry, BankTransfer
from countmein.payments.models import Charge, Refund
from countmein.rules.awaiting import BOOKED_WITHIN
from countmein.rules.remittance import printed
from tests.apps.campaigns.acts import Join, pledge_of, states, topics
from tests.apps.payments.bank.statements import Moved, camt
from tests.apps.payments.conftest import accounts
from tests.conftest import Launch, Site


class Bank:
    """What a test has the bank tell, day by day, with balances that fit."""

    def __init__(self, site: Site) -> None:
        self.site, self.balance, self.files = site, 0, 0

    def tells(self, *moved: Moved) -> bytes:
        self.files += 1
        said = camt(*moved, on=site_now().date(), opening=self.balance, name=f"S-{self.files}")
        self.balance += sum(one.minor for one in moved)
        import_statements(BytesIO(said))
        self.site.work()
        return said


@pytest.fixture
def bank(site: Site, olga: Organiser) -> Bank:
    return Bank(site)


@pytest.fixture
def olga(transactional_db: None) -> Organiser:
    return Organiser.objects.create_user(email="olga@example.org", name="Olga", is_owner=True)


Tipped = Callable[..., tuple[Campaign, dict[str, Any]]]


@pytest.fixture
def tipped(site: Site, launch: Launch, join: Join) -> Tipped:
    """A campaign that tipped with these people, each of whom promised to transfer 50 euros."""

    def tip(*people: str, **terms: Any) -> tuple[Campaign, dict[str, Any]]:
        campaign = launch(
            **{
                # The mailbox is one for all tests: a title of its own tells their mails apart.
                "title": f"By transfer {uuid4().hex[:8]}",
                "kinds": ["money"],
                "currency": "EUR",
                "rule": {"people": len(people)},
                "transfer_days": 14,
                "shortfall": "proceed",
                **terms,
            }
        )
        answers = {
            who: join(campaign, who, amount=5000, payment_method="bank_transfer") for who in people
        }
        site.work()
        return campaign, answers

    return tip


def charge_of(answer: dict[str, Any]) -> Charge:
    row = pledge_of(answer)
    found = Charge.objects.get(lane=row.lane, pledge_id=row.id)
    assert isinstance(found, Charge)
    return found


def state_of(answer: dict[str, Any]) -> str:
    return str(pledge_of(answer).state)


def queued() -> list[tuple[str, str]]:
    rows = BankEntry.objects.filter(state="queued").order_by("booked_on", "bank_reference")
    return list(rows.values_list("verdict", "act"))


def the_queued() -> BankEntry:
    return BankEntry.objects.get(state="queued")


def test_a_pledge_by_transfer_counts_at_once_and_is_asked_for_after_the_tip(
    site: Site, tipped: Tipped, bank: Bank
) -> None:
    campaign, people = tipped("ben")
    answer = people["ben"]
    assert ("active", None) == (answer["state"], answer["secure_url"])
    charge = charge_of(answer)
    assert ("bank", "awaited", 5000) == (charge.provider, charge.state, charge.amount_minor)
    (mail,) = [m for m in site.mails("ben@example.org") if campaign.title in m["subject"]]
    assert printed(charge.reference) in mail["text"]
    assert "NL41 MOCK 0000 0000 01" in mail["text"]
    site.work()
    assert {"accepted": 1} == states(campaign), "it waits, and nobody else asks for it"
    bank.tells(Moved(minor=5000, id="B-1", text=charge.reference))
    assert "fulfilled" == state_of(answer)
    assert {"backers": -5000, "held:money": 5000} == accounts(campaign)
    told = topics(site, campaign, "ben@example.org")
    assert 2 == len(told) and "It tipped: " in told[1]
    site.check()


def test_the_same_file_twice_changes_nothing(site: Site, tipped: Tipped, bank: Bank) -> None:
    campaign, people = tipped("ben")
    said = bank.tells(
        Moved(minor=5000, id="B-1", text=f"rf {printed(charge_of(people['ben']).reference)[2:]}"),
        Moved(minor=700, id="B-2", text="no idea"),
    )
    before = list(BankEntry.objects.order_by("id").values())
    again = import_statements(BytesIO(said))
    site.work()
    assert (2, 0) == (again.entries, again.fresh)
    assert before == list(BankEntry.objects.order_by("id").values())
    assert {"backers": -5000, "held:money": 5000} == accounts(campaign)
    site.check()


def test_two_parts_make_it_whole(site: Site, tipped: Tipped, bank: Bank) -> None:
    campaign, people = tipped("ben")
    reference = charge_of(people["ben"]).reference
    bank.tells(Moved(minor=3000, id="B-1", text=reference))
    assert [("partial", "accept_partial")] == queued()
    assert "accepted" == state_of(people["ben"])
    asked = transfer_of(pledge_of(people["ben"]))
    assert asked is not None
    assert (2000, 3000) == (asked.slip.amount.amount_minor, asked.arrived_minor)
    site.advance(timedelta(days=7, minutes=1))
    site.work()
    mail = site.mails("ben@example.org")[-1]["text"]
    assert "A part of your transfer has arrived, €30.00." in mail
    assert "Amount: €20.00" in mail
    bank.tells(Moved(minor=2000, id="B-2", text=reference))
    assert [] == queued()
    assert "fulfilled" == state_of(people["ben"])
    assert {"backers": -5000, "held:money": 5000} == accounts(campaign)
    site.check()


def test_too_much_is_booked_and_the_excess_goes_back(
    site: Site, tipped: Tipped, bank: Bank, olga: Organiser
) -> None:
    campaign, people = tipped("ben")
    bank.tells(Moved(minor=6000, id="B-1", text=charge_of(people["ben"]).reference))
    assert [("over", "return_excess")] == queued()
    return_excess(the_queued().id, by=olga)
    with pytest.raises(ActRefused, match="done"):
        return_all(BankEntry.objects.get().id, by=olga)
    site.work()
    assert "fulfilled" == state_of(people["ben"])
    assert {"backers": -5000, "held:money": 5000} == accounts(campaign)
    order = make_order(by=olga)
    assert order_bytes(order) == order_bytes(order)
    transfer = BankTransfer.objects.get()
    assert (1000, "ordered", "Ben Beispiel") == (
        transfer.amount_minor,
        transfer.state,
        transfer.to_whom.name,
    )
    bank.tells(Moved(minor=-1000, id="B-9", end_to_end_id=transfer.end_to_end_id))
    entry = BankEntry.objects.get(bank_reference="B-1")
    assert ("returned", 5000) == (entry.state, entry.booked_minor)
    site.check()


def test_a_refund_goes_by_an_order_and_is_booked_when_the_statement_shows_it(
    site: Site, tipped: Tipped, bank: Bank, olga: Organiser
) -> None:
    from countmein.campaigns.actions.cancel import cancel

    campaign, people = tipped("ben", "cleo")
    bank.tells(Moved(minor=5000, id="B-1", text=charge_of(people["ben"]).reference))
    cancel(campaign=campaign)
    site.work()
    refund = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id).get()
    assert "by_bank" == refund.state
    assert {"fulfilled": 1, "released": 1} == states(campaign)
    make_order(by=olga)
    transfer = BankTransfer.objects.get()
    bank.tells(Moved(minor=-5000, id="B-2", end_to_end_id=transfer.end_to_end_id))
    assert {"refunded": 1, "released": 1} == states(campaign)
    assert {} == accounts(campaign)
    # What Cleo sends now is nobody's here any more.
    bank.tells(Moved(minor=5000, id="B-3", text=charge_of(people["cleo"]).reference))
    assert [("late", "return_all")] == queued()
    site.check()


def test_money_that_waits_for_what_is_called_off_goes_back(
    site: Site, tipped: Tipped, bank: Bank, olga: Organiser
) -> None:
    from countmein.campaigns.actions.cancel import cancel

    campaign, people = tipped("ben", "cleo")
    bank.tells(
        Moved(minor=1000, id="B-1", text=charge_of(people["ben"]).reference),
        Moved(minor=9000, id="B-2", text=charge_of(people["cleo"]).reference),
    )
    assert [("partial", "accept_partial"), ("over", "return_excess")] == queued()
    cancel(campaign=campaign)
    site.work()
    assert [("late", "return_all")] * 2 == queued()
    for entry in BankEntry.objects.all():
        return_all(entry.id, by=olga)
    assert 10_000 == make_order(by=olga).total_minor
    assert {"released": 2} == states(campaign)
    site.check()


def test_nobody_is_dropped_before_the_bank_was_looked_at(
    site: Site, tipped: Tipped, bank: Bank
) -> None:
    campaign, people = tipped("ben", "cleo", "dora")
    bank.tells(
        Moved(minor=5000, id="B-1", text=charge_of(people["ben"]).reference),
        Moved(minor=1000, id="B-2", text=charge_of(people["dora"]).reference),
    )
    site.advance(timedelta(days=7, minutes=1))
    site.work()
    site.advance(timedelta(days=5))
    site.work()
    assert 2 == len([t for t in topics(site, campaign, "cleo@example.org") if "Reminder" in t])
    site.advance(timedelta(days=30))
    site.work()
    assert {"fulfilled": 1, "accepted": 2} == states(campaign)
    bank.tells()
    assert {"fulfilled": 1, "dropped": 2} == states(campaign)
    assert [("late", "return_all")] == queued()
    assert "Your transfer did not arrive" in topics(site, campaign, "cleo@example.org")[-1]
    site.check()


def test_an_old_statement_that_is_brought_in_late_drops_nobody(
    site: Site, tipped: Tipped, bank: Bank
) -> None:
    """What counts is until when the bank has told, not when we heard it."""
    campaign, people = tipped("ben")
    day = site_now().date()
    site.advance(timedelta(days=14, minutes=1) + BOOKED_WITHIN)
    import_statements(BytesIO(camt(on=day, opening=0, name="old")))
    site.work()
    assert {"accepted": 1} == states(campaign)
    bank.tells(Moved(minor=5000, id="B-1", text=charge_of(people["ben"]).reference))
    assert {"fulfilled": 1} == states(campaign)
    site.check()


def test_what_the_bank_is_to_give_back_is_nobody_elses_to_be_paid(
    site: Site, tipped: Tipped, bank: Bank, olga: Organiser
) -> None:
    """From the decision to the statement that shows the refund takes days."""
    campaign, people = tipped("ben")
    bank.tells(Moved(minor=5000, id="B-1", text=charge_of(people["ben"]).reference))
    fail(campaign=campaign, text="They refused it.")
    site.work()
    assert "settled" == public_view(campaign)["state"]
    campaign.refresh_from_db()
    with pytest.raises(PayoutRefused, match="nothing_left"):
        ask_payout(campaign=campaign, by=campaign.organiser, amount_minor=1, key=uuid4())
    make_order(by=olga)
    transfer = BankTransfer.objects.get()
    bank.tells(Moved(minor=-5000, id="B-2", end_to_end_id=transfer.end_to_end_id))
    assert {"refunded": 1} == states(campaign)
    site.check()


def test_a_person_says_whose_it_is(site: Site, tipped: Tipped, bank: Bank, olga: Organiser) -> None:
    _campaign, people = tipped("ben")
    reference = charge_of(people["ben"]).reference
    wrong = reference[:-2] + reference[-1] + reference[-2]
    bank.tells(Moved(minor=5000, id="B-1", text=wrong))
    entry = the_queued()
    assert ("unknown_reference", [reference]) == (entry.verdict, entry.candidates)
    with pytest.raises(ActRefused, match="not_a_reference"):
        assign(entry.id, reference=wrong, by=olga)
    assign(entry.id, reference=printed(reference).lower(), by=olga)
    site.work()
    assert "fulfilled" == state_of(people["ben"])
    bank.tells(Moved(minor=5000, id="B-2", text=reference))
    assert [("double", "return_all")] == queued()
    return_all(the_queued().id, by=olga)
    bank.tells(Moved(minor=12345, id="B-3", text="our own savings"))
    with pytest.raises(ActRefused, match="note_missing"):
        note(the_queued().id, text=" ", closes=True, by=olga)
    note(the_queued().id, text="From our other account.", closes=True, by=olga)
    assert Counter(booked=1, returning=1, noted=1) == Counter(
        BankEntry.objects.values_list("state", flat=True)
    )
    site.check()


def test_the_self_check_sees_a_statement_that_is_missing(
    site: Site, tipped: Tipped, bank: Bank
) -> None:
    _campaign, people = tipped("ben")
    reference = charge_of(people["ben"]).reference
    bank.tells(Moved(minor=5000, id="B-1", text=reference))
    bank.balance += 700  # a day that nobody imported
    site.advance(timedelta(days=2))
    bank.tells(Moved(minor=100, id="B-3", text="?"))
    (gap,) = differences()
    assert ("balance", 5100, 5800) == (gap.event, gap.ours_minor, gap.theirs_minor)
    opened = {row.event: row for row in reconcile_bank()}
    assert opened.keys() == {"queued"}, "an import may be under way"
    bank.files, bank.balance = 7, 5000
    site.advance(timedelta(days=-1))
    bank.tells(Moved(minor=700, id="B-2", text="?"))
    assert [] == differences()
    assert 2 == len(reconcile_bank()), "what waits for a person has an age"


def test_a_charge_that_nothing_came_for_is_a_difference(
    site: Site, tipped: Tipped, bank: Bank
) -> None:
    _campaign, people = tipped("ben")
    bank.tells(Moved(minor=5000, id="B-1", text=charge_of(people["ben"]).reference))
    BankEntry.objects.update(booked_minor=4000)
    assert [("charge", 5000, 4000), ("entry", 4000, 5000)] == [
        (each.event, each.ours_minor, each.theirs_minor) for each in differences()
    ]
    (wrong,) = [check for check in self_check() if check["name"] == "bank_agrees"]
    assert not wrong["ok"] and "EUR: 2 apart by 2000" in wrong["detail"]
