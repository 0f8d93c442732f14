"""A slice of pledges is taken for good, by statements that do not grow with the slice."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db import connection

from countmein.base.arrays import NEW_ID, array
from countmein.campaigns.models import Gate, crowd_id
from countmein.campaigns.uncounted import note

#: Those who are in, first come first.
_FIRST: Final = """
SELECT p.id FROM campaigns_pledge p
WHERE p.lane = %(lane)s AND p.campaign_id = %(campaign)s AND p.state = 'active'
  AND EXISTS (SELECT FROM campaigns_crowd c
              WHERE c.lane = p.lane AND c.id = p.crowd_id AND c.is_in OFFSET 0)
ORDER BY p.id LIMIT %(most)s"""

#: Whether the crowd of a further part `m` of the pledge `p` is in. Parts that are in are fixed
#: when the pledge is accepted; the others are released.
_PART_IS_IN: Final = """
EXISTS (SELECT FROM campaigns_crowd c
        WHERE c.lane = p.lane AND c.id = (m.value->>'crowd_id')::uuid AND c.is_in)"""

# Both sides of every move are written, so the tally is the same before and after: all parts leave
# their crowds, and those that are in join the core, a row for each crowd, kind and place.
_TAKE: Final = f"""
WITH chosen AS MATERIALIZED ({{chosen}}),
taken AS (
    UPDATE campaigns_pledge p SET state = 'accepted', round = %(round)s,
        accepted = CASE WHEN p.more = '[]' THEN jsonb_build_object(p.kind, p.amount) ELSE (
            SELECT jsonb_object_agg(kind, amount) FROM (
                SELECT kind, sum(amount) AS amount FROM (
                    SELECT p.kind, p.amount UNION ALL
                    SELECT m.value->>'kind', (m.value->>'amount')::bigint
                    FROM jsonb_array_elements(p.more) m WHERE {_PART_IS_IN}) part
                GROUP BY kind) total) END,
        more = CASE WHEN p.more = '[]' THEN p.more ELSE (
            SELECT jsonb_agg(m.value || jsonb_build_object('is_in', {_PART_IS_IN})
                             ORDER BY m.ordinality)
            FROM jsonb_array_elements(p.more) WITH ORDINALITY m) END
    FROM chosen WHERE p.lane = %(lane)s AND p.id = chosen.id AND p.state = 'active'
    RETURNING p.id, p.crowd_id, p.kind, p.amount, p.place, p.more),
part AS (
    SELECT crowd_id, kind, place, 1 AS people, amount, true AS is_in FROM taken
    UNION ALL
    SELECT (m.value->>'crowd_id')::uuid, m.value->>'kind', t.place, 0,
           (m.value->>'amount')::bigint, (m.value->>'is_in')::boolean
    FROM taken t, jsonb_array_elements(t.more) m),
moved AS (
    SELECT crowd_id, kind, place, -sum(people) AS people, -sum(amount) AS amount
    FROM part GROUP BY 1, 2, 3
    UNION ALL
    SELECT %(core)s, kind, place, sum(people), sum(amount) FROM part WHERE is_in GROUP BY 2, 3),
changed AS (
    INSERT INTO campaigns_change
        (lane, campaign_id, round, id, crowd_id, kind, place, people, amount)
    SELECT %(lane)s, %(campaign)s, %(round)s, {NEW_ID}, moved.* FROM moved),
added AS (
    UPDATE campaigns_gate g SET accepted = g.accepted || (
        SELECT jsonb_object_agg(kind, amount + coalesce((g.accepted->>kind)::bigint, 0))
        FROM (SELECT kind, sum(amount) AS amount FROM part WHERE is_in GROUP BY kind) whole)
    WHERE g.lane = %(lane)s AND g.id = %(campaign)s AND EXISTS (SELECT FROM taken))
SELECT id FROM taken"""


def take_first(gate: Gate, *, most: int) -> list[uuid.UUID]:
    """Accept the first pledges that are in. Call with the gate held and everything counted."""
    return _take(gate, _FIRST, most=most)


def take(gate: Gate, ids: Sequence[uuid.UUID]) -> None:
    """Accept just these pledges. Call with the gate held and everything counted."""
    done = _take(gate, "SELECT unnest(%(ids)s::uuid[]) AS id", ids=uuids(ids))
    assert len(done) == len(ids), "the gate is held, so nobody else can have moved these pledges"


def _take(gate: Gate, chosen: str, **asked: Any) -> list[uuid.UUID]:
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE.format(chosen=chosen),
            {
                "lane": gate.lane,
                "campaign": gate.id,
                "round": gate.round,
                "core": crowd_id(gate.id, "core"),
                **asked,
            },
        )
        ids = [id for (id,) in cursor.fetchall()]
    if ids:
        note(gate)
    return ids


def uuids(ids: Iterable[uuid.UUID]) -> str:
    """The text of an array of ids."""
    return array(str(id) for id in ids)
