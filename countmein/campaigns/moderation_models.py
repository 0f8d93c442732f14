"""What the desk took out of a count, and why: held or found invalid, many at once, reversible."""

from __future__ import annotations

from django.db import models

from countmein.base.lanes import LaneModel


class Verdict(models.TextChoices):
    HELD = "held"
    INVALID = "invalid"


class Moderation(LaneModel):
    """One act of the desk on many pledges; everybody sees its reason and how many it was.

    Written by `actions.moderate`; its job is found by `done_at`, and by `lift_asked_at` without
    `lifted_at`.
    """

    distribution = "campaign"
    campaign_id = models.UUIDField()
    verdict = models.CharField(max_length=8, choices=Verdict)
    reason = models.CharField(max_length=16)
    #: For the desk alone.
    note = models.CharField(max_length=500, blank=True)
    #: Which pledges were meant: `moderation.Choice` as JSON.
    choice = models.JSONField()
    by = models.UUIDField()
    at = models.DateTimeField()
    #: The last pledge that was looked at.
    after = models.UUIDField(null=True)
    people = models.BigIntegerField(default=0)
    done_at = models.DateTimeField(null=True)
    lift_asked_at = models.DateTimeField(null=True)
    lifted_at = models.DateTimeField(null=True)
    lifted_people = models.BigIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["lane", "campaign_id"], name="moderation_by_campaign"),
            # What is still to be done, or to be taken back.
            models.Index(
                fields=["lane", "id"],
                condition=models.Q(done_at__isnull=True)
                | models.Q(lift_asked_at__isnull=False, lifted_at__isnull=True),
                name="moderation_undone",
            ),
        ]


class ModeratedPledge(LaneModel):
    """A pledge that one act took out of the count; it tells whom to bring back."""

    distribution = "campaign"
    moderation_id = models.UUIDField()
    pledge_id = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "moderation_id", "pledge_id"], name="one_pledge_per_moderation"
            )
        ]
