"""Presence: the event is confirmed, with an appointment and a check-in code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from countmein.campaigns.kinds.piece import FreeOfCharge, Piece, issue
from countmein.campaigns.models import Campaign, Pledge, Ticket
from countmein.rules.canonical import voucher_code


class Presence(FreeOfCharge):
    """Somebody comes to a place at a time."""

    def keep(self, campaign: Campaign, rows: Sequence[Pledge], *, now: datetime) -> None:
        """Issue one check-in code a person."""
        codes = [voucher_code(os.urandom(10)) for _row in rows]
        issue(rows, kind="presence", codes=codes, units=[1] * len(rows), now=now)

    def piece(self, campaign: Campaign, amount: int, ticket: Ticket | None) -> Piece:
        """Say that it takes place, and show the code for the door."""
        return Piece(
            lines=(
                _("It takes place: enough people come. The appointment is attached."),
                _("Show this code when you arrive."),
            ),
            code=ticket.code if ticket else "",
        )
