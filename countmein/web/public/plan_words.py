"""What pages show of Plan B: the plans, the choice between them, what became of the money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from babel.numbers import format_percent
from django.utils.translation import gettext, ngettext

from countmein.campaigns import ballot_words, wording
from countmein.campaigns.actions.vote import ballots_of
from countmein.campaigns.models import Ballot, Campaign, Pledge
from countmein.campaigns.plan_letters import share_facts
from countmein.campaigns.plan_queries import ballots_in, shares_of
from countmein.campaigns.plans import (
    failures_of,
    plan_b_of,
    plans_of,
    plans_tried,
    stated,
)
from countmein.web.forms import Filled
from countmein.web.templatetags.words import locale, number


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One thing a member can want if it fails."""

    value: str
    label: str
    hint: str
    is_ticked: bool


def choices(campaign: Campaign, *, chosen: str) -> list[Choice]:
    """What can be chosen; none where there are no plans. A plan that was tried is none any more."""
    plans = plans_of(campaign)
    if not plans:
        return []
    tried = plans_tried(failures_of(campaign))
    found = [
        Choice(
            value=str(n),
            label=plan.title,
            hint=_plan_hint(campaign, plan),
            is_ticked=chosen == str(n),
        )
        for n, plan in enumerate(plans, start=1)
        if n not in tried
    ]
    follow = Choice(
        value="follow",
        label=gettext("Follow the majority"),
        hint=gettext("My part goes where most people want theirs to go."),
        is_ticked=chosen == "follow",
    )
    is_ticked = any(each.is_ticked for each in [*found, follow])
    refund = Choice(
        value="refund",
        label=gettext("A refund"),
        hint=gettext("My part of what is left comes back to me."),
        is_ticked=not is_ticked,
    )
    return [refund, *found, follow]


def _plan_hint(campaign: Campaign, plan: Any) -> str:
    parts = [plan.text] if plan.text else []
    if plan.supplier:
        parts.append(gettext("Paid to %(supplier)s.") % {"supplier": plan.supplier})
    if plan.cost_minor is not None:
        cost = wording.money_text(plan.cost_minor, campaign.currency)
        parts.append(gettext("It costs %(cost)s.") % {"cost": cost})
    return " ".join(parts)


def fallback_of(form: Filled) -> str | int | None:
    """Read the choice; a refund is what whoever says nothing gets."""
    said = form.said("fallback")
    if said in ("", "refund"):
        return None
    return stated(said)


def plan_b_part(campaign: Campaign, view: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the campaign's page says of Plan B; None if there is nothing to say."""
    said = plan_b_of(campaign)
    if said is None and not view["failures"] and not view["ballots"]:
        return None
    return {
        "plans": [
            {
                "title": plan.title,
                "text": plan.text,
                "supplier": plan.supplier,
                "document": plan.document,
                "host": urlsplit(plan.document).hostname,
                "cost": plan.cost_minor and wording.money_text(plan.cost_minor, campaign.currency),
                "rule": view["plan_b"]["plans"][n]["rule_text"],
            }
            for n, plan in enumerate(said.plans)
        ]
        if said
        else [],
        "hours": said.decide_hours if said else 0,
        "quorum": percent(said.quorum_bp) if said else "",
        "above": wording.money_text(said.set_aside_above_minor, campaign.currency)
        if said and said.set_aside_above_minor is not None
        else "",
        "failures": [_failure(campaign, failure) for failure in view["failures"]],
        "ballots": [ballot_part(each) for each in ballots_in(campaign)] if view["ballots"] else [],
    }


def percent(bp: int) -> str:
    """Basis points as per cent, in the reader's way."""
    return str(format_percent(Decimal(bp) / 10_000, format="#,##0.##%", locale=locale()))


def _failure(campaign: Campaign, failure: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "text": failure["text"],
        "at": failure["failed_at"],
        "decide_until": failure["decide_until"] if failure["settled_at"] is None else None,
        "facts": _sums(campaign, failure["sums"]),
        "plans": [_outcome(campaign, plan) for plan in failure["plans"]],
    }


def _sums(campaign: Campaign, sums: Mapping[str, int] | None) -> list[dict[str, str]]:
    """Where everything went, without what is nothing."""
    if sums is None:
        return []
    named = {
        gettext("Was held"): sums["collected_minor"],
        gettext("Spent"): sums["spent_minor"] + sums["kept_minor"],
        gettext("Came back"): sums["returned_minor"],
        gettext("Goes to a plan"): sums["delivered_minor"],
        gettext("Goes back to people"): sums["refund_minor"],
        gettext("Left over"): sums["left_over_minor"],
    }
    return [
        {"label": label, "text": wording.money_text(amount, campaign.currency)}
        for label, amount in named.items()
        if amount
    ]


def _outcome(campaign: Campaign, plan: Mapping[str, Any]) -> str:
    people = ngettext(
        "%(count)s person chose it", "%(count)s people chose it", plan["choosers"]
    ) % {"count": number(plan["choosers"])}
    facts = {"title": plan["title"], "people": people}
    if not plan["runs"]:
        return gettext("%(title)s: %(people)s, not enough.") % facts
    facts["amount"] = wording.money_text(plan["delivered_minor"], campaign.currency)
    return gettext("%(title)s: %(people)s. It gets %(amount)s.") % facts


def ballot_part(ballot: Ballot) -> dict[str, Any]:
    """A ballot as a page shows it; how it stands is told when it is over."""
    is_over = ballot.closed_at is not None
    return {
        "question": ballot_words.question_of(ballot),
        "explained": ballot_words.explained_of(ballot),
        "ends_at": ballot.ends_at,
        "is_over": is_over,
        "outcome": ballot_words.outcome_text(ballot) if is_over else "",
        "counts": ballot_words.count_lines(ballot, ballot.counts) if is_over else [],
    }


def own_part(campaign: Campaign, row: Pledge, mine: Mapping[str, Any]) -> dict[str, Any]:
    """What the page of one's own pledge says of the choice, and of what became of the money."""
    failures = failures_of(campaign)
    tried = plans_tried(failures)
    shown = next(
        (each.label for each in choices(campaign, chosen=row.fallback) if each.is_ticked), ""
    )
    return {
        "choice": shown,
        "is_tried": stated(row.fallback) in tried,
        "has_failed": bool(failures),
        "is_deciding": bool(failures) and failures[-1].settled_at is None,
        "shares": [
            [
                {"label": label, "text": text}
                for label, text in share_facts(campaign, failures[share.number - 1], share)
            ]
            for share in shares_of(row)
        ],
        "may_choose": bool(campaign.plan_b) and mine["may_choose"],
        "ballots": [ballot_part(ballot) for ballot, _paper in ballots_of(row)],
    }


def failed_words(own: Mapping[str, Any], state: str) -> str:
    """Say what happens next if it has failed; empty if it has not, or the pledge is not in it."""
    if not own["has_failed"] or state not in ("fulfilled", "refunded"):
        return ""
    if own["is_deciding"]:
        return gettext("It cannot be carried out. Soon it is settled what becomes of your money.")
    return gettext("It could not be carried out. Here is what became of your money.")
