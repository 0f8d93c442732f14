"""The rows of pledges that come together: one statement, whatever their number."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import connection

from countmein.base.arrays import array
from countmein.campaigns.changes import Part
from countmein.campaigns.models import Campaign, Gate, Pledge
from countmein.campaigns.newcomers import seal_newcomer
from countmein.campaigns.pledge_terms import Draft
from countmein.rules.failure import Fallback

#: What differs from pledge to pledge, and its type in the database; the rest is the batch's.
_EACH: Final = {
    "id": "uuid",
    "code": "text",
    "key": "text",
    "digest": "text",
    "state": "text",
    "kind": "text",
    "amount": "bigint",
    "place": "text",
    "crowd_id": "uuid",
    "more": "jsonb",
    "mailbox": "text",
    "contact_id": "uuid",
    "newcomer": "jsonb",
    "public_name": "boolean",
    "payment_method": "text",
    "fallback": "text",
}
_READ: Final[dict[str, Callable[[str], Any]]] = {
    "uuid": uuid.UUID,
    "bigint": int,
    "jsonb": json.loads,
    "boolean": "true".__eq__,
}
_INSERT: Final = f"""
    INSERT INTO campaigns_pledge (lane, campaign_id, round, at, acted_at, accepted, was_waitlisted,
                                  answered_state, {", ".join(_EACH)})
    SELECT %s, %s, %s, %s, %s, '{{}}', false, state, {", ".join(_EACH)}
    FROM unnest({", ".join(f"%s::{kind}[]" for kind in _EACH.values())}) AS p({", ".join(_EACH)})
    ON CONFLICT DO NOTHING
    RETURNING key"""


def insert(
    campaign: Campaign, gate: Gate, drafts: Sequence[Draft], *, now: datetime
) -> dict[str, Draft]:
    """Write the pledges that stand no other in the way; return them by key.

    Sorted by mailbox, so that two batches that share people wait for each other in one order; of
    two with one mailbox the first to come is written. What was written, the statement returns.
    """
    if not drafts:
        return {}
    ordered = sorted(drafts, key=lambda draft: draft.person.mailbox)
    values = (_values(draft, seal_newcomer(draft.id, draft.person)) for draft in ordered)
    columns = zip(*values, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [campaign.lane, campaign.id, gate.round, now, now, *map(array, columns)],
        )
        written = {key for (key,) in cursor.fetchall()}
    return {draft.request.key: draft for draft in drafts if draft.request.key in written}


def row_of(campaign: Campaign, gate: Gate, draft: Draft, *, now: datetime) -> Pledge:
    """A pledge that was just written, without reading it again; who made it is left in the row."""
    each: dict[str, Any] = dict(zip(_EACH, _values(draft, "null"), strict=True))
    for name, kind in _EACH.items():
        if kind in _READ:
            each[name] = _READ[kind](each[name])
    return Pledge(
        lane=campaign.lane,
        campaign_id=campaign.id,
        round=gate.round,
        at=now,
        acted_at=now,
        answered_state=draft.state,
        **each,
    )


def _more(parts: Sequence[Part]) -> str:
    said = [{"kind": p.kind, "amount": p.amount, "crowd_id": str(p.crowd_id)} for p in parts]
    return json.dumps(said)


def _values(draft: Draft, newcomer: str) -> tuple[str, ...]:
    """The values of `_EACH` for one pledge, in that order, as text."""
    body, person = draft.request.body, draft.person
    first, *more = draft.parts
    return (
        str(draft.id),
        draft.code,
        draft.request.key,
        draft.request.digest,
        draft.state.value,
        first.kind,
        str(first.amount),
        body.place or "",
        str(first.crowd_id),
        _more(more) if more else "[]",
        person.mailbox,
        str(person.contact_id),
        newcomer,
        "true" if body.public_name else "false",
        draft.payment_method,
        str(body.fallback or Fallback.refund),
    )
