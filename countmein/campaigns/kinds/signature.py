"""Signature: it joins the letter that is handed to the target."""

from __future__ import annotations

from django.utils.translation import gettext as _

from countmein.campaigns.kinds.piece import FreeOfCharge, Piece
from countmein.campaigns.models import Campaign, Ticket


class Signature(FreeOfCharge):
    """A name under the campaign's text; the letters job hands it over with all others."""

    def piece(self, campaign: Campaign, amount: int, ticket: Ticket | None) -> Piece:
        """Say where the signature goes."""
        target = (campaign.target or {}).get("name")
        if target is None:
            return Piece(lines=(_("Your signature counts in the published total."),))
        return Piece(
            lines=(
                _("Your signature is in the letter to %(target)s.") % {"target": target},
                _("The campaign page shows when the letter was delivered."),
            )
        )
