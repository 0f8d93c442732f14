"""Any crowd, any choices, any costs: rows and books add up (C-7), nobody's money strays (C-9)."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countmein.base.clock import site_now
from countmein.base.ids import uuid7
from countmein.campaigns.actions.close_ballots import _close_left_over
from countmein.campaigns.actions.draft import draft
from countmein.campaigns.actions.fail import fail
from countmein.campaigns.actions.reallocate import reallocate
from countmein.campaigns.bodies import CampaignBody
from countmein.campaigns.gates import hold
from countmein.campaigns.models import Ballot, Campaign, Crowd, Gate, PlanShare, Pledge, crowd_id
from countmein.ledger.actions import post_fee
from countmein.members.models import Organiser
from countmein.payments.actions.claims import book
from countmein.payments.actions.holdings import held_parts
from countmein.payments.models import Charge, ChargeState, Refund
from countmein.rules.canonical import pledge_code
from tests.apps.campaigns.plans import asked, balances, failure_of, paid, shares
from tests.conftest import Site

CHOICES = ["refund", "follow", "1", "2"]
plans = st.lists(
    st.fixed_dictionaries(
        {"title": st.just("x")},
        optional={"cost_minor": st.integers(1, 300), "rule": st.just({"people": 2})},
    ),
    min_size=2,
    max_size=2,
)
gifts = st.lists(st.tuples(st.integers(1, 100), st.sampled_from(CHOICES)), min_size=1, max_size=7)
MANY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Settled = Callable[..., Campaign]


@pytest.fixture
def settled(site: Site, ana: Organiser) -> Settled:
    """Write down a campaign that is settled with these gifts, without any provider."""

    def write(given: Sequence[tuple[int, str]], **plan_b: Any) -> Campaign:
        body = CampaignBody.model_validate(
            {
                "title": "Any",
                "kinds": ["money"],
                "currency": "EUR",
                "rule": {"people": 1},
                "deadline": (site_now() + timedelta(days=9)).isoformat(),
                "plan_b": plan_b,
            }
        )
        campaign = draft(organiser=ana, body=body)
        now = site_now()
        Gate.objects.filter(lane=campaign.lane, id=campaign.id).update(
            state="settled", tipped_at=now, settled_at=now, accepted_round=9
        )
        nobody = Crowd(
            lane=campaign.lane, id=crowd_id(campaign.id, "null"), campaign_id=campaign.id
        )
        nobody.save(force_insert=True)
        for amount, fallback in given:
            _paid_pledge(campaign, nobody, amount, fallback)
        return campaign

    return write


def _paid_pledge(campaign: Campaign, crowd: Crowd, amount: int, fallback: str) -> None:
    now, id = site_now(), uuid7()
    row = Pledge(
        lane=campaign.lane,
        id=id,
        campaign_id=campaign.id,
        code=pledge_code(lane=campaign.lane, random=os.urandom(9)),
        key=str(id),
        digest="",
        state="fulfilled",
        answered_state="active",
        round=1,
        kind="money",
        amount=amount,
        crowd_id=crowd.id,
        accepted={"money": amount},
        mailbox=id.hex,
        contact_id=id,
        fallback=fallback,
        at=now,
        acted_at=now,
    )
    row.save(force_insert=True)
    charge = Charge(
        lane=campaign.lane,
        campaign_id=campaign.id,
        pledge_id=id,
        amount_minor=amount,
        currency="EUR",
        parts={"money": amount},
        state=ChargeState.PAID,
        due_at=now,
        is_read=True,
    )
    charge.save(force_insert=True)
    with transaction.atomic():
        book("charge", charge)


def fee(campaign: Campaign, amount_minor: int) -> None:
    """The provider keeps something."""
    with transaction.atomic():
        post_fee(
            lane=campaign.lane,
            campaign_id=campaign.id,
            about=uuid7(),
            amount_minor=amount_minor,
            currency="EUR",
            at=site_now(),
        )


def spend(campaign: Campaign, percent: int) -> None:
    """Pay a supplier so much of what is held, and ask for a little more."""
    held = sum(held_parts(lane=campaign.lane, campaign_id=campaign.id, most_minor=10**9).values())
    if amount := held * percent // 100:
        paid(campaign, amount)
    if held - amount > 1:
        asked(campaign, 1)


def refunds(campaign: Campaign, number: int) -> dict[uuid.UUID, int]:
    """What goes back because of a failure, by pledge."""
    rows = Refund.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, reason="plan_b", stage=number
    )
    return dict(rows.values_list("pledge_id", "amount_minor"))


def sum_of(rows: Sequence[PlanShare], name: str) -> int:
    return sum(getattr(row, name) for row in rows)


def check(campaign: Campaign, number: int, *, held_before: int) -> None:
    """C-7 over rows and books, C-9 by each one's choice, and a refund for each share."""
    rows, said = shares(campaign, number), failure_of(campaign, number)
    names = ("borne_minor", "refund_minor", "delivered_minor", "left_over_minor")
    whole = {name: sum_of(rows, name) for name in names}
    borne = said.sums["spent_minor"] + said.sums["kept_minor"] - said.sums["returned_minor"]
    assert borne == whole["borne_minor"]
    for name in names[1:]:
        assert said.sums[name] == whole[name]
    assert said.sums["collected_minor"] == sum(whole.values())
    assert {r.pledge_id: r.refund_minor for r in rows if r.refund_minor} == refunds(
        campaign, number
    )
    wanted = dict(
        Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).values_list(
            "id", "fallback"
        )
    )
    for row in rows:
        assert min(row.refund_minor, row.delivered_minor, row.left_over_minor) >= 0
        if row.plan is not None:
            assert wanted[row.pledge_id] in (str(row.plan), "follow")
            assert wanted[row.pledge_id] != "follow" or row.plan == said.majority
    books = balances(campaign)
    assert 0 == sum(books.values())
    # What is held is what goes back and what a plan takes; the ballot's is apart.
    assert books.get("pending:ballot", 0) >= whole["left_over_minor"]
    assert books.get("held:money", 0) <= held_before


@MANY
@given(
    given=gifts,
    ranked=plans,
    percents=st.tuples(st.integers(0, 100), st.integers(0, 100)),
    fees=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    above=st.one_of(st.none(), st.integers(1, 400)),
    is_kept=st.booleans(),
)
@pytest.mark.slow
def test_two_failures_in_a_row_add_up(
    settled: Settled,
    given: list[tuple[int, str]],
    ranked: list[dict[str, Any]],
    percents: tuple[int, int],
    fees: tuple[int, int],
    above: int | None,
    is_kept: bool,
) -> None:
    """Whatever was paid and lost on the way, each time."""
    limit = {} if above is None else {"set_aside_above_minor": above}
    campaign = settled(given, plans=ranked, decide_hours=0, **limit)
    for number in (1, 2):
        if fees[number - 1]:
            fee(campaign, fees[number - 1])
        spend(campaign, percents[number - 1])
        before = balances(campaign).get("held:money", 0)
        fail(campaign=campaign)
        reallocate(str(campaign.id))
        check(campaign, number, held_before=before)
        ballot = Ballot.objects.filter(
            lane=campaign.lane, campaign_id=campaign.id, number=number
        ).first()
        if ballot is not None and is_kept:
            _close(campaign, ballot)
    charged = sum(amount for amount, _choice in given)
    back = sum(refunds(campaign, 1).values()) + sum(refunds(campaign, 2).values())
    assert back <= charged


def _close(campaign: Campaign, ballot: Ballot) -> None:
    with transaction.atomic():
        hold(campaign)
        _close_left_over(campaign, ballot)
