"""Charging: each accepted pledge once, tried until it is paid or given up.

When a refused charge is tried again, and what its member is asked, is `rules.dunning`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import job
from countmein.payments.actions.claims import (
    UNKNOWN_RESTS,
    allowance,
    book_all,
    paced_batches,
    update,
)
from countmein.payments.actions.mandates import consents_of
from countmein.payments.actions.pages import PageUnavailable, PageWords, ask_for, wanted_page
from countmein.payments.actions.tries import (
    Answered,
    Calls,
    Try,
    begin,
    close,
    hold,
    news_of,
    open_tries,
    set_each,
)
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
_NO_CARD = ChargeResult(outcome=ProviderOutcome.REFUSED, permanent=True, code="no_mandate")
_PAGE_ENDED = (PageState.DONE, PageState.OVER)
#: What a try that was not made, or a step without one, may change of a charge.
_OUTCOME: Final = (
    "state",
    "due_at",
    "first_failed_at",
    "refused_mandate_id",
    "decline",
    "code",
    "steps",
    "asks",
)

CardTry = Try[Charge, Mandate | None]


@job(name="payments.charge_due", queue="money")
def charge_due() -> None:
    """Try the charges that are due, a batch at a time, paced to the provider's allowance."""
    with Calls(allowance()) as calls:
        calls.of(map(_begin, paced_batches(Charge)), _ask, _record)


def _begin(charges: Sequence[Charge]) -> list[CardTry]:
    """Write down the tries that are made now, and do the steps that make none.

    A try without an answer is followed up first, on the card that it was made on; save for one on
    a page that its member may still be at.
    """
    with transaction.atomic():
        held = hold(charges)
        begun = open_tries(held)
        on = _followed_up(held, begun)
        fresh = [charge for charge in held if charge.id not in begun]
        on |= _to_try(fresh)
        return begin(
            [charge for charge in held if charge.id in on],
            on=on,
            facts=lambda charge: {"mandate_id": (card := on[charge.id]) and card.id},
        )


def _followed_up(
    charges: Sequence[Charge], begun: Mapping[uuid.UUID, Attempt]
) -> dict[uuid.UUID, Mandate | None]:
    """The cards of the tries that are looked up now; whoever is on a page is left there."""
    if not begun:
        return {}
    tries = begun.values()
    lanes = {each.lane for each in tries}
    made_on = {each.mandate_id for each in tries} - {None}
    cards = {row.id: row for row in Mandate.objects.filter(lane__in=lanes, id__in=made_on)}
    pages = HostedPage.objects.filter(lane__in=lanes, id__in={t.page_id for t in tries} - {None})
    open_pages = set(pages.exclude(state__in=_PAGE_ENDED).values_list("id", flat=True))
    on_page = [row for row in charges if row.id in begun and begun[row.id].page_id in open_pages]
    later = site_now() + _PAGE_RESTS
    for charge in on_page:
        charge.state, charge.due_at = ChargeState.ON_PAGE, later
    set_each(on_page, "state", "due_at")
    return {
        about: cards[each.mandate_id] if each.mandate_id else None
        for about, each in begun.items()
        if each.page_id not in open_pages
    }


def _to_try(charges: Sequence[Charge]) -> dict[uuid.UUID, Mandate | None]:
    """The charges that are tried now, and on which card; what else is due with others is done."""
    if not charges:
        return {}
    cards, now = _cards_of(charges), site_now()
    is_allowed = _allowed(charges, now)
    found, moved = dict[uuid.UUID, Mandate | None](), list[Charge]()
    for charge in charges:
        card = cards.get(charge.pledge_id)
        act = dunning.next_act(
            _refused(charge),
            is_allowed=is_allowed(charge),
            first_failed_at=charge.first_failed_at,
            has_other_card=_is_another(card, charge),
            last_step=charge.steps,
            now=now,
        )
        if act is Act.try_card:
            found[charge.id] = card
            continue
        if act is Act.give_up:
            _give_up(charge, code="beyond_consent", now=now)
        else:
            _wait(charge, Decline(charge.decline), card, now=now, asks=act is Act.ask)
        moved.append(charge)
    set_each(moved, *_OUTCOME)
    return found


def _refused(charge: Charge) -> Decline | None:
    """What the last refusal said, if there was one."""
    return None if charge.first_failed_at is None else Decline(charge.decline)


def _is_another(card: Mandate | None, charge: Charge) -> bool:
    """Whether this is another card than the one that was refused."""
    return card is not None and card.id != charge.refused_mandate_id


def _cards_of(charges: Sequence[Charge]) -> dict[uuid.UUID, Mandate]:
    """The cards that these may be taken from now, by pledge."""
    rows = Mandate.objects.filter(
        lane__in={charge.lane for charge in charges},
        pledge_id__in=[charge.pledge_id for charge in charges],
        state=MandateState.MADE,
    )
    return {row.pledge_id: row for row in rows}


