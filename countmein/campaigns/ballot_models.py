"""Ballots of those whose money it is: on what is left over, and on the proof of a stage."""

from __future__ import annotations

from django.db import models

from countmein.base.lanes import LaneModel


class BallotKind(models.TextChoices):
    #: What becomes of money that a failed execution left over.
    LEFT_OVER = "left_over"
    #: Whether the proof of a stage is good enough to pay the next one.
    MILESTONE = "milestone"


class Ballot(LaneModel):
    """One question to those whose money it is, from opening to its end; `number` per kind."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    kind = models.CharField(max_length=10, choices=BallotKind)
    number = models.SmallIntegerField()
    #: The choices, as words that stay the same; what they mean is the kind's.
    options = models.JSONField()
    quorum_bp = models.IntegerField()
    opened_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    #: Once it is closed: the choice that won, and the votes for each.
    outcome = models.CharField(max_length=32, blank=True)
    counts = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "campaign_id", "kind", "number"], name="one_ballot_per_number"
            )
        ]
        indexes = [
            models.Index(fields=["ends_at"], condition=models.Q(closed_at=None), name="ballot_work")
        ]


class BallotPaper(LaneModel):
    """One person's right to vote, and their vote; whoever has no paper has no vote."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    ballot_id = models.UUIDField()
    pledge_id = models.UUIDField()
    stake_minor = models.BigIntegerField()
    choice = models.CharField(max_length=32, blank=True)
    voted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "ballot_id", "pledge_id"], name="one_paper_per_person"
            )
        ]
        indexes = [
            models.Index(fields=["lane", "pledge_id"], name="paper_by_pledge"),
        ]
