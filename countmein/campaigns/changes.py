"""What a pledge adds to its crowds, and takes away again: the only inputs of the count."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import connection

from countmein.base.arrays import array
from countmein.campaigns.models import Change, Gate, Pledge, crowd_id
from countmein.campaigns.uncounted import NOTE, note, note_values


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a pledge: the first counts the person, further ones do not."""

    kind: str
    amount: int
    crowd_id: uuid.UUID
    people: int


def parts_of(pledge: Pledge) -> list[Part]:
    """All parts of a pledge, the first one first."""
    first = Part(kind=pledge.kind, amount=pledge.amount, crowd_id=pledge.crowd_id, people=1)
    more = [
        Part(kind=m["kind"], amount=m["amount"], crowd_id=uuid.UUID(m["crowd_id"]), people=0)
        for m in pledge.more
    ]
    return [first, *more]


def accepted_parts(pledge: Pledge) -> list[Part]:
    """The parts of an accepted pledge that were in when it was accepted."""
    whole = parts_of(pledge)
    return [whole[0], *(p for p, m in zip(whole[1:], pledge.more, strict=True) if m["is_in"])]


def joins(gate: Gate, pledge: Pledge) -> Iterator[Change]:
    """The pledge becomes active: every part joins its crowd."""
    return (_change(gate, pledge.place, part, part.crowd_id, 1) for part in parts_of(pledge))


def write_changes(gate: Gate, changes: Iterable[Change]) -> None:
    """Write changes, if there are any, and note that they are to be counted."""
    rows = list(changes)
    if rows:
        Change.objects.bulk_create(rows)
        note(gate)


def write_joined(gate: Gate, joined: Iterable[tuple[str, Iterable[Part]]]) -> None:
    """Write what pledges add that become active in one commit, each a place and its parts: one
    statement, with a row for each crowd, kind and place."""
    rows = _together(gate, joined)
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH noted AS ({NOTE})
            INSERT INTO campaigns_change
                (lane, campaign_id, round, id, crowd_id, kind, place, people, amount)
            SELECT %s, %s, %s, * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[],
                                             %s::int[], %s::bigint[])
            """,
            [
                *note_values(gate),
                gate.lane,
                gate.id,
                gate.round,
                array(str(row.id) for row in rows),
                array(str(row.crowd_id) for row in rows),
                array(row.kind for row in rows),
                array(row.place for row in rows),
                array(str(row.people) for row in rows),
                array(str(row.amount) for row in rows),
            ],
        )


def _together(gate: Gate, joined: Iterable[tuple[str, Iterable[Part]]]) -> list[Change]:
    added: dict[tuple[uuid.UUID, str, str], Change] = {}
    for place, parts in joined:
        for part in parts:
            row = added.get((part.crowd_id, part.kind, place))
            if row is None:
                row = _change(gate, place, part, part.crowd_id, 1)
                added[part.crowd_id, part.kind, place] = row
            else:
                row.people += part.people
                row.amount += part.amount
    return list(added.values())


def leaves(gate: Gate, pledge: Pledge) -> Iterator[Change]:
    """The pledge stops being active: every part leaves its crowd."""
    return (_change(gate, pledge.place, part, part.crowd_id, -1) for part in parts_of(pledge))


def leaves_core(gate: Gate, pledge: Pledge, *, sign: int = -1) -> Iterator[Change]:
    """An accepted pledge could not be collected, or was given back (sign 1: it comes back)."""
    core = crowd_id(gate.id, "core")
    for kind, amount in pledge.accepted.items():
        people = 1 if kind == pledge.kind else 0
        part = Part(kind=kind, amount=amount, crowd_id=core, people=people)
        yield _change(gate, pledge.place, part, core, sign)


def _change(gate: Gate, place: str, part: Part, crowd: uuid.UUID, sign: int) -> Change:
    return Change(
        lane=gate.lane,
        campaign_id=gate.id,
        round=gate.round,
        crowd_id=crowd,
        kind=part.kind,
        place=place,
        people=sign * part.people,
        amount=sign * part.amount,
    )
