"""What we say to people: every message is a row before it is sent and a result after."""

from __future__ import annotations

import base64
import json
from typing import Any

from django.db import models

from countmein.base.lanes import LaneModel
from countmein.base.sealing import seal, unseal


class DeliveryState(models.TextChoices):
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Delivery(LaneModel):
    """One message to one address; written by `outreach.actions.post`, sent at most once.

    `contact_id` names a member's contact in the same lane; messages to organisers and targets
    carry their address in `to_address`, for those are not members.
    """

    distribution = "person"
    once = models.CharField(max_length=120)
    contact_id = models.UUIDField(null=True)
    to_address = models.CharField(max_length=254, blank=True)
    channel = models.CharField(max_length=8, default="email")
    topic = models.CharField(max_length=32)
    language = models.CharField(max_length=12, default="en-gb")
    #: What it says, sealed: there are private links in it. Empty once nothing is left to send.
    letter = models.JSONField()
    #: Somebody waits for it at the screen: a confirmation, a refused card.
    is_awaited = models.BooleanField(default=False, db_default=False)
    state = models.CharField(max_length=8, choices=DeliveryState, default=DeliveryState.QUEUED)
    attempt = models.IntegerField(default=0)
    queued_at = models.DateTimeField()
    due_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    receipt = models.CharField(max_length=255, blank=True)

    @property
    def said(self) -> dict[str, Any]:
        """What the message says, opened."""
        letter: dict[str, Any] = self.letter
        if "sealed" not in letter:
            # It was queued before letters were sealed, or there is nothing left of it.
            return letter
        plain = unseal(base64.b64decode(letter["sealed"]), about=f"letter:{self.id}")
        opened: dict[str, Any] = json.loads(plain)
        return opened

    def say(self, letter: dict[str, Any]) -> None:
        """Have the message say this."""
        sealed = seal(json.dumps(letter).encode(), about=f"letter:{self.id}")
        self.letter = {"sealed": base64.b64encode(sealed).decode()}

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lane", "once"], name="one_delivery_per_cause")
        ]
        indexes = [
            # The next of those that are waited for, and the next of all others, each without a
            # look at the other backlog.
            models.Index(
                fields=["is_awaited", "due_at"],
                condition=models.Q(state__in=["queued", "sending"]),
                name="delivery_next",
            ),
            # How many mails of a topic an address had lately.
            models.Index(
                fields=["lane", "contact_id", "topic", "queued_at"], name="delivery_by_contact"
            ),
        ]
