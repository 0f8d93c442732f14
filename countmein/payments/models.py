"""Money's promises: mandates, charges, refunds, and every try at an outside call."""

from __future__ import annotations

from django.db import models

from countmein.base.ids import uuid7
from countmein.base.lanes import LaneModel


class MandateState(models.TextChoices):
    WANTED = "wanted"
    MADE = "made"
    REFUSED = "refused"
    FORGETTING = "forgetting"
    FORGOTTEN = "forgotten"


class Mandate(LaneModel):
    """A member's leave to charge a card later; one per try at securing a pledge."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    pledge_id = models.UUIDField()
    provider = models.CharField(max_length=16, default="stripe")
    payment_method = models.CharField(max_length=255)
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=12, choices=MandateState, default=MandateState.WANTED)
    #: What the provider calls it; made from its customer and its stored payment method.
    provider_reference = models.CharField(max_length=255, blank=True)
    code = models.CharField(max_length=64, blank=True)
    wanted_at = models.DateTimeField()
    due_at = models.DateTimeField()
    #: Whether the campaign has read the outcome (made or refused).
    is_read = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "pledge_id"],
                condition=models.Q(state__in=["wanted", "made"]),
                name="one_mandate_per_pledge",
            )
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(state__in=["wanted", "forgetting"]),
                name="mandate_work",
            ),
            models.Index(
                fields=["lane", "campaign_id"],
                condition=models.Q(is_read=False, state__in=["made", "refused"]),
                name="mandate_news",
            ),
        ]


class ChargeState(models.TextChoices):
    DUE = "due"
    DOING = "doing"
    PAID = "paid"
    FAILED = "failed"


class Charge(LaneModel):
    """What one accepted pledge owes; at most one per pledge, tried until paid or given up."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    pledge_id = models.UUIDField()
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    #: The amount by kind of pledge, minor units; they add up to the whole.
    parts = models.JSONField()
    state = models.CharField(max_length=8, choices=ChargeState, default=ChargeState.DUE)
    attempt = models.IntegerField(default=0)
    due_at = models.DateTimeField()
    first_failed_at = models.DateTimeField(null=True)
    provider_charge_id = models.CharField(max_length=255, blank=True)
    code = models.CharField(max_length=64, blank=True)
    claimed_at = models.DateTimeField(null=True)
    is_read = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lane", "pledge_id"], name="one_charge_per_pledge"),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gt=0), name="charge_takes_something"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(state__in=["due", "doing"]),
                name="charge_work",
            ),
            models.Index(
                fields=["lane", "campaign_id"],
                condition=models.Q(is_read=False, state__in=["paid", "failed"]),
                name="charge_news",
            ),
            # Collected, failing and refunded of one campaign.
            models.Index(fields=["lane", "campaign_id", "state"], name="charge_by_campaign"),
        ]


class Outcome(models.TextChoices):
    STARTED = "started"
    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Attempt(LaneModel):
    """One outside call about a charge or a refund: written before it, completed after it."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    about_id = models.UUIDField()
    number = models.IntegerField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.STARTED)
    code = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "about_id", "number"], name="one_row_per_attempt"
            )
        ]


class RefundState(models.TextChoices):
    DUE = "due"
    DOING = "doing"
    DONE = "done"
    STUCK = "stuck"


class Refund(LaneModel):
    """Money to give back; unique per charge and reason, so that no cause refunds twice."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    pledge_id = models.UUIDField()
    charge_id = models.UUIDField()
    reason = models.CharField(max_length=16)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    parts = models.JSONField()
    state = models.CharField(max_length=8, choices=RefundState, default=RefundState.DUE)
    attempt = models.IntegerField(default=0)
    due_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    provider_refund_id = models.CharField(max_length=255, blank=True)
    code = models.CharField(max_length=64, blank=True)
    is_read = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "charge_id", "reason"], name="one_refund_per_reason"
            ),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gt=0), name="refund_gives_something"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(state__in=["due", "doing"]),
                name="refund_work",
            ),
            models.Index(
                fields=["lane", "campaign_id"],
                condition=models.Q(is_read=False, state="done"),
                name="refund_news",
            ),
        ]


class ProviderEvent(models.Model):
    """A signed event as the provider sent it; stored once by its own id, read by a job."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.CharField(max_length=16)
    event_id = models.CharField(max_length=255)
    body = models.JSONField()
    received_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="one_row_per_event")
        ]
