"""Comparing our books with the provider's statement, event by event; every difference has an owner.

The comparison never changes the books. A difference is opened once it has outlasted the work that
may be under way, and closes by itself when it is gone.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from countmein.base.clock import real_now, site_now
from countmein.base.jobs import job
from countmein.base.nights import next_night
from countmein.members.models import Organiser
from countmein.payments.actions.disputes import look
from countmein.payments.actions.statement import NIGHT_HOUR, begin_statement, read_lines
from countmein.payments.models import Discrepancy, DiscrepancyKind, Statement
from countmein.payments.providers import PROVIDERS, LookUpFailed

log = logging.getLogger(__name__)

#: A difference younger than this, in real time, may be work under way.
GRACE = timedelta(minutes=5)
_FAILED_RESTS = timedelta(minutes=10)
#: More differences than this are one fault of ours, not so many of the provider's.
_AT_MOST = 10_000

#: What made a difference vanish, by what it was.
_RESOLVED_BY = {
    DiscrepancyKind.ONLY_IN_LEDGER: "line_came",
    DiscrepancyKind.ONLY_AT_PROVIDER: "booked",
    DiscrepancyKind.AMOUNT_DIFFERS: "corrected",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One event on which books and statement differ; None where one of them has nothing."""

    event: str
    about: str
    currency: str
    ours_minor: int | None
    theirs_minor: int | None
    #: Since when both sides stand as they do, in real time.
    since: datetime

    @property
    def kind(self) -> DiscrepancyKind:
        if self.theirs_minor is None:
            return DiscrepancyKind.ONLY_IN_LEDGER
        if self.ours_minor is None:
            return DiscrepancyKind.ONLY_AT_PROVIDER
        return DiscrepancyKind.AMOUNT_DIFFERS

    @property
    def key(self) -> tuple[str, str, str]:
        return self.event, self.about, self.currency


# Both sides as positive amounts, per event and currency. A refund that came back counts against
# the refund, and a payout, which is a transfer there, likewise; a fee is what the lines about one
# thing say together.
# What came and went by bank is compared with the bank's statements (`bank_compare`).
_COMPARED = """
WITH by_bank AS (
    SELECT id FROM payments_charge WHERE provider = 'bank'
    UNION ALL SELECT about_id FROM payments_banktransfer WHERE kind = 'refund'),
ours AS (
    SELECT CASE kind WHEN 'fee_back' THEN 'fee' WHEN 'refund_back' THEN 'refund' ELSE kind END
               AS event, source_ref AS about, currency,
           sum(CASE WHEN kind IN ('fee_back', 'refund_back') THEN -amount_minor
               ELSE amount_minor END) AS amount,
           max(entry_id::text) AS entry
    FROM ledger_transfer
    WHERE kind IN ('charge', 'refund', 'refund_back', 'dispute', 'dispute_won', 'fee', 'fee_back')
      AND NOT EXISTS (SELECT FROM by_bank WHERE by_bank.id = source_ref)
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT 'transfer', t.source_ref, t.currency,
           sum(CASE WHEN t.kind = 'payout_back' THEN -t.amount_minor ELSE t.amount_minor END),
           max(t.entry_id::text)
    FROM ledger_transfer t
    JOIN payments_payout p ON p.lane = t.lane AND p.id = t.source_ref AND p.kind = 'organiser'
    WHERE t.kind IN ('payout', 'payout_back') GROUP BY 2, 3),
theirs AS (
    SELECT CASE kind WHEN 'refund_failed' THEN 'refund' ELSE kind END AS event, matched_id AS about,
           currency, max(read_at) AS read_at,
           sum(CASE WHEN kind IN ('charge', 'dispute_won') THEN amount_minor
               ELSE -amount_minor END) AS amount
    FROM payments_providerline WHERE provider = %(provider)s AND matched_id IS NOT NULL
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT 'fee', matched_id, currency, max(read_at), sum(fee_minor)
    FROM payments_providerline WHERE provider = %(provider)s AND matched_id IS NOT NULL
    GROUP BY 2, 3 HAVING sum(fee_minor) <> 0)
SELECT event, about::text, currency, ours.amount, theirs.amount, ours.entry, theirs.read_at
FROM ours FULL JOIN theirs USING (event, about, currency)
WHERE ours.amount IS DISTINCT FROM theirs.amount
  AND NOT EXISTS (SELECT FROM payments_attempt a WHERE a.about_id = about
                  AND a.outcome IN ('started', 'unknown'))
UNION ALL
SELECT l.kind, l.source_id, l.currency, NULL, sum(l.amount_minor), NULL, max(l.read_at)
FROM payments_providerline l
WHERE l.provider = %(provider)s AND l.matched_id IS NULL AND l.kind <> 'payout'
  AND NOT EXISTS (SELECT FROM payments_attempt a WHERE a.about_id = l.reference
                  AND a.outcome IN ('started', 'unknown'))
GROUP BY 1, 2, 3
LIMIT %(most)s"""


