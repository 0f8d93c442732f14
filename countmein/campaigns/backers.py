"""The backer report: one line for each pledge that was charged, in Kickstarter's columns.

What it names and what it leaves out is decided in docs/decisions/0014-the-backer-report.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from countmein.campaigns.models import Campaign, Pledge
from countmein.campaigns.queries import names_of
from countmein.payments.models import (
    Charge,
    ChargeState,
    Dispute,
    DisputeState,
    Refund,
    RefundState,
)
from countmein.rules.money import decimal_text

COLUMNS: Final = (
    "Backer Number",
    "Backer UID",
    "Backer Name",
    "Email",
    "Shipping Country",
    "Shipping Amount",
    "Reward Title",
    "Backing Minimum",
    "Reward ID",
    "Pledge Amount",
    "Pledged At",
    "Rewards Sent?",
    "Pledged Status",
    "Notes",
)
SLICE: Final = 500
#: A cell that begins so is a formula to a spreadsheet.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def lines(campaign: Campaign) -> Iterator[list[str]]:
    """Yield the header, then the backers in order of arrival; no more than a slice in memory."""
    yield list(COLUMNS)
    charges = Charge.objects.filter(
        lane=campaign.lane,
        campaign_id=campaign.id,
        state__in=[ChargeState.PAID, ChargeState.FAILED],
    ).order_by("pledge_id")
    number, page = 0, list(charges[:SLICE])
    while page:
        for cells in _slice(campaign, page):
            number += 1
            yield [str(number), *map(guarded, cells)]
        page = list(charges.filter(pledge_id__gt=page[-1].pledge_id)[:SLICE])


def guarded(cell: str) -> str:
    """The cell with an apostrophe before it where a spreadsheet would read a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _slice(campaign: Campaign, charges: list[Charge]) -> Iterator[list[str]]:
    ids = [charge.id for charge in charges]
    pledges = {
        row.id: row
        for row in Pledge.objects.filter(
            lane=campaign.lane, id__in=[charge.pledge_id for charge in charges]
        )
    }
    names = names_of(list(pledges.values()))
    refunded = _sums(
        Refund.objects.filter(lane=campaign.lane, charge_id__in=ids, state=RefundState.DONE)
    )
    disputed = _sums(
        Dispute.objects.filter(lane=campaign.lane, charge_id__in=ids).exclude(
            state=DisputeState.WON
        )
    )
    for charge in charges:
        pledge = pledges[charge.pledge_id]
        back = refunded.get(charge.id, 0)
        yield [
            pledge.code,
            names.get(pledge.id, ""),
            "",
            "",
            "",
            "",
            "",
            "",
            f"{decimal_text(charge.amount_minor, charge.currency)} {charge.currency}",
            pledge.at.strftime("%Y-%m-%d, %H:%M"),
            "",
            _status(charge, back=back, disputed=disputed.get(charge.id, 0)),
            f"refunded {decimal_text(back, charge.currency)}" if back else "",
        ]


def _sums(rows: Any) -> dict[Any, int]:
    sums: dict[Any, int] = {}
    for charge_id, amount in rows.values_list("charge_id", "amount_minor"):
        sums[charge_id] = sums.get(charge_id, 0) + amount
    return sums


def _status(charge: Charge, *, back: int, disputed: int) -> str:
    """Collected, dropped, refunded or disputed; a part that went back is told in the notes."""
    if charge.state == ChargeState.FAILED:
        return "dropped"
    if disputed:
        return "disputed"
    return "refunded" if back >= charge.amount_minor else "collected"
