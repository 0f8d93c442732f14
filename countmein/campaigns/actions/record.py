"""To record: everything that changed a public number becomes an entry of the log, exactly once.

It never stands in the way of a pledge: it reads what is committed, by state, some thousand rows at
a time, and can be killed at any statement and run again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from countmein.base.clock import real_now
from countmein.base.ids import named_uuid
from countmein.base.jobs import job
from countmein.campaigns import unlogged
from countmein.campaigns.changes import Part, accepted_parts, parts_of
from countmein.campaigns.log_classes import write_classes
from countmein.campaigns.models import JOINED_STATES, Campaign, Crowd, Pledge
from countmein.ledger.models import Transfer
from countmein.log.actions import ForkRefused, Pen, seal, stand, writing
from countmein.log.models import Fact, Head, Standing
from countmein.members.models import ERASED, UNLINKED
from countmein.payments.models import Refund
from countmein.rules.entries import (
    HELD_SIGN,
    LEAVING,
    commitment,
    public_condition,
    shown_cells,
)
from countmein.rules.states import PledgeState

log = logging.getLogger(__name__)

#: Campaigns looked at by one run.
_CAMPAIGNS = 200
#: Where a pledge that is no longer in has been in for sure.
_WAS_IN = (PledgeState.dropped, PledgeState.refunded)


@job(name="log.record", queue="chores")
def record() -> None:
    """Write what is not in the log yet, and sign it."""
    began = real_now()
    found = unlogged.to_record(limit=_CAMPAIGNS)
    for campaign in Campaign.objects.filter(id__in=found).order_by("id"):
        record_campaign(campaign)
    if len(found) < _CAMPAIGNS:
        Head.objects.filter(id=1).update(looked_at=began)
    try:
        seal()
    except ForkRefused as fault:
        # Said at every pause; only a person can help (docs/guide/operate.md).
        log.error("the public log is not signed: %s", fault)
        Head.objects.filter(id=1).update(written_at=real_now())


def record_campaign(campaign: Campaign) -> None:
    """Write what is not in the log yet of one campaign.

    Before a move of the campaign is told, all who have come in are; so the log shows those with
    whom it tipped before it shows that it tipped, and before anybody leaves again.
    """
    _record_terms(campaign)
    upto = unlogged.closed_round(campaign)
    if unlogged.moves(campaign):
        _walk(campaign, upto=None, only_joins=True)
        _record_moves(campaign)
    _walk(campaign, upto=upto, only_joins=False)
    while slice := unlogged.transfers(campaign):
        _record_transfers(campaign, slice)


def _pen(campaign: Campaign) -> Any:
    return writing(lane=campaign.lane, campaign_id=campaign.id, code=campaign.code)


def _record_terms(campaign: Campaign) -> None:
    """The rule, once, and each version of the story by its hash."""
    with _pen(campaign) as pen:
        if pen.totals.last is None:
            said = {
                "rule": campaign.rule,
                "latch": campaign.latch,
                "deadline": campaign.deadline.isoformat(),
                "kinds": campaign.kinds,
                "currency": campaign.currency,
                "cap": campaign.cap,
            }
            pen.note(pen.write("rule", d=said), kind="rule", about=campaign.id)
        for story in unlogged.stories(campaign):
            said = {
                "number": story.number,
                "sha256": hashlib.sha256(story.text.encode()).hexdigest(),
            }
            pen.note(pen.write("story", d=said), kind="story", about=story.id)


def _walk(campaign: Campaign, *, upto: int | None, only_joins: bool) -> None:
    """Compare the pledges that have moved with what the log says of them, slice by slice.

    Where it stands is noted only once everything is compared: what was written is found written.
    """
    at = (unlogged.read_round(campaign) + 1, uuid.UUID(int=0))
    while True:
        with _pen(campaign) as pen:
            rows = unlogged.pledges(campaign, above=at, upto=upto)
            _compare(campaign, pen, rows, only_joins=only_joins)
            if len(rows) < unlogged.SLICE:
                if upto is not None:
                    pen.chain.round = max(pen.chain.round, upto)
                return
            at = (rows[-1].round, rows[-1].id)


def _compare(campaign: Campaign, pen: Pen, rows: Sequence[Pledge], *, only_joins: bool) -> None:
    standing: dict[uuid.UUID, list[Standing]] = defaultdict(list)
    lane = campaign.lane
    ids = [row.id for row in rows]
    for part in Standing.objects.filter(lane=lane, pledge_id__in=ids).order_by("part"):
        standing[part.pledge_id].append(part)
    asked = _conditions(campaign, rows)
    fresh = [row for row in rows if row.id not in standing]
    shown = shown_cells(_cell(row) for row in fresh if _has_been_in(row))
    written: list[Standing] = []
    for row in rows:
        stood = standing[row.id]
        if not stood:
            if not _has_been_in(row):
                continue
            # What a pledge brought in is told first, even if part of it has left since.
            stood = _join(pen, row, parts_of(row), asked, shown, stood)
            written += stood
        if not only_joins:
            written += _adjust(pen, row, stood, asked)
    stand(list({(part.pledge_id, part.part): part for part in written}.values()))


def _has_been_in(row: Pledge) -> bool:
    return row.state in (*JOINED_STATES, *_WAS_IN) or bool(row.accepted)


def _cell(row: Pledge) -> tuple[str, str]:
    return row.place, row.acted_at.strftime("%Y-%m-%dT%H")


def _conditions(campaign: Campaign, rows: Iterable[Pledge]) -> Mapping[uuid.UUID, Any]:
    ids = {part.crowd_id for row in rows for part in parts_of(row)}
    crowds = Crowd.objects.filter(lane=campaign.lane, id__in=ids)
    found = crowds.values_list("id", "condition")
    return {id: public_condition(said) for id, said in found}


def _join(
    pen: Pen,
    row: Pledge,
    parts: Sequence[Part],
    asked: Mapping[uuid.UUID, Any],
    shown: frozenset[tuple[str, str]],
    stood: Sequence[Standing],
) -> list[Standing]:
    """Write the entries by which the parts of a pledge come in."""
    salt = bytes(stood[0].salt) if stood and stood[0].salt else os.urandom(32)
    first: int | None = None
    written: list[Standing] = []
    for number, part in enumerate(parts):
        said: dict[str, Any] = {"u": part.kind, "a": part.amount, "e": part.people}
        if asked.get(part.crowd_id) is not None:
            said["q"] = asked[part.crowd_id]
        if first is None:
            said["w"] = commitment(salt, row.code)
            if (cell := _cell(row)) in shown:
                said["h"] = cell[1]
                if cell[0]:
                    said["l"] = cell[0]
        else:
            said["r"] = first
        n = pen.write("pledge", **said)
        first = n if first is None else first
        written.append(
            Standing(
                lane=row.lane,
                id=named_uuid("standing", str(row.id), str(number)),
                campaign_id=row.campaign_id,
                pledge_id=row.id,
                part=number,
                crowd_id=part.crowd_id,
                kind=part.kind,
                amount=part.amount,
                people=part.people,
                n=n,
                # Of somebody who was erased meanwhile there is nothing to show.
                salt=salt if number == 0 and row.contact_id not in (ERASED, UNLINKED) else None,
            )
        )
    return written


def _adjust(
    pen: Pen, row: Pledge, stood: Sequence[Standing], asked: Mapping[uuid.UUID, Any]
) -> list[Standing]:
    """Write what has changed of a pledge since the log last heard of it."""
    wanted: Sequence[Part] = []
    if row.state in JOINED_STATES:
        wanted = accepted_parts(row) if row.accepted else parts_of(row)
    inside = [part for part in stood if part.is_in]
    if [_shape(part) for part in inside] == [_shape(part) for part in wanted]:
        return []
    reason = row.state if row.state in LEAVING else "changed"
    shapes = [_shape(part) for part in wanted]
    # Of one that is accepted some parts may go, which leaves the others as they are.
    kept = [part for part in inside if row.accepted and _shape(part) in shapes]
    if [_shape(part) for part in kept] != shapes:
        kept = []
    gone = [part for part in inside if part not in kept]
    for part in gone:
        pen.write(reason, u=part.kind, a=-part.amount, e=-part.people, r=part.n)
        part.is_in = False
    if kept or not wanted:
        return gone
    return [*gone, *_join(pen, row, wanted, asked, frozenset(), stood)]


def _shape(part: Standing | Part) -> tuple[str, int, int, uuid.UUID]:
    return part.kind, part.amount, part.people, part.crowd_id


def _record_moves(campaign: Campaign) -> None:
    """The campaign's moves; at the tip also the classes by which it can be cleared again."""
    with _pen(campaign) as pen:
        for move in unlogged.moves(campaign):
            said: dict[str, Any] = {"state": move.state}
            if move.state == "tipped":
                said |= write_classes(campaign, pen)
            pen.note(pen.write("move", d=said), kind="move", about=move.id)


