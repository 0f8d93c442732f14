"""Pages of the provider's on which a member gives a card: opened on request, read by a job.

The member's browser never tells us what happened there; it only makes us look sooner.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.ids import uuid7
from countmein.base.jobs import defer, job
from countmein.payments.actions.claims import turn, update
from countmein.payments.actions.mandates import face_fields, replace_card
from countmein.payments.models import (
    Charge,
    ChargeState,
    HostedPage,
    Mandate,
    MandateState,
    PageKind,
    PageState,
)
from countmein.payments.providers import (
    PROVIDERS,
    ForgetFailed,
    Outcome,
    PageOutcome,
    PageRequest,
    PageResult,
)

log = logging.getLogger(__name__)

#: How long a page on which a card is given stands open; the provider's longest.
_CARD_PAGE_LASTS = timedelta(hours=24)
#: A page is not shown again when it is about to shut.
_STILL_GOOD = timedelta(minutes=5)
#: An open page is looked at by ourselves now and then, should the provider's event be lost.
_LOOK_AGAIN = timedelta(minutes=10)
#: How long judging waits for a card that was given just before the deadline.
_PATIENCE = timedelta(seconds=60)


class PageUnavailable(Exception):
    """The provider has not made the page; the same request is safe to repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWords:
    """What a page says, and where it leads back to; `{page}` in an address is the page's id."""

    words: str
    language: str
    return_url: str
    cancel_url: str


def open_card_page(
    *, lane: int, campaign_id: uuid.UUID, pledge_id: uuid.UUID, currency: str, said: PageWords
) -> str:
    """Return the address of the provider's page on which this pledge's card is given.

    The page that is open already is shown again. Raises PageUnavailable.
    """
    row = wanted_page(
        HostedPage(
            lane=lane,
            campaign_id=campaign_id,
            pledge_id=pledge_id,
            kind=PageKind.CARD,
            asked={"currency": currency},
        ),
        said=said,
        lasts=_CARD_PAGE_LASTS,
    )
    return row.url or ask_for(row)


def wanted_page(row: HostedPage, *, said: PageWords, lasts: timedelta) -> HostedPage:
    """Write down that a page is wanted, or find the one that is open: one per pledge at a time.

    Raises PageUnavailable while another page of this pledge is being closed.
    """
    if (good := _open_row(row)) is not None:
        return good
    now = site_now()
    row.opened_at, row.expires_at = now, now + lasts
    row.due_at = now + min(_LOOK_AGAIN, lasts)
    row.asked |= {
        "words": said.words,
        "language": said.language,
        "return_url": said.return_url.replace("{page}", str(row.id)),
        "cancel_url": said.cancel_url.replace("{page}", str(row.id)),
    }
    # Of two requests at once one opens the page, and both are sent to it.
    HostedPage.objects.bulk_create([row], ignore_conflicts=True)
    found = _open_row(row)
    if found is None:
        raise PageUnavailable
    return found


def _open_row(like: HostedPage) -> HostedPage | None:
    """The page of this pledge that can still be used; any other is to be closed."""
    rows = HostedPage.objects.filter(
        lane=like.lane,
        pledge_id=like.pledge_id,
        state__in=[PageState.WANTED, PageState.OPEN],
    )
    now = site_now()
    good = rows.filter(kind=like.kind, expires_at__gt=now + _STILL_GOOD).first()
    if good is None:
        rows.update(state=PageState.CLOSING, due_at=now)
    assert good is None or isinstance(good, HostedPage)
    return good


def ask_for(row: HostedPage) -> str:
    """Have the page made and return its address; asked again under its own key it is the same.

    Raises PageUnavailable.
    """
    result = _made(row)
    if result.outcome == Outcome.DONE:
        fields = {
            "provider_page_id": result.page_id,
            "provider_customer_id": result.customer,
            "url": result.url,
        }
        update(row, was=PageState.CLOSING, **fields)
        update(row, was=PageState.WANTED, state=PageState.OPEN, **fields)
        return result.url
    if result.outcome == Outcome.REFUSED or result.needs_new_key:
        update(row, was=PageState.WANTED, state=PageState.OVER)
        update(row, was=PageState.CLOSING, state=PageState.OVER)
    log.warning("the provider made no page", extra={"page": str(row.id), "code": result.code})
    raise PageUnavailable


