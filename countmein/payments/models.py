"""Money's promises: mandates, charges, refunds, and every try at an outside call."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from countmein.base.lanes import LaneModel
from countmein.payments.bank_models import BankEntry, BankOrder, BankStatement, BankTransfer
from countmein.payments.payout_models import (
    CommissionTaken,
    Delivery,
    Document,
    Freeze,
    Payout,
    PayoutAccount,
    PayoutApproval,
    PayoutKind,
    PayoutState,
)
from countmein.payments.statement_models import (
    Discrepancy,
    DiscrepancyKind,
    ProviderEvent,
    ProviderLine,
    Statement,
)

# All that the app `payments` keeps is found here, as Django expects.
__all__ = [
    "BANK",
    "CHARGE_OPEN",
    "REFUND_OVER",
    "Attempt",
    "BankEntry",
    "BankOrder",
    "BankStatement",
    "BankTransfer",
    "Charge",
    "ChargeState",
    "CommissionTaken",
    "Consent",
    "Delivery",
    "Discrepancy",
    "DiscrepancyKind",
    "Dispute",
    "DisputeState",
    "Document",
    "Freeze",
    "HostedPage",
    "Mandate",
    "MandateState",
    "Outcome",
    "PageKind",
    "PageState",
    "Payout",
    "PayoutAccount",
    "PayoutApproval",
    "PayoutKind",
    "PayoutState",
    "ProviderEvent",
    "ProviderLine",
    "Refund",
    "RefundState",
    "Statement",
]


class MandateState(models.TextChoices):
    WANTED = "wanted"
    MADE = "made"
    REFUSED = "refused"
    FORGETTING = "forgetting"
    FORGOTTEN = "forgotten"


#: Here, and below: the states in which a row asks for work, once it is due.
_MANDATE_WORK = (MandateState.WANTED, MandateState.FORGETTING)


class Consent(LaneModel):
    """What a member allowed, in the words they were shown; the latest counts, each one stays."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    pledge_id = models.UUIDField()
    #: The most that may be charged, minor units, and the last instant at which it may be.
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    latest_charge_at = models.DateTimeField()
    words = models.TextField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["lane", "pledge_id", "id"], name="consent_by_pledge")]


class Mandate(LaneModel):
    """A member's leave to charge a card later; one per try at securing a pledge.

    While another card is being checked the one that was made stays good.
    """

    work_states: ClassVar = _MANDATE_WORK
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
    #: What the provider shows of the card, and the last day it is good for.
    card_brand = models.CharField(max_length=32, blank=True)
    card_last4 = models.CharField(max_length=4, blank=True)
    card_expires_on = models.DateField(null=True)
    wanted_at = models.DateTimeField()
    due_at = models.DateTimeField()
    #: Whether the campaign has read the outcome (made or refused).
    is_read = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "pledge_id"],
                condition=models.Q(state="wanted"),
                name="one_card_checked_at_a_time",
            ),
            models.UniqueConstraint(
                fields=["lane", "pledge_id"],
                condition=models.Q(state="made"),
                name="one_mandate_per_pledge",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(state__in=list(_MANDATE_WORK)),
                name="mandate_work",
            ),
            models.Index(
                fields=["lane", "campaign_id"],
                condition=models.Q(is_read=False, state__in=["made", "refused"]),
                name="mandate_news",
            ),
        ]


class PageKind(models.TextChoices):
    CARD = "card"
    PAYMENT = "payment"


class PageState(models.TextChoices):
    WANTED = "wanted"
    OPEN = "open"
    CLOSING = "closing"
    DONE = "done"
    OVER = "over"


_PAGE_WORK = (PageState.WANTED, PageState.OPEN, PageState.CLOSING)


class HostedPage(LaneModel):
    """A page of the provider's, made for one member: to give a card, or to confirm a payment."""

    work_states: ClassVar = _PAGE_WORK
    distribution = "campaign"
    campaign_id = models.UUIDField()
    pledge_id = models.UUIDField()
    provider = models.CharField(max_length=16, default="stripe")
    kind = models.CharField(max_length=8, choices=PageKind)
    state = models.CharField(max_length=8, choices=PageState, default=PageState.WANTED)
    #: What the provider calls the page and the customer it is for; empty before it has answered.
    provider_page_id = models.CharField(max_length=255, blank=True)
    provider_customer_id = models.CharField(max_length=255, blank=True)
    url = models.TextField(blank=True)
    #: What is paid on it, if it is a page of payment.
    charge_id = models.UUIDField(null=True)
    #: What was asked of the provider, so that asking again under the same key is the same.
    asked = models.JSONField()
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    #: When the member's browser came back from it and nobody has looked yet what came of it.
    returned_at = models.DateTimeField(null=True)
    #: When the provider is asked what became of it; an event or the member's return hastens it.
    due_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "pledge_id"],
                condition=models.Q(state__in=["wanted", "open"]),
                name="one_open_page_per_pledge",
            )
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(state__in=list(_PAGE_WORK)),
                name="page_work",
            )
        ]


class ChargeState(models.TextChoices):
    DUE = "due"
    DOING = "doing"
    #: Its member may be paying it in person, on a page of the provider's.
    ON_PAGE = "on_page"
    #: Its member is to transfer it; nobody can be asked for it but they.
    AWAITED = "awaited"
    PAID = "paid"
    FAILED = "failed"


_CHARGE_WORK = (ChargeState.DUE, ChargeState.DOING, ChargeState.ON_PAGE)
#: Neither paid nor given up.
CHARGE_OPEN = (*_CHARGE_WORK, ChargeState.AWAITED)
#: What stands for the provider where members' own banks pay.
BANK = "bank"


