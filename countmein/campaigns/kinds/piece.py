"""The part of a letter that one kind of pledge brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from countmein.campaigns.models import Campaign, Pledge, Ticket


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

    def keep(self, campaign: Campaign, rows: Sequence[Pledge], *, now: datetime) -> None:
        """The letter to the member is all that is needed."""


def issue(
    rows: Sequence[Pledge], *, kind: str, codes: Sequence[str], units: Sequence[int], now: datetime
) -> None:
    """Give each pledge its ticket of this kind; a pledge that has one keeps it."""
    Ticket.objects.bulk_create(
        [
            Ticket(
                lane=row.lane,
                campaign_id=row.campaign_id,
                pledge_id=row.id,
                kind=kind,
                code=code,
                units=count,
                issued_at=now,
            )
            for row, code, count in zip(rows, codes, units, strict=True)
        ],
        ignore_conflicts=True,
    )
