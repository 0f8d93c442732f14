"""Who is in at the tip, as the public log lists it: classes of equal conditions, and no person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection

from countmein.campaigns.models import Campaign
from countmein.log.actions import Pen
from countmein.rules import clearing, conditions
from countmein.rules.entries import named, names_places, public_condition


def write_classes(campaign: Campaign, pen: Pen) -> dict[str, Any]:
    """All who are in or waiting, by condition, as the log has them; return what is in."""
    classes, crowds = _classes(campaign)
    outcome = clearing.clear(crowds)
    for said, is_in in zip(classes, outcome.is_in, strict=True):
        pen.write("class", **said, i=int(is_in))
    sums = {kind: amount for kind, amount in outcome.totals.sums.items() if amount}
    return {"people": outcome.totals.people, "sums": sums}


def _classes(campaign: Campaign) -> tuple[list[dict[str, Any]], list[clearing.Crowd]]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.condition, s.kind, p.place, sum(s.people)::bigint, sum(s.amount)::bigint
            FROM log_standing s
            JOIN campaigns_pledge p ON p.lane = s.lane AND p.id = s.pledge_id
            JOIN campaigns_crowd c ON c.lane = s.lane AND c.id = s.crowd_id
            WHERE s.lane = %s AND s.campaign_id = %s AND s.is_in
            GROUP BY c.id, c.condition, s.kind, p.place
            """,
            [campaign.lane, campaign.id],
        )
        rows = cursor.fetchall()
        cursor.execute(
            """
            SELECT c.condition, array_agg(p.code) FROM log_standing s
            JOIN campaigns_pledge p ON p.lane = s.lane AND p.id = s.pledge_id
            JOIN campaigns_crowd c ON c.lane = s.lane AND c.id = s.crowd_id
            WHERE s.lane = %s AND s.campaign_id = %s AND s.is_in AND s.part = 0
              AND p.code = ANY(%s)
            GROUP BY c.id, c.condition
            """,
            [campaign.lane, campaign.id, sorted(_named_in(condition for condition, *_ in rows))],
        )
        members = cursor.fetchall()
    return _spelled(campaign, rows, members)


def _named_in(said: Iterable[str | None]) -> set[str]:
    return {
        code
        for condition in _parsed(said).values()
        if condition is not None
        for code in conditions.pledges_named(condition)
    }


def _parsed(said: Iterable[Any]) -> dict[str, conditions.Condition | None]:
    found: dict[str, conditions.Condition | None] = {}
    for each in said:
        key = str(each)
        if key not in found:
            found[key] = each and conditions.parse(
                _loaded(each), path="condition", pledges_allowed=True
            )
    return found


def _loaded(said: Any) -> Any:
    return json.loads(said) if isinstance(said, str) else said


def _spelled(
    campaign: Campaign, rows: Sequence[tuple[Any, ...]], members: Sequence[tuple[Any, ...]]
) -> tuple[list[dict[str, Any]], list[clearing.Crowd]]:
    """The classes as the log lists them, and as they are cleared: the same, in one order."""
    sees_places = names_places(campaign.rule) or any(
        names_places(_loaded(condition)) for condition, *_ in rows if condition
    )
    said: dict[str, dict[str, Any]] = {}
    for condition, kind, place, people, amount in rows:
        each = said.setdefault(str(condition), {"q": _loaded(condition), "e": 0, "s": {}, "l": {}})
        each["e"] += people
        if amount:
            each["s"][kind] = each["s"].get(kind, 0) + amount
        if sees_places and place and people:
            each["l"][place] = each["l"].get(place, 0) + people
    codes = {str(condition): sorted(codes) for condition, codes in members}
    listed: list[dict[str, Any]] = []
    crowds: list[clearing.Crowd] = []
    parsed = _parsed(condition for condition, *_ in rows)
    for key in sorted(said):
        each = said[key]
        crowds.append(
            clearing.Crowd(
                condition=parsed[key],
                people=each["e"],
                sums=each["s"],
                people_in=each["l"],
                pledges=frozenset(codes.get(key, ())),
            )
        )
        public = {"q": public_condition(each["q"]), "e": each["e"], "s": each["s"]}
        if each["q"] is None:
            del public["q"]
        if each["l"]:
            public["l"] = each["l"]
        if key in codes:
            public["g"] = [named(code) for code in codes[key]]
        listed.append(public)
    return listed, crowds
