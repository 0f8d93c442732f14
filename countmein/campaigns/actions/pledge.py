"""To pledge: one insert keyed by campaign and idempotency key, for one pledge or five hundred."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.ids import uuid7
from countmein.base.jobs import defer
from countmein.campaigns.actions.tell import tell
from countmein.campaigns.bodies import PartBody, PledgeBody
from countmein.campaigns.changes import joins
from countmein.campaigns.gates import gate_of, hold_shared, is_accepting
from countmein.campaigns.kinds import BANK_TRANSFER, KINDS, is_charged, is_paid, needs_card
from countmein.campaigns.links import manage_url, receipt_of, secure_url
from countmein.campaigns.mandate import consent
from countmein.campaigns.models import Campaign, Change, Crowd, Gate, Pledge, crowd_id
from countmein.campaigns.plans import plans_of
from countmein.campaigns.transfers import TRANSFERRED_MINOR_AT_MOST, takes_transfers
from countmein.campaigns.wording import money_text
from countmein.members.actions import Enrolled, Person, enrol
from countmein.payments.actions.mandates import want_mandates, write_consents
from countmein.payments.models import Mandate
from countmein.payments.providers import PROVIDERS
from countmein.rules import canonical, conditions
from countmein.rules.failure import Fallback
from countmein.rules.pledging import (
    Offered,
    PledgeRefused,
    Reason,
    check_amounts,
    check_fallback,
    check_place,
)
from countmein.rules.states import Confirm, PledgeState


@dataclass(frozen=True, slots=True, kw_only=True)
class PledgeRequest:
    """One pledge as it came through a door, with the key its sender will repeat it by."""

    body: PledgeBody
    key: str
    language: str = "en-gb"

    @property
    def digest(self) -> str:
        """What makes two bodies the same: their JSON, whatever its spelling."""
        said = self.body.model_dump(mode="json", exclude_none=True)
        return hashlib.sha256(canonical.canonical_json(said).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the sender is told, the same each time; `replayed` tells that it was told before."""

    body: dict[str, Any]
    replayed: bool


@dataclass(slots=True, kw_only=True)
class _Draft:
    """A pledge checked against the campaign's terms, before anything is known of its gate."""

    request: PledgeRequest
    person: Person
    crowds: list[Crowd] = field(default_factory=list)


def pledge(
    *, campaign: Campaign, requests: Sequence[PledgeRequest]
) -> list[Answer | PledgeRefused]:
    """Take pledges in one transaction and answer each by its own row, or by its own refusal.

    An answer means durable. Judged in this order: the key, the deadline and the state, the terms,
    the mailbox. A constant number of queries, whatever the number of pledges.
    """
    drafts = [_draft(campaign, request) for request in requests]
    valid = [draft for draft in drafts if isinstance(draft, _Draft)]
    enrolled = _enrol(campaign, valid)
    with transaction.atomic():
        gate = hold_shared(campaign)
        now = site_now()
        known = _stored(campaign, requests)
        # A door that opened since nobody was enrolled opens for the next try.
        is_open = is_accepting(gate, now=now) and len(enrolled) == len({d.person for d in valid})
        rows: dict[str, Pledge] = {}
        for draft in drafts:
            if isinstance(draft, _Draft) and is_open and draft.request.key not in known:
                row = _row(campaign, gate, draft, enrolled[draft.person], now)
                rows.setdefault(draft.request.key, row)
        written = _write(campaign, gate, drafts, rows)
        if len(written) < len(rows):
            known = _stored(campaign, requests)
    return [
        _answer(request, draft, known, written, is_open=is_open)
        for request, draft in zip(requests, drafts, strict=True)
    ]


def _draft(campaign: Campaign, request: PledgeRequest) -> _Draft | PledgeRefused:
    try:
        return _checked(campaign, request)
    except PledgeRefused as refusal:
        return refusal
    except canonical.AddressRefused as refusal:
        return PledgeRefused(Reason.address_invalid, path="member.email", detail=str(refusal))
    except conditions.ConditionRefused as refusal:
        return PledgeRefused(Reason.condition_invalid, path=refusal.path, detail=refusal.detail)


def _checked(campaign: Campaign, request: PledgeRequest) -> _Draft:
    body = request.body
    parts: list[PartBody | PledgeBody] = [body, *body.more]
    offered = [Offered(kind=p.kind, amount=p.amount) for p in parts]
    check_amounts(offered, kinds=frozenset(campaign.kinds), minimum=campaign.minimum)
    check_place(body.place, places=frozenset(campaign.places))
    person = Person(
        address=body.member.email, name=body.member.name or "", language=request.language
    )
    assert person.mailbox
    check_fallback(body.fallback or Fallback.refund, plans=len(plans_of(campaign)))
    if body.payment_method and not is_charged([part.kind for part in parts]):
        raise PledgeRefused(Reason.payment_method_not_needed, path="payment_method")
    if body.payment_method == BANK_TRANSFER:
        require_transferable(campaign, offered)
    else:
        require_payable(campaign, offered)
    return _Draft(
        request=request,
        person=person,
        crowds=crowds_for(campaign, [part.condition for part in parts]),
    )


