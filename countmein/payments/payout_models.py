"""What leaves the site: payouts to organisers and suppliers, who said so, and to which account."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from countmein.base.ids import uuid7
from countmein.base.lanes import LaneModel
from countmein.payments.parties import Known, opened_party, sealed_party


class PayoutAccount(models.Model):
    """Where an organiser's money goes: an account at the provider, which verifies its owner.

    A change of the account rests for 72 hours, and everybody concerned is told.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organiser: models.ForeignKey[Any, Any] = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    provider = models.CharField(max_length=16, default="stripe")
    provider_account_id = models.CharField(max_length=255, blank=True)
    #: What the provider shows of the bank account, so that a change of it is seen.
    bank_last4 = models.CharField(max_length=4, blank=True)
    bank_fingerprint = models.CharField(max_length=64, blank=True)
    is_verified = models.BooleanField(default=False)
    #: When it was first given or last changed (None: it was never complete).
    changed_at = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organiser"], name="one_account_per_organiser")
        ]


class Freeze(models.Model):
    """A stop to all payouts of an organiser or of a campaign (`subject_id` is the id of either).

    Whoever was told of a change and did not recognise it sets it; the site's owner ends it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject_id = models.UUIDField()
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by_id = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject_id"],
                condition=models.Q(ended_at=None),
                name="one_open_freeze_per_subject",
            )
        ]


class PayoutKind(models.TextChoices):
    ORGANISER = "organiser"
    SUPPLIER = "supplier"


class PayoutState(models.TextChoices):
    #: Its money is set aside; it waits for whoever must agree, and for its time.
    ASKED = "asked"
    #: The outside call is under way, or an order to the bank is out.
    SENDING = "sending"
    PAID = "paid"
    #: Nothing was paid, and the money is the campaign's again.
    STOPPED = "stopped"
    #: It was paid and has come back.
    RETURNED = "returned"


class Delivery(models.TextChoices):
    """What came of a payment to a supplier, by the organiser's word."""

    UNKNOWN = "unknown"
    DELIVERED = "delivered"
    #: Neither the thing nor the money will come.
    LOST = "lost"


class Payout(LaneModel):
    """Money that leaves a campaign: to its organiser, or to a supplier for a purpose."""

    work_states: ClassVar = (PayoutState.SENDING,)
    distribution = "campaign"
    campaign_id = models.UUIDField()
    kind = models.CharField(max_length=10, choices=PayoutKind)
    #: Who is paid, as the public ledger names them: the supplier, or "organiser".
    payee = models.CharField(max_length=48)
    purpose = models.CharField(max_length=300)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    #: The amount by kind of pledge that it is taken from; they add up to the whole.
    parts = models.JSONField()
    state = models.CharField(max_length=10, choices=PayoutState, default=PayoutState.ASKED)
    delivery = models.CharField(max_length=10, choices=Delivery, default=Delivery.UNKNOWN)
    asked_by_id = models.UUIDField()
    asked_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True)
    #: How it was paid: the provider's transfer, or the bank's reference as a person typed it.
    reference = models.CharField(max_length=255, blank=True)
    #: The provider's name of the account that it is sent to; it stays the same at every try.
    destination = models.CharField(max_length=255, blank=True)
    #: A supplier's account, sealed, if the bank is to be ordered to pay.
    account = models.BinaryField(null=True)
    attempt = models.IntegerField(default=0)
    #: When nothing stood in its way any more; a supplier's may be paid at the bank from then on.
    agreed_at = models.DateTimeField(null=True)
    #: While it is asked for: when it is judged again, None if only a person can help it on. While
    #: it is sent: when the provider is asked; None if a bank was ordered to pay.
    due_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    #: Whether its organiser has heard that it was paid.
    is_told = models.BooleanField(default=False)
    code = models.CharField(max_length=64, blank=True)
    note = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(amount_minor__gt=0), name="payout_pays_something"
            )
        ]
        indexes = [
            models.Index(fields=["lane", "campaign_id"], name="payout_by_campaign"),
            models.Index(
                fields=["due_at"],
                condition=models.Q(state__in=["asked", "sending"]),
                name="payout_work",
            ),
            # Of which the organiser is to hear.
            models.Index(
                fields=["lane", "campaign_id", "id"],
                condition=models.Q(state="paid", is_told=False),
                name="payout_news",
            ),
            # What one person asked for lately, and what waits of one person's.
            models.Index(fields=["asked_by_id", "asked_at"], name="payout_by_asker"),
            # The desk's list, and the line of the provider's statement that is about one.
            models.Index(fields=["state", "asked_at"], name="payout_by_state"),
            models.Index(
                fields=["reference"], condition=~models.Q(reference=""), name="payout_by_reference"
            ),
        ]

    @property
    def iban(self) -> str:
        """The supplier's account; empty if there is none."""
        return opened_party(self.account, about=self._about).account

    def keep_iban(self, iban: str) -> None:
        """Set the supplier's account; the row is not saved."""
        self.account = sealed_party(Known(account=iban), about=self._about)

    @property
    def _about(self) -> str:
        return f"payout {self.id}"


class PayoutApproval(LaneModel):
    """Somebody who agreed to a payout; once per person."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    payout_id = models.UUIDField()
    by_id = models.UUIDField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "payout_id", "by_id"], name="one_approval_per_person"
            )
        ]


class Document(LaneModel):
    """An invoice, a scan of a page, a photo: what a payout or a proof is shown by."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    payout_id = models.UUIDField(null=True)
    #: The proof that it belongs to, and the stage that it is to prove; None if it is a payout's.
    proof_id = models.UUIDField(null=True)
    stage = models.SmallIntegerField(null=True)
    name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=64)
    sha256 = models.CharField(max_length=64)
    bytes = models.BinaryField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["lane", "campaign_id"], name="document_by_campaign")]


class CommissionTaken(LaneModel):
    """How much of one campaign's commission is taken; its id is the campaign's.

    Written by `campaigns.actions.commission` alone: each step is one entry in the books.
    """

    distribution = "campaign"
    #: The steps so far, each booked under its number.
    number = models.IntegerField(default=0)
    #: What stood when it was last worked out, and the share of it that was taken.
    settled_minor = models.BigIntegerField(default=0)
    taken_minor = models.BigIntegerField(default=0)
    #: The fraction of a minor unit that was not taken yet, in ten-thousandths.
    carried = models.IntegerField(default=0)
    #: What was taken by kind of pledge; they add up to the whole.
    parts = models.JSONField(default=dict)
    at = models.DateTimeField()
