"""To close a ballot: at its end the votes are counted, once, and what they ask for is done."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Final

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import job
from countmein.campaigns.actions.give_back import give_back
from countmein.campaigns.actions.prove import close_milestone
from countmein.campaigns.actions.tell import tell_voters
from countmein.campaigns.actions.vote import close_ballot, held_ballot
from countmein.campaigns.models import Ballot, BallotKind, BallotPaper, Campaign
from countmein.campaigns.plan_news import voted_topic
from countmein.campaigns.stakes import BALLOT
from countmein.ledger import actions as ledger
from countmein.ledger import queries as books
from countmein.rules import failure

SLICE = 500


@job(name="campaigns.close_ballots", queue="settling")
def close_ballots(campaign_id: str) -> None:
    """Close the campaign's ballots that are over, and carry out what they decided.

    Each is one transaction that holds the gate: the votes are counted, what they ask for is
    written down, and everybody who could vote is told, or none of it.
    """
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    for ballot_id in _over(campaign):
        with transaction.atomic():
            held = held_ballot(campaign, ballot_id)
            if held is not None:
                CLOSERS[BallotKind(held.kind)](campaign, held)
                tell_voters(campaign, held, topic=voted_topic(held))


def ballots_to_close() -> list[uuid.UUID]:
    """The campaigns with a ballot that is over: for the sweep."""
    rows = Ballot.objects.all_lanes().filter(closed_at=None, ends_at__lte=site_now())
    return list(rows.values_list("campaign_id", flat=True).distinct())


def _over(campaign: Campaign) -> list[uuid.UUID]:
    rows = Ballot.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, closed_at=None, ends_at__lte=site_now()
    )
    return list(rows.order_by("id").values_list("id", flat=True))


def _close_left_over(campaign: Campaign, ballot: Ballot) -> None:
    """Count the votes; what waited for them goes back, or is the campaign's to hold again."""
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
    # A refund takes all that is left over, so each one's part of it is their own stake. It is
    # recorded in the same step, so that nobody else can ask for money that is owed.
    if result.choice == failure.REFUND:
        for start in range(0, len(papers), SLICE):
            back = {id: stake for id, stake, _choice in papers[start : start + SLICE]}
            give_back(campaign, back, reason="ballot", stage=ballot.number)
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


Act = Callable[[Campaign, Ballot], None]
#: How a ballot of each kind is decided: in a transaction that holds the gate and the ballot.
CLOSERS: Final[Mapping[BallotKind, Act]] = {
    BallotKind.LEFT_OVER: _close_left_over,
    BallotKind.MILESTONE: close_milestone,
}
