"""Accepting and planning by statements: who is taken, what is owed, and what the tally says."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from countmein.campaigns.actions import accept
from countmein.campaigns.actions.accept import Stride, accept_slice
from countmein.campaigns.actions.count import count
from countmein.campaigns.actions.secure import secure
from countmein.campaigns.gates import gate_of
from countmein.campaigns.models import Campaign, Change, Crowd
from countmein.payments.actions.mandates import make_mandates
from countmein.payments.actions.planning import plan_charges
from countmein.payments.models import Charge
from countmein.rules.collection import BatchRefused
from tests.apps.campaigns.acts import Join, pledge_of, states
from tests.apps.campaigns.test_short_holds import _under_gate
from tests.conftest import Launch, Site

CARD = "pm_card_visa"


def _tipped(campaign: Campaign) -> None:
    make_mandates()
    secure(str(campaign.id))
    count(str(campaign.id))


def _core(campaign: Campaign) -> dict[str, tuple[int, int]]:
    """People and amount that have joined the core for good, by kind."""
    core = Crowd.objects.get(lane=campaign.lane, campaign_id=campaign.id, is_core=True)
    changes = Change.objects.filter(lane=campaign.lane, crowd_id=core.id)
    sums = changes.values_list("kind").annotate(Sum("people"), Sum("amount")).order_by("kind")
    return {kind: (people, amount) for kind, people, amount in sums}


def test_each_way_of_keeping_a_pledge_has_its_own_in_one_slice(
    site: Site, launch: Launch, join: Join
) -> None:
    """By card, by transfer, for nothing, and a card for a part that is not in after all."""
    campaign = launch(
        kinds=["signature", "money", "purchase"],
        currency="EUR",
        unit_price_minor=700,
        rule={"people": 4},
        cap={"purchase": 1000},
        transfer_days=14,
    )
    far = {"people": 1000}
    both = join(
        campaign,
        "ben",
        kind="money",
        amount=500,
        payment_method=CARD,
        more=[
            {"kind": "money", "amount": 100, "condition": {"people": 3}},
            {"kind": "purchase", "amount": 2},
            {"kind": "money", "amount": 9000, "condition": far},
        ],
    )
    by_bank = join(campaign, "dora", kind="money", amount=300, payment_method="bank_transfer")
    free = join(campaign, "emil", kind="signature")
    idle = join(
        campaign,
        "fay",
        kind="signature",
        payment_method=CARD,
        more=[{"kind": "money", "amount": 50, "condition": far}],
    )
    waits = join(campaign, "gus", kind="signature", condition=far)
    _tipped(campaign)
    while accept_slice(campaign):
        pass
    assert {"money": 600, "purchase": 2} == pledge_of(both).accepted
    assert [True, True, False] == [part["is_in"] for part in pledge_of(both).more]
    found = {
        row.pledge_id: (row.amount_minor, row.parts, row.provider, row.state)
        for row in Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    }
    assert {
        pledge_of(both).id: (2000, {"money": 600, "purchase": 1400}, "stripe", "due"),
        pledge_of(by_bank).id: (300, {"money": 300}, "bank", "awaited"),
    } == found
    transfer = Charge.objects.get(lane=campaign.lane, pledge_id=pledge_of(by_bank).id)
    assert transfer.reference.startswith("RF")
    assert transfer.remind_at is not None
    assert {"accepted": 2, "fulfilled": 2, "active": 1} == states(campaign)
    assert "active" == pledge_of(waits).state
    assert {"signature": 1} == pledge_of(free).accepted == pledge_of(idle).accepted
    assert {"money": 900, "purchase": 2, "signature": 2} == gate_of(campaign).accepted
    assert {"money": (2, 900), "purchase": (0, 2), "signature": (2, 2)} == _core(campaign)
    site.check()


def test_a_slice_takes_as_many_statements_however_large_it_is(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And as many rows of change: one for each crowd, kind and place on either side."""
    monkeypatch.setattr(accept, "_OPEN", Stride(count=100))
    held, changes = [], []
    for people in (3, 9):
        campaign = launch(kinds=["money"], currency="EUR", rule={"people": people})
        for number in range(people):
            join(campaign, f"p{number}", amount=100, payment_method=CARD)
        _tipped(campaign)
        with connection.cursor() as cursor:
            # A job that waits already is not handed out again.
            cursor.execute("DELETE FROM procrastinate_jobs")
        before = Change.objects.filter(lane=campaign.lane, campaign_id=campaign.id).count()
        held.append(_under_gate(campaign, lambda c=campaign: accept_slice(c)))
        after = Change.objects.filter(lane=campaign.lane, campaign_id=campaign.id).count()
        changes.append(after - before)
        assert {"accepted": people} == states(campaign)
    assert len(held[0]) == len(held[1]) > 0
    assert [2, 2] == changes


def test_a_slice_grows_towards_what_the_gate_may_be_held_for_and_shrinks_at_once() -> None:
    stride = Stride(count=accept.LEAST)
    stride.learn(accept.LEAST, took=0.001, allowed=0.1)
    assert 2 * accept.LEAST == stride.count
    for _ in range(20):
        stride.learn(stride.count, took=0.001, allowed=0.1)
    assert accept.SLICE == stride.count
    stride.learn(accept.SLICE, took=1.0, allowed=0.1)
    assert accept.SLICE // 10 == stride.count
    stride.learn(stride.count, took=100.0, allowed=0.1)
    assert accept.LEAST == stride.count


@pytest.mark.parametrize("amount", [0, -5])
def test_a_charge_that_takes_nothing_is_refused(db: Any, amount: int) -> None:
    owed = (
        "SELECT gen_random_uuid() AS pledge_id, '{}'::jsonb AS parts,"
        " %(amount)s::bigint AS amount_minor, '' AS reference"
    )
    with pytest.raises(BatchRefused), transaction.atomic():
        plan_charges(
            owed,
            {"amount": amount},
            lane=1,
            campaign_id="018f0000-0000-7000-8000-000000000000",
            currency="EUR",
            due_at="2026-01-01T00:00:00Z",
        )
    assert not Charge.objects.filter(lane=1).exists()