def _allowed(charges: Sequence[Charge], now: datetime) -> Callable[[Charge], bool]:
    """Whether the member's own word covers a charge: the amount, and the day."""
    consents = consents_of(
        lanes={charge.lane for charge in charges},
        pledge_ids=[charge.pledge_id for charge in charges],
    )

    def is_covered(charge: Charge) -> bool:
        consent = consents.get(charge.pledge_id)
        return consent is None or is_allowed(
            charge.amount_minor,
            allowed_minor=consent.amount_minor,
            now=now,
            latest_at=consent.latest_charge_at,
        )

    return is_covered


def _ask(tried: CardTry) -> ChargeResult:
    """See what came of a try without an answer; one that is new or never arrived is made.

    It is made under its own key, so the provider does it once however often it is repeated. Only
    what was tried on a page is not made by us: its member has left it.
    """
    charge, card = tried.row, tried.on
    if card is None:
        return _NO_CARD
    provider, reference = PROVIDERS[card.provider], str(charge.id)
    if not tried.is_new:
        found = provider.find_charge(mandate=card.provider_reference, reference=reference)
        if found is not None:
            return found
        if tried.attempt.page_id is not None:
            return _NOT_FINISHED
    return provider.charge(
        mandate=card.provider_reference,
        amount_minor=charge.amount_minor,
        currency=charge.currency,
        reference=reference,
        key=f"pledge:{charge.pledge_id}:attempt:{tried.attempt.number}",
    )


def _record(answers: Sequence[Answered[Charge, Mandate | None, ChargeResult]]) -> None:
    """Record what came of these tries; the money and its entries in the books commit together."""
    now = site_now()
    with transaction.atomic():
        answers = news_of(answers)
        close(answers)
        held = {charge.id: charge for charge in hold([each.tried.row for each in answers])}
        ours = [(held[a.tried.row.id], a) for a in answers if a.tried.row.id in held]
        paid = [each for each in ours if each[1].result.outcome == ProviderOutcome.DONE]
        for charge, answer in paid:
            charge.state, charge.code = ChargeState.PAID, ""
            charge.provider_charge_id = answer.result.charge_id
        done = set_each([charge for charge, _ in paid], "state", "provider_charge_id", "code")
        book_all("charge", done, at=now)
        _go_on([each for each in ours if each[1].result.outcome != ProviderOutcome.DONE], now=now)


def _go_on(
    refused: Sequence[tuple[Charge, Answered[Charge, Mandate | None, ChargeResult]]],
    *,
    now: datetime,
) -> None:
    """What becomes of charges that were not made."""
    if not refused:
        return
    cards = _cards_of([charge for charge, _answer in refused])
    for charge, answer in refused:
        result, card = answer.result, cards.get(charge.pledge_id)
        if result is _NOT_FINISHED:
            _wait(charge, Decline(charge.decline), card, now=now, asks=False)
        elif result.outcome == ProviderOutcome.REFUSED:
            charge.first_failed_at = charge.first_failed_at or now
            charge.refused_mandate_id = answer.tried.attempt.mandate_id
            charge.code = result.code
            _wait(charge, _decline_of(result), card, now=now, asks=True)
        else:
            # Neither done nor refused: it stays claimed, and we ask again what became of it.
            charge.due_at, charge.code = now + UNKNOWN_RESTS, result.code
    set_each([charge for charge, _answer in refused], *_OUTCOME)


def _decline_of(result: ChargeResult) -> Decline:
    """What a refusal says of the card; one that no issuer gave may be our own mistake, or final."""
    return result.decline or (Decline.hard if result.permanent else Decline.soft)


def _wait(
    charge: Charge, decline: Decline, card: Mandate | None, *, now: datetime, asks: bool
) -> None:
    """Wait for the next step of the ladder, or for the member; give up once it is over.

    Another card that was given meanwhile is tried at once. Whoever calls writes it down.
    """
    assert charge.first_failed_at is not None
    following = dunning.after_refusal(
        decline,
        first_failed_at=charge.first_failed_at,
        now=now,
        has_other_card=_is_another(card, charge),
    )
    if following.due_at is None:
        _give_up(charge, code=charge.code, now=now)
        return
    charge.state, charge.due_at = ChargeState.DUE, following.due_at
    charge.decline = decline
    charge.steps = following.step - 1
    charge.asks += asks


def _give_up(charge: Charge, *, code: str, now: datetime) -> None:
    charge.state, charge.code = ChargeState.FAILED, code
    charge.first_failed_at = charge.first_failed_at or now


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
        mandate = charge and _cards_of([charge]).get(charge.pledge_id)
        if charge is None or mandate is None or not _allowed([charge], site_now())(charge):
            raise PageUnavailable
        page = _page_of(charge, mandate, said)
    return page.url or ask_for(page)


def _page_of(charge: Charge, mandate: Mandate, said: PageWords) -> HostedPage:
    """The page that this charge is tried on; a try of its own, written down like any other."""
    attempt = open_tries([charge]).get(charge.id)
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
    facts = {"mandate_id": mandate.id, "page_id": page.id}
    begin([charge], on={charge.id: mandate}, was=ChargeState.ON_PAGE, facts=lambda _: facts)
    return page
