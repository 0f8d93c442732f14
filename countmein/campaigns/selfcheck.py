"""Whether the site keeps its word: every derived number recounted, every promise looked after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from countmein.base.clock import real_now
from countmein.campaigns import selfcheck_plan_b
from countmein.campaigns.uncounted import MISSED
from countmein.payments.actions import bank_compare
from countmein.payments.actions.reconcile import Difference, differences
from countmein.payments.actions.statement import begin_statement, read_lines
from countmein.payments.providers import PROVIDERS, LookUpFailed

#: Work that is due is pending; older than this, in real time, it is a fault.
PATIENCE_SECONDS = 60

#: Each answers with the rows that are wrong; none means the check is passed.
_QUERIES: dict[str, str] = {
    # The tally's totals are the changes of the rounds that it has counted.
    "tally_is_sum_of_changes": """
        SELECT coalesce(c.campaign_id, t.campaign_id), coalesce(c.crowd_id, t.crowd_id)
        FROM (SELECT c.lane, c.campaign_id, c.crowd_id, c.kind, c.place,
                     sum(c.people) AS people, sum(c.amount) AS amount
              FROM campaigns_change c JOIN campaigns_tally y ON y.lane = c.lane
                   AND y.id = c.campaign_id AND c.round <= y.round GROUP BY 1, 2, 3, 4, 5) c
        FULL JOIN campaigns_crowdtotal t USING (lane, campaign_id, crowd_id, kind, place)
        WHERE coalesce(c.people, 0) <> coalesce(t.people, 0)
           OR coalesce(c.amount, 0) <> coalesce(t.amount, 0)""",
    # What is shown is what the totals of the crowds that are in add up to.
    "shown_tally_is_recounted": """
        WITH counted AS (
            SELECT t.lane, t.campaign_id, k.is_core OR k.is_in AS is_in, t.kind, t.place,
                   t.people, t.amount
            FROM campaigns_crowdtotal t JOIN campaigns_crowd k ON k.lane = t.lane
                 AND k.id = t.crowd_id),
        people AS (
            SELECT lane, campaign_id AS id, sum(people) FILTER (WHERE is_in) AS people,
                   sum(people) FILTER (WHERE NOT is_in) AS waiting_people
            FROM counted GROUP BY 1, 2),
        sums AS (
            SELECT lane, id, jsonb_object_agg(kind, amount) FILTER (WHERE amount <> 0) AS sum
            FROM (SELECT lane, campaign_id AS id, kind, sum(amount) AS amount FROM counted
                  WHERE is_in GROUP BY 1, 2, 3) s GROUP BY 1, 2),
        places AS (
            SELECT lane, id, jsonb_object_agg(place, people) FILTER (WHERE people <> 0) AS places
            FROM (SELECT lane, campaign_id AS id, place, sum(people) AS people FROM counted
                  WHERE is_in AND place <> '' GROUP BY 1, 2, 3) p GROUP BY 1, 2)
        SELECT y.id FROM campaigns_tally y LEFT JOIN people USING (lane, id)
             LEFT JOIN sums USING (lane, id) LEFT JOIN places USING (lane, id)
        WHERE y.people <> coalesce(people.people, 0)
           OR y.waiting_people <> coalesce(people.waiting_people, 0)
           OR (SELECT jsonb_object_agg(s.key, s.value) FROM jsonb_each(y.sum) s
               WHERE s.value <> '0') IS DISTINCT FROM sums.sum
           OR nullif(y.places, '{}') IS DISTINCT FROM places.places""",
    # All changes together are what the pledges' states say.
    "changes_match_pledges": """
        WITH live AS (SELECT lane, id FROM campaigns_gate
                      WHERE state IN ('open', 'tipped', 'settling', 'topup', 'settled',
                                      'executing', 'failed', 'reallocating', 'done')),
        changed AS (SELECT c.campaign_id, sum(c.people) AS people, sum(c.amount) AS amount
                    FROM campaigns_change c JOIN live g ON g.lane = c.lane AND g.id = c.campaign_id
                    GROUP BY 1),
        joined AS (SELECT p.campaign_id, count(*) AS people, sum(
                       CASE WHEN p.state = 'active'
                       THEN p.amount + coalesce((SELECT sum((m->>'amount')::bigint)
                                                 FROM jsonb_array_elements(p.more) m), 0)
                       ELSE (SELECT sum(a.value::bigint) FROM jsonb_each_text(p.accepted) a)
                       END) AS amount
                   FROM campaigns_pledge p JOIN live g ON g.lane = p.lane AND g.id = p.campaign_id
                   WHERE p.state IN ('active', 'accepted', 'fulfilled') GROUP BY 1)
        SELECT campaign_id FROM changed FULL JOIN joined USING (campaign_id)
        WHERE coalesce(changed.people, 0) <> coalesce(joined.people, 0)
           OR coalesce(changed.amount, 0) <> coalesce(joined.amount, 0)""",
    "what_changed_is_noted": MISSED,
    "tips_once": """
        SELECT campaign_id FROM campaigns_move WHERE state IN ('tipped', 'lapsed')
        GROUP BY campaign_id HAVING count(*) > 1""",
    "tipped_campaigns_have_tipped": """
        SELECT g.id FROM campaigns_gate g
        WHERE (g.tipped_at IS NOT NULL) <> EXISTS (SELECT FROM campaigns_move m
              WHERE m.lane = g.lane AND m.campaign_id = g.id AND m.state = 'tipped')""",
    "accepted_within_cap": """
        SELECT g.id FROM campaigns_gate g JOIN campaigns_campaign c ON c.id = g.id,
             jsonb_each_text(c.cap) k
        WHERE coalesce((g.accepted->>k.key)::bigint, 0) > k.value::bigint""",
    # A batch of charges that was not what had been accepted is not made; somebody must look at it.
    "charges_are_what_was_accepted": """
        SELECT id FROM campaigns_gate WHERE charging_stopped_at IS NOT NULL
          AND state IN ('tipped', 'settling', 'topup', 'settled')""",
    # Every paid charge is in the books to the cent, and nothing else is.
    "ledger_matches_charges": """
        SELECT coalesce(c.id, t.source_ref) FROM (SELECT id, amount_minor, currency
              FROM payments_charge WHERE state = 'paid') c
        FULL JOIN (SELECT source_ref, sum(amount_minor) AS amount_minor, min(currency) AS currency
              FROM ledger_transfer WHERE kind = 'charge' GROUP BY 1) t ON t.source_ref = c.id
        WHERE c.amount_minor IS DISTINCT FROM t.amount_minor
           OR c.currency IS DISTINCT FROM t.currency""",
    "ledger_matches_refunds": """
        SELECT coalesce(r.id, t.source_ref) FROM (SELECT id, amount_minor, currency
              FROM payments_refund WHERE state = 'done') r
        FULL JOIN (SELECT source_ref, min(currency) AS currency,
                     sum(CASE kind WHEN 'refund' THEN amount_minor ELSE -amount_minor END)
                         AS amount_minor
              FROM ledger_transfer WHERE kind IN ('refund', 'refund_back') GROUP BY 1
              HAVING sum(CASE kind WHEN 'refund' THEN amount_minor ELSE -amount_minor END) <> 0
              ) t ON t.source_ref = r.id
        WHERE r.amount_minor IS DISTINCT FROM t.amount_minor
           OR r.currency IS DISTINCT FROM t.currency""",
    "ledger_balances": """
        SELECT campaign_id, currency FROM (
            SELECT campaign_id, currency, -amount_minor AS moved FROM ledger_transfer
            UNION ALL SELECT campaign_id, currency, amount_minor FROM ledger_transfer) legs
        GROUP BY 1, 2 HAVING sum(moved) <> 0""",
    # A refund that was called off because the payer's own bank had taken the money is none.
    "nobody_refunded_more_than_paid": """
        SELECT c.id FROM payments_charge c JOIN payments_refund r ON r.lane = c.lane
             AND r.charge_id = c.id AND r.state <> 'stuck' AND r.code <> 'recalled'
        GROUP BY c.id, c.amount_minor HAVING sum(r.amount_minor) > c.amount_minor""",
    "charged_is_what_was_accepted": """
        SELECT c.id FROM payments_charge c JOIN campaigns_pledge p ON p.lane = c.lane
             AND p.id = c.pledge_id
        WHERE p.state IN ('accepted', 'dropped') AND c.state = 'paid' AND c.is_read
           OR p.state IN ('withdrawn', 'active', 'unsecured', 'unconfirmed') """,
    "every_pledge_has_its_member": """
        SELECT p.id FROM campaigns_pledge p
        WHERE p.newcomer IS NULL
          AND NOT EXISTS (SELECT FROM members_contact c WHERE c.id = p.contact_id)
          -- Whoever was erased has none, by one of these two names for nobody.
          AND p.contact_id NOT IN ('00000000-0000-0000-0000-000000000000',
                                   'ffffffff-ffff-ffff-ffff-ffffffffffff')
          AND NOT EXISTS (SELECT FROM members_erasure e
                          WHERE e.done_at IS NULL AND e.mailbox = p.mailbox)""",
    # Named work is found again by the sweep; what has no name exists only as its job.
    "no_job_gave_up": """
        SELECT id, task_name FROM procrastinate_jobs
        WHERE status = 'failed' AND queueing_lock IS NULL""",
    # Who is to look after a difference between our books and the provider's.
    "discrepancies_are_owned": """
        SELECT id FROM payments_discrepancy WHERE resolved_at IS NULL AND owner_id IS NULL""",
    # What is disputed is in the books once, and what was decided once more.
    "ledger_matches_disputes": """
        SELECT coalesce(d.id, t.source_ref) FROM (
              SELECT id, 'dispute' AS kind, amount_minor FROM payments_dispute
              UNION ALL SELECT id, 'dispute_' || state, amount_minor FROM payments_dispute
              WHERE state <> 'open') d
        FULL JOIN (SELECT source_ref, kind, sum(amount_minor) AS amount_minor FROM ledger_transfer
              WHERE kind IN ('dispute', 'dispute_won', 'dispute_lost') GROUP BY 1, 2) t
             ON t.source_ref = d.id AND t.kind = d.kind
        WHERE d.amount_minor IS DISTINCT FROM t.amount_minor""",
    # What is asked for is set aside, what is paid is paid, and nothing else is. Money is set aside
    # for others than payouts, too.
    "ledger_matches_payouts": """
        SELECT coalesce(p.id, t.source_ref) FROM payments_payout p
        FULL JOIN (SELECT source_ref,
                sum(CASE kind WHEN 'earmark' THEN amount_minor WHEN 'payout_back' THEN 0
                    ELSE -amount_minor END) AS pending,
                sum(CASE kind WHEN 'payout' THEN amount_minor WHEN 'payout_back'
                    THEN -amount_minor ELSE 0 END) AS paid
              FROM ledger_transfer
              WHERE kind IN ('earmark', 'earmark_back', 'payout', 'payout_back') GROUP BY 1) t
             ON t.source_ref = p.id
        WHERE p.id IS NOT NULL AND coalesce(t.pending, 0) <> CASE
              WHEN p.state IN ('asked', 'sending') THEN p.amount_minor ELSE 0 END
           OR coalesce(t.paid, 0) <> CASE WHEN p.state = 'paid' THEN p.amount_minor ELSE 0 END""",
    # The commission is the floor of its share, and so the books say; what was booked a minute ago
    # or earlier is in it.
    "commission_is_its_share": """
        SELECT k.id FROM campaigns_campaign k JOIN campaigns_gate g ON g.id = k.id
        LEFT JOIN payments_commissiontaken c ON c.lane = g.lane AND c.id = g.id,
        LATERAL (SELECT
                sum(CASE WHEN t.source IN ('backers', 'disputed') THEN t.amount_minor ELSE 0 END
                  - CASE WHEN t.destination IN ('backers', 'disputed') THEN t.amount_minor
                    ELSE 0 END) AS standing,
                sum(CASE t.kind WHEN 'commission' THEN t.amount_minor WHEN 'commission_back'
                    THEN -t.amount_minor ELSE 0 END) AS booked,
                max(('x' || substr(replace(t.id::text, '-', ''), 1, 12))::bit(48)::bigint) AS latest
              FROM ledger_transfer t WHERE t.lane = g.lane AND t.campaign_id = g.id) t
        WHERE g.settled_at IS NOT NULL AND k.commission_bp > 0 AND (
              coalesce(c.taken_minor, 0) <> coalesce(c.settled_minor, 0) * k.commission_bp / 10000
           OR coalesce(c.taken_minor, 0) <> coalesce(t.booked, 0)
           OR greatest(coalesce(t.standing, 0), 0) <> coalesce(c.settled_minor, 0)
              AND t.latest < extract(epoch FROM clock_timestamp() - interval '1 minute') * 1000)""",
    "nothing_is_stuck": """
        SELECT id FROM payments_refund WHERE state = 'stuck'""",
}

#: Work that waits, with its age in real seconds; young work is pending, old work is a fault.
_WAITING: dict[str, str] = {
    "jobs": """
        SELECT extract(epoch FROM clock_timestamp() - min(e.at)) FROM procrastinate_jobs j
        JOIN procrastinate_events e ON e.job_id = j.id
        WHERE j.status IN ('todo', 'doing')
          AND (j.scheduled_at IS NULL OR j.scheduled_at < clock_timestamp())""",
    "deliveries": """
        SELECT extract(epoch FROM clock_timestamp() - min(due_at)) FROM outreach_delivery
        WHERE state = 'queued' AND due_at <= clock_timestamp()""",
}


def check_ledger() -> list[dict[str, Any]]:
    """Run the checks of the books alone, on one snapshot: what must be known within a minute."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return [
            _no_rows(name, query)
            for name, query in _QUERIES.items()
            if name.startswith("ledger_") or name == "nobody_refunded_more_than_paid"
        ]


