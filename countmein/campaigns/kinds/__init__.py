"""What a pledge is, and how it is kept: one entry per kind, in one table."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from countmein.campaigns.kinds.call import Call
from countmein.campaigns.kinds.hours import Hours
from countmein.campaigns.kinds.money import Money
from countmein.campaigns.kinds.piece import Piece
from countmein.campaigns.kinds.presence import Presence
from countmein.campaigns.kinds.purchase import Purchase
from countmein.campaigns.kinds.signature import Signature
from countmein.campaigns.models import Campaign, Pledge, Ticket

__all__ = [
    "BANK_TRANSFER",
    "KINDS",
    "Piece",
    "PledgeKind",
    "is_charged",
    "is_paid",
    "needs_card",
    "pays_by_bank",
    "price_by_kind",
]

#: The payment method of a pledge that its member transfers after the tip; no card has this name.
BANK_TRANSFER = "bank_transfer"


class PledgeKind(Protocol):
    """How one kind of pledge is kept."""

    #: Whether it is paid for, by card or by transfer.
    is_charged: bool

    def price_minor(self, campaign: Campaign, amount: int) -> int:
        """What an amount of this kind costs the member, in minor units; 0 where nothing.

        Linear in the amount: a crowd's charges are planned from the price of one.
        """

    def keep(self, campaign: Campaign, amounts: Mapping[uuid.UUID, int], *, now: datetime) -> None:
        """Write what keeps these amounts, by pledge; in the transaction that fulfils them."""

    def piece(self, campaign: Campaign, amount: int, ticket: Ticket | None) -> Piece:
        """What the letter to the member says about this part, in the active language."""


KINDS: dict[str, PledgeKind] = {
    "money": Money(),
    "purchase": Purchase(),
    "signature": Signature(),
    "presence": Presence(),
    "call": Call(),
    "hours": Hours(),
}


def is_charged(kinds: Sequence[str] | dict[str, int]) -> bool:
    """Whether any of these kinds is paid for."""
    return any(KINDS[kind].is_charged for kind in kinds)


def is_paid(pledge: Pledge) -> bool:
    """Whether any part of a pledge is paid for."""
    return is_charged([pledge.kind, *(part["kind"] for part in pledge.more)])


def pays_by_bank(pledge: Pledge) -> bool:
    """Whether its member transfers what it comes to, once it tips."""
    return bool(pledge.payment_method == BANK_TRANSFER)


def needs_card(pledge: Pledge) -> bool:
    """Whether any part of a pledge is paid by card, so that the whole has to be secured."""
    return is_paid(pledge) and not pays_by_bank(pledge)


def price_by_kind(campaign: Campaign, amounts: dict[str, int]) -> dict[str, int]:
    """What each charged kind of these amounts costs, in minor units."""
    return {
        kind: KINDS[kind].price_minor(campaign, amount)
        for kind, amount in amounts.items()
        if KINDS[kind].is_charged
    }
