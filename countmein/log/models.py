"""The public log: its entries, its tree, and what it knows of each campaign and pledge."""

from __future__ import annotations

from django.db import models

from countmein.base.lanes import LaneModel


class Head(models.Model):
    """One row, the lock of whoever writes the log: entries are one sequence."""

    distribution = "local"
    id = models.SmallIntegerField(primary_key=True, default=1)
    size = models.BigIntegerField(default=0)
    #: When, by the machine's clock, something was last written; and when the last look for facts
    #: began that left none unwritten.
    written_at = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="log_head_is_one_row")]


class Entry(models.Model):
    """One entry, byte for byte; append-only by database permission, written by `log.actions`."""

    distribution = "local"
    n = models.BigIntegerField(primary_key=True)
    campaign_id = models.UUIDField()
    text = models.TextField()

    class Meta:
        indexes = [
            # The export of one campaign.
            models.Index(fields=["campaign_id", "n"], name="log_entry_by_campaign")
        ]


class Tile(models.Model):
    """Up to 256 hashes of one level of the tree, one after the other; full ones never change."""

    distribution = "local"
    pk = models.CompositePrimaryKey("level", "index")
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    hashes = models.BinaryField()


class SignedCheckpoint(models.Model):
    """A checkpoint as it was published, signature and all; one per size."""

    distribution = "local"
    size = models.BigIntegerField(primary_key=True)
    note = models.TextField()
    at = models.DateTimeField()


class Chain(LaneModel):
    """Where one campaign's entries stand, its id: the last one, the running totals."""

    distribution = "campaign"
    code = models.CharField(max_length=32)
    #: Up to which round of the gate the pledges have been read.
    round = models.BigIntegerField(default=0)
    last = models.BigIntegerField(null=True)
    people = models.BigIntegerField(default=0)
    totals = models.JSONField(default=dict)


class Fact(LaneModel):
    """A fact that has its entry: each has exactly one."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    kind = models.CharField(max_length=16)
    about = models.UUIDField()
    leg = models.SmallIntegerField(default=0)
    n = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "kind", "about", "leg"], name="one_log_entry_per_fact"
            )
        ]


class Standing(LaneModel):
    """What the log says of one part of a pledge, and the salt that ties the two together.

    Once the salt is destroyed nobody can show any more whose entry it is.
    """

    distribution = "campaign"
    campaign_id = models.UUIDField()
    pledge_id = models.UUIDField()
    part = models.SmallIntegerField()
    crowd_id = models.UUIDField()
    kind = models.CharField(max_length=10)
    amount = models.BigIntegerField()
    people = models.SmallIntegerField()
    #: The entry that brought it in; whether it still is.
    n = models.BigIntegerField()
    is_in = models.BooleanField(default=True)
    salt = models.BinaryField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "pledge_id", "part"], name="one_log_standing_per_part"
            )
        ]
        indexes = [
            # Who is in when a campaign tips.
            models.Index(fields=["lane", "campaign_id"], name="log_standing_by_campaign")
        ]