def self_check() -> list[dict[str, Any]]:
    """Run every check on one snapshot of the live site, and return what each found."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        checks = [
            _no_rows(name, query)
            for name, query in (*_QUERIES.items(), *selfcheck_plan_b.QUERIES.items())
        ]
        checks += [_young(name, query) for name, query in _WAITING.items()]
        late = selfcheck_plan_b.overdue(patience=timedelta(seconds=PATIENCE_SECONDS))
        checks.append({"name": "choices_are_closed_in_time", "ok": not late, "detail": late})
    checks.append(_guarded("bank_agrees", _bank_agrees))
    # A sandbox without its provider has nobody to ask; a live site has Stripe itself.
    if settings.STRIPE_API_BASE or (settings.STRIPE_API_KEY and not settings.SANDBOX):
        checks.append(_guarded("provider_agrees", _provider_agrees))
    return checks


def _no_rows(name: str, query: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({query}) wrong LIMIT 6")
        wrong = [" ".join(map(str, row)) for row in cursor.fetchall()]
    return {"name": name, "ok": not wrong, "detail": "; ".join(wrong)}


def _young(name: str, query: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        (age,) = cursor.fetchone()
    if age is None:
        return {"name": f"{name}_are_done", "ok": True, "detail": ""}
    detail = f"pending: the oldest is {float(age):.0f} s old"
    return {"name": f"{name}_are_done", "ok": float(age) < PATIENCE_SECONDS, "detail": detail}


def _guarded(name: str, check: Callable[[], str]) -> dict[str, Any]:
    try:
        wrong = check()
    except LookUpFailed as failed:
        wrong = f"the provider does not answer: {failed}"
    return {"name": name, "ok": not wrong, "detail": wrong}


def _provider_agrees() -> str:
    """Read what is new on the provider's statement and compare it with the books, by currency.

    A call that is under way makes both sides differ for a moment, so a difference must outlast it.
    """
    found = []
    for provider in PROVIDERS:
        begin_statement(provider)
        read_lines(provider)
        found += differences(provider, grace=timedelta(seconds=PATIENCE_SECONDS))
    return _apart(found)


def _bank_agrees() -> str:
    """Compare the books with the bank's statements as far as they were imported, by currency."""
    patient = real_now() - timedelta(seconds=PATIENCE_SECONDS)
    return _apart([each for each in bank_compare.differences() if each.since <= patient])


def _apart(found: list[Difference]) -> str:
    """By currency: how many events differ, by how much, and the first of them."""
    apart, counts = Counter[str](), Counter[str]()
    for each in found:
        counts[each.currency] += 1
        apart[each.currency] += abs((each.ours_minor or 0) - (each.theirs_minor or 0))
    return "; ".join(
        f"{currency}: {count} apart by {apart[currency]}, first"
        f" {next(' '.join(each.key) for each in found if each.currency == currency)}"
        for currency, count in sorted(counts.items())
    )
