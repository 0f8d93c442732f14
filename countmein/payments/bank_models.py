"""The bank's side: what its statements say, and what we order it to pay."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models

from countmein.base.ids import uuid7
from countmein.payments.parties import Known, opened_party, sealed_party


class BankStatement(models.Model):
    """One statement as it was imported, kept once; written after the last of its entries."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    account = models.CharField(max_length=34)
    statement_id = models.CharField(max_length=64, blank=True)
    #: What it says, as a digest: a bank may use the same name for another statement.
    content = models.CharField(max_length=64)
    entry_count = models.IntegerField()
    currency = models.CharField(max_length=3, blank=True)
    #: The balances, minor units, None where the bank does not tell; both prove it whole.
    opening_minor = models.BigIntegerField(null=True)
    closing_minor = models.BigIntegerField(null=True)
    opening_on = models.DateField(null=True)
    closing_on = models.DateField(null=True)
    imported_at = models.DateTimeField()
    imported_by: models.ForeignKey[Any, Any] = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "statement_id", "content"], name="one_row_per_bank_statement"
            )
        ]


class EntryState(models.TextChoices):
    #: Kept, and not decided on yet.
    NEW = "new"
    BOOKED = "booked"
    QUEUED = "queued"
    #: All of it, or what was too much, goes back; then it has gone.
    RETURNING = "returning"
    RETURNED = "returned"
    #: A person has looked, and nothing of it is anybody else's.
    NOTED = "noted"
    #: A debit: one of our orders, or the bank's own.
    LEFT = "left"


#: These ask a person or the matching for an act.
ENTRY_OPEN = (EntryState.NEW, EntryState.QUEUED)


class BankEntry(models.Model):
    """One booked movement of our account, kept once; decided on by the matching or a person.

    The payer's name and account stand here and in what is returned to them, nowhere else: sealed,
    and forgotten with what they wrote once nothing can go back by itself (`bank_forget`).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    entry_id = models.CharField(max_length=64)
    account = models.CharField(max_length=34)
    statement_id = models.CharField(max_length=64, blank=True)
    #: Whether it stood in a statement whose balances prove it whole.
    is_proved = models.BooleanField(default=False)
    booked_on = models.DateField()
    valued_on = models.DateField()
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    direction = models.CharField(max_length=6)
    reversal = models.BooleanField(default=False)
    bank_reference = models.TextField(blank=True)
    end_to_end_id = models.TextField(blank=True)
    references = models.JSONField(default=list)
    text = models.TextField(blank=True)
    payer = models.BinaryField(null=True)
    imported_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=EntryState, default=EntryState.NEW)
    #: What it is and what a person is suggested to do (`bank.matching`).
    verdict = models.CharField(max_length=20, blank=True)
    act = models.CharField(max_length=16, blank=True)
    candidates = models.JSONField(default=list)
    excess_minor = models.BigIntegerField(default=0)
    #: The reference that a person says was meant.
    assigned = models.CharField(max_length=25, blank=True)
    #: The charge that it is about, and how much of it was booked there.
    charge_lane = models.IntegerField(null=True)
    charge_id = models.UUIDField(null=True)
    campaign_id = models.UUIDField(null=True)
    booked_minor = models.BigIntegerField(default=0)
    #: When its payer was told that it is a part, and the rest is missing.
    told_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by: models.ForeignKey[Any, Any] = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    note = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entry_id"], name="one_row_per_bank_entry"),
            models.CheckConstraint(
                condition=models.Q(booked_minor__gte=0, booked_minor__lte=models.F("amount_minor")),
                name="no_more_booked_than_came",
            ),
        ]
        indexes = [
            # What the matching has to decide on, and what waits for a person.
            models.Index(
                fields=["booked_on", "entry_id"],
                condition=models.Q(state__in=["new", "queued"]),
                name="bank_entry_open",
            ),
            # The parts that came for one charge, and where they came from.
            models.Index(
                fields=["charge_id"],
                condition=models.Q(charge_id__isnull=False),
                name="bank_entry_by_charge",
            ),
            # The parts whose payer has not been told of them.
            models.Index(
                fields=["campaign_id"],
                condition=models.Q(state="queued", verdict="partial", told_at=None),
                name="bank_entry_untold_part",
            ),
            # Whose payer is known still, and may have to be forgotten.
            models.Index(
                fields=["booked_on"],
                condition=models.Q(payer__isnull=False) | ~models.Q(text=""),
                name="bank_entry_payer_known",
            ),
        ]

    @property
    def from_whom(self) -> Known:
        """Who paid, and from which account, as far as the bank has told us."""
        return opened_party(self.payer, about=self._about)

    def keep_payer(self, known: Known) -> None:
        """Set who paid; the row is not saved."""
        self.payer = sealed_party(known, about=self._about)

    @property
    def _about(self) -> str:
        return f"bank entry {self.id}"


class BankOrder(models.Model):
    """One file of payments for the bank; the same bytes each time it is made."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    message_id = models.CharField(max_length=35, unique=True)
    created_at = models.DateTimeField()
    execute_on = models.DateField()
    currency = models.CharField(max_length=3)
    #: From which account, as it was configured then.
    name = models.CharField(max_length=70)
    iban = models.CharField(max_length=34)
    bic = models.CharField(max_length=11, blank=True)
    transfer_count = models.IntegerField()
    total_minor = models.BigIntegerField()
    made_by: models.ForeignKey[Any, Any] = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )


class TransferKind(models.TextChoices):
    #: A refund of a charge that came by bank.
    REFUND = "refund"
    #: Money that came and is nobody's here, or too much of it.
    RETURN = "return"
    PAYOUT = "payout"


class TransferState(models.TextChoices):
    DUE = "due"
    ORDERED = "ordered"
    #: The statement shows that it left.
    DONE = "done"
    REJECTED = "rejected"
    CAME_BACK = "came_back"


#: At most one of these states at a time for one refund, entry or payout.
TRANSFER_LIVE = (TransferState.DUE, TransferState.ORDERED, TransferState.DONE)


class BankTransfer(models.Model):
    """Money that is to leave by bank; its id in hexadecimal comes back on the statement."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=8, choices=TransferKind)
    #: The refund, entry or payout that it is for.
    about_lane = models.IntegerField(null=True)
    about_id = models.UUIDField()
    campaign_id = models.UUIDField(null=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    #: To whom, sealed; nobody where a person must fill in what the statement did not tell.
    payee = models.BinaryField(null=True)
    text = models.CharField(max_length=140, blank=True)
    state = models.CharField(max_length=10, choices=TransferState, default=TransferState.DUE)
    order: models.ForeignKey[Any, Any] = models.ForeignKey(
        BankOrder, null=True, on_delete=models.PROTECT, related_name="transfers"
    )
    #: What the bank said, if it rejected it.
    code = models.CharField(max_length=64, blank=True)
    words = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    #: The entry of the statement that shows that it left.
    entry_id = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "about_id"],
                condition=models.Q(state__in=list(TRANSFER_LIVE)),
                name="one_live_transfer_each",
            ),
            models.UniqueConstraint(
                fields=["entry_id"],
                condition=models.Q(entry_id__isnull=False),
                name="one_transfer_per_debit",
            ),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gt=0), name="transfer_pays_something"
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(state__in=["due", "ordered", "rejected", "came_back"]),
                name="bank_transfer_open",
            ),
            # Whose payee is known still, and may have to be forgotten.
            models.Index(
                fields=["created_at"],
                condition=models.Q(payee__isnull=False),
                name="bank_transfer_payee_known",
            ),
            models.Index(fields=["about_id"], name="bank_transfer_by_about"),
        ]

    @property
    def end_to_end_id(self) -> str:
        """What it is called towards the bank."""
        return self.id.hex

    @property
    def to_whom(self) -> Known:
        """Who is paid, and at which account."""
        return opened_party(self.payee, about=self._about)

    def keep_payee(self, known: Known) -> None:
        """Set who is paid; the row is not saved."""
        self.payee = sealed_party(known, about=self._about)

    @property
    def _about(self) -> str:
        return f"bank transfer {self.id}"
