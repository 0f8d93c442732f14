"""Money: it is paid at the tip, and not before."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime

from countmein.campaigns.kinds.piece import Piece
from countmein.campaigns.models import Campaign, Ticket
from countmein.campaigns.wording import money_text


class Money:
    """A gift in the campaign's currency; an amount counts minor units."""

    is_charged = True

    def price_minor(self, campaign: Campaign, amount: int) -> int:
        """What was promised, to the cent."""
        return amount

    def keep(self, campaign: Campaign, amounts: Mapping[uuid.UUID, int], *, now: datetime) -> None:
        """The charge itself has kept it."""

    def piece(self, campaign: Campaign, amount: int, ticket: Ticket | None) -> Piece:
        """Say what was paid."""
        paid = money_text(amount, campaign.currency)
        return Piece(lines=(), paid=paid)
