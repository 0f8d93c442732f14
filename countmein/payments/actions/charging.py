"""Charging: each accepted pledge once, tried until it is paid or given up.

When a refused charge is tried again, and what its member is asked, is `rules.dunning`.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import job
from countmein.payments.actions.claims import (
    UNKNOWN_RESTS,
    begin,
    book,
    close,
    is_news,
    open_attempt,
    paced_turn,
    rest,
    update,
)
from countmein.payments.actions.mandates import consent_of
from countmein.payments.actions.pages import PageUnavailable, PageWords, ask_for, wanted_page
from countmein.payments.models import (
    Attempt,
    Charge,
    ChargeState,
    HostedPage,
    Mandate,
    MandateState,
    PageKind,
    PageState,
)
from countmein.payments.providers import PROVIDERS, ChargeResult
from countmein.payments.providers import Outcome as ProviderOutcome
from countmein.rules import dunning
from countmein.rules.collection import is_allowed
from countmein.rules.dunning import Act, Decline

#: How long a member has on the page of a payment; nothing else is tried meanwhile.
_PAYMENT_PAGE_LASTS = timedelta(minutes=30)
#: How often a charge looks whether its page of payment has ended.
_PAGE_RESTS = timedelta(seconds=30)
#: The member left the page of payment: nothing was tried, so nothing was refused.
_NOT_FINISHED = ChargeResult(outcome=ProviderOutcome.REFUSED, code="not_finished")


@job(name="payments.charge_due", queue="money")
def charge_due() -> None:
    """Try the charges that are due, paced to the provider's allowance."""
    paced_turn(Charge, _one_charge)


def _one_charge(charge: Charge) -> None:
    """Find out what came of the last try, or make the next one, or do a step without a try."""
    if (attempt := open_attempt(charge)) is not None:
        _resolve(charge, attempt)
        return
    mandate, now = _mandate_of(charge), site_now()
    act = dunning.next_act(
        _refused(charge),
        is_allowed=_is_allowed(charge),
        first_failed_at=charge.first_failed_at,
        has_other_card=_is_another(mandate, charge),
        last_step=charge.steps,
        now=now,
    )
    if act is Act.give_up:
        _give_up(charge, code="beyond_consent")
    elif act is Act.try_card:
        _try(charge, mandate)
    else:
        _wait(charge, Decline(charge.decline), now=now, asks=act is Act.ask)


def _refused(charge: Charge) -> Decline | None:
    """What the last refusal said, if there was one."""
    return None if charge.first_failed_at is None else Decline(charge.decline)


def _is_another(mandate: Mandate | None, charge: Charge) -> bool:
    """Whether this is another card than the one that was refused."""
    return mandate is not None and mandate.id != charge.refused_mandate_id


def _mandate_of(charge: Charge) -> Mandate | None:
    found = Mandate.objects.filter(
        lane=charge.lane, pledge_id=charge.pledge_id, state=MandateState.MADE
    ).first()
    assert found is None or isinstance(found, Mandate)
    return found


def _is_allowed(charge: Charge) -> bool:
    """Whether the member's own word covers the charge: the amount, and the day."""
    consent = consent_of(lane=charge.lane, pledge_id=charge.pledge_id)
    return consent is None or is_allowed(
        charge.amount_minor,
        allowed_minor=consent.amount_minor,
        now=site_now(),
        latest_at=consent.latest_charge_at,
    )


def _try(charge: Charge, mandate: Mandate | None) -> None:
    attempt, _is_new = begin(charge, mandate_id=mandate and mandate.id)
    if attempt is None:
        return
    if mandate is None:
        nothing = ChargeResult(outcome=ProviderOutcome.REFUSED, permanent=True, code="no_mandate")
        _record(charge, attempt, nothing)
        return
    _record(charge, attempt, _ask(charge, attempt, mandate))


def _resolve(charge: Charge, attempt: Attempt) -> None:
    """See what came of a try without an answer; one that never arrived is made, under its key."""
    mandate = Mandate.objects.get(lane=charge.lane, id=attempt.mandate_id)
    if attempt.page_id is not None:
        page = HostedPage.objects.get(lane=charge.lane, id=attempt.page_id)
        if page.state not in (PageState.DONE, PageState.OVER):
            later = site_now() + _PAGE_RESTS
            update(charge, was=ChargeState.DOING, state=ChargeState.ON_PAGE, due_at=later)
            return
    found = PROVIDERS[mandate.provider].find_charge(
        mandate=mandate.provider_reference, reference=str(charge.id)
    )
    if found is None:
        found = _NOT_FINISHED if attempt.page_id else _ask(charge, attempt, mandate)
    _record(charge, attempt, found)