def require_payable(campaign: Campaign, offered: Sequence[Offered]) -> None:
    """Cards are charged from some amount on, and some currencies are moved in steps only: better
    said now than when the card is charged.

    The first part comes in whenever a further one does; if it is charged, the charge is at least
    that much. Raises PledgeRefused, naming the field.
    """
    provider, currency = PROVIDERS["stripe"], campaign.currency
    step, least = provider.step_minor(currency), provider.least_minor(currency)
    for index, part in enumerate(offered):
        how = KINDS[part.kind]
        if not how.is_charged:
            continue
        price_minor = how.price_minor(campaign, part.amount)
        path = "amount" if index == 0 else f"more[{index - 1}].amount"
        if price_minor % step:
            detail = f"{currency} is paid in steps of {step} minor units"
            raise PledgeRefused(Reason.amount_invalid, path=path, detail=detail)
        is_all = index == 0 or not KINDS[offered[0].kind].is_charged
        if is_all and price_minor < least:
            detail = f"cards are charged from {money_text(least, currency)} on"
            raise PledgeRefused(Reason.below_minimum, path=path, detail=detail)


def require_transferable(campaign: Campaign, offered: Sequence[Offered]) -> None:
    """What no bank could be asked for is refused, naming the field. Raises PledgeRefused."""
    if not takes_transfers(campaign):
        raise PledgeRefused(Reason.transfers_not_offered, path="payment_method")
    prices = (KINDS[part.kind].price_minor(campaign, part.amount) for part in offered)
    if sum(prices) > TRANSFERRED_MINOR_AT_MOST:
        detail = "a transfer moves less than a thousand million"
        raise PledgeRefused(Reason.amount_invalid, path="amount", detail=detail)


def crowds_for(campaign: Campaign, wanted: Sequence[Any]) -> list[Crowd]:
    """The crowd of each part; a further part's condition includes the first one's.

    Raises ConditionRefused, naming the field.
    """
    crowds: list[Crowd] = []
    first: conditions.Condition | None = None
    for index, said in enumerate(wanted):
        path = "condition" if index == 0 else f"more[{index - 1}].condition"
        own = None if said is None else _parse(campaign, said, path)
        whole = conditions.conjunction(first, own)
        first = own if index == 0 else first
        crowds.append(_crowd(campaign, whole))
    _require_known(campaign, crowds)
    return crowds


def _parse(campaign: Campaign, said: object, path: str) -> conditions.Condition:
    return conditions.parse(
        said,
        path=path,
        kinds=frozenset(campaign.kinds),
        places=frozenset(campaign.places),
        pledges_allowed=True,
    )


def _crowd(campaign: Campaign, condition: conditions.Condition | None) -> Crowd:
    name = "null" if condition is None else conditions.canonical(condition)
    return Crowd(
        lane=campaign.lane,
        id=crowd_id(campaign.id, name),
        campaign_id=campaign.id,
        condition=None if condition is None else conditions.to_json(condition),
    )


def _require_known(campaign: Campaign, crowds: Sequence[Crowd]) -> None:
    """A condition on a pledge that does not exist could never hold: say so at once."""
    named = {
        code
        for crowd in crowds
        if crowd.condition
        for code in conditions.pledges_named(
            conditions.parse(crowd.condition, path="condition", pledges_allowed=True)
        )
    }
    if not named:
        return
    found = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id, code__in=named)
    if unknown := named - set(found.values_list("code", flat=True)):
        detail = f"there is no pledge {min(unknown)} in this campaign"
        raise PledgeRefused(Reason.condition_invalid, path="condition", detail=detail)


def _enrol(campaign: Campaign, drafts: Sequence[_Draft]) -> dict[Person, Enrolled]:
    """Find or make the members, before the gate is held: people live in other lanes."""
    now = site_now()
    if not drafts or not is_accepting(gate_of(campaign), now=now):
        return {}
    return enrol([draft.person for draft in drafts], now=now)


def _stored(campaign: Campaign, requests: Sequence[PledgeRequest]) -> dict[str, Pledge]:
    keys = {request.key for request in requests}
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id, key__in=keys)
    return {row.key: row for row in rows}


