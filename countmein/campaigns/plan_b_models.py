"""What became of a campaign that could not be carried out: each failure, and each one's share."""

from __future__ import annotations

from django.db import models

from countmein.base.lanes import LaneModel


class Failure(LaneModel):
    """One time that it could not be carried out; written when it fails, completed when the plans
    were cleared."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    #: From 1 on: a plan can fail in its turn.
    number = models.SmallIntegerField()
    #: What the organiser says has happened.
    text = models.TextField(blank=True)
    failed_at = models.DateTimeField()
    #: Until when everybody may change their choice.
    decide_until = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    #: The plan that those who follow the majority went to, by its number.
    majority = models.SmallIntegerField(null=True)
    #: Of each plan: whether it runs, who chose it, who is in it, how much it takes.
    plans = models.JSONField(default=list)
    #: Where everything went, in minor units: `PlanShare` has the same for each pledge.
    sums = models.JSONField(default=dict)
    #: How many entries of the books, by which money comes back, have been looked at; and how often
    #: what came back after it was settled has been shared out.
    came_back_count = models.IntegerField(default=0)
    late_count = models.SmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "campaign_id", "number"], name="one_failure_per_number"
            )
        ]


class PlanShare(LaneModel):
    """Where one pledge's money went when a failure was settled.

    The four amounts, which never change, add up to what was still held of it. What is borne is
    negative where more was taken before than is gone now: a payment came back, or its owner's bank
    took it.
    """

    distribution = "campaign"
    campaign_id = models.UUIDField()
    number = models.SmallIntegerField()
    pledge_id = models.UUIDField()
    borne_minor = models.BigIntegerField()
    refund_minor = models.BigIntegerField()
    delivered_minor = models.BigIntegerField()
    left_over_minor = models.BigIntegerField()
    #: By how much its owner bears less since, for money came back after all (`return_late`).
    #: Negative: their own money came back from a dispute, and bears its part.
    relieved_minor = models.BigIntegerField(default=0)
    #: The plan it went to, by its number.
    plan = models.SmallIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "campaign_id", "number", "pledge_id"],
                name="one_share_per_failure",
            )
        ]
        indexes = [
            # What one's own page shows.
            models.Index(fields=["lane", "pledge_id"], name="share_by_pledge"),
        ]
