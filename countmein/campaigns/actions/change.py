"""To change a pledge: amount and condition before it is accepted, its card until charged, and what
its member wants if it fails."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import get_language

from countmein.base.clock import site_now
from countmein.campaigns.actions.choose import choose
from countmein.campaigns.actions.confirm import held
from countmein.campaigns.actions.give_card import require_card_wanted
from countmein.campaigns.actions.pledge import mandate
from countmein.campaigns.actions.withdraw import is_acceptance_pending, is_counted
from countmein.campaigns.bodies import PledgePatch
from countmein.campaigns.changes import joins, leaves, write_changes
from countmein.campaigns.gates import hold_shared
from countmein.campaigns.kinds import BANK_TRANSFER, is_paid, pays_by_bank
from countmein.campaigns.mandate import consent
from countmein.campaigns.models import Campaign, Crowd, Gate, Pledge
from countmein.campaigns.pledge_terms import crowd_for, require_payable, require_transferable
from countmein.payments.actions.mandates import (
    drop_unmade,
    want_mandates,
    write_consents,
)
from countmein.rules.conditions import ConditionRefused
from countmein.rules.pledging import (
    Offered,
    PledgeRefused,
    Reason,
    check_amounts,
    may_change,
)
from countmein.rules.states import CampaignState, Latch, PledgeState


def change(*, pledge: Pledge, body: PledgePatch) -> Pledge:
    """Change what the body names; a new condition replaces the first part's.

    Raises PledgeRefused. A counted pledge leaves its crowd and joins the new one in one step, so
    no count sees it in both or in neither.
    """
    campaign = Campaign.objects.get(id=pledge.campaign_id)
    named = body.model_fields_set
    with transaction.atomic():
        gate = hold_shared(campaign)
        row = held(pledge)
        if "fallback" in named:
            choose(campaign, gate, row, body.fallback)
        if not named or named - {"payment_method", "fallback"}:
            _change_terms(campaign, gate, row, body)
        if "payment_method" in named and body.payment_method:
            _give_card(campaign, row, body.payment_method)
    return row


def _change_terms(campaign: Campaign, gate: Gate, row: Pledge, body: PledgePatch) -> None:
    _require_changeable(gate, row)
    before = list(leaves(gate, row)) if row.state == PledgeState.active else []
    _apply(campaign, row, body)
    row.round = gate.round
    row.save()
    if before:
        write_changes(gate, [*before, *joins(gate, row)])
    if is_paid(row):
        # What was allowed before was another sum, on another condition.
        crowd = Crowd.objects.get(lane=row.lane, id=row.crowd_id)
        language = get_language() or campaign.language
        write_consents([consent(campaign, row, crowd.condition, language=language)])


def _require_changeable(gate: Gate, row: Pledge) -> None:
    may_change(
        pledge_state=PledgeState(row.state),
        campaign_state=CampaignState(gate.state),
        latch=Latch(gate.latch),
        counted=is_counted(row),
        accept_pending=is_acceptance_pending(gate, row),
        deadline=gate.deadline,
        now=site_now(),
        topup_until=gate.topup_until,
    )


def _apply(campaign: Campaign, row: Pledge, body: PledgePatch) -> None:
    if "amount" in body.model_fields_set and body.amount is not None:
        offered = [Offered(kind=row.kind, amount=body.amount)]
        offered += [Offered(kind=m["kind"], amount=m["amount"]) for m in row.more]
        check_amounts(offered, kinds=frozenset(campaign.kinds), minimum=campaign.minimum)
        if pays_by_bank(row):
            require_transferable(campaign, offered)
        else:
            require_payable(campaign, offered)
        row.amount = body.amount
    if "condition" in body.model_fields_set:
        if row.more:
            # The further parts' conditions were built on the first one's.
            raise PledgeRefused(
                Reason.condition_invalid,
                path="condition",
                detail="a pledge of several parts keeps its conditions; withdraw and pledge anew",
            )
        try:
            crowd = crowd_for(campaign, body.condition)
        except ConditionRefused as refusal:
            raise PledgeRefused(
                Reason.condition_invalid, path=refusal.path, detail=refusal.detail
            ) from refusal
        Crowd.objects.bulk_create([crowd], ignore_conflicts=True)
        row.crowd_id = crowd.id


def _give_card(campaign: Campaign, row: Pledge, payment_method: str) -> None:
    """Another card: the one that was saved stays good until the new one is."""
    if payment_method == BANK_TRANSFER:
        detail = "withdraw, and pledge anew with a transfer"
        raise PledgeRefused(Reason.transfers_not_offered, path="payment_method", detail=detail)
    require_card_wanted(row)
    row.payment_method = payment_method
    if row.state == PledgeState.unsecured:
        row.acted_at = site_now()
    row.save(update_fields=["payment_method", "acted_at"])
    if row.state == PledgeState.unconfirmed:
        return  # saved once the mailbox is confirmed
    drop_unmade(lane=row.lane, pledge_ids=[row.id])
    want_mandates([mandate(campaign, row, at=site_now())])