def _record_transfers(campaign: Campaign, rows: Sequence[Transfer]) -> None:
    """Each leg in the books; what goes back refers to the charge it came from."""
    with _pen(campaign) as pen:
        charged = _charged(campaign, rows)
        for row in rows:
            is_held = row.kind in HELD_SIGN
            said: dict[str, Any] = {
                "u": f"{'held' if is_held else row.kind}:{row.currency}",
                "a": HELD_SIGN.get(row.kind, 1) * row.amount_minor,
            }
            if row.kind in ("refund", "refund_back"):
                said["r"] = charged.entry_of(row)
            n = pen.write(row.kind, **said)
            pen.note(n, kind=row.kind, about=row.source_ref, leg=row.leg)
            if row.kind == "charge":
                charged.entries[row.source_ref, row.leg] = n


@dataclass(frozen=True, slots=True, kw_only=True)
class _Charged:
    """The charges that a slice of the books refers to."""

    #: The charge of each refund, the leg of a charge by account, and the entry of each leg.
    charges: dict[uuid.UUID, uuid.UUID]
    legs: dict[tuple[uuid.UUID, str], int]
    entries: dict[tuple[uuid.UUID, int], int]

    def entry_of(self, row: Transfer) -> int | None:
        """The entry of the charge that this leg gives back."""
        account = row.source if row.kind == "refund" else row.destination
        charge_id = self.charges.get(row.source_ref, row.source_ref)
        leg = self.legs.get((charge_id, account))
        return None if leg is None else self.entries.get((charge_id, leg))


def _charged(campaign: Campaign, rows: Sequence[Transfer]) -> _Charged:
    lane = campaign.lane
    ids = {row.source_ref for row in rows if row.kind in ("refund", "refund_back")}
    refunds = Refund.objects.filter(lane=lane, id__in=ids).values_list("id", "charge_id")
    charges = dict(refunds)
    about = set(charges.values())
    legs = Transfer.objects.filter(lane=lane, kind="charge", source_ref__in=about)
    facts = Fact.objects.filter(lane=lane, kind="charge", about__in=about)
    return _Charged(
        charges=charges,
        legs={
            (charge, account): leg
            for charge, account, leg in legs.values_list("source_ref", "destination", "leg")
        },
        entries={(a, leg): n for a, leg, n in facts.values_list("about", "leg", "n")},
    )