def differences(provider: str, *, grace: timedelta) -> list[Difference]:
    """Where books and statement, as far as it was read, differ and did so for longer than `grace`.

    What has a call under way is left out: nobody can judge it yet.
    """
    now = real_now()
    with connection.cursor() as cursor:
        cursor.execute(_COMPARED, {"provider": provider, "most": _AT_MOST})
        found = [_difference(row) for row in cursor.fetchall()]
    return [each for each in found if now - each.since >= grace]


def _difference(row: Sequence[Any]) -> Difference:
    event, about, currency, ours, theirs, entry, read_at = row
    instants = [at for at in (_booked_at(entry), read_at) if at is not None]
    return Difference(
        event=event,
        about=about,
        currency=currency,
        ours_minor=None if ours is None else int(ours),
        theirs_minor=None if theirs is None else int(theirs),
        since=max(instants),
    )


def _booked_at(entry: str | None) -> datetime | None:
    """When an entry was made in real time, which its id tells; its `at` is the site's time."""
    if entry is None:
        return None
    return datetime.fromtimestamp((uuid.UUID(entry).int >> 80) / 1000, UTC)


@job(name="payments.compare", queue="money")
def compare() -> None:
    """The nightly comparison: look at disputes, read what is new, then compare."""
    for provider in PROVIDERS:
        statement = begin_statement(provider)
        _due_again(statement, site_now() + _FAILED_RESTS)
        try:
            look(statement)
            read_lines(provider)
        except LookUpFailed as failed:
            log.warning("nothing could be compared: %s", failed)
            continue
        reconcile(provider)
        _due_again(statement, next_night(site_now(), hour=NIGHT_HOUR))


def _due_again(statement: Statement, at: datetime) -> None:
    Statement.objects.filter(provider=statement.provider).update(compare_due_at=at)


def reconcile(
    provider: str, *, grace: timedelta = GRACE, found: Iterable[Difference] | None = None
) -> list[Discrepancy]:
    """Open what differs, close what does not any more, and return what is open.

    `found` are the differences, if they are not to be looked for at a provider's.
    """
    seen = differences(provider, grace=timedelta(0)) if found is None else found
    return _opened_and_closed(provider, {each.key: each for each in seen}, grace)


def _opened_and_closed(
    provider: str, found: dict[tuple[str, str, str], Difference], grace: timedelta
) -> list[Discrepancy]:
    now = real_now()
    with transaction.atomic():
        rows = Discrepancy.objects.filter(provider=provider, resolved_at=None).select_for_update()
        known = {(row.event, row.about, row.currency): row for row in rows}
        for key, row in known.items():
            if key in found:
                _follow(row, found[key])
            elif len(found) < _AT_MOST:
                row.resolved_at, row.resolved_by = now, _RESOLVED_BY[DiscrepancyKind(row.kind)]
                row.save(update_fields=["resolved_at", "resolved_by"])
        fresh = [
            each for key, each in found.items() if key not in known and now - each.since >= grace
        ]
        Discrepancy.objects.bulk_create(_opened(provider, fresh, now), ignore_conflicts=True)
    return list(Discrepancy.objects.filter(provider=provider, resolved_at=None))


def _follow(row: Discrepancy, seen: Difference) -> None:
    """The same difference may change its shape while it is open."""
    row.kind, row.ours_minor, row.theirs_minor = seen.kind, seen.ours_minor, seen.theirs_minor
    row.save(update_fields=["kind", "ours_minor", "theirs_minor"])


def _opened(provider: str, fresh: list[Difference], now: datetime) -> Iterator[Discrepancy]:
    owner = Organiser.objects.filter(is_owner=True).first()
    for each in fresh:
        yield Discrepancy(
            provider=provider,
            kind=each.kind,
            event=each.event,
            about=each.about,
            ours_minor=each.ours_minor,
            theirs_minor=each.theirs_minor,
            currency=each.currency,
            first_seen_at=now,
            owner=owner,
        )
