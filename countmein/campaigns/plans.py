"""What a campaign's Plan B says, and which of its plans can still be had."""

from __future__ import annotations

from django.utils.translation import gettext

from countmein.campaigns.bodies import PlanBBody, PlanBody
from countmein.campaigns.models import Campaign, Failure
from countmein.rules.failure import Choice, Fallback


def plan_b_of(campaign: Campaign) -> PlanBBody | None:
    """What is done if it cannot be carried out; None: everybody gets what is left."""
    return None if campaign.plan_b is None else PlanBBody.model_validate(campaign.plan_b)


def plans_of(campaign: Campaign) -> list[PlanBody]:
    """The plans in their order; number 1 is the first."""
    said = plan_b_of(campaign)
    return said.plans if said else []


def failures_of(campaign: Campaign) -> list[Failure]:
    """How often it could not be carried out, the first time first."""
    rows = Failure.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    return list(rows.order_by("number"))


def plans_tried(failures: list[Failure]) -> frozenset[int]:
    """The numbers of the plans that were carried out already: none is tried twice."""
    return frozenset(
        number
        for failure in failures
        for number, plan in enumerate(failure.plans, start=1)
        if plan["runs"]
    )


def stated(fallback: str) -> str | int:
    """A stored choice as members say it: refund, follow, or the number of a plan."""
    is_number = fallback.isascii() and fallback.isdigit() and len(fallback) <= 3
    return int(fallback) if is_number else fallback


def choice_of(pledge_fallback: str, *, tried: frozenset[int]) -> Choice:
    """A stored choice as the law reads it; who wants a plan that was tried gets a refund."""
    said = stated(pledge_fallback)
    if isinstance(said, int):
        return Fallback.refund if said in tried else said - 1
    return Fallback(said)


def choice_text(campaign: Campaign, fallback: str, *, tried: frozenset[int] = frozenset()) -> str:
    """A stored choice in words."""
    said = stated(fallback)
    if said == Fallback.follow:
        return gettext("Follow the majority")
    if isinstance(said, int) and said not in tried:
        return plans_of(campaign)[said - 1].title
    return gettext("A refund")
