"""To close a ballot: at its end the votes are counted, once, and what they ask for is done."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import job
from countmein.campaigns.actions.give_back import give_back
from countmein.campaigns.actions.prove import close_milestone
from countmein.campaigns.actions.tell import tell_voters
from countmein.campaigns.actions.vote import close_ballot, held_ballot
from countmein.campaigns.models import Ballot, BallotKind, BallotPaper, Campaign
from countmein.campaigns.stakes import BALLOT
from countmein.ledger import actions as ledger
from countmein.ledger import queries as books
from countmein.rules import failure

SLICE = 500


@job(name="campaigns.close_ballots", queue="counting")
def close_ballots(campaign_id: str) -> None:
    """Close the campaign's ballots that are over, and carry out what they decided.

    The decision is one transaction; what follows from it is found by state, so that it goes on
    where it was killed.
    """
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    for ballot in _work(campaign):
        if ballot.closed_at is None:
            with transaction.atomic():
                held = held_ballot(campaign, ballot.id)
                if held is not None:
                    CLOSERS[BallotKind(held.kind)](campaign, held)
            ballot.refresh_from_db()
        if ballot.closed_at is not None and ballot.carried_at is None:
            if (carry := CARRIERS.get(BallotKind(ballot.kind))) is not None:
                carry(campaign, ballot)
            _carried(campaign, ballot)


def ballots_to_close() -> list[uuid.UUID]:
    """The campaigns with a ballot that is over, or is not carried out yet: for the sweep."""
    rows = Ballot.objects.all_lanes().filter(carried_at=None, ends_at__lte=site_now())
    return list(rows.values_list("campaign_id", flat=True).distinct())


def _work(campaign: Campaign) -> list[Ballot]:
    rows = Ballot.objects.filter(
        lane=campaign.lane,
        campaign_id=campaign.id,
        carried_at=None,
        ends_at__lte=site_now(),
    )
    return list(rows.order_by("id"))


def _carried(campaign: Campaign, ballot: Ballot) -> None:
    """Note that it is carried out; everybody who could vote is told, once."""
    with transaction.atomic():
        rows = Ballot.objects.filter(lane=ballot.lane, id=ballot.id, carried_at=None)
        if rows.update(carried_at=site_now()):
            tell_voters(campaign, ballot)


def _close_left_over(campaign: Campaign, ballot: Ballot) -> None:
    """Count the votes; what waited for them is the campaign's to hold again."""
    papers = list(
        BallotPaper.objects.filter(lane=ballot.lane, ballot_id=ballot.id).values_list(
            "pledge_id", "stake_minor", "choice"
        )
    )
    result = failure.ballot(
        stakes={str(id): stake for id, stake, _choice in papers},
        votes={str(id): choice for id, _stake, choice in papers if choice},
        options=[option for option in ballot.options if option != failure.REFUND],
        quorum_bp=ballot.quorum_bp,
        seed=campaign.code,
    )
    close_ballot(ballot, outcome=result.choice)
    ledger.post(
        lane=campaign.lane,
        campaign_id=campaign.id,
        kind="earmark_back",
        about=ballot.id,
        parts=books.taken_for(lane=campaign.lane, kind="earmark", about=ballot.id),
        currency=campaign.currency,
        at=site_now(),
        payee=BALLOT,
    )


def _carry_left_over(campaign: Campaign, ballot: Ballot) -> None:
    """Give the stakes back, unless the money is kept.

    A refund takes all that is left over, so each one's part of it is their own stake.
    """
    if ballot.outcome != failure.REFUND:
        return
    for papers in _slices(ballot):
        back = {paper.pledge_id: paper.stake_minor for paper in papers}
        give_back(campaign, back, reason="ballot", stage=ballot.number)


def _slices(ballot: Ballot) -> Iterator[list[BallotPaper]]:
    rows = BallotPaper.objects.filter(lane=ballot.lane, ballot_id=ballot.id).order_by("id")
    page = list(rows[:SLICE])
    while page:
        yield page
        page = list(rows.filter(id__gt=page[-1].id)[:SLICE])


Act = Callable[[Campaign, Ballot], None]
#: How a ballot of each kind is decided: in a transaction that holds the gate and the ballot.
CLOSERS: Final[Mapping[BallotKind, Act]] = {
    BallotKind.LEFT_OVER: _close_left_over,
    BallotKind.MILESTONE: close_milestone,
}
#: What is done afterwards, if anything; done again, it adds nothing.
CARRIERS: Final[Mapping[BallotKind, Act]] = {BallotKind.LEFT_OVER: _carry_left_over}
