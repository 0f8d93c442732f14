"""The one verb of the books: post an entry."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime

from countmein.base.ids import uuid7
from countmein.ledger.models import Transfer

#: Where money comes from and goes back to: the members' cards, seen from here.
OUTSIDE = "backers"


def held(kind: str) -> str:
    """The account of what a campaign holds, by kind of pledge."""
    return f"held:{kind}"


def post(
    *,
    lane: int,
    campaign_id: uuid.UUID,
    kind: str,
    about: uuid.UUID,
    parts: Mapping[str, int],
    currency: str,
    at: datetime,
) -> None:
    """Book one event, a leg for each kind of pledge: `charge` moves in, `refund` moves out.

    Call inside the transaction that records the event. The same event is booked once: its id is
    part of a unique key, and a second posting raises IntegrityError instead of passing silently.
    """
    inward = kind == "charge"
    entry_id = uuid7()
    Transfer.objects.bulk_create(
        Transfer(
            lane=lane,
            campaign_id=campaign_id,
            entry_id=entry_id,
            kind=kind,
            source_ref=about,
            leg=leg,
            at=at,
            source=OUTSIDE if inward else held(name),
            destination=held(name) if inward else OUTSIDE,
            amount_minor=amount_minor,
            currency=currency,
        )
        for leg, (name, amount_minor) in enumerate(sorted(parts.items()))
        if amount_minor
    )
