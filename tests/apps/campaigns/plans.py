"""A campaign with a Plan B, a crowd that has chosen, and payments to suppliers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction

from countmein.base.clock import real_now, site_now
from countmein.campaigns.actions.change import change
from countmein.campaigns.actions.execute import execute
from countmein.campaigns.actions.fail import fail
from countmein.campaigns.bodies import PledgePatch
from countmein.campaigns.gates import hold
from countmein.campaigns.models import Campaign, Failure, PlanShare
from countmein.campaigns.queries import public_view
from countmein.ledger import queries as books
from countmein.payments.actions import payouts
from countmein.payments.models import Payout, PayoutKind, Statement
from tests.apps.campaigns.acts import Join, pledge_of
from tests.conftest import Launch, Site

CARD = "pm_card_visa"
PAPER = {"title": "Another paper", "cost_minor": 4000, "rule": {"people": 3}}
VAN = {"title": "A van"}
#: The example of docs/rules/plan_b.md: `who` gave so much and wants that.
FIVE = {
    "a": (5000, "follow"),
    "b": (2500, 1),
    "c": (1000, 1),
    "d": (1000, "refund"),
    "e": (500, 2),
}


def with_plans(launch: Launch, *plans: Mapping[str, Any], **said: Any) -> Campaign:
    """Money for an advert; the plans are what is done if the paper refuses it."""
    terms = {key: said.pop(key) for key in ("decide_hours", "quorum_bp") if key in said}
    if "above" in said:
        terms["set_aside_above_minor"] = said.pop("above")
    return launch(
        title="The advert they would not print",
        kinds=["money"],
        currency="GBP",
        rule={"people": 1},
        plan_b={"plans": list(plans), **terms},
        **said,
    )


def crowd(join: Join, campaign: Campaign, **chosen: tuple[int, Any]) -> dict[str, dict[str, Any]]:
    """Each gives an amount and says what they want if it fails."""
    return {
        who: join(campaign, who, amount=amount, fallback=fallback, payment_method=CARD)
        for who, (amount, fallback) in chosen.items()
    }


def asked(
    campaign: Campaign,
    amount_minor: int,
    payee: str = "Metro",
    *,
    kind: str = PayoutKind.SUPPLIER,
) -> Payout:
    """A payment to a supplier that is asked for: its money is set aside."""
    payout = Payout(
        lane=campaign.lane,
        campaign_id=campaign.id,
        kind=kind,
        payee=payee,
        purpose="a page",
        amount_minor=amount_minor,
        currency=campaign.currency,
        asked_by_id=uuid.UUID(int=1),
        asked_at=site_now(),
    )
    with transaction.atomic():
        hold(campaign)
        payouts.set_aside(payout)
    return payout


def paid(campaign: Campaign, amount_minor: int, payee: str = "Metro") -> Payout:
    """A payment to a supplier that was made."""
    payout = asked(campaign, amount_minor, payee)
    assert payouts.paid(payout, reference="by hand")
    return payout


def carried_out(site: Site, campaign: Campaign) -> None:
    """It tips, everybody pays, and it is being carried out; no fee is heard of meanwhile."""
    later = timedelta(days=100)
    Statement.objects.update(lines_due_at=real_now() + later, compare_due_at=site_now() + later)
    site.work()
    execute(campaign=campaign)
    site.work()


def shares(campaign: Campaign, number: int = 1) -> list[PlanShare]:
    """Where everybody's money went."""
    rows = PlanShare.objects.filter(lane=campaign.lane, campaign_id=campaign.id, number=number)
    return list(rows.order_by("pledge_id"))


def failure_of(campaign: Campaign, number: int = 1) -> Failure:
    """How it failed."""
    found = Failure.objects.get(lane=campaign.lane, campaign_id=campaign.id, number=number)
    assert isinstance(found, Failure)
    return found


def balances(campaign: Campaign) -> dict[str, int]:
    """The accounts with something on them."""
    found = books.balances(lane=campaign.lane, campaign_id=campaign.id)
    return {account: amount for (account, _currency), amount in found.items() if amount}


def shared(campaign: Campaign, made: dict[str, Any], number: int = 1) -> dict[str, tuple[Any, ...]]:
    """What each one bears, gets back, gives to a plan and has left over, and the plan."""
    by_id = {share.pledge_id: share for share in shares(campaign, number)}
    return {
        who: (s.borne_minor, s.refund_minor, s.delivered_minor, s.left_over_minor, s.plan)
        for who, answer in made.items()
        for s in [by_id[pledge_of(answer).id]]
    }


def refused_advert(site: Site, launch: Launch, join: Join) -> tuple[Campaign, dict[str, Any]]:
    """12.34 are gone, 80.00 of a payment that was refused are back, and time to choose is over."""
    campaign = with_plans(launch, PAPER, VAN)
    made = crowd(join, campaign, **FIVE)
    carried_out(site, campaign)
    paid(campaign, 1000, "Standard")
    lost = paid(campaign, 234, "Printer")
    refused = asked(campaign, 8000, "Times")
    fail(campaign=campaign, text="They refused it.", refused=[refused.id], lost=[lost.id])
    site.work()
    assert ("failed", 8766) == (public_view(campaign)["state"], balances(campaign)["held:money"])
    site.advance(timedelta(hours=24))
    site.work()
    return campaign, made


def choose(made: dict[str, Any], who: str, fallback: object) -> None:
    """Change what somebody wants."""
    change(pledge=pledge_of(made[who]), body=PledgePatch.model_validate({"fallback": fallback}))
