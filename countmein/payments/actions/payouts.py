"""Money set aside for somebody, paid, or taken back: each step once, and in the books with it."""

from __future__ import annotations

from django.db import transaction

from countmein.base.clock import site_now
from countmein.ledger import actions as ledger
from countmein.payments.actions.claims import update
from countmein.payments.actions.holdings import held_parts
from countmein.payments.models import Payout, PayoutState


class NotEnough(Exception):
    """The campaign does not hold as much as this."""


def set_aside(payout: Payout) -> None:
    """Write a payout down and set its money aside; call with the campaign's gate held.

    Raises NotEnough.
    """
    payout.parts = held_parts(
        lane=payout.lane, campaign_id=payout.campaign_id, most_minor=payout.amount_minor
    )
    if sum(payout.parts.values()) < payout.amount_minor:
        raise NotEnough
    payout.save(force_insert=True)
    _book("earmark", payout)


def paid(payout: Payout, *, reference: str) -> bool:
    """Note that a payout was made; tells whether it was not known."""
    with transaction.atomic():
        known = {"reference": reference, "paid_at": site_now(), "due_at": None, "code": ""}
        is_new = any(
            update(payout, was=was, state=PayoutState.PAID, **known)
            for was in (PayoutState.SENDING, PayoutState.ASKED)
        )
        if is_new:
            _book("payout", payout)
    return is_new


def stop(payout: Payout, *, note: str = "") -> bool:
    """Take back what was set aside and not paid; tells whether it could still be stopped."""
    with transaction.atomic():
        is_new = update(payout, was=PayoutState.ASKED, state=PayoutState.STOPPED, note=note)
        if is_new:
            _book("earmark_back", payout)
    return is_new


def came_back(payout: Payout, *, note: str = "") -> bool:
    """Note that money that was paid is the campaign's again; tells whether it was not known."""
    with transaction.atomic():
        is_new = update(payout, was=PayoutState.PAID, state=PayoutState.RETURNED, note=note)
        if is_new:
            _book("payout_back", payout)
    return is_new


def _book(kind: str, payout: Payout) -> None:
    ledger.post(
        lane=payout.lane,
        campaign_id=payout.campaign_id,
        kind=kind,
        about=payout.id,
        parts=payout.parts,
        currency=payout.currency,
        at=site_now(),
        payee=payout.payee,
    )
