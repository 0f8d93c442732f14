"""Hours: the member gets time and place, and writes down the hours done."""

from __future__ import annotations

from django.utils.translation import gettext as _

from countmein.campaigns.kinds.piece import FreeOfCharge, Piece
from countmein.campaigns.models import Campaign, Ticket
from countmein.campaigns.wording import amount_text


class Hours(FreeOfCharge):
    """Work for so many minutes."""

    def piece(self, campaign: Campaign, amount: int, ticket: Ticket | None) -> Piece:
        """Say when and where, and how to report the hours done."""
        promised = amount_text("hours", amount, campaign)
        return Piece(
            lines=(
                _("Your help is wanted. The appointment is attached."),
                _("Afterwards, write down the hours you did on your pledge's page."),
            ),
            facts=((_("Promised"), promised),),
        )
