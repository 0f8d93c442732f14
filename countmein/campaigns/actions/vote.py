"""To vote: a ballot opens with a paper for each who may, is filled in until its end, and closed."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.models import Count

from countmein.base.clock import site_now
from countmein.campaigns.gates import hold
from countmein.campaigns.models import Ballot, BallotKind, BallotPaper, Campaign, Pledge

SLICE = 1000


class VoteRefused(Exception):
    """This vote cannot be taken; `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def open_ballot(
    campaign: Campaign,
    *,
    kind: BallotKind,
    number: int,
    options: Sequence[str],
    quorum_bp: int,
    lasts: timedelta,
    stakes: Iterable[tuple[uuid.UUID, int]],
) -> Ballot:
    """Ask those with a stake; call in a transaction with the gate held, once for each number."""
    now = site_now()
    ballot = Ballot(
        lane=campaign.lane,
        campaign_id=campaign.id,
        kind=kind,
        number=number,
        options=list(options),
        quorum_bp=quorum_bp,
        opened_at=now,
        ends_at=now + lasts,
    )
    ballot.save(force_insert=True)
    papers = (
        BallotPaper(
            lane=campaign.lane,
            campaign_id=campaign.id,
            ballot_id=ballot.id,
            pledge_id=pledge_id,
            stake_minor=stake_minor,
        )
        for pledge_id, stake_minor in stakes
        if stake_minor > 0
    )
    while batch := list(islice(papers, SLICE)):
        BallotPaper.objects.bulk_create(batch)
    return ballot


def ballots_of(pledge: Pledge) -> list[tuple[Ballot, BallotPaper]]:
    """The ballots this member may vote in, newest first, each with their paper."""
    papers = BallotPaper.objects.filter(lane=pledge.lane, pledge_id=pledge.id)
    by_ballot = {paper.ballot_id: paper for paper in papers}
    rows = Ballot.objects.filter(lane=pledge.lane, id__in=by_ballot).order_by("-id")
    return [(ballot, by_ballot[ballot.id]) for ballot in rows]


def vote(*, pledge: Pledge, ballot_id: uuid.UUID, choice: str) -> BallotPaper:
    """Fill in one's paper, or change it, until the ballot ends. Raises VoteRefused.

    The ballot is held together with other voters, so that none is taken once it is being counted.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT FROM campaigns_ballot WHERE lane = %s AND id = %s FOR SHARE",
                [pledge.lane, ballot_id],
            )
        ballot = Ballot.objects.filter(
            lane=pledge.lane, id=ballot_id, campaign_id=pledge.campaign_id
        ).first()
        if ballot is None:
            raise VoteRefused("no_ballot")
        if ballot.closed_at is not None or site_now() >= ballot.ends_at:
            raise VoteRefused("ballot_closed")
        if choice not in ballot.options:
            raise VoteRefused("choice_unknown")
        papers = BallotPaper.objects.filter(
            lane=pledge.lane, ballot_id=ballot.id, pledge_id=pledge.id
        )
        if not papers.update(choice=choice, voted_at=site_now()):
            raise VoteRefused("no_paper")
        paper: BallotPaper = papers.get()
        return paper


def close_ballot(ballot: Ballot, *, outcome: str) -> bool:
    """Close a ballot for good with its outcome; tells whether it was open.

    Call in a transaction that holds the ballot, so that no vote slips in.
    """
    rows = Ballot.objects.filter(lane=ballot.lane, id=ballot.id, closed_at=None)
    return bool(rows.update(closed_at=site_now(), outcome=outcome, counts=counts_of(ballot)))


def counts_of(ballot: Ballot) -> Mapping[str, int]:
    """The votes so far for each choice, and under "" the papers that were not filled in."""
    papers = BallotPaper.objects.filter(lane=ballot.lane, ballot_id=ballot.id)
    rows: list[Any] = list(papers.values_list("choice").annotate(Count("id")))
    return dict.fromkeys(ballot.options, 0) | dict(rows)


def held_ballot(campaign: Campaign, ballot_id: uuid.UUID) -> Ballot | None:
    """The ballot if it is over and not closed yet, held with the gate; call in a transaction."""
    hold(campaign)
    rows = Ballot.objects.filter(
        lane=campaign.lane, id=ballot_id, closed_at=None, ends_at__lte=site_now()
    )
    found: Ballot | None = rows.select_for_update().first()
    return found
