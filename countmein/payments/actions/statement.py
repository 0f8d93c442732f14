"""Reading the provider's statement: every line kept once, matched to ours, its fee booked.

Here we also learn which refunds have come back.

Killed at any instant, the reading goes on behind the last page that was kept.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice

from django.db import connection, transaction
from django.db.models import Min

from countmein.base.clock import real_now, site_now
from countmein.base.jobs import job
from countmein.base.nights import next_night
from countmein.ledger import actions as ledger
from countmein.payments.actions.paying import take_back_payouts
from countmein.payments.actions.refunding import take_back
from countmein.payments.models import Attempt, ProviderLine, Refund, RefundState, Statement
from countmein.payments.providers import PROVIDERS, Line, LineKind, LookUpFailed

log = logging.getLogger(__name__)

_EVERY = timedelta(minutes=10)
_FAILED_RESTS = timedelta(minutes=1)
#: Lines may appear a little late, and the provider's clock may be a little behind ours.
OVERLAP = timedelta(minutes=5)
#: The site's night, when books and statement are compared.
NIGHT_HOUR = 3
_BATCH = 100


def begin_statement(provider: str = "stripe") -> Statement:
    """The statement as it is read; reading begins shortly before our first call of all."""
    first = Attempt.objects.all_lanes().aggregate(at=Min("started_at"))["at"]
    now, site = real_now(), site_now()
    began_at = (first or now) - OVERLAP
    statement, _is_new = Statement.objects.get_or_create(
        provider=provider,
        defaults={
            "began_at": began_at,
            "since": began_at,
            "lines_due_at": now + _EVERY,
            "disputes_due_at": site + timedelta(hours=1),
            "compare_due_at": next_night(site, hour=NIGHT_HOUR),
        },
    )
    return statement


def read_soon() -> None:
    """Have the statement read now; an event says that there is news."""
    now = real_now()
    Statement.objects.filter(lines_due_at__gt=now).update(lines_due_at=now)


@job(name="payments.read_statement", queue="money")
def read_statement() -> None:
    """Read the lines that are new, and book what they tell."""
    Statement.objects.update(lines_due_at=real_now() + _FAILED_RESTS)
    try:
        for provider in PROVIDERS:
            read_lines(provider)
    except LookUpFailed as failed:
        log.warning("the statement could not be read: %s", failed)


def read_lines(provider: str) -> None:
    """Read all new lines, a page at a time; match them and book what they tell us first.

    Those are fees, and refunds and payouts that came back. Raises LookUpFailed.

    The newest line is listed first, so how far we are is known only at the end of a pass: until
    then `after` is where a killed pass goes on.
    """
    statement = Statement.objects.filter(provider=provider).first() or begin_statement(provider)
    try:
        _read_pass(statement)
    except LookUpFailed as failed:
        if str(failed) == "resource_missing":
            # The line that we stopped at is gone: begin this pass again.
            Statement.objects.filter(provider=provider).update(after="", newest_at=None)
        raise
    match_lines()
    take_back(_came_back())
    take_back_payouts()
    while _book_fees():
        pass


def _read_pass(statement: Statement) -> None:
    listed = PROVIDERS[statement.provider].lines(since=statement.since, after=statement.after)
    while page := list(islice(listed, _BATCH)):
        if not _keep(statement, page):
            return
    _end_pass(statement)


def _keep(statement: Statement, page: Sequence[Line]) -> bool:
    """Keep a page and how far that is, at once; False if another reader has gone on meanwhile."""
    was = statement.after
    statement.after = page[-1].line_id
    newest = max(line.at for line in page)
    statement.newest_at = max(statement.newest_at or newest, newest)
    now = real_now()
    with transaction.atomic():
        ProviderLine.objects.bulk_create(
            [_row(statement.provider, line, now) for line in page], ignore_conflicts=True
        )
        held = Statement.objects.filter(
            provider=statement.provider, since=statement.since, after=was
        )
        return bool(held.update(after=statement.after, newest_at=statement.newest_at))


def _end_pass(statement: Statement) -> None:
    now = real_now()
    since = statement.since
    if statement.newest_at is not None:
        since = max(since, statement.newest_at - OVERLAP)
    Statement.objects.filter(
        provider=statement.provider, since=statement.since, after=statement.after
    ).update(since=since, after="", newest_at=None, read_at=now, lines_due_at=now + _EVERY)


def _row(provider: str, line: Line, now: datetime) -> ProviderLine:
    return ProviderLine(
        provider=provider,
        line_id=line.line_id,
        kind=line.kind,
        source_id=line.source_id,
        provider_charge_id=line.charge_id,
        reference=_uuid(line.reference),
        amount_minor=line.amount.amount_minor,
        fee_minor=line.fee.amount_minor,
        net_minor=line.amount.amount_minor - line.fee.amount_minor,
        currency=line.amount.currency,
        created_at=line.at,
        read_at=now,
    )


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


#: By the provider's name of the charge, which leads to the lane, and from there to the rest. A
#: second charge under one reference of ours is matched by nothing: that is how it is found.
_MATCHES = {
    ("charge",): ("payments_charge o", "o.id = c.id AND c.state = 'paid'"),
    ("refund", "refund_failed"): (
        "payments_refund o",
        "o.charge_id = c.id AND o.id = l.reference",
    ),
    ("dispute", "dispute_won"): ("payments_dispute o", "o.provider_dispute_id = l.source_id"),
}


def match_lines() -> None:
    """Note which charge, refund, dispute or payout of ours each line is about."""
    with connection.cursor() as cursor:
        for kinds, (table, condition) in _MATCHES.items():
            cursor.execute(
                f"""UPDATE payments_providerline l
                    SET matched_lane = o.lane, matched_id = o.id, campaign_id = o.campaign_id
                    FROM payments_charge c, {table}
                    WHERE l.matched_id IS NULL AND l.kind = ANY(%s)
                      AND c.provider_charge_id = l.provider_charge_id
                      AND c.provider_charge_id <> '' AND o.lane = c.lane AND {condition}""",
                [list(kinds)],
            )
        # A second transfer under one reference of ours is matched by nothing, either.
        cursor.execute(
            """UPDATE payments_providerline l
               SET matched_lane = o.lane, matched_id = o.id, campaign_id = o.campaign_id
               FROM payments_payout o
               WHERE l.matched_id IS NULL AND l.kind = 'transfer' AND o.kind = 'organiser'
                 AND o.reference = l.provider_charge_id AND o.reference <> ''"""
        )


def _came_back() -> Iterable[Refund]:
    """Refunds that stand as made, and a line of the statement says that they came back."""
    lines = ProviderLine.objects.filter(kind=LineKind.REFUND_FAILED, matched_id__isnull=False)
    return Refund.objects.all_lanes().filter(
        state=RefundState.DONE, id__in=lines.values("matched_id")
    )


def _book_fees() -> bool:
    """Book a batch of fees, each once; tell whether there were any."""
    with transaction.atomic():
        lines = list(
            ProviderLine.objects.filter(is_fee_booked=False, matched_id__isnull=False)
            .exclude(fee_minor=0)
            .order_by("id")[:_BATCH]
            .select_for_update()
        )
        now = site_now()
        for line in lines:
            assert line.matched_lane is not None
            assert line.matched_id is not None
            assert line.campaign_id is not None
            ledger.post_fee(
                lane=line.matched_lane,
                campaign_id=line.campaign_id,
                about=line.matched_id,
                amount_minor=line.fee_minor,
                currency=line.currency,
                at=now,
            )
        ids = [line.id for line in lines]
        ProviderLine.objects.filter(id__in=ids).update(is_fee_booked=True)
    return bool(lines)
