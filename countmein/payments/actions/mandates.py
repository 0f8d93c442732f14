"""Mandates: what a member allowed, the card that it may be taken from, and its deletion."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F

from countmein.base.clock import real_now, site_now
from countmein.base.jobs import defer, job
from countmein.payments.actions.claims import turn, update
from countmein.payments.models import (
    Charge,
    ChargeState,
    Consent,
    HostedPage,
    Mandate,
    MandateState,
    PageState,
)
from countmein.payments.providers import (
    PROVIDERS,
    CardFace,
    ForgetFailed,
    MandateResult,
)
from countmein.payments.providers import Outcome as ProviderOutcome

log = logging.getLogger(__name__)


def want_mandates(rows: Sequence[Mandate]) -> None:
    """Record that these pledges are to be secured; call in the transaction that writes them."""
    Mandate.objects.bulk_create(rows)
    if rows:
        defer(make_mandates, once="payments.make_mandates")


def write_consents(rows: Sequence[Consent]) -> None:
    """Keep what members allowed; call in the transaction that takes their word."""
    Consent.objects.bulk_create(rows)


def consent_of(*, lane: int, pledge_id: uuid.UUID) -> Consent | None:
    """What the member allowed last."""
    return consents_of(lanes={lane}, pledge_ids=[pledge_id]).get(pledge_id)


def consents_of(
    *, lanes: Iterable[int], pledge_ids: Iterable[uuid.UUID]
) -> dict[uuid.UUID, Consent]:
    """What the members of these pledges allowed last, by pledge."""
    found = Consent.objects.filter(lane__in=set(lanes), pledge_id__in=list(pledge_ids))
    latest = found.order_by("lane", "pledge_id", "-id").distinct("lane", "pledge_id")
    return {consent.pledge_id: consent for consent in latest}


def forget_mandates(*, lane: int, pledge_ids: Iterable[uuid.UUID]) -> None:
    """Let the cards of these pledges go: the provider is told to delete them."""
    ids = list(pledge_ids)
    drop_unmade(lane=lane, pledge_ids=ids)
    made = Mandate.objects.filter(lane=lane, pledge_id__in=ids, state=MandateState.MADE)
    if made.update(state=MandateState.FORGETTING, due_at=real_now()):
        defer(make_mandates, once="payments.make_mandates")
    # A card given on a page that is still open goes the same way.
    close_pages(lane=lane, pledge_ids=ids)


def close_pages(*, lane: int, pledge_ids: Sequence[uuid.UUID]) -> None:
    """Have the provider's pages shut that stand open for these pledges."""
    HostedPage.objects.filter(
        lane=lane, pledge_id__in=pledge_ids, state__in=[PageState.WANTED, PageState.OPEN]
    ).update(state=PageState.CLOSING, due_at=site_now())


def drop_unmade(*, lane: int, pledge_ids: Sequence[uuid.UUID]) -> None:
    """Let cards go that are still being checked; one that was saved meanwhile is deleted."""
    wanted = Mandate.objects.filter(lane=lane, pledge_id__in=pledge_ids, state=MandateState.WANTED)
    # One whose time to be made was never pushed on was never asked for: nobody knows it.
    wanted.filter(due_at=F("wanted_at")).update(state=MandateState.FORGOTTEN)
    if wanted.update(state=MandateState.FORGETTING, due_at=real_now()):
        defer(make_mandates, once="payments.make_mandates")


@job(name="payments.make_mandates", queue="money")
def make_mandates() -> None:
    """Ask the provider for every mandate that is wanted, and to forget those let go."""
    turn(Mandate, _one_mandate)


def _one_mandate(row: Mandate) -> None:
    """Make a mandate, or have it forgotten; one that may have been made is looked up first.

    To ask again under the same key is to look it up, so a card that was let go while it was being
    saved, or by a worker that died, is deleted too.
    """
    provider, reference = PROVIDERS[row.provider], row.provider_reference
    if not reference:
        result = provider.mandate(
            reference=str(row.pledge_id),
            payment_method=row.payment_method,
            currency=row.currency,
            key=f"mandate:{row.id}",
        )
        if result.outcome == ProviderOutcome.DONE:
            reference = result.mandate
            with transaction.atomic():
                _made(row, result)
        elif result.outcome == ProviderOutcome.REFUSED or result.needs_new_key:
            update(row, was=MandateState.WANTED, state=MandateState.REFUSED, code=result.code)
        else:
            return  # the same key is safe to send again, and the claim comes due by itself
    if row.state != MandateState.FORGETTING:
        return
    if reference:
        try:
            provider.forget(mandate=reference)
        except ForgetFailed:
            log.warning("a card is not forgotten yet", extra={"mandate": str(row.id)})
            return
    update(row, was=MandateState.FORGETTING, state=MandateState.FORGOTTEN)


def _made(row: Mandate, result: MandateResult) -> None:
    if Mandate.objects.filter(lane=row.lane, id=row.id, state=MandateState.WANTED).exists():
        replace_card(lane=row.lane, pledge_id=row.pledge_id)
    update(
        row,
        was=MandateState.WANTED,
        state=MandateState.MADE,
        provider_reference=result.mandate,
        code="",
        **face_fields(result.card),
    )


def replace_card(*, lane: int, pledge_id: uuid.UUID) -> None:
    """Let the card go that a new one takes the place of, and try a failing charge on the new one.

    Call in the transaction that writes the new mandate as made.
    """
    let_go = Mandate.objects.filter(lane=lane, pledge_id=pledge_id, state=MandateState.MADE).update(
        state=MandateState.FORGETTING, due_at=real_now()
    )
    if let_go:
        Charge.objects.filter(
            lane=lane,
            pledge_id=pledge_id,
            state=ChargeState.DUE,
            first_failed_at__isnull=False,
        ).update(due_at=site_now())


def read_again(*, lane: int, pledge_id: uuid.UUID) -> None:
    """A card that was given before the pledge could count is news once more."""
    Mandate.objects.filter(lane=lane, pledge_id=pledge_id, state=MandateState.MADE).update(
        is_read=False
    )


def face_fields(card: CardFace | None) -> dict[str, Any]:
    """What is kept of a card: enough to recognise it, and to see that it will expire."""
    if card is None:
        return {}
    return {
        "card_brand": card.brand,
        "card_last4": card.last4,
        "card_expires_on": card.expires_on,
    }
