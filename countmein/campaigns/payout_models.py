"""What a campaign keeps about its payouts: proofs of stages, and who organised it before."""

from __future__ import annotations

from django.db import models

from countmein.base.lanes import LaneModel


class Proof(LaneModel):
    """What an organiser says and shows to have the next stage paid; judged by the backers."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    stage = models.SmallIntegerField()
    #: Handed in again, a stage's proof has the next number.
    number = models.SmallIntegerField()
    words = models.TextField()
    at = models.DateTimeField()
    ballot_id = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "campaign_id", "stage", "number"], name="one_proof_per_number"
            )
        ]


class Unproven(LaneModel):
    """The end of a campaign's stages without a proof: decided once, the rest goes back."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    #: The stage that was not proven, from 2 on.
    stage = models.SmallIntegerField()
    #: What the payee keeps, and what is gone in costs and commission, minor units.
    kept_minor = models.BigIntegerField()
    spent_minor = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lane", "campaign_id"], name="unproven_once")
        ]


class HandOverOffer(LaneModel):
    """An organiser wants to hand a campaign over; nothing changes before the other one says yes."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    by_id = models.UUIDField()
    to_id = models.UUIDField()
    at = models.DateTimeField()
    #: When it was taken, declined or taken back, whichever came first.
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "campaign_id"],
                condition=models.Q(ended_at=None),
                name="one_open_offer_per_campaign",
            )
        ]


class HandOver(LaneModel):
    """One change of a campaign's organiser; payouts rest after it."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    was_id = models.UUIDField()
    now_id = models.UUIDField()
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["lane", "campaign_id", "at"], name="hand_over_by_campaign"),
            # Whose campaigns somebody got lately: their accounts concern the former organisers.
            models.Index(fields=["now_id", "at"], name="hand_over_by_organiser"),
        ]
