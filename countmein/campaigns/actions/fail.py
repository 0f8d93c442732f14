"""To fail: it cannot be carried out after all. Money is frozen, everybody is told, may choose."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import defer
from countmein.campaigns.actions.execute import begin_executing, with_all_taken
from countmein.campaigns.actions.tell import tell, tell_each
from countmein.campaigns.changes import leaves_core, write_changes
from countmein.campaigns.gates import free_places, hold
from countmein.campaigns.models import Campaign, Failure, Gate, Pledge
from countmein.campaigns.moves import MoveRefused, move
from countmein.campaigns.plans import plan_b_of
from countmein.payments.actions.bank_orders import recall_payouts
from countmein.payments.actions.claims import update
from countmein.payments.actions.mandates import close_pages, forget_mandates
from countmein.payments.actions.payouts import stop
from countmein.payments.models import (
    CHARGE_OPEN,
    Charge,
    ChargeState,
    Delivery,
    Payout,
    PayoutKind,
    PayoutState,
)
from countmein.rules.states import CampaignState, PledgeState

SLICE = 500
#: Nobody has begun to take these.
NOT_BEGUN = tuple(
    state for state in CHARGE_OPEN if state not in (ChargeState.DOING, ChargeState.ON_PAGE)
)


class PaymentRefused(Exception):
    """A payment that was named is not the campaign's, or not one that this can be said of."""

    def __init__(self, field: str, payout_id: uuid.UUID) -> None:
        super().__init__(f"{field}: {payout_id}")
        self.field = field
        self.payout_id = payout_id


def fail(
    *,
    campaign: Campaign,
    text: str = "",
    refused: Sequence[uuid.UUID] = (),
    lost: Sequence[uuid.UUID] = (),
) -> Failure:
    """Say that it cannot be carried out; it is settled when everybody has had time to choose.

    `refused` payments, asked for and not made, are stopped, and so is what the organiser has asked
    for. `lost` ones were made for nothing.
    Raises MoveRefused, PaymentRefused.
    """
    return with_all_taken(campaign, partial(_give_up, campaign, text, refused, lost))


def _give_up(
    campaign: Campaign, text: str, refused: Sequence[uuid.UUID], lost: Sequence[uuid.UUID]
) -> Failure:
    gate = hold(campaign)
    if gate.state == CampaignState.settled:
        begin_executing(campaign)
    elif gate.state != CampaignState.executing:
        raise MoveRefused("only what is being carried out can fail")
    stop_own(campaign)
    # What the bank has not been ordered to pay yet can still be stopped.
    recall_payouts([campaign.id])
    _stop_refused(campaign, refused)
    _note_lost(campaign, lost)
    failure = _written(campaign, text, now=site_now())
    move(
        lane=gate.lane,
        campaign_id=gate.id,
        was=[CampaignState.executing],
        to=CampaignState.failed,
        at=failure.failed_at,
        reallocate_at=failure.decide_until,
    )
    topic = f"failed_{failure.number}"
    tell_each(campaign, topic=topic, states=(PledgeState.fulfilled,))
    return failure


def _written(campaign: Campaign, text: str, *, now: datetime) -> Failure:
    said = plan_b_of(campaign)
    earlier = Failure.objects.filter(lane=campaign.lane, campaign_id=campaign.id).count()
    failure = Failure(
        lane=campaign.lane,
        campaign_id=campaign.id,
        number=earlier + 1,
        text=text,
        failed_at=now,
        # Without plans there is nothing to choose.
        decide_until=now + timedelta(hours=said.decide_hours if said else 0),
    )
    failure.save(force_insert=True)
    return failure


def stop_own(campaign: Campaign) -> None:
    """What the organiser has asked for and not got yet is everybody's again."""
    rows = Payout.objects.filter(
        lane=campaign.lane,
        campaign_id=campaign.id,
        kind=PayoutKind.ORGANISER,
        state=PayoutState.ASKED,
    )
    for payout in rows:
        stop(payout, note="failed")


def _stop_refused(campaign: Campaign, ids: Sequence[uuid.UUID]) -> None:
    for payout in _payments(campaign, ids, field="refused"):
        if not stop(payout, note="refused"):
            raise PaymentRefused("refused", payout.id)


def _note_lost(campaign: Campaign, ids: Sequence[uuid.UUID]) -> None:
    for payout in _payments(campaign, ids, field="lost"):
        if not update(payout, was=PayoutState.PAID, delivery=Delivery.LOST):
            raise PaymentRefused("lost", payout.id)


def _payments(campaign: Campaign, ids: Collection[uuid.UUID], *, field: str) -> list[Payout]:
    rows = list(Payout.objects.filter(lane=campaign.lane, campaign_id=campaign.id, id__in=set(ids)))
    for unknown in set(ids) - {row.id for row in rows}:
        raise PaymentRefused(field, unknown)
    return rows


def call_off_charges(campaign: Campaign) -> None:
    """Nobody is charged any more for what cannot be carried out; a charge under way is waited for.

    Slice by slice, by state: killed at any instant it goes on where it stood.
    """
    charges = Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    on_page = charges.filter(state=ChargeState.ON_PAGE).values_list("pledge_id", flat=True)
    close_pages(lane=campaign.lane, pledge_ids=list(on_page))
    while _call_off_slice(campaign):
        pass


def _call_off_slice(campaign: Campaign) -> bool:
    with transaction.atomic():
        gate = hold(campaign)
        due = Charge.objects.filter(
            lane=campaign.lane, campaign_id=campaign.id, state__in=NOT_BEGUN
        )
        charges = list(due.order_by("id")[:SLICE].select_for_update())
        if not charges:
            return False
        Charge.objects.filter(lane=gate.lane, id__in=[row.id for row in charges]).update(
            state=ChargeState.FAILED, code="called_off", is_read=True, remind_at=None
        )
        _let_go(campaign, gate, [row.pledge_id for row in charges])
    return True


def _let_go(campaign: Campaign, gate: Gate, pledge_ids: Sequence[uuid.UUID]) -> None:
    rows = list(
        Pledge.objects.filter(
            lane=gate.lane, id__in=pledge_ids, state=PledgeState.accepted
        ).select_for_update()
    )
    ids = [row.id for row in rows]
    Pledge.objects.filter(lane=gate.lane, id__in=ids).update(
        state=PledgeState.released, round=gate.round
    )
    write_changes(gate, (change for row in rows for change in leaves_core(gate, row)))
    forget_mandates(lane=gate.lane, pledge_ids=ids)
    free_places(gate, [row.accepted for row in rows])
    told = [str(id) for id in ids]
    defer(tell, campaign_id=str(campaign.id), topic="not_charged", pledge_ids=told)
