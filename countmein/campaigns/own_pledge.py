"""One's own pledge: found by its code and its receipt, and everything about it."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Sum

from countmein.base.clock import site_now
from countmein.campaigns.actions.count import tally_of
from countmein.campaigns.actions.give_card import failing_charge, require_card_wanted
from countmein.campaigns.actions.withdraw import is_acceptance_pending, is_counted
from countmein.campaigns.gates import gate_of
from countmein.campaigns.kinds import BANK_TRANSFER, is_paid, pays_by_bank
from countmein.campaigns.links import receipt_of, same, secure_url
from countmein.campaigns.models import (
    JOINED_STATES,
    Campaign,
    Crowd,
    Gate,
    Pledge,
    Report,
    Tally,
    Ticket,
    totals_of,
)
from countmein.campaigns.plan_queries import choice_view
from countmein.campaigns.transfers import transfer_of
from countmein.campaigns.wording import condition_text, missing_json
from countmein.payments.actions.mandates import consent_of
from countmein.payments.models import (
    Charge,
    ChargeState,
    Mandate,
    MandateState,
    Refund,
    RefundState,
)
from countmein.rules import conditions
from countmein.rules.canonical import CodeRefused, lane_of_code
from countmein.rules.conditions import Aggregates
from countmein.rules.dunning import LADDER
from countmein.rules.pledging import PledgeRefused, may_change, may_withdraw
from countmein.rules.states import KEEPING, CampaignState, Latch, PledgeState


def pledge_by_code(code: str) -> Pledge | None:
    """The pledge with this public code: for the verbs that prove the right by other means."""
    try:
        lane = lane_of_code(code)
    except CodeRefused:
        return None
    row = Pledge.objects.filter(lane=lane, code=code).first()
    assert row is None or isinstance(row, Pledge)
    return row


def pledge_for(code: str, receipt: str) -> Pledge | None:
    """One's own pledge; a wrong receipt is answered like an unknown code."""
    row = pledge_by_code(code)
    return row if row is not None and same(receipt, receipt_of(row)) else None


def pledge_view(pledge: Pledge) -> dict[str, Any]:
    """Everything about one's own pledge."""
    campaign = Campaign.objects.get(id=pledge.campaign_id)
    gate, tally = gate_of(campaign), tally_of(campaign)
    crowds = _crowds_of(pledge)
    counted = is_counted(pledge)
    condition = crowds[pledge.crowd_id]
    tickets = Ticket.objects.filter(lane=pledge.lane, pledge_id=pledge.id)
    reports = Report.objects.filter(lane=pledge.lane, pledge_id=pledge.id)
    waits = pledge.state == PledgeState.active and not counted
    return {
        "code": pledge.code,
        "campaign": campaign.code,
        "state": pledge.state,
        "kind": pledge.kind,
        "amount": pledge.amount,
        "place": pledge.place or None,
        "condition": condition,
        "condition_text": _condition_words(condition, campaign),
        "more": [
            {
                "kind": part["kind"],
                "amount": part["amount"],
                "condition": crowds[uuid.UUID(part["crowd_id"])],
                "condition_text": _condition_words(crowds[uuid.UUID(part["crowd_id"])], campaign),
            }
            for part in pledge.more
        ],
        "accepted": pledge.accepted,
        "public_name": pledge.public_name,
        "counted": counted,
        "waitlisted": _is_waitlisted(gate, pledge, counted),
        "waiting_for": _waiting_for(pledge, condition, campaign, tally) if waits else [],
        "at": pledge.at,
        "payment": _payment(pledge),
        "tickets": [
            {"kind": ticket.kind, "code": ticket.code, "units": ticket.units} for ticket in tickets
        ],
        "reports": [
            {"kind": said.kind, "answer": said.answer, "minutes": said.minutes, "note": said.note}
            for said in reports
        ],
        **choice_view(pledge, gate),
        "may_change": _may(
            may_change,
            pledge,
            gate,
            counted,
            latch=Latch(gate.latch),
            topup_until=gate.topup_until,
        ),
        "may_withdraw": _may(may_withdraw, pledge, gate, counted),
    }


