"""Purchase: charged at the tip, and answered with a voucher."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from countmein.campaigns.kinds.piece import Piece, issue
from countmein.campaigns.models import Campaign, Ticket
from countmein.campaigns.wording import money_text


class Purchase:
    """So many units at the campaign's price."""

    is_charged = True

    def price_minor(self, campaign: Campaign, amount: int) -> int:
        """Units times the unit price; a campaign without a price was refused at launch."""
        assert campaign.unit_price_minor is not None
        return amount * campaign.unit_price_minor

    def keep(self, campaign: Campaign, amounts: Mapping[uuid.UUID, int], *, now: datetime) -> None:
        """Issue one voucher a pledge, with a check character against mistyping."""
        issue(campaign, amounts, kind="purchase", now=now)

    def piece(self, campaign: Campaign, amount: int, ticket: Ticket | None) -> Piece:
        """Say what was bought and show the voucher."""
        paid = money_text(self.price_minor(campaign, amount), campaign.currency)
        line = ngettext(
            "Your voucher for %(count)s unit is below: show its code or its picture.",
            "Your voucher for %(count)s units is below: show its code or its picture.",
            amount,
        )
        return Piece(
            lines=(line % {"count": amount},),
            paid=paid,
            facts=((_("Units"), str(amount)),),
            code=ticket.code if ticket else "",
        )
