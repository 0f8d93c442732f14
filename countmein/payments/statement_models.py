"""What the provider's own statement says, and where it and our books differ."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models

from countmein.base.ids import uuid7


class Statement(models.Model):
    """How far a provider's statement has been read, and when it is read on; one row each.

    Written by the reader alone. `since` and `newest_at` are instants of the provider's clock.
    """

    provider = models.CharField(max_length=16, primary_key=True)
    began_at = models.DateTimeField()
    since = models.DateTimeField()
    #: Within a pass, which goes from the newest line back: the last line that was kept.
    after = models.CharField(max_length=255, blank=True)
    newest_at = models.DateTimeField(null=True)
    #: When a pass last came to its end, in real time.
    read_at = models.DateTimeField(null=True)
    #: The lines come due by real time, the disputes and the nightly comparison by the site's.
    lines_due_at = models.DateTimeField()
    disputes_due_at = models.DateTimeField()
    compare_due_at = models.DateTimeField()


class ProviderLine(models.Model):
    """One movement of our balance as the provider lists it; kept once, by the reader.

    Amounts are ISO 4217 minor units, negative where money leaves us.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.CharField(max_length=16)
    line_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=16)
    source_id = models.CharField(max_length=255, blank=True)
    provider_charge_id = models.CharField(max_length=255, blank=True)
    #: Our own reference, if the provider's object carries one.
    reference = models.UUIDField(null=True)
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    net_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    created_at = models.DateTimeField()
    #: When we first saw it, in real time.
    read_at = models.DateTimeField()
    #: The charge, refund or dispute of ours that it is about.
    matched_lane = models.IntegerField(null=True)
    matched_id = models.UUIDField(null=True)
    campaign_id = models.UUIDField(null=True)
    is_fee_booked = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "line_id"], name="one_row_per_line")
        ]
        indexes = [
            # Lines that are about nothing of ours yet.
            models.Index(
                fields=["kind"], condition=models.Q(matched_id=None), name="line_unmatched"
            ),
            # Refunds that came back.
            models.Index(
                fields=["matched_id"],
                condition=models.Q(kind="refund_failed", matched_id__isnull=False),
                name="line_refund_came_back",
            ),
            # Fees that are not in the books yet.
            models.Index(
                fields=["id"],
                condition=models.Q(is_fee_booked=False, matched_id__isnull=False)
                & ~models.Q(fee_minor=0),
                name="line_fee_to_book",
            ),
        ]


class DiscrepancyKind(models.TextChoices):
    ONLY_IN_LEDGER = "only_in_ledger"
    ONLY_AT_PROVIDER = "only_at_provider"
    AMOUNT_DIFFERS = "amount_differs"


class Discrepancy(models.Model):
    """A difference between our books and the provider's statement, and who looks after it.

    Opened and closed by the comparison alone: it closes when the difference is gone. A person
    only writes the note and takes it over.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.CharField(max_length=16)
    kind = models.CharField(max_length=16, choices=DiscrepancyKind)
    #: charge, refund, dispute, dispute_won, fee …, and the id: ours, or else the provider's.
    event = models.CharField(max_length=16)
    about = models.CharField(max_length=255)
    ours_minor = models.BigIntegerField(null=True)
    theirs_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3)
    first_seen_at = models.DateTimeField()
    owner: models.ForeignKey[Any, Any] = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    note = models.TextField(blank=True)
    resolved_at = models.DateTimeField(null=True)
    #: What made it vanish: `line_came`, `booked`, `corrected`.
    resolved_by = models.CharField(max_length=16, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "event", "about", "currency"],
                condition=models.Q(resolved_at=None),
                name="one_open_row_per_difference",
            )
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
