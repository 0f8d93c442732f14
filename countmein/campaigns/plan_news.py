"""What the letters about failures and ballots need to know, read once for a batch of them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import cached_property

from countmein.campaigns import plan_letters
from countmein.campaigns.models import (
    Ballot,
    BallotKind,
    BallotPaper,
    Campaign,
    Failure,
    PlanShare,
    Pledge,
)
from countmein.campaigns.plans import failures_of, plans_tried
from countmein.outreach.actions import Letterhead

FAILED, SHARED, VOTED = "failed_", "plan_b_", "voted_"
NOT_CHARGED = "not_charged"


def is_news(topic: str) -> bool:
    """Whether a letter about this topic is written here."""
    return topic == NOT_CHARGED or topic.startswith((FAILED, SHARED, VOTED))


def voted_topic(ballot: Ballot) -> str:
    """The letter about a ballot's end."""
    return f"{VOTED}{ballot.kind}_{ballot.number}"


class PlanNews:
    """Looks up what is asked for, and nothing where no such letter is written."""

    def __init__(self, campaign: Campaign, pledge_ids: Sequence[uuid.UUID]) -> None:
        self.campaign = campaign
        self._ids = pledge_ids

    def letter(self, row: Pledge, topic: str) -> Letterhead:
        """The letter about one pledge, in the active language."""
        if topic == NOT_CHARGED:
            return plan_letters.not_charged_letter(self.campaign)
        if topic.startswith(VOTED):
            ballot = next(ballot for ballot in self._ballots if voted_topic(ballot) == topic)
            paper = self._papers[ballot.id, row.id]
            return plan_letters.ballot_letter(self.campaign, row, ballot, paper)
        number = int(topic.rpartition("_")[2])
        failure = self._failures[number - 1]
        if topic.startswith(FAILED):
            tried = plans_tried(self._failures[: number - 1])
            return plan_letters.failed_letter(self.campaign, row, failure, tried=tried)
        return plan_letters.share_letter(
            self.campaign,
            row,
            failure,
            self._shares[number, row.id],
            ballot=self._left_over.get(number),
        )

    @cached_property
    def _failures(self) -> list[Failure]:
        return failures_of(self.campaign)

    @cached_property
    def _ballots(self) -> list[Ballot]:
        rows = Ballot.objects.filter(lane=self.campaign.lane, campaign_id=self.campaign.id)
        return list(rows)

    @cached_property
    def _left_over(self) -> dict[int, Ballot]:
        """The ballot on what each failure left over; it has the failure's number."""
        kind = BallotKind.LEFT_OVER
        return {ballot.number: ballot for ballot in self._ballots if ballot.kind == kind}

    @cached_property
    def _shares(self) -> dict[tuple[int, uuid.UUID], PlanShare]:
        rows = PlanShare.objects.filter(lane=self.campaign.lane, pledge_id__in=self._ids)
        return {(row.number, row.pledge_id): row for row in rows}

    @cached_property
    def _papers(self) -> dict[tuple[uuid.UUID, uuid.UUID], BallotPaper]:
        rows = BallotPaper.objects.filter(lane=self.campaign.lane, pledge_id__in=self._ids)
        return {(row.ballot_id, row.pledge_id): row for row in rows}
