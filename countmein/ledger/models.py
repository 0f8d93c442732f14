"""The books: each row moves one positive amount from one account to another."""

from __future__ import annotations

from django.db import models

from countmein.base.lanes import LaneModel

#: The events by which money comes back that had left what is held, but for a refund's return.
CAME_BACK = ("payout_back", "commission_back", "dispute_won")


class Transfer(LaneModel):
    """One leg of an entry; append-only by database permission, written by `ledger.actions.post`."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    entry_id = models.UUIDField()
    #: What happened, and to which charge or refund: the same event is never booked twice.
    kind = models.CharField(max_length=16)
    source_ref = models.UUIDField()
    leg = models.SmallIntegerField(default=0)
    at = models.DateTimeField()
    source = models.CharField(max_length=64)
    destination = models.CharField(max_length=64)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "kind", "source_ref", "leg"], name="one_entry_per_event"
            ),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gt=0), name="transfer_moves_something"
            ),
            models.CheckConstraint(
                condition=~models.Q(source=models.F("destination")), name="transfer_goes_elsewhere"
            ),
        ]
        indexes = [
            # The public ledger of one campaign, in the order of the entries.
            models.Index(fields=["lane", "campaign_id", "id"], name="transfer_by_campaign"),
            # What the public log has not read yet, of all campaigns.
            models.Index(fields=["id"], name="transfer_by_time"),
            # What came back after a failure was settled, which is rare.
            models.Index(
                fields=["lane", "campaign_id"],
                condition=models.Q(kind__in=list(CAME_BACK)),
                name="transfer_came_back",
            ),
        ]
