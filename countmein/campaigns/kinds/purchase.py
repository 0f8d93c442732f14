"""Purchase: charged at the tip, and answered with a voucher."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from countmein.campaigns.kinds.piece import Piece, issue
from countmein.campaigns.models import Campaign, Pledge, Ticket
from countmein.campaigns.wording import money_text
from countmein.rules.canonical import voucher_code


class Purchase:
    """So many units at the campaign's price."""

    is_charged = True

    def price_minor(self, campaign: Campaign, amount: int) -> int:
        """Units times the unit price; a campaign without a price was refused at launch."""
        assert campaign.unit_price_minor is not None
        return amount * campaign.unit_price_minor

    def keep(self, campaign: Campaign, rows: Sequence[Pledge], *, now: datetime) -> None:
        """Issue one voucher a pledge, with a check character against mistyping."""
        issue(
            rows,
            kind="purchase",
            codes=[voucher_code(os.urandom(10)) for _row in rows],
            units=[row.accepted["purchase"] for row in rows],
            now=now,
        )

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