class Charge(LaneModel):
    """What one accepted pledge owes; at most one per pledge, tried until paid or given up."""

    work_states: ClassVar = _CHARGE_WORK
    distribution = "campaign"
    campaign_id = models.UUIDField()
    pledge_id = models.UUIDField()
    provider = models.CharField(max_length=16, default="stripe")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    #: The amount by kind of pledge, minor units; they add up to the whole.
    parts = models.JSONField()
    state = models.CharField(max_length=8, choices=ChargeState, default=ChargeState.DUE)
    attempt = models.IntegerField(default=0)
    #: When it is tried next; of one that is awaited, until when its member may transfer it.
    due_at = models.DateTimeField()
    #: What a transfer is recognised by, and when its member is reminded of it.
    reference = models.CharField(max_length=25, blank=True)
    remind_at = models.DateTimeField(null=True)
    first_failed_at = models.DateTimeField(null=True)
    #: How the last try was refused (`rules.dunning.Decline`), and the mandate that it was made on.
    decline = models.CharField(max_length=12, blank=True)
    refused_mandate_id = models.UUIDField(null=True)
    #: How many steps of the ladder are over; how often its member was to be asked, and was.
    steps = models.SmallIntegerField(default=0)
    asks = models.SmallIntegerField(default=0)
    asks_told = models.SmallIntegerField(default=0)
    provider_charge_id = models.CharField(max_length=255, blank=True)
    code = models.CharField(max_length=64, blank=True)
    claimed_at = models.DateTimeField(null=True)
    is_read = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lane", "pledge_id"], name="one_charge_per_pledge"),
            models.UniqueConstraint(
                fields=["lane", "reference"],
                condition=~models.Q(reference=""),
                name="one_charge_per_reference",
            ),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gt=0), name="charge_takes_something"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(state__in=list(_CHARGE_WORK)),
                name="charge_work",
            ),
            # Whose last day is over, and whom to remind.
            models.Index(
                fields=["due_at"], condition=models.Q(state="awaited"), name="charge_awaited"
            ),
            models.Index(
                fields=["remind_at"], condition=models.Q(state="awaited"), name="charge_to_remind"
            ),
            models.Index(
                fields=["lane", "campaign_id"],
                condition=models.Q(is_read=False, state__in=["paid", "failed"]),
                name="charge_news",
            ),
            # Collected, failing and refunded of one campaign.
            models.Index(fields=["lane", "campaign_id", "state"], name="charge_by_campaign"),
            # Whose member is to be asked to act.
            models.Index(
                fields=["lane", "campaign_id"],
                condition=models.Q(asks__gt=models.F("asks_told")),
                name="charge_to_ask_about",
            ),
            # A dispute names the charge as the provider does.
            models.Index(
                fields=["provider_charge_id"],
                condition=~models.Q(provider_charge_id=""),
                name="charge_by_provider_id",
            ),
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
    #: The card it was made on; and the hosted page, where the member confirms it in person.
    mandate_id = models.UUIDField(null=True)
    page_id = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "about_id", "number"], name="one_row_per_attempt"
            )
        ]
        indexes = [
            # What is under way, which no comparison with the provider can judge yet.
            models.Index(
                fields=["about_id"],
                condition=models.Q(outcome__in=["started", "unknown"]),
                name="attempt_open",
            )
        ]


class RefundState(models.TextChoices):
    DUE = "due"
    DOING = "doing"
    #: It goes by an order to our bank, not by a call.
    BY_BANK = "by_bank"
    DONE = "done"
    STUCK = "stuck"
    #: A dispute was lost, so the money has gone back without us.
    MOOT = "moot"


_REFUND_WORK = (RefundState.DUE, RefundState.DOING)
#: The money is back where it came from, one way or the other.
REFUND_OVER = (RefundState.DONE, RefundState.MOOT)


class Refund(LaneModel):
    """Money to give back; unique per charge, reason and stage, so that no cause refunds twice."""

    work_states: ClassVar = _REFUND_WORK
    distribution = "campaign"
    campaign_id = models.UUIDField()
    pledge_id = models.UUIDField()
    charge_id = models.UUIDField()
    reason = models.CharField(max_length=16)
    #: Money that goes back in stages has a refund for each; all else has one, stage 0.
    stage = models.SmallIntegerField(default=0)
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
                fields=["lane", "charge_id", "reason", "stage"], name="one_refund_per_reason"
            ),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gt=0), name="refund_gives_something"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(state__in=list(_REFUND_WORK)),
                name="refund_work",
            ),
            models.Index(fields=["id"], condition=models.Q(state="by_bank"), name="refund_by_bank"),
            models.Index(
                fields=["lane", "campaign_id"],
                condition=models.Q(is_read=False, state__in=["done", "moot"]),
                name="refund_news",
            ),
        ]


class DisputeState(models.TextChoices):
    OPEN = "open"
    WON = "won"
    LOST = "lost"


class Dispute(LaneModel):
    """A charge whose owner calls it wrong: the provider has taken the money back meanwhile."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    pledge_id = models.UUIDField()
    charge_id = models.UUIDField()
    provider_dispute_id = models.CharField(max_length=255)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    #: The amount by kind of pledge, minor units; they add up to the whole.
    parts = models.JSONField(default=dict)
    reason = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=8, choices=DisputeState, default=DisputeState.OPEN)
    opened_at = models.DateTimeField()
    #: Until when the site's owner can answer it.
    answer_by = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "provider_dispute_id"], name="one_row_per_dispute"
            )
        ]
        indexes = [
            models.Index(fields=["lane", "campaign_id"], name="dispute_by_campaign"),
            models.Index(
                fields=["opened_at"], condition=models.Q(state="open"), name="dispute_open"
            ),
            # Whether a refund of this charge has to wait.
            models.Index(fields=["lane", "charge_id"], name="dispute_by_charge"),
        ]
