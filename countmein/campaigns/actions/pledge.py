"""To pledge: one insert keyed by campaign and idempotency key, for one pledge or five hundred."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from django.db import transaction

from countmein.base.jobs import defer
from countmein.campaigns import pledge_rows
from countmein.campaigns.actions.tell import tell
from countmein.campaigns.changes import write_joined
from countmein.campaigns.gates import hold_shared_at, is_accepting
from countmein.campaigns.kinds import needs_card
from countmein.campaigns.links import manage_url, receipt_of, secure_url
from countmein.campaigns.mandate import consent
from countmein.campaigns.models import Campaign, Crowd, Gate, Pledge
from countmein.campaigns.pledge_terms import (
    Draft,
    PledgeRequest,
    Terms,
    condition_json,
    crowd_of,
    no_such_pledge,
    unknown_pledges,
)
from countmein.payments.actions.mandates import want_mandates, write_consents
from countmein.payments.models import Mandate
from countmein.rules.conditions import Condition
from countmein.rules.pledging import PledgeRefused, Reason
from countmein.rules.states import PledgeState

#: Crowds whose rows are known to be there. Ids are made of campaign and condition and never die.
_SEEN: Final[set[uuid.UUID]] = set()
_SEEN_AT_MOST: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the sender is told, the same each time; `replayed` tells that it was told before."""

    body: dict[str, Any]
    replayed: bool


def pledge(
    *, campaign: Campaign, requests: Sequence[PledgeRequest]
) -> list[Answer | PledgeRefused]:
    """Take pledges in one transaction and answer each by its own row, or by its own refusal.

    An answer means durable. Judged in this order: the key, the deadline and the state, the terms,
    the mailbox. A constant number of queries, whatever the number of pledges.
    """
    drafts = _drafts(campaign, requests)
    with transaction.atomic():
        gate, now = hold_shared_at(campaign)
        is_open = is_accepting(gate, now=now)
        # Of two that say one key in one batch, the first is written.
        wanted: dict[str, Draft] = {}
        for draft in drafts:
            if isinstance(draft, Draft) and is_open:
                wanted.setdefault(draft.request.key, draft)
        written = pledge_rows.insert(campaign, gate, list(wanted.values()), now=now)
        _write_what_follows(campaign, gate, list(written.values()), now=now)
        others = [request for request in requests if request.key not in written]
        known = _stored(campaign, others)
    return [
        _answer(request, draft, known, written, is_open=is_open)
        for request, draft in zip(requests, drafts, strict=True)
    ]


def _drafts(campaign: Campaign, requests: Sequence[PledgeRequest]) -> list[Draft | PledgeRefused]:
    terms = Terms(campaign)
    drafts = [terms.draft(request) for request in requests]
    named = {code for draft in drafts if isinstance(draft, Draft) for code in draft.waits_for}
    if not (unknown := unknown_pledges(campaign, named)):
        return drafts
    return [
        no_such_pledge(min(draft.waits_for & unknown))
        if isinstance(draft, Draft) and draft.waits_for & unknown
        else draft
        for draft in drafts
    ]


def _stored(campaign: Campaign, requests: Sequence[PledgeRequest]) -> dict[str, Pledge]:
    keys = {request.key for request in requests}
    if not keys:
        return {}
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id, key__in=keys)
    return {row.key: row for row in rows}


def _write_what_follows(
    campaign: Campaign, gate: Gate, drafts: Sequence[Draft], *, now: datetime
) -> None:
    """What newly written pledges need beside their rows, in the same transaction."""
    crowds = {
        part.crowd_id: condition
        for draft in drafts
        for part, condition in zip(draft.parts, draft.conditions, strict=True)
    }
    _write_crowds(campaign, crowds)
    active = [draft for draft in drafts if draft.state is PledgeState.active]
    write_joined(gate, [(draft.request.body.place or "", draft.parts) for draft in active])
    rows = {
        draft.id: pledge_rows.row_of(campaign, gate, draft, now=now)
        for draft in drafts
        if draft.is_paid or draft.state is not PledgeState.active
    }
    follow(campaign, [row for row in rows.values() if row.state != PledgeState.active])
    write_consents(
        [
            consent(
                campaign,
                rows[draft.id],
                condition_json(draft.conditions[0]),
                language=draft.request.language,
            )
            for draft in drafts
            if draft.is_paid
        ]
    )


def _write_crowds(campaign: Campaign, crowds: Mapping[uuid.UUID, Condition | None]) -> None:
    """A crowd's row is written once; those this process has seen committed are there."""
    new = sorted(crowds.keys() - _SEEN)
    if not new:
        return
    rows = [crowd_of(campaign, crowds[id]) for id in new]
    Crowd.objects.bulk_create(rows, ignore_conflicts=True)
    transaction.on_commit(partial(_see, new))


def _see(crowd_ids: Sequence[uuid.UUID]) -> None:
    if len(_SEEN) >= _SEEN_AT_MOST:
        _SEEN.clear()
    _SEEN.update(crowd_ids)


def follow(campaign: Campaign, rows: Sequence[Pledge]) -> None:
    """Do what pledges ask for that do not count yet: a card to be saved, a mailbox to be asked."""
    cards = [
        mandate(campaign, row, at=row.acted_at)
        for row in rows
        if row.state == PledgeState.unsecured and row.payment_method
    ]
    if cards:
        want_mandates(cards)
    ids = [str(row.id) for row in rows if row.state == PledgeState.unconfirmed]
    if ids:
        defer(tell, campaign_id=str(campaign.id), topic="confirm", pledge_ids=ids)


def mandate(campaign: Campaign, row: Pledge, *, at: datetime) -> Mandate:
    """The card that the pledge names, given at that instant, to be saved with the provider."""
    return Mandate(
        lane=row.lane,
        campaign_id=row.campaign_id,
        pledge_id=row.id,
        payment_method=row.payment_method,
        currency=campaign.currency,
        wanted_at=at,
        due_at=at,
    )


def _answer(
    request: PledgeRequest,
    draft: Draft | PledgeRefused,
    known: dict[str, Pledge],
    written: dict[str, Draft],
    *,
    is_open: bool,
) -> Answer | PledgeRefused:
    if (fresh := written.get(request.key)) is not None:
        if fresh.request.digest != request.digest:
            return PledgeRefused(Reason.key_reused)
        body = _said(fresh, state=fresh.state, needs_card=fresh.needs_card)
        return Answer(body=body, replayed=fresh is not draft)
    if (row := known.get(request.key)) is not None:
        if row.digest != request.digest:
            return PledgeRefused(Reason.key_reused)
        body = _said(row, state=row.answered_state, needs_card=needs_card(row))
        return Answer(body=body, replayed=True)
    if not is_open:
        return PledgeRefused(Reason.campaign_closed)
    if isinstance(draft, PledgeRefused):
        return draft
    return PledgeRefused(Reason.already_pledged)


def _said(row: Pledge | Draft, *, state: str, needs_card: bool) -> dict[str, Any]:
    receipt = receipt_of(row)
    return {
        "code": row.code,
        "state": state,
        "counted": None,
        "waiting_for": None,
        "receipt": receipt,
        "manage_url": manage_url(row, receipt=receipt),
        # Whoever named no card gives it on the provider's page, to which this leads.
        "secure_url": secure_url(row) if needs_card and not row.payment_method else None,
    }
