"""Whether a pledge fits the terms of its campaign, before anything is known of the gate."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from countmein.base.ids import keyed_digest, uuid7
from countmein.campaigns.bodies import PartBody, PledgeBody
from countmein.campaigns.changes import Part
from countmein.campaigns.kinds import BANK_TRANSFER, KINDS, is_charged
from countmein.campaigns.models import Campaign, Crowd, Pledge, crowd_id
from countmein.campaigns.plans import plans_of
from countmein.campaigns.transfers import TRANSFERRED_MINOR_AT_MOST, takes_transfers
from countmein.campaigns.wording import money_text
from countmein.members.actions import Person
from countmein.payments.providers import PROVIDERS
from countmein.rules import canonical, conditions
from countmein.rules.conditions import Condition
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


def keyed_body_digest(bare: str) -> str:
    """A body's digest as it is kept; its first letter tells it from a bare one."""
    return "k" + keyed_digest("pledge-body", bare)[:63]


@dataclass(frozen=True, kw_only=True)
class PledgeRequest:
    """One pledge as it came through a door, with the key its sender will repeat it by."""

    body: PledgeBody
    key: str
    language: str = "en-gb"

    @cached_property
    def digest(self) -> str:
        """What makes two bodies the same: their JSON, whatever its spelling.

        Keyed, for there is an address in it: who said this could be guessed from a bare hash.
        """
        said = self.body.model_dump(mode="json", exclude_none=True)
        bare = hashlib.sha256(canonical.canonical_json(said).encode()).hexdigest()
        return keyed_body_digest(bare)


@dataclass(slots=True, kw_only=True)
class Draft:
    """A pledge that fits the terms, with the names that its row will have.

    `conditions` are those of its parts; a further part's includes the first one's.
    """

    request: PledgeRequest
    person: Person
    parts: list[Part]
    conditions: list[Condition | None]
    is_paid: bool
    state: PledgeState
    code: str
    id: uuid.UUID = field(default_factory=uuid7)

    @property
    def payment_method(self) -> str:
        """What it is paid by, if that was named."""
        return self.request.body.payment_method or ""

    @property
    def needs_card(self) -> bool:
        """Whether the whole has to be secured by a card."""
        return self.is_paid and self.payment_method != BANK_TRANSFER

    @property
    def waits_for(self) -> set[str]:
        """The codes of the pledges that its conditions name."""
        asked = [condition for condition in self.conditions if condition is not None]
        return {code for condition in asked for code in conditions.pledges_named(condition)}


