"""A member's bank takes money back: booked once, to the cent, whatever the events do."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from countmein.base.clock import real_now
from countmein.base.ids import uuid7
from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.queries import public_view
from countmein.payments.actions.disputes import record
from countmein.payments.models import Dispute, ProviderEvent, Refund, Statement
from countmein.payments.providers import DisputeSeen, DisputeStatus
from countmein.rules.money import Money
from tests.apps.campaigns.acts import states
from tests.apps.payments.conftest import Provider, accounts
from tests.conftest import Site

#: The sandbox keeps 1.5 % and 0.25 of a charge, and 15.00 of a dispute.
CHARGE_FEE, DISPUTE_FEE = 40, 1500


def money_of(campaign: Any) -> tuple[int, int, int]:
    """Collected, refunded and disputed."""
    seen = public_view(campaign)
    return (
        seen["collected"]["money"],
        seen["refunded"]["money"],
        seen["disputed"]["money"],
    )


def test_an_open_dispute_is_no_longer_collected(site: Site, provider: Provider, paid: Any) -> None:
    campaign, charge = paid(1000)
    provider.dispute(charge)
    provider.read()
    fees = CHARGE_FEE + DISPUTE_FEE
    expected = {"backers": -1000, "disputed": 1000, "costs:processor": -fees, "processor": fees}
    assert expected == accounts(campaign)
    assert (0, 0, 1000) == money_of(campaign)
    site.check()


@pytest.mark.parametrize("is_won", [True, False])
def test_a_decided_dispute_is_booked_to_the_cent(
    site: Site, provider: Provider, paid: Any, is_won: bool
) -> None:
    """Also if it was opened and decided before anybody looked."""
    campaign, charge = paid(1000)
    provider.decide(provider.dispute(charge), is_won=is_won)
    for _again in range(2):
        provider.read()
    fees = {"costs:processor": -CHARGE_FEE - DISPUTE_FEE, "processor": CHARGE_FEE + DISPUTE_FEE}
    held = {"backers": -1000, "held:money": 1000} if is_won else {}
    assert {**fees, **held} == accounts(campaign)
    assert ((1000, 0, 0) if is_won else (0, 0, 1000)) == money_of(campaign)
    site.check()


def test_a_dispute_whose_events_are_lost_is_found_by_the_hourly_poll(
    site: Site, provider: Provider, paid: Any
) -> None:
    campaign, charge = paid()
    provider.dispute(charge)
    site.work()
    assert (1000, 0, 0) == money_of(campaign)
    site.advance(timedelta(hours=1, minutes=1))
    site.work()
    assert (0, 0, 1000) == money_of(campaign)


def test_an_event_only_makes_us_look_sooner(site: Site, provider: Provider, paid: Any) -> None:
    """Doubled, and claiming what is not so: what the provider shows decides."""
    campaign, charge = paid()
    provider.dispute(charge)
    for kind in ("closed", "created", "created", "funds_reinstated"):
        ProviderEvent(
            provider="stripe",
            event_id=f"evt_{uuid7()}",
            received_at=real_now(),
            body={"type": f"charge.dispute.{kind}", "data": {"object": {"status": "won"}}},
        ).save()
    site.work()
    assert (0, 0, 1000) == money_of(campaign)
    site.check()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_looks_in_any_order_come_to_the_same(
    site: Site, provider: Provider, paid: Any, order: tuple[int, ...]
) -> None:
    campaign, charge = paid()
    looks = [DisputeStatus.OPEN, DisputeStatus.OPEN, DisputeStatus.LOST]
    for place in order:
        seen = DisputeSeen(
            dispute_id="du_permuted",
            charge_id=charge.provider_charge_id,
            amount=Money(amount_minor=1000, currency="EUR"),
            status=looks[place],
            reason="general",
            opened_at=real_now(),
            answer_by=None,
        )
        assert record(seen)
    assert {} == accounts(campaign)
    site.check()


def test_an_inquiry_moves_no_money(site: Site, provider: Provider, paid: Any) -> None:
    _campaign, charge = paid()
    seen = DisputeSeen(
        dispute_id="du_inquiry",
        charge_id=charge.provider_charge_id,
        amount=Money(amount_minor=1000, currency="EUR"),
        status=DisputeStatus.INQUIRY,
        reason="general",
        opened_at=real_now(),
        answer_by=None,
    )
    assert record(seen)
    assert not Dispute.objects.all_lanes().exists()


def test_a_dispute_in_another_currency_is_not_booked(
    site: Site, provider: Provider, paid: Any
) -> None:
    """The statement's line of it stays unmatched, for a person to look at."""
    campaign, charge = paid()
    seen = DisputeSeen(
        dispute_id="du_foreign",
        charge_id=charge.provider_charge_id,
        amount=Money(amount_minor=1000, currency="USD"),
        status=DisputeStatus.OPEN,
        reason="general",
        opened_at=real_now(),
        answer_by=None,
    )
    assert not record(seen)
    assert (1000, 0, 0) == money_of(campaign)


def test_what_a_lost_dispute_took_is_not_given_back_once_more(
    site: Site, provider: Provider, paid: Any
) -> None:
    """It was lost before anybody wanted a refund: nothing waits, and the campaign ends."""
    campaign, charge = paid(1000)
    provider.decide(provider.dispute(charge), is_won=False)
    provider.read()
    cancel(campaign=campaign)
    site.work()
    refund = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id).get()
    assert ("moot", 0) == (refund.state, refund.attempt)
    assert ("released", {"refunded": 1}) == (public_view(campaign)["state"], states(campaign))
    site.check()


@pytest.mark.parametrize(("is_known", "is_won"), list(itertools.product([True, False], repeat=2)))
def test_a_refund_waits_for_the_dispute(
    site: Site, provider: Provider, paid: Any, is_known: bool, is_won: bool
) -> None:
    """Whether we knew of the dispute, or the provider refuses because of it."""
    campaign, charge = paid(1000)
    dispute_id = provider.dispute(charge)
    if is_known:
        provider.read()
    cancel(campaign=campaign)
    site.work()
    refund = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id).get()
    assert ("due", "charge_disputed") == (refund.state, refund.code)
    assert (0, 0, 1000) == money_of(campaign)
    site.check()
    provider.decide(dispute_id, is_won=is_won)
    Statement.objects.update(disputes_due_at=real_now())
    site.work()
    refund = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id).get()
    assert ("done" if is_won else "moot") == refund.state
    assert ((0, 1000, 0) if is_won else (0, 0, 1000)) == money_of(campaign)
    assert {"refunded": 1} == states(campaign)
    site.check()