def _made(row: HostedPage) -> PageResult:
    asked, key, provider = dict(row.asked), f"page:{row.id}", PROVIDERS[row.provider]
    payment = {name: asked.pop(name) for name in ("mandate", "amount_minor") if name in asked}
    page = PageRequest(reference=str(row.charge_id or row.id), **asked)
    if payment:
        return provider.payment_page(page=page, key=key, **payment)
    return provider.card_page(page=page, key=key)


def came_back(*, lane: int, page_id: uuid.UUID) -> None:
    """The member's browser has come back from a page: look at once what became of it."""
    HostedPage.objects.filter(lane=lane, id=page_id, state=PageState.OPEN).update(
        returned_at=site_now()
    )
    hasten_pages(lane=lane, page_ids=[page_id])


def look_at(*, lane: int, page_id: uuid.UUID) -> None:
    """Look at one page at once, for somebody who waits; without an answer the job will."""
    row = HostedPage.objects.filter(lane=lane, id=page_id, state=PageState.OPEN).first()
    if row is not None:
        _one_page(row)


def hasten_pages(*, lane: int, page_ids: Sequence[uuid.UUID]) -> None:
    """Look at these pages now."""
    open_pages = HostedPage.objects.filter(lane=lane, id__in=page_ids, state=PageState.OPEN)
    if open_pages.update(due_at=site_now()):
        defer(read_pages, once="payments.read_pages")


@job(name="payments.read_pages", queue="money")
def read_pages() -> None:
    """See what became of the pages that are due to be looked at."""
    turn(HostedPage, _one_page)


def _one_page(row: HostedPage) -> None:
    if not row.provider_page_id:
        # Whoever asked died before the answer: the page may stand there, so it is asked for again.
        try:
            ask_for(row)
        except PageUnavailable:
            return
        row.refresh_from_db()
    provider = PROVIDERS[row.provider]
    must_close = row.state == PageState.CLOSING or row.expires_at <= site_now()
    look = provider.close_page if must_close else provider.read_page
    seen = look(page_id=row.provider_page_id)
    if seen.outcome != Outcome.DONE:
        return  # no answer: the claim comes due by itself
    if seen.is_open:
        later = min(site_now() + _LOOK_AGAIN, row.expires_at)
        update(row, was=PageState.OPEN, due_at=later, returned_at=None)
    elif row.kind == PageKind.PAYMENT:
        _tell_charge(row, is_paid=seen.is_done)
    elif seen.is_done and row.state == PageState.OPEN:
        _take_card(row, seen)
    else:
        _let_go(row)


def _take_card(row: HostedPage, seen: PageOutcome) -> None:
    """The card that was given becomes the pledge's mandate, in the place of an earlier one.

    It was given when the member came back, or else when we first hear of it.
    """
    given_at = row.returned_at or site_now()
    with transaction.atomic():
        if not update(row, was=PageState.OPEN, state=PageState.DONE):
            return  # let go meanwhile: the next look deletes the card
        replace_card(lane=row.lane, pledge_id=row.pledge_id)
        Mandate(
            lane=row.lane,
            id=uuid7(),
            campaign_id=row.campaign_id,
            pledge_id=row.pledge_id,
            provider=row.provider,
            currency=row.asked["currency"],
            state=MandateState.MADE,
            provider_reference=seen.mandate,
            wanted_at=given_at,
            due_at=given_at,
            **face_fields(seen.card),
        ).save(force_insert=True)


def _tell_charge(row: HostedPage, *, is_paid: bool) -> None:
    """A page of payment has ended: the charge that waits for it looks what was taken."""
    with transaction.atomic():
        update(row, was=row.state, state=PageState.DONE if is_paid else PageState.OVER)
        Charge.objects.filter(lane=row.lane, id=row.charge_id, state=ChargeState.ON_PAGE).update(
            due_at=site_now()
        )


def _let_go(row: HostedPage) -> None:
    """Nobody wants what was given there: the provider is to forget it."""
    try:
        PROVIDERS[row.provider].forget(mandate=row.provider_customer_id)
    except ForgetFailed:
        log.warning("a page's card is not forgotten yet", extra={"page": str(row.id)})
        return
    update(row, was=row.state, state=PageState.OVER)


def is_under_way(*, lane: int, campaign_id: uuid.UUID) -> bool:
    """Whether somebody has come back from a card page in the last minute and waits for our look."""
    return HostedPage.objects.filter(
        lane=lane,
        campaign_id=campaign_id,
        kind=PageKind.CARD,
        state=PageState.OPEN,
        returned_at__gt=site_now() - _PATIENCE,
    ).exists()