class Terms:
    """The terms of one campaign, read once for a whole batch."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.kinds = frozenset(campaign.kinds)
        self.places = frozenset(campaign.places)
        self.plans = len(plans_of(campaign))
        self._crowd_ids: dict[Condition | None, uuid.UUID] = {}

    def draft(self, request: PledgeRequest) -> Draft | PledgeRefused:
        """The pledge as it would be written, or why it cannot be."""
        try:
            return self._draft(request)
        except PledgeRefused as refusal:
            return refusal
        except canonical.AddressRefused as refusal:
            return PledgeRefused(Reason.address_invalid, path="member.email", detail=str(refusal))
        except conditions.ConditionRefused as refusal:
            return PledgeRefused(Reason.condition_invalid, path=refusal.path, detail=refusal.detail)

    def _draft(self, request: PledgeRequest) -> Draft:
        body, campaign = request.body, self.campaign
        parts: list[PartBody | PledgeBody] = [body, *body.more]
        offered = [Offered(kind=p.kind, amount=p.amount) for p in parts]
        check_amounts(offered, kinds=self.kinds, minimum=campaign.minimum)
        check_place(body.place, places=self.places)
        person = Person(
            address=body.member.email, name=body.member.name or "", language=request.language
        )
        assert person.mailbox
        check_fallback(body.fallback or Fallback.refund, plans=self.plans)
        is_paid = is_charged([part.kind for part in parts])
        self._check_payment(body.payment_method, offered, is_paid=is_paid)
        needs_card = is_paid and body.payment_method != BANK_TRANSFER
        wholes = self.conditions_of([part.condition for part in parts])
        return Draft(
            request=request,
            person=person,
            parts=[
                Part(
                    kind=part.kind,
                    amount=part.amount,
                    crowd_id=self._crowd_id(whole),
                    people=int(part is body),
                )
                for part, whole in zip(parts, wholes, strict=True)
            ],
            conditions=wholes,
            is_paid=is_paid,
            state=self._first_state(needs_card=needs_card),
            code=canonical.pledge_code(lane=campaign.lane, random=os.urandom(9)),
        )

    def _check_payment(self, method: str | None, offered: list[Offered], *, is_paid: bool) -> None:
        if method and not is_paid:
            raise PledgeRefused(Reason.payment_method_not_needed, path="payment_method")
        if method == BANK_TRANSFER:
            require_transferable(self.campaign, offered)
        elif is_paid:
            require_payable(self.campaign, offered)

    def _first_state(self, *, needs_card: bool) -> PledgeState:
        """A card has to be given first; of a transfer nothing but the member's word can be had."""
        if self.campaign.confirm == Confirm.email:
            return PledgeState.unconfirmed
        return PledgeState.unsecured if needs_card else PledgeState.active

    def _crowd_id(self, condition: Condition | None) -> uuid.UUID:
        found = self._crowd_ids.get(condition)
        if found is None:
            found = self._crowd_ids[condition] = _crowd_id(self.campaign, condition)
        return found

    def conditions_of(self, wanted: Sequence[Any]) -> list[Condition | None]:
        """The condition of each part; a further part's includes the first one's.

        Raises ConditionRefused, naming the field.
        """
        wholes: list[Condition | None] = []
        first: Condition | None = None
        for index, said in enumerate(wanted):
            path = "condition" if index == 0 else f"more[{index - 1}].condition"
            own = None if said is None else self._parse(said, path)
            wholes.append(conditions.conjunction(first, own))
            first = own if index == 0 else first
        return wholes

    def _parse(self, said: object, path: str) -> conditions.Condition:
        return conditions.parse(
            said, path=path, kinds=self.kinds, places=self.places, pledges_allowed=True
        )


def crowd_for(campaign: Campaign, condition: Any) -> Crowd:
    """The crowd of a pledge with this condition alone.

    Raises ConditionRefused, and PledgeRefused for a condition on a pledge that does not exist.
    """
    (whole,) = Terms(campaign).conditions_of([condition])
    named = conditions.pledges_named(whole) if whole is not None else frozenset()
    if unknown := unknown_pledges(campaign, named):
        raise no_such_pledge(min(unknown))
    return crowd_of(campaign, whole)


def crowd_of(campaign: Campaign, condition: Condition | None) -> Crowd:
    """The row of the crowd with this condition."""
    return Crowd(
        lane=campaign.lane,
        id=_crowd_id(campaign, condition),
        campaign_id=campaign.id,
        condition=condition_json(condition),
    )


def condition_json(condition: Condition | None) -> Any:
    """A condition as it is kept; None where nobody is waited for."""
    return None if condition is None else conditions.to_json(condition)


def _crowd_id(campaign: Campaign, condition: Condition | None) -> uuid.UUID:
    name = "null" if condition is None else conditions.canonical(condition)
    return crowd_id(campaign.id, name)


def unknown_pledges(campaign: Campaign, named: Iterable[str]) -> set[str]:
    """Which of these codes belong to no pledge of this campaign."""
    codes = set(named)
    if not codes:
        return set()
    found = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id, code__in=codes)
    return codes - set(found.values_list("code", flat=True))


def no_such_pledge(code: str) -> PledgeRefused:
    """A condition on a pledge that does not exist could never hold: it is refused at once."""
    detail = f"there is no pledge {code} in this campaign"
    return PledgeRefused(Reason.condition_invalid, path="condition", detail=detail)


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
