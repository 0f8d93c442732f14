"""The part of a letter that one kind of pledge brings."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from countmein.campaigns.models import Campaign, Ticket
from countmein.rules.canonical import voucher_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Paragraphs, facts and links; `code` is shown large, with its picture.

    `paid` is what it cost, in words; how it was paid is known to whoever writes the letter.
    """

    lines: tuple[str, ...]
    paid: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    code: str = ""


class FreeOfCharge:
    """What signatures, presence, calls and hours have in common: nobody pays."""

    is_charged = False

    def price_minor(self, campaign: Campaign, amount: int) -> int:
        """Nothing."""
        return 0

    def keep(self, campaign: Campaign, amounts: Mapping[uuid.UUID, int], *, now: datetime) -> None:
        """The letter to the member is all that is needed."""


def issue(campaign: Campaign, units: Mapping[uuid.UUID, int], *, kind: str, now: datetime) -> None:
    """Give each pledge its ticket of this kind for so many units; one that has one keeps it."""
    Ticket.objects.bulk_create(
        [
            Ticket(
                lane=campaign.lane,
                campaign_id=campaign.id,
                pledge_id=pledge_id,
                kind=kind,
                code=voucher_code(os.urandom(10)),
                units=count,
                issued_at=now,
            )
            for pledge_id, count in units.items()
        ],
        ignore_conflicts=True,
        batch_size=1000,
    )
