"""Call: the member gets the number and the script, and tells how it went."""

from __future__ import annotations

from django.utils.translation import gettext as _

from countmein.campaigns.kinds.piece import FreeOfCharge, Piece
from countmein.campaigns.models import Campaign, Ticket


class Call(FreeOfCharge):
    """One telephone call to the target."""

    def piece(self, campaign: Campaign, amount: int, ticket: Ticket | None) -> Piece:
        """Give the number, when to call, and what to say."""
        target = campaign.target or {}
        facts = [(_("Call"), target.get("name") or ""), (_("Number"), target.get("phone") or "")]
        if campaign.hours:
            facts.append((_("When"), campaign.hours))
        lines = [_("It is time to call.")]
        if target.get("script"):
            lines += [_("What you could say:"), target["script"]]
        lines.append(_("Afterwards, tell us how it went on your pledge's page."))
        return Piece(lines=tuple(lines), facts=tuple(facts))