def _crowds_of(pledge: Pledge) -> dict[uuid.UUID, Any]:
    ids = [pledge.crowd_id, *(uuid.UUID(part["crowd_id"]) for part in pledge.more)]
    rows = Crowd.objects.filter(lane=pledge.lane, id__in=ids)
    return dict(rows.values_list("id", "condition"))


def _condition_words(said: Any, campaign: Campaign) -> str | None:
    if said is None:
        return None
    parsed = conditions.parse(said, path="condition", pledges_allowed=True)
    return condition_text(parsed, currency=campaign.currency)


def _waiting_for(
    pledge: Pledge, said: Any, campaign: Campaign, tally: Tally
) -> list[dict[str, Any]]:
    """What is missing for this condition besides the member, whom every threshold includes."""
    if said is None:
        return []
    parsed = conditions.parse(said, path="condition", pledges_allowed=True)
    codes = conditions.pledges_named(parsed)
    joined = Pledge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, code__in=codes, state__in=JOINED_STATES
    )
    present = frozenset(row.code for row in joined if is_counted(row)) if codes else frozenset()
    oneself = Aggregates(
        people=1,
        sums={pledge.kind: pledge.amount},
        people_in={pledge.place: 1} if pledge.place else {},
        pledges=present,
    )
    seen = totals_of(tally).plus(oneself)
    return [missing_json(gap, currency=campaign.currency) for gap in conditions.gaps(parsed, seen)]


def _is_waitlisted(gate: Gate, pledge: Pledge, counted: bool) -> bool:
    return (
        pledge.state == PledgeState.active
        and counted
        and gate.state in KEEPING
        and not is_acceptance_pending(gate, pledge)
    )


def _payment(pledge: Pledge) -> dict[str, Any] | None:
    """How a pledge is paid; None where nothing is."""
    if not is_paid(pledge):
        return None
    lane, id = pledge.lane, pledge.id
    mandates = list(Mandate.objects.filter(lane=lane, pledge_id=id).order_by("-id"))
    made = next((row for row in mandates if row.state == MandateState.MADE), None)
    mandate = made or next(iter(mandates), None)
    charge = Charge.objects.filter(lane=lane, pledge_id=id).first()
    failing = failing_charge(pledge)
    allowed = consent_of(lane=lane, pledge_id=id)
    back = Refund.objects.filter(lane=lane, pledge_id=id, state=RefundState.DONE)
    asked = transfer_of(pledge)
    return {
        "method": BANK_TRANSFER if pays_by_bank(pledge) else "card",
        "transfer": asked and asked.as_json(),
        "mandate": mandate.state if mandate else None,
        "mandate_text": allowed.words if allowed else None,
        "card": made
        and {
            "brand": made.card_brand,
            "last4": made.card_last4,
            "expires_on": made.card_expires_on,
        },
        "secure_url": secure_url(pledge) if _may_give_card(pledge) else None,
        "charge": charge.state if charge else None,
        "amount_minor": charge.amount_minor if charge else None,
        "is_failing": failing is not None,
        "next_try_at": failing.due_at if failing and failing.state == ChargeState.DUE else None,
        "last_day": failing.first_failed_at + LADDER[-1]
        if failing and failing.first_failed_at
        else None,
        "refunded_minor": back.aggregate(total=Sum("amount_minor"))["total"] or 0,
    }


def _may_give_card(pledge: Pledge) -> bool:
    try:
        require_card_wanted(pledge)
    except PledgeRefused:
        return False
    return True


def _may(rule: Any, pledge: Pledge, gate: Gate, counted: bool, **more: Any) -> bool:
    try:
        rule(
            pledge_state=PledgeState(pledge.state),
            campaign_state=CampaignState(gate.state),
            counted=counted,
            accept_pending=is_acceptance_pending(gate, pledge),
            deadline=gate.deadline,
            now=site_now(),
            **more,
        )
    except PledgeRefused:
        return False
    return True
