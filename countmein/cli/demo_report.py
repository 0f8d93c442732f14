"""What came of the demo: every campaign's people and money, and what was checked."""

import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from countmein.cli.replay import Outcome, told

if TYPE_CHECKING:
    from countmein.campaigns.models import Campaign

_TITLE_WIDTH = 44


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One campaign in the report; amounts in minor units."""

    title: str
    url: str
    state: str
    people: int
    waiting: int
    currency: str
    pledged_minor: int
    collected_minor: int
    released: int
    #: What the books say was collected, less what the provider says it holds.
    difference_minor: int


def row_of(campaign: "Campaign") -> Row:
    """One campaign as it stands now."""
    from countmein.campaigns.models import Pledge
    from countmein.campaigns.queries import public_view

    seen = public_view(campaign)
    mine = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    collected = sum(seen["collected"].values())
    return Row(
        title=campaign.title,
        url=seen["url"],
        state=seen["state"],
        people=seen["tally"]["people"],
        waiting=seen["tally"]["waiting_people"],
        currency=campaign.currency,
        pledged_minor=_pledged(campaign, seen["tally"]["sum"]),
        collected_minor=collected,
        released=mine.filter(state__in=["released", "refunded"]).count(),
        # The provider's record of a charge does not count what is disputed of it.
        difference_minor=collected + sum(seen["disputed"].values()) - _held_by_provider(campaign),
    )


def _pledged(campaign: "Campaign", sums: Mapping[str, int]) -> int:
    units = sums.get("purchase", 0) * (campaign.unit_price_minor or 0)
    return sums.get("money", 0) + units


def _held_by_provider(campaign: "Campaign") -> int:
    """What the provider charged for this campaign less what it gave back, by its own record."""
    from django.conf import settings

    from countmein.payments.models import Charge

    mine = Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    ids = {str(charge_id) for charge_id in mine.values_list("id", flat=True)}
    if not ids:
        return 0
    charges = _witness(f"{settings.STRIPE_API_BASE}/_book/charges")["items"]
    return sum(
        charge["amount"] - charge["amount_refunded"]
        for charge in charges
        if charge["status"] == "succeeded" and charge["metadata"].get("reference") in ids
    )


def _witness(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def closing_report(
    rows: Sequence[Row], outcomes: Sequence[Outcome], *, faults: Sequence[str], seconds: float
) -> bool:
    """Print the report and tell whether everything is as it should be."""
    print("\nReplayed through the public door")
    for outcome in outcomes:
        print(f"\n{outcome.series.name}\n{told(outcome)}")
    if not outcomes:
        print("Nothing: an earlier demo has done so on this site.")
    print(f"\n{'campaign':<{_TITLE_WIDTH}} {'state':<9}{'people':>7}{'waiting':>8}", end="")
    print(f"{'pledged':>17}{'collected':>17}{'released':>9}{'difference':>11}")
    for row in rows:
        print(_line(row))
    checks = [*_checks(rows, outcomes), *((fault, False) for fault in faults)]
    print("\nChecked")
    for name, is_good in checks:
        print(f"  {'ok    ' if is_good else 'FAILED'}  {name}")
    is_all_good = all(is_good for _name, is_good in checks)
    print(
        f"\n{'All is well' if is_all_good else 'SOMETHING IS WRONG'}, {seconds:.1f} s.", flush=True
    )
    return is_all_good


def _line(row: Row) -> str:
    title = row.title if len(row.title) <= _TITLE_WIDTH else f"{row.title[: _TITLE_WIDTH - 1]}…"
    return (
        f"{title:<{_TITLE_WIDTH}} {row.state:<9}{row.people:>7,}{row.waiting:>8,}"
        f"{_money(row, row.pledged_minor):>17}{_money(row, row.collected_minor):>17}"
        f"{row.released:>9,}{_money(row, row.difference_minor, is_bare=True):>11}"
    )


def _money(row: Row, amount_minor: int, *, is_bare: bool = False) -> str:
    """An amount with as many decimals as its currency has."""
    from countmein.rules.money import EXPONENT_OF

    if not row.currency:
        return "–"
    digits = EXPONENT_OF[row.currency]
    whole, part = divmod(abs(amount_minor), 10**digits)
    sign = "-" if amount_minor < 0 else ""
    text = f"{sign}{whole:,}" + (f".{part:0{digits}}" if digits else "")
    return text if is_bare else f"{text} {row.currency}"


def _checks(rows: Sequence[Row], outcomes: Sequence[Outcome]) -> Iterator[tuple[str, bool]]:
    from django.conf import settings

    from countmein.campaigns.selfcheck import self_check

    for outcome in outcomes:
        exact = outcome.is_exact
        yield f"{outcome.series.name}: every {outcome.every}. member adds up to the record", exact
    found = self_check()
    failed = [check["name"] for check in found if not check["ok"]]
    yield f"self-check: {len(found)} checks{': ' + ', '.join(failed) if failed else ''}", not failed
    times = _witness(f"{settings.STRIPE_API_BASE}/_book/summary")["charges_per_reference"]
    often = [reference for reference, count in times.items() if count != 1]
    yield f"{len(times):,} cards were charged, each once, says the provider", not often
    apart = [row.title for row in rows if row.difference_minor]
    yield "ledger and provider agree on every campaign: difference 0.00", not apart
    tipped = [row for row in rows if row.state == "settled" and row.currency]
    unpaid = [row.title for row in tipped if row.pledged_minor != row.collected_minor]
    yield f"{len(tipped)} campaigns settled with all that was pledged collected", not unpaid
    lapsed = [row for row in rows if row.state == "released"]
    kept = [row.title for row in lapsed if row.collected_minor or row.released < row.people]
    yield (
        f"{len(lapsed)} lapsed and everybody was released, not a cent moved",
        bool(lapsed and not kept),
    )