def _row(campaign: Campaign, gate: Gate, draft: _Draft, who: Enrolled, now: datetime) -> Pledge:
    body = draft.request.body
    row = Pledge(
        lane=campaign.lane,
        id=uuid7(),
        campaign_id=campaign.id,
        code=canonical.pledge_code(lane=campaign.lane, random=os.urandom(9)),
        key=draft.request.key,
        digest=draft.request.digest,
        round=gate.round,
        kind=body.kind,
        amount=body.amount,
        place=body.place or "",
        crowd_id=draft.crowds[0].id,
        more=[
            {"kind": part.kind, "amount": part.amount, "crowd_id": str(crowd.id)}
            for part, crowd in zip(body.more, draft.crowds[1:], strict=True)
        ],
        mailbox=draft.person.mailbox,
        member_id=who.member_id,
        contact_id=who.contact_id,
        public_name=body.public_name,
        payment_method=body.payment_method or "",
        fallback=str(body.fallback or Fallback.refund),
        at=now,
        acted_at=now,
    )
    row.state = row.answered_state = _first_state(campaign, row)
    return row


def _first_state(campaign: Campaign, row: Pledge) -> PledgeState:
    """A card has to be given first; of a transfer nothing but the member's word can be had."""
    if campaign.confirm == Confirm.email:
        return PledgeState.unconfirmed
    return PledgeState.unsecured if needs_card(row) else PledgeState.active


def _write(
    campaign: Campaign,
    gate: Gate,
    drafts: Sequence[_Draft | PledgeRefused],
    rows: dict[str, Pledge],
) -> dict[str, Pledge]:
    """Insert the rows and what follows from them; return those that stood no other in the way.

    Sorted by mailbox and key, so that two batches that share people wait for each other in one
    order. Whether a row was written is read back by its own id, never taken from a row count.
    """
    if not rows:
        return {}
    checked = [draft for draft in drafts if isinstance(draft, _Draft)]
    requests = {draft.request.key: draft.request for draft in checked}
    crowds = {crowd.id: crowd for draft in checked for crowd in draft.crowds}
    Crowd.objects.bulk_create(sorted(crowds.values(), key=lambda c: c.id), ignore_conflicts=True)
    ordered = sorted(rows.values(), key=lambda row: (row.mailbox, row.key))
    Pledge.objects.bulk_create(ordered, ignore_conflicts=True)
    mine = set(
        Pledge.objects.filter(lane=campaign.lane, id__in=[row.id for row in ordered]).values_list(
            "id", flat=True
        )
    )
    written = [row for row in ordered if row.id in mine]
    follow(campaign, gate, written)
    conditions_of = {crowd.id: crowd.condition for crowd in crowds.values()}
    write_consents(
        [
            consent(campaign, row, conditions_of[row.crowd_id], language=requests[row.key].language)
            for row in written
            if is_paid(row)
        ]
    )
    return {row.key: row for row in written}


def follow(campaign: Campaign, gate: Gate, rows: Sequence[Pledge]) -> None:
    """Do what the state of newly written or newly confirmed pledges asks for."""
    active = [row for row in rows if row.state == PledgeState.active]
    unsecured = [row for row in rows if row.state == PledgeState.unsecured]
    unconfirmed = [row for row in rows if row.state == PledgeState.unconfirmed]
    Change.objects.bulk_create(change for row in active for change in joins(gate, row))
    if unsecured:
        named = [row for row in unsecured if row.payment_method]
        want_mandates([mandate(campaign, row, at=row.acted_at) for row in named])
    if unconfirmed:
        ids: list[uuid.UUID] = [row.id for row in unconfirmed]
        defer(tell, campaign_id=str(campaign.id), topic="confirm", pledge_ids=[str(i) for i in ids])


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
    draft: _Draft | PledgeRefused,
    known: dict[str, Pledge],
    written: dict[str, Pledge],
    *,
    is_open: bool,
) -> Answer | PledgeRefused:
    stored = known.get(request.key)
    row = written.get(request.key) or stored
    if row is not None:
        if row.digest != request.digest:
            return PledgeRefused(Reason.key_reused)
        return Answer(body=_said(row), replayed=stored is not None and request.key not in written)
    if not is_open:
        return PledgeRefused(Reason.campaign_closed)
    if isinstance(draft, PledgeRefused):
        return draft
    return PledgeRefused(Reason.already_pledged)


def _said(row: Pledge) -> dict[str, Any]:
    return {
        "code": row.code,
        "state": row.answered_state,
        "counted": None,
        "waiting_for": None,
        "receipt": receipt_of(row),
        "manage_url": manage_url(row),
        # Whoever named no card gives it on the provider's page, to which this leads.
        "secure_url": secure_url(row) if needs_card(row) and not row.payment_method else None,
    }
