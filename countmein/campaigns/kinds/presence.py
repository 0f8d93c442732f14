"""Presence: the event is confirmed, with an appointment and a check-in code."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime

from django.utils.translation import gettext as _

from countmein.campaigns.kinds.piece import FreeOfCharge, Piece, issue
from countmein.campaigns.models import Campaign, Ticket


class Presence(FreeOfCharge):
    """Somebody comes to a place at a time."""

    def keep(self, campaign: Campaign, amounts: Mapping[uuid.UUID, int], *, now: datetime) -> None:
        """Issue one check-in code a person."""
        issue(campaign, dict.fromkeys(amounts, 1), kind="presence", now=now)

    def piece(self, campaign: Campaign, amount: int, ticket: Ticket | None) -> Piece:
        """Say that it takes place, and show the code for the door."""
        return Piece(
            lines=(
                _("It takes place: enough people come. The appointment is attached."),
                _("Show this code when you arrive."),
            ),
            code=ticket.code if ticket else "",
        )
