"""To pay a supplier: a person pays at the bank and says so here, or the bank is ordered to."""

from __future__ import annotations

import uuid

from django.db import transaction

from countmein.base.clock import site_now
from countmein.campaigns.actions.pay_out import PayoutRefused, asked
from countmein.campaigns.documents import Upload, keep
from countmein.campaigns.gates import hold
from countmein.campaigns.models import Campaign
from countmein.campaigns.payouts import PAYING, obstacles_of
from countmein.payments.actions import payouts
from countmein.payments.actions.bank_orders import PayeeRefused, order_payout
from countmein.payments.bank.account import own_account
from countmein.payments.models import Delivery, Document, Payout, PayoutKind, PayoutState
from countmein.rules.states import CampaignState


def mark_paid(
    *, campaign: Campaign, payout_id: uuid.UUID, reference: str, document: Upload | None = None
) -> None:
    """Note that a supplier was paid, with the bank's reference and what it was paid for.

    Raises PayoutRefused, also while anything stands in its way.
    """
    with transaction.atomic():
        payout = _may_be_paid(campaign, payout_id, document)
        payouts.paid(payout, reference=reference)


def order(*, campaign: Campaign, payout_id: uuid.UUID, document: Upload | None = None) -> None:
    """Have a supplier paid with the next order to the bank; the statement will say that it was.

    Raises PayoutRefused, also while anything stands in its way.
    """
    with transaction.atomic():
        payout = _may_be_paid(campaign, payout_id, document)
        if not may_be_ordered(payout):
            raise PayoutRefused("no_order")
        try:
            order_payout(payout)
        except PayeeRefused as refused:
            raise PayoutRefused("no_order") from refused


def may_be_ordered(payout: Payout) -> bool:
    """Whether the site's bank can be told to pay this, by a file."""
    return bool(payout.iban) and payout.currency == "EUR" and own_account() is not None


def _may_be_paid(campaign: Campaign, payout_id: uuid.UUID, document: Upload | None) -> Payout:
    """The payment, with the gate held, once nothing stands in its way and it has a document."""
    gate = hold(campaign)
    payout = asked(campaign, payout_id)
    if payout.kind != PayoutKind.SUPPLIER:
        raise PayoutRefused("not_a_supplier")
    if CampaignState(gate.state) not in PAYING:
        raise PayoutRefused("not_settled")
    for obstacle in obstacles_of(campaign, gate, payout, now=site_now()):
        raise PayoutRefused(obstacle)
    if document is not None:
        keep(document, campaign=campaign, payout=payout)
    papers = Document.objects.filter(lane=payout.lane, payout_id=payout.id)
    if not papers.exists():
        raise PayoutRefused("no_document")
    return payout


def mark_returned(*, campaign: Campaign, payout_id: uuid.UUID, note: str) -> None:
    """Note that a supplier's money has come back. Raises PayoutRefused."""
    with transaction.atomic():
        hold(campaign)
        payout = _paid_supplier(campaign, payout_id)
        payouts.came_back(payout, note=note)


def mark_delivery(*, campaign: Campaign, payout_id: uuid.UUID, delivery: Delivery) -> None:
    """Note what came of a payment to a supplier: it was delivered, or it is lost.

    Raises PayoutRefused.
    """
    with transaction.atomic():
        if hold(campaign).state in (CampaignState.failed, CampaignState.reallocating):
            raise PayoutRefused("being_settled")
        payout = _paid_supplier(campaign, payout_id)
        Payout.objects.filter(lane=payout.lane, id=payout.id, state=PayoutState.PAID).update(
            delivery=delivery
        )


def _paid_supplier(campaign: Campaign, payout_id: uuid.UUID) -> Payout:
    payout = Payout.objects.filter(
        lane=campaign.lane,
        campaign_id=campaign.id,
        id=payout_id,
        kind=PayoutKind.SUPPLIER,
        state=PayoutState.PAID,
    ).first()
    if payout is None:
        raise PayoutRefused("not_paid")
    assert isinstance(payout, Payout)
    return payout