def _ask(charge: Charge, attempt: Attempt, mandate: Mandate) -> ChargeResult:
    return PROVIDERS[mandate.provider].charge(
        mandate=mandate.provider_reference,
        amount_minor=charge.amount_minor,
        currency=charge.currency,
        reference=str(charge.id),
        key=f"pledge:{charge.pledge_id}:attempt:{attempt.number}",
    )


def _record(charge: Charge, attempt: Attempt, result: ChargeResult) -> None:
    """Record what came of a try; the money and its entry in the books commit together."""
    now = site_now()
    with transaction.atomic():
        if not is_news(charge, attempt, result):
            return
        close(attempt, result)
        if result.outcome == ProviderOutcome.DONE:
            paid = update(
                charge,
                was=ChargeState.DOING,
                state=ChargeState.PAID,
                provider_charge_id=result.charge_id,
                code="",
            )
            if paid:
                book("charge", charge)
        elif result is _NOT_FINISHED:
            _wait(charge, Decline(charge.decline), now=now, asks=False)
        elif result.outcome == ProviderOutcome.REFUSED:
            charge.first_failed_at = charge.first_failed_at or now
            charge.refused_mandate_id, charge.code = attempt.mandate_id, result.code
            _wait(charge, _decline_of(result), now=now, asks=True)
        else:
            rest(charge, result, until=now + UNKNOWN_RESTS)


def _decline_of(result: ChargeResult) -> Decline:
    """What a refusal says of the card; one that no issuer gave may be our own mistake, or final."""
    return result.decline or (Decline.hard if result.permanent else Decline.soft)


def _wait(charge: Charge, decline: Decline, *, now: datetime, asks: bool) -> None:
    """Wait for the next step of the ladder, or for the member; give up once it is over.

    Another card that was given meanwhile is tried at once.
    """
    assert charge.first_failed_at is not None
    following = dunning.after_refusal(
        decline,
        first_failed_at=charge.first_failed_at,
        now=now,
        has_other_card=_is_another(_mandate_of(charge), charge),
    )
    if following.due_at is None:
        _give_up(charge, code=charge.code)
        return
    update(
        charge,
        was=ChargeState.DOING,
        state=ChargeState.DUE,
        due_at=following.due_at,
        first_failed_at=charge.first_failed_at,
        refused_mandate_id=charge.refused_mandate_id,
        decline=decline,
        code=charge.code,
        steps=following.step - 1,
        asks=charge.asks + asks,
    )


def _give_up(charge: Charge, *, code: str) -> None:
    update(
        charge,
        was=ChargeState.DOING,
        state=ChargeState.FAILED,
        first_failed_at=charge.first_failed_at or site_now(),
        code=code,
    )


def open_payment_page(*, lane: int, pledge_id: uuid.UUID, said: PageWords) -> str:
    """Return the address of the page on which a member pays in person what was refused.

    From here until the page has ended, the charge is not tried otherwise. Raises PageUnavailable,
    also where nothing waits to be paid.
    """
    with transaction.atomic():
        charge = (
            Charge.objects.filter(lane=lane, pledge_id=pledge_id, first_failed_at__isnull=False)
            .select_for_update()
            .first()
        )
        mandate = charge and _mandate_of(charge)
        if charge is None or mandate is None or not _is_allowed(charge):
            raise PageUnavailable
        page = _page_of(charge, mandate, said)
    return page.url or ask_for(page)


def _page_of(charge: Charge, mandate: Mandate, said: PageWords) -> HostedPage:
    """The page that this charge is tried on; a try of its own, written down like any other."""
    attempt = open_attempt(charge)
    if charge.state != ChargeState.DUE and attempt is not None and attempt.page_id is not None:
        page = HostedPage.objects.filter(
            lane=charge.lane,
            id=attempt.page_id,
            state__in=[PageState.WANTED, PageState.OPEN],
        ).first()
        if page is not None:
            assert isinstance(page, HostedPage)
            return page
    if charge.state != ChargeState.DUE:
        raise PageUnavailable
    wanted: dict[str, Any] = {
        "currency": charge.currency,
        "mandate": mandate.provider_reference,
        "amount_minor": charge.amount_minor,
    }
    page = wanted_page(
        HostedPage(
            lane=charge.lane,
            campaign_id=charge.campaign_id,
            pledge_id=charge.pledge_id,
            charge_id=charge.id,
            kind=PageKind.PAYMENT,
            asked=wanted,
        ),
        said=said,
        lasts=_PAYMENT_PAGE_LASTS,
    )
    update(charge, was=ChargeState.DUE, state=ChargeState.ON_PAGE, due_at=page.expires_at)
    begin(charge, was=ChargeState.ON_PAGE, mandate_id=mandate.id, page_id=page.id)
    return page
