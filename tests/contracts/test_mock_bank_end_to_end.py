"""The whole way with a bank that is not ours: promised, transferred, booked, refunded by an order.

Skipped without mock-bank, like `test_mock_bank`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest

from countmein.base.clock import set_offset, site_now
from countmein.campaigns.actions.cancel import cancel
from countmein.payments.actions.bank_import import import_statements
from countmein.payments.actions.bank_orders import fill_in, make_order, order_bytes, read_report
from countmein.payments.actions.bank_queue import return_excess
from countmein.payments.bank_models import BankEntry, BankTransfer
from countmein.rules.remittance import printed
from tests.apps.campaigns.acts import states
from tests.apps.payments.conftest import accounts
from tests.apps.payments.test_bank import Tipped, charge_of, olga, tipped
from tests.conftest import Site
from tests.contracts.test_mock_bank import CLOSED, GLOBEX, Bank, bank, pytestmark

__all__ = ["bank", "olga", "pytestmark", "tipped"]


@pytest.fixture(autouse=True)
def monday(site: Site) -> None:
    """The site's calendar is the bank's: a Monday morning."""
    set_offset(datetime(2026, 10, 5, 9, tzinfo=UTC) - site_now())


def take_in(site: Site, bank: Bank) -> None:
    """Bring in every statement of our account that the bank has made so far."""
    for body in bank.messages("camt.053"):
        if b"NL41MOCK0000000001" in body:
            import_statements(BytesIO(body))
    site.work()


def test_exact_by_hand_over_and_back_again(
    site: Site, tipped: Tipped, bank: Bank, olga: Any
) -> None:
    campaign, people = tipped("ben", "cleo", "dora")
    references = {who: charge_of(answer).reference for who, answer in people.items()}
    debtor = {"name": "Ben Müller", "iban": GLOBEX}
    bank.credit(amount=5000, reference=references["ben"], debtor=debtor)
    bank.credit(
        amount=5000, note=f"fuer {printed(references['cleo']).lower()} danke", wrap=35,
        debtor={"name": "Gone Person", "iban": CLOSED},
    )  # fmt: skip
    bank.credit(amount=5500, reference=references["dora"], debtor=debtor)
    bank.next_day()
    take_in(site, bank)
    assert {"fulfilled": 2, "accepted": 1} == states(campaign)
    return_excess(BankEntry.objects.get(state="queued").id, by=olga)
    site.work()
    assert {"fulfilled": 3} == states(campaign)
    cancel(campaign=campaign)
    site.work()
    order = make_order(by=olga)
    assert (4, 15_500) == (order.transfer_count, order.total_minor)
    for _twice in range(2):
        bank.order(order_bytes(order))
    # One of the accounts is closed: the bank says so, and a person finds another.
    assert [0, 1] == sorted(read_report(body) for body in bank.messages("pain.002"))
    rejected = BankTransfer.objects.get(state="rejected")
    assert (5000, "AC04") == (rejected.amount_minor, rejected.code)
    fill_in(rejected.id, name="Gone Person", iban=GLOBEX)
    bank.order(order_bytes(make_order(by=olga)))
    bank.next_day()
    take_in(site, bank)
    assert {"refunded": 3} == states(campaign)
    assert {} == accounts(campaign)
    assert 0 == BankEntry.objects.filter(state="queued").count()
    site.check()
