"""What can be seen of Plan B: by everybody, and by one whose money it is."""

from __future__ import annotations

from typing import Any

from countmein.base.clock import site_now
from countmein.campaigns import ballot_words
from countmein.campaigns.actions.choose import require_choosable
from countmein.campaigns.actions.vote import ballots_of, counts_of
from countmein.campaigns.models import Ballot, BallotPaper, Campaign, Gate, PlanShare, Pledge
from countmein.campaigns.plans import failures_of, plan_b_of, stated
from countmein.campaigns.wording import rule_text
from countmein.rules import conditions
from countmein.rules.pledging import PledgeRefused


def plan_b_view(campaign: Campaign, gate: Gate) -> dict[str, Any]:
    """The plans as they were launched, how often it failed and what became of it, and the votes.

    Before a tip nothing has failed and nobody votes, so nothing is looked up.
    """
    said = plan_b_of(campaign)
    has_tipped = gate.tipped_at is not None
    return {
        "plan_b": said
        and {
            **said.model_dump(mode="json"),
            "plans": [
                {**plan.model_dump(mode="json"), "rule_text": _rule_text(campaign, plan.rule)}
                for plan in said.plans
            ],
        },
        "failures": [
            {
                "number": failure.number,
                "text": failure.text,
                "failed_at": failure.failed_at,
                "decide_until": failure.decide_until,
                "settled_at": failure.settled_at,
                "majority": failure.majority,
                "plans": failure.plans,
                "sums": failure.sums or None,
            }
            for failure in (failures_of(campaign) if has_tipped else ())
        ],
        "ballots": [ballot_view(each) for each in (ballots_in(campaign) if has_tipped else ())],
    }


def ballots_in(campaign: Campaign) -> list[Ballot]:
    """All ballots of a campaign, the first one first."""
    rows = Ballot.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    return list(rows.order_by("id"))


def _rule_text(campaign: Campaign, rule: object) -> str | None:
    if rule is None:
        return None
    parsed = conditions.parse(rule, path="rule", pledges_allowed=False)
    return rule_text(parsed, currency=campaign.currency)


def ballot_view(ballot: Ballot) -> dict[str, Any]:
    """A ballot as everybody sees it; how it stands is told when it is over."""
    counts = ballot.counts if ballot.closed_at is not None else None
    return {
        "id": ballot.id,
        "kind": ballot.kind,
        "number": ballot.number,
        "question": ballot_words.question_of(ballot),
        "options": ballot.options,
        "quorum_bp": ballot.quorum_bp,
        "opened_at": ballot.opened_at,
        "ends_at": ballot.ends_at,
        "closed_at": ballot.closed_at,
        "outcome": ballot.outcome or None,
        "counts": counts and {option: counts.get(option, 0) for option in ballot.options},
        "silent": None if counts is None else counts.get("", 0),
        "voters": sum((counts if counts is not None else counts_of(ballot)).values()),
    }


def own_ballots(pledge: Pledge) -> list[dict[str, Any]]:
    """The ballots in which somebody may vote or could, the latest first, with their own vote."""
    return [_own_ballot(ballot, paper) for ballot, paper in ballots_of(pledge)]


def _own_ballot(ballot: Ballot, paper: BallotPaper) -> dict[str, Any]:
    return {
        **ballot_view(ballot),
        "stake_minor": paper.stake_minor,
        "choice": paper.choice or None,
        "is_open": ballot.closed_at is None and site_now() < ballot.ends_at,
    }


def choice_view(pledge: Pledge, gate: Gate) -> dict[str, Any]:
    """What one chose for a failure, whether that can change, and what became of one's money."""
    return {
        "fallback": stated(pledge.fallback),
        "may_choose": _may_choose(gate, pledge),
        "shares": [
            {
                "number": row.number,
                "borne_minor": row.borne_minor,
                "refund_minor": row.refund_minor,
                "delivered_minor": row.delivered_minor,
                "left_over_minor": row.left_over_minor,
                "plan": row.plan,
            }
            for row in shares_of(pledge)
        ],
    }


def shares_of(pledge: Pledge) -> list[PlanShare]:
    """Where one's money went, failure by failure."""
    rows = PlanShare.objects.filter(lane=pledge.lane, pledge_id=pledge.id)
    return list(rows.order_by("number"))


def _may_choose(gate: Gate, pledge: Pledge) -> bool:
    try:
        require_choosable(gate, pledge)
    except PledgeRefused:
        return False
    return True
