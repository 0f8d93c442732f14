"""A batch of refunds killed among its outside calls, where no statement is: given back once."""

from __future__ import annotations

import os
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from countmein.campaigns.models import Campaign
from countmein.payments.actions.refunding import refund_due, want_refunds
from countmein.payments.models import Charge, Refund
from countmein.payments.providers import PROVIDERS, RefundResult
from countmein.payments.providers.stripe import Stripe
from tests.conftest import Launch, Site
from tests.faults.kills import KILLED, run_and_die
from tests.faults.masses import CARD, crowd, paid_at_provider, unclear, until_tipped
from tests.faults.test_kills import one_round, rescue

pytestmark = pytest.mark.slow
#: More than all that are killed among can have made, with eight side by side.
COUNT = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Mortal(Stripe):
    """Dies with the worker right after its `at`-th call: the provider has done it, nobody knows."""

    at: int = 0
    made: Counter[str] = field(default_factory=Counter)
    lock: Any = field(default_factory=threading.Lock)

    def refund(self, **asked: Any) -> RefundResult:
        result = Stripe.refund(self, **asked)
        with self.lock:
            self.made["calls"] += 1
            if self.made["calls"] == self.at:
                os._exit(KILLED)
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetful(Mortal):
    """A build that looks nothing up and makes up a new key for every try."""

    def refund(self, *, key: str, **asked: Any) -> RefundResult:
        return Mortal.refund(self, key=f"{key}:{uuid.uuid4()}", **asked)

    def find_refund(self, **_: Any) -> RefundResult | None:
        return None


def _half_owed(launch: Launch, prefix: str) -> Campaign:
    """Everybody paid, and half of it is to go back: a second time would fit as well."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": COUNT})
    crowd(campaign, prefix, [{"amount": 100, "payment_method": CARD}] * COUNT)
    until_tipped(campaign)
    while one_round():
        pass
    charges = Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    want_refunds(charges=list(charges), reason="goodwill", parts=lambda _: {"money": 50})
    return campaign


def _given_back(campaign: Campaign, provider: type[Mortal], monkeypatch: Any) -> Counter[int]:
    """Kill it after each of some calls, then let it end; how much went back of how many."""
    for at in (1, 9, 5, 3):
        monkeypatch.setitem(PROVIDERS, "stripe", provider(at=at))
        assert run_and_die(refund_due, at=None)
        rescue()
    monkeypatch.setitem(PROVIDERS, "stripe", provider())
    refund_due()
    return Counter(charge["amount_refunded"] for charge in paid_at_provider(campaign))


def test_killed_among_its_calls_each_refund_is_made_once(
    site: Site, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tries without an answer are looked up, and those that never arrived are made."""
    campaign = _half_owed(launch, "mortal")
    assert Counter({50: COUNT}) == _given_back(campaign, Mortal, monkeypatch)
    states = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    assert {"done"} == set(states.values_list("state", flat=True))
    assert 0 == unclear(campaign)
    site.work()
    site.check()


def test_with_a_new_key_for_each_try_somebody_gets_it_twice(
    site: Site, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the same kills."""
    campaign = _half_owed(launch, "forgetful")
    assert _given_back(campaign, Forgetful, monkeypatch)[100] > 0
