"""To fulfil: what was accepted is charged, issued, confirmed; then the member is told, once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from countmein.base.arrays import array
from countmein.base.clock import site_now
from countmein.base.jobs import defer
from countmein.campaigns.acceptance import uuids
from countmein.campaigns.actions.tell import tell_some
from countmein.campaigns.kinds import BANK_TRANSFER, KINDS
from countmein.campaigns.models import Campaign
from countmein.payments.actions.charging import charge_due
from countmein.payments.actions.mandates import forget_mandates
from countmein.payments.actions.planning import plan_charges
from countmein.payments.models import BANK, ChargeState
from countmein.rules.awaiting import first_reminder, last_instant
from countmein.rules.collection import check_batch
from countmein.rules.money import Money
from countmein.rules.remittance import own_reference

#: What accepted pledges owe, by their parts. Prices are linear: that of one is enough.
_OWED: Final = """
SELECT p.id AS pledge_id, priced.parts, priced.amount_minor, asked.reference
FROM unnest(%(ids)s::uuid[], %(references)s::text[]) AS asked (id, reference)
JOIN campaigns_pledge p ON p.lane = %(lane)s AND p.id = asked.id
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(price.kind, price.minor * (p.accepted->>price.kind)::bigint) AS parts,
           sum(price.minor * (p.accepted->>price.kind)::bigint)::bigint AS amount_minor
    FROM unnest(%(kinds)s::text[], %(prices)s::bigint[]) AS price (kind, minor)
    WHERE p.accepted ? price.kind) priced
WHERE priced.parts IS NOT NULL"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sorted:
    """Accepted pledges by how they are kept, and those that gave a card for nothing."""

    by_card: list[uuid.UUID]
    #: With what a transfer is recognised by.
    by_bank: list[tuple[uuid.UUID, str]]
    free: list[uuid.UUID]
    idle: list[uuid.UUID]


def promise(campaign: Campaign, ids: Sequence[uuid.UUID]) -> None:
    """Begin to keep newly accepted pledges: those who owe get a charge, the others are fulfilled
    at once. Call in the transaction that accepts them.

    Raises BatchRefused if the charges are not what was accepted; none of them may be written then.
    """
    whole = _sorted(campaign, ids)
    to_transfer = [id for id, _reference in whole.by_bank]
    owed = _accepted_by_kind(campaign, [*whole.by_card, *to_transfer])
    now = site_now()
    planned = _plan(campaign, [(id, "") for id in whole.by_card], due_at=now)
    planned += _plan(campaign, whole.by_bank, **_awaited(campaign, now))
    check_batch(owed, [Money(amount_minor=planned, currency=campaign.currency)] if planned else [])
    if whole.by_card:
        defer(charge_due, once="payments.charge_due")
    tell_some(campaign, topic="transfer", ids=to_transfer)
    fulfil(campaign, whole.free)
    # A card given for a part that is not in after all has nothing left to pay.
    if whole.idle:
        forget_mandates(lane=campaign.lane, pledge_ids=whole.idle)


def _sorted(campaign: Campaign, ids: Sequence[uuid.UUID]) -> _Sorted:
    """How these pledges are kept, each as often as it is named."""
    charged = [kind for kind, how in KINDS.items() if how.is_charged]
    if set(campaign.kinds) <= set(charged) and campaign.transfer_days is None:
        return _Sorted(by_card=list(ids), by_bank=[], free=[], idle=[])
    if not set(campaign.kinds) & set(charged):
        return _Sorted(by_card=[], by_bank=[], free=list(ids), idle=[])
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT p.id, p.code, p.payment_method, p.accepted ?| %(charged)s,
                   p.kind = ANY(%(charged)s) OR EXISTS (
                       SELECT FROM jsonb_array_elements(p.more) m
                       WHERE m.value->>'kind' = ANY(%(charged)s))
            FROM unnest(%(ids)s::uuid[]) AS asked (id)
            JOIN campaigns_pledge p ON p.lane = %(lane)s AND p.id = asked.id
            """,
            {"charged": charged, "ids": uuids(ids), "lane": campaign.lane},
        )
        rows = cursor.fetchall()
    return _Sorted(
        by_card=[id for id, _, way, owes, _ in rows if owes and way != BANK_TRANSFER],
        by_bank=[
            (id, own_reference(code))
            for id, code, way, owes, _ in rows
            if owes and way == BANK_TRANSFER
        ],
        free=[id for id, _, _, owes, _ in rows if not owes],
        idle=[
            id for id, _, way, owes, could in rows if could and not owes and way != BANK_TRANSFER
        ],
    )


def _plan(campaign: Campaign, owing: Sequence[tuple[uuid.UUID, str]], **same: Any) -> int:
    """Write the charges of these pledges, each with its reference; tells what they add up to."""
    if not owing:
        return 0
    prices = {
        kind: how.price_minor(campaign, 1)
        for kind, how in KINDS.items()
        if how.is_charged and kind in campaign.kinds
    }
    return plan_charges(
        _OWED,
        {
            "lane": campaign.lane,
            "ids": uuids(id for id, _reference in owing),
            "references": array(reference for _id, reference in owing),
            "kinds": list(prices),
            "prices": list(prices.values()),
        },
        lane=campaign.lane,
        campaign_id=campaign.id,
        currency=campaign.currency,
        **same,
    )


def _accepted_by_kind(campaign: Campaign, ids: Iterable[uuid.UUID]) -> dict[str, Money]:
    """What these pledges were accepted with, added up by the database and priced by the terms.

    On purpose it shares no code with what prices a charge: the two must agree.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT part.key, sum(part.value::bigint) FROM campaigns_pledge p,
                   jsonb_each_text(p.accepted) part
            WHERE p.lane = %s AND p.id = ANY(%s::uuid[]) AND part.key IN ('money', 'purchase')
              AND NOT EXISTS (SELECT FROM payments_charge c
                              WHERE c.lane = p.lane AND c.pledge_id = p.id)
            GROUP BY 1
            """,
            [campaign.lane, uuids(ids)],
        )
        accepted = {kind: int(amount) for kind, amount in cursor.fetchall()}
    unit = {"money": 1, "purchase": campaign.unit_price_minor or 0}
    return {
        kind: Money(amount_minor=amount * unit[kind], currency=campaign.currency)
        for kind, amount in accepted.items()
    }


def _awaited(campaign: Campaign, now: datetime) -> dict[str, Any]:
    """What charges have alike that their members are to transfer."""
    last_at = last_instant(now, days=campaign.transfer_days or 1)
    return {
        "provider": BANK,
        "state": ChargeState.AWAITED,
        "due_at": last_at,
        "remind_at": first_reminder(now, last_at),
    }


def fulfil(campaign: Campaign, ids: Sequence[uuid.UUID]) -> None:
    """Make accepted pledges fulfilled: write what keeps each kind, and let the member be told.

    Call inside a transaction. Compare-and-set: a pledge that is not accepted is left alone.
    """
    if not ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE campaigns_pledge SET state = 'fulfilled'
            WHERE lane = %s AND id = ANY(%s::uuid[]) AND state = 'accepted'
            RETURNING id, accepted::text
            """,
            [campaign.lane, uuids(ids)],
        )
        kept = {id: json.loads(accepted) for id, accepted in cursor.fetchall()}
    now = site_now()
    for kind in campaign.kinds:
        amounts = {id: accepted[kind] for id, accepted in kept.items() if kind in accepted}
        if amounts:
            KINDS[kind].keep(campaign, amounts, now=now)
    tell_some(campaign, topic="kept", ids=list(kept))
