"""A statement brought in by a process that dies before each of its statements in turn."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest

from countmein.base.clock import site_now
from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.models import Campaign
from countmein.ledger.models import Transfer
from countmein.payments.actions.bank_import import import_statements
from countmein.payments.actions.bank_orders import make_order
from countmein.payments.bank_models import BankEntry, BankStatement, BankTransfer
from countmein.rules.awaiting import BOOKED_WITHIN
from tests.apps.campaigns.acts import states, topics
from tests.apps.payments.bank.statements import Moved, camt
from tests.apps.payments.conftest import accounts
from tests.apps.payments.test_bank import Bank, Tipped, bank, charge_of, olga, tipped
from tests.conftest import Site
from tests.faults.kills import run_and_die
from tests.faults.test_kills import one_round, rescue

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("books_read")]

__all__ = ["bank", "olga", "tipped"]


def taken_in(said: bytes) -> None:
    """Bring the file in and do everything that follows from it."""
    import_statements(BytesIO(said))
    while one_round():
        pass


def test_killed_before_each_statement_each_entry_is_decided_on_once(
    site: Site, tipped: Tipped, bank: Bank, olga: Any
) -> None:
    called_off = _paid_and_cancelled(site, tipped, bank)
    make_order(by=olga)
    campaign, people = tipped("exact", "parts", "half", "over", "nothing")
    refs = {who: charge_of(answer).reference for who, answer in people.items()}
    day = site_now().date()
    site.advance(timedelta(days=14, minutes=1) + BOOKED_WITHIN)
    said = camt(
        *(
            Moved(minor=minor, id=f"K-{number}", text=text, end_to_end_id=end_to_end, on=day)
            for number, (minor, text, end_to_end) in enumerate(
                (
                    (5000, refs["exact"], ""),
                    (3000, refs["parts"], ""),
                    (2000, refs["parts"], ""),
                    (1000, refs["half"], ""),
                    (5500, refs["over"], ""),
                    (77, "?", ""),
                    (-5000, "", BankTransfer.objects.get().end_to_end_id),
                )
            )
        ),
        on=site_now().date(),
        opening=5000,
        name="killed",
    )
    killed = 0
    while run_and_die(lambda: taken_in(said), at=killed):
        rescue()
        killed += 1
    assert killed > 50
    site.work()
    assert {"refunded": 1} == states(called_off)
    assert {} == accounts(called_off)
    assert {"fulfilled": 2, "dropped": 2, "accepted": 1} == states(campaign)
    assert {"backers": -10_000, "held:money": 10_000} == accounts(campaign)
    assert Counter(booked=4, queued=3, left=1) == Counter(
        BankEntry.objects.values_list("state", flat=True)
    )
    assert 2 == BankStatement.objects.count()
    assert Counter(charge=3, refund=1) == Counter(
        Transfer.objects.all_lanes().values_list("kind", flat=True)
    )
    assert "done" == BankTransfer.objects.get().state
    for who, told in (("nothing", "did not arrive"), ("exact", "It tipped: ")):
        mails = topics(site, campaign, f"{who}@example.org")
        assert 1 == sum(told in subject for subject in mails), mails
    site.check()


def test_killed_before_each_statement_a_part_is_told_once(
    site: Site, tipped: Tipped, bank: Bank
) -> None:
    campaign, people = tipped("ben")
    part = Moved(minor=2000, id="P-1", text=charge_of(people["ben"]).reference)
    said, killed = camt(part, on=site_now().date(), name="part"), 0
    while run_and_die(lambda: taken_in(said), at=killed):
        rescue()
        killed += 1
    assert killed > 20
    site.work()
    mails = topics(site, campaign, "ben@example.org")
    assert 1 == sum("A part of your transfer" in subject for subject in mails), mails
    site.check()


def _paid_and_cancelled(site: Site, tipped: Tipped, bank: Bank) -> Campaign:
    """A campaign that was called off after somebody had paid."""
    campaign, people = tipped("ben")
    bank.tells(Moved(minor=5000, id="B-1", text=charge_of(people["ben"]).reference))
    cancel(campaign=campaign)
    site.work()
    return campaign
