"""The verbs of the books: post an entry about a pledge's money, or a fee."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from countmein.base.ids import uuid7
from countmein.ledger.models import Transfer

#: Where money comes from and goes back to: the members' cards, seen from here.
OUTSIDE = "backers"
#: What the provider holds back until a dispute is decided.
DISPUTED = "disputed"
#: What the provider keeps for its work, and what that costs us.
PROCESSOR = "processor"
PROCESSOR_COSTS = "costs:processor"
#: The site's own share of what was settled.
COMMISSION = "commission"
#: Stands for the account of each kind of pledge, and for those of whoever is paid.
_HELD = "held"
_PENDING = "pending"
_PAID = "paid"

#: From where to where each event moves a pledge's money.
_ROUTES: Final[Mapping[str, tuple[str, str]]] = {
    "charge": (OUTSIDE, _HELD),
    "refund": (_HELD, OUTSIDE),
    "refund_back": (OUTSIDE, _HELD),
    "dispute": (_HELD, DISPUTED),
    "dispute_won": (DISPUTED, _HELD),
    "dispute_lost": (DISPUTED, OUTSIDE),
    "earmark": (_HELD, _PENDING),
    "earmark_back": (_PENDING, _HELD),
    "payout": (_PENDING, _PAID),
    "payout_back": (_PAID, _HELD),
    "commission": (_HELD, COMMISSION),
    "commission_back": (COMMISSION, _HELD),
    "costs": (_HELD, PROCESSOR_COSTS),
}


def held(kind: str) -> str:
    """The account of what a campaign holds, by kind of pledge."""
    return f"{_HELD}:{kind}"


def pending(payee: str) -> str:
    """The account of what is set aside for somebody and has not been paid yet."""
    return f"{_PENDING}:{payee}"


def paid(payee: str) -> str:
    """The account of what somebody was paid."""
    return f"{_PAID}:{payee}"


def post(
    *,
    lane: int,
    campaign_id: uuid.UUID,
    kind: str,
    about: uuid.UUID,
    parts: Mapping[str, int],
    currency: str,
    at: datetime,
    payee: str = "",
) -> None:
    """Book one event, a leg for each kind of pledge.

    A `charge` moves in, a `refund` moves out, and a `refund_back` that no card took moves in again.
    An `earmark` sets money aside for `payee`, and a `payout` pays it.

    Call inside the transaction that records the event. The same event is booked once: its id is
    part of a unique key, and a second posting raises IntegrityError instead of passing silently.
    """
    Transfer.objects.bulk_create(
        _legs(
            Event(lane=lane, campaign_id=campaign_id, about=about, parts=parts, currency=currency),
            kind=kind,
            at=at,
            payee=payee,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One of many events of a kind that are booked together."""

    lane: int
    campaign_id: uuid.UUID
    about: uuid.UUID
    parts: Mapping[str, int]
    currency: str


def post_all(events: Iterable[Event], *, kind: str, at: datetime) -> None:
    """Book many events of one kind at once, each under an entry of its own, like `post`."""
    Transfer.objects.bulk_create(
        leg for event in events for leg in _legs(event, kind=kind, at=at, payee="")
    )


def _legs(event: Event, *, kind: str, at: datetime, payee: str) -> Iterator[Transfer]:
    source, destination = _ROUTES[kind]
    entry_id = uuid7()
    for leg, (name, amount_minor) in enumerate(sorted(event.parts.items())):
        if amount_minor:
            yield Transfer(
                lane=event.lane,
                campaign_id=event.campaign_id,
                entry_id=entry_id,
                kind=kind,
                source_ref=event.about,
                leg=leg,
                at=at,
                source=_account(source, kind=name, payee=payee),
                destination=_account(destination, kind=name, payee=payee),
                amount_minor=amount_minor,
                currency=event.currency,
            )


def _account(account: str, *, kind: str, payee: str) -> str:
    of_whom = {_HELD: held(kind), _PENDING: pending(payee), _PAID: paid(payee)}
    return of_whom.get(account, account)


def post_fee(
    *,
    lane: int,
    campaign_id: uuid.UUID,
    about: uuid.UUID,
    amount_minor: int,
    currency: str,
    at: datetime,
) -> bool:
    """Book what the provider kept for a charge, a refund or a dispute; a negative fee came back.

    Each is booked once; tells whether it was not booked before. Call inside a transaction that
    holds what the fee is about.
    """
    kind, route = "fee", (PROCESSOR_COSTS, PROCESSOR)
    if amount_minor < 0:
        kind, route = "fee_back", (PROCESSOR, PROCESSOR_COSTS)
    if Transfer.objects.filter(lane=lane, kind=kind, source_ref=about).exists():
        return False
    Transfer(
        lane=lane,
        campaign_id=campaign_id,
        entry_id=uuid7(),
        kind=kind,
        source_ref=about,
        at=at,
        source=route[0],
        destination=route[1],
        amount_minor=abs(amount_minor),
        currency=currency,
    ).save(force_insert=True)
    return True
