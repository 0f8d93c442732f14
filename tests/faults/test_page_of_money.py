"""R14: the page tells the truth about money, at whatever moment it is read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from countmein.campaigns import wording
from countmein.campaigns.actions.settle import settle
from countmein.campaigns.models import Campaign
from countmein.campaigns.queries import public_view
from countmein.ledger.queries import balances
from countmein.payments.actions.charging import charge_due
from countmein.payments.models import Charge
from countmein.payments.queries import standing
from tests.apps.campaigns.acts import states
from tests.conftest import Launch, Site
from tests.faults.masses import CARD, crowd, paid_at_provider, size, until_tipped
from tests.faults.test_kills import one_round

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("books_read")]
#: One in ten is refused after the tip.
FAILING = "pm_card_chargeCustomerFail"
PEOPLE, SAMPLES = size(150, 2000), size(200, 1000)


@pytest.fixture
def accepted(site: Site, launch: Launch) -> Campaign:
    """Everybody is accepted, and no card was charged yet."""
    campaign = launch(
        title="Truth of money",
        kinds=["money"],
        currency="EUR",
        rule={"people": PEOPLE},
        shortfall="proceed",
    )
    cards = [FAILING if n % 10 == 0 else CARD for n in range(PEOPLE)]
    crowd(campaign, "truth", [{"amount": 100, "payment_method": card} for card in cards])
    until_tipped(campaign)
    settle(str(campaign.id))
    assert {"accepted": PEOPLE} == states(campaign)
    return campaign


def whole(seen: dict[str, Any]) -> int:
    """All that a page says of the money that was accepted."""
    parts = ("collecting", "failing", "collected", "refunded", "disputed")
    return sum(int(seen[part]["money"]) for part in parts)


class Reader:
    """Somebody who reloads the page all the time."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.seen: list[tuple[int, int, int]] = []
        self.fault: BaseException | None = None

    def read(self, stopped: threading.Event) -> None:
        try:
            while not stopped.is_set() or len(self.seen) < SAMPLES:
                view = public_view(self.campaign)
                books = balances(lane=self.campaign.lane, campaign_id=self.campaign.id)
                self.seen.append((whole(view), view["collected"]["money"], sum(books.values())))
        except BaseException as fault:
            self.fault = fault
        finally:
            connections.close_all()


@contextmanager
def reading(campaign: Campaign) -> Iterator[Reader]:
    """Read from another connection until this is left, and until it was often enough."""
    reader, stopped = Reader(campaign), threading.Event()
    thread = threading.Thread(target=reader.read, args=[stopped])
    thread.start()
    try:
        yield reader
    finally:
        stopped.set()
        thread.join()
    assert reader.fault is None, reader.fault


def test_the_sums_add_up_at_every_moment_and_are_of_now(site: Site, accepted: Campaign) -> None:
    """Pledged, collecting, failing, collected and refunded are apart, and one of them each."""
    with reading(accepted) as reader:
        while one_round():
            pass
    assert len(reader.seen) >= SAMPLES
    assert {100 * PEOPLE} == {total for total, _collected, _books in reader.seen}
    assert {0} == {books for _total, _collected, books in reader.seen}
    # Cards are charged a hundred at a time.
    assert len({collected for _total, collected, _books in reader.seen}) > 2, "it moved meanwhile"
    good = PEOPLE - -(-PEOPLE // 10)
    seen = public_view(accepted)
    assert {"money": 100 * good} == seen["collected"]
    assert {"money": 100 * (PEOPLE - good)} == seen["failing"]
    assert 100 * good == sum(c["amount"] for c in paid_at_provider(accepted))
    page = Client().get(f"/c/{accepted.code}/").content.decode()
    for amount in (100 * good, 100 * (PEOPLE - good)):
        assert wording.money_text(amount, "EUR") in page
    site.advance(timedelta(days=8))
    while one_round():
        pass
    site.work()
    assert {"fulfilled": good, "dropped": PEOPLE - good} == states(accepted)
    assert 100 * good == whole(public_view(accepted))
    site.check()


def test_read_one_after_the_other_a_charge_is_in_none_of_them(accepted: Campaign) -> None:
    """The control: what two statements say, between which the cards were charged."""
    before = standing(lane=accepted.lane, campaign_id=accepted.id)
    charge_due()
    after = standing(lane=accepted.lane, campaign_id=accepted.id)
    assert Charge.objects.filter(lane=accepted.lane, state="paid").exists()
    naive = before.paid["money"] + after.collecting["money"] + after.failing["money"]
    assert naive < 100 * PEOPLE
