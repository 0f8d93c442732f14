"""Everything that runs by the clock, on one page; and the worker that runs it.

Once a second the sweep looks, by state, for work that is due: campaigns to count, deadlines to
judge, pledges to settle or release, charges, refunds and mails. Jobs are only the way the work is
handed out, so a job that was lost costs a second and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, cast

from django.conf import settings
from django.db import close_old_connections, connection, connections, transaction
from django.db.models import Min
from procrastinate.contrib.django import app

from countmein.base.clock import real_now, site_now
from countmein.base.idempotency import forget_old
from countmein.base.jobs import GROUPS, defer
from countmein.base.jobs_rescue import give_back, note_worker
from countmein.base.models import Heartbeat
from countmein.campaigns.actions.accept import stopped
from countmein.campaigns.actions.account import look_at_account_by_itself
from countmein.campaigns.actions.ask import ASK_ANEW, ask_anew, to_ask_anew
from countmein.campaigns.actions.ask_rest import ask_rest, parts_to_tell
from countmein.campaigns.actions.close_ballots import ballots_to_close, close_ballots
from countmein.campaigns.actions.commission import take_commission, to_take
from countmein.campaigns.actions.count import count
from countmein.campaigns.actions.enrol import enrol, with_newcomers
from countmein.campaigns.actions.erase import carry_out, to_unlink, unlink_shut
from countmein.campaigns.actions.moderate import carry_on, unmoderated
from countmein.campaigns.actions.pay_out import pay_out, to_judge
from countmein.campaigns.actions.prove import prove, to_prove
from countmein.campaigns.actions.reallocate import reallocate, to_reallocate
from countmein.campaigns.actions.record import record
from countmein.campaigns.actions.release import release
from countmein.campaigns.actions.retain import is_retained, retain
from countmein.campaigns.actions.return_late import return_late, to_return_late
from countmein.campaigns.actions.seal_old import is_all_sealed, seal_old
from countmein.campaigns.actions.secure import secure
from countmein.campaigns.actions.settle import settle
from countmein.campaigns.models import Ballot, Gate
from countmein.campaigns.uncounted import note_missed, uncounted
from countmein.campaigns.unlogged import may_write, to_record, to_seal
from countmein.campaigns.waitlist import PLACE_KEPT
from countmein.members.erasing import undone
from countmein.outreach import actions as outreach
from countmein.payments import events
from countmein.payments.actions import due as payments
from countmein.payments.actions.accounts import to_look_at
from countmein.payments.actions.bank_forget import forget_parties
from countmein.payments.actions.bank_reseal import reseal_parties
from countmein.payments.models import (
    Charge,
    ChargeState,
    HostedPage,
    Mandate,
    PageState,
    Payout,
    PayoutState,
    Refund,
    RefundState,
)
from countmein.rules.awaiting import BOOKED_WITHIN
from countmein.rules.states import CampaignState
from countmein.watch import reports, rounds

log = logging.getLogger(__name__)

SWEEP_SECONDS = 0.5


def sweep() -> None:
    """Hand out whatever is due now; safe to run in many workers, as often as one likes."""
    now = site_now()
    _hand_out(count, "count", uncounted(pause_seconds=settings.COUNT_PAUSE_SECONDS))
    _hand_out(secure, "secure", _with_cards())
    gates = Gate.objects.all_lanes()
    _hand_out(
        count,
        "count",
        gates.filter(state=CampaignState.open, deadline__lte=now).values_list("id", flat=True),
    )
    _hand_out(settle, "settle", _to_settle(now))
    _hand_out(release, "release", _to_release(now))
    _hand_out(reallocate, "reallocate", to_reallocate())
    _hand_out(close_ballots, "close_ballots", ballots_to_close())
    _hand_out(ask_anew, "ask_anew", to_ask_anew())
    _hand_out(ask_rest, "ask_rest", parts_to_tell())
    _hand_out(take_commission, "commission", to_take())
    _hand_out(return_late, "return_late", to_return_late())
    _hand_out(prove, "prove", to_prove())
    _hand_out(pay_out, "pay_out", to_judge())
    _hand_out(enrol, "enrol", with_newcomers())
    for lane, erasure_id in undone():
        id = str(erasure_id)
        defer(carry_out, once=f"erase:{id}", lane=lane, erasure_id=id)
    for lane, moderation_id in unmoderated():
        id = str(moderation_id)
        defer(carry_on, once=f"moderate:{id}", lane=lane, moderation_id=id)
    _hand_out(unlink_shut, "unlink", to_unlink())
    for organiser_id in to_look_at():
        id = str(organiser_id)
        defer(look_at_account_by_itself, once=f"account:{id}", organiser_id=id)
    due = [*payments.due_jobs()]
    due += [events.read_events] if events.has_news() else []
    due += outreach.due_jobs()
    if may_write() and _is_unrecorded():
        due.append(record)
    for task in due:
        defer(task, once=task.name)


def _is_unrecorded() -> bool:
    return bool(to_record(limit=1)) or to_seal()


def _hand_out(task: Any, name: str, ids: Iterable[Any]) -> None:
    for campaign_id in ids:
        defer(task, once=f"{name}:{campaign_id}", campaign_id=str(campaign_id))


def _with_cards() -> list[Any]:
    news = Mandate.objects.all_lanes().filter(is_read=False, state__in=["made", "refused"])
    return list(news.values_list("campaign_id", flat=True).distinct())


def _to_settle(now: datetime) -> list[Any]:
    """Campaigns that tipped and have something to do: people to accept, answers of the provider
    to read, nothing left to wait for, or a place under the cap that is kept no longer."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT g.id FROM campaigns_gate g
            WHERE g.state = 'tipped' AND g.charging_stopped_at IS NULL
               OR g.state IN ('settling', 'topup', 'settled', 'executing', 'failed', 'reallocating',
                              'done') AND (
                  g.accepted_round < g.round AND g.charging_stopped_at IS NULL
                  AND g.executing_at IS NULL
                  OR EXISTS (SELECT FROM payments_charge c WHERE c.lane = g.lane
                     AND c.campaign_id = g.id AND NOT c.is_read AND c.state IN ('paid', 'failed'))
                  OR EXISTS (SELECT FROM payments_charge c WHERE c.lane = g.lane
                     AND c.campaign_id = g.id AND c.asks > c.asks_told)
                  OR EXISTS (SELECT FROM payments_refund r WHERE r.lane = g.lane
                     AND r.campaign_id = g.id AND NOT r.is_read AND r.state IN ('done', 'moot')))
               OR (g.state = 'settling' OR g.state = 'topup' AND g.topup_until <= %(now)s)
                  AND g.charging_stopped_at IS NULL
                  AND NOT EXISTS (SELECT FROM campaigns_pledge p WHERE p.lane = g.lane
                     AND p.campaign_id = g.id AND p.state = 'accepted')
                  AND NOT EXISTS (SELECT FROM payments_refund r WHERE r.lane = g.lane
                     AND r.campaign_id = g.id AND r.state NOT IN ('done', 'moot'))
               OR g.state IN ('settling', 'topup', 'settled') AND g.executing_at IS NULL
                  AND g.charging_stopped_at IS NULL AND EXISTS (
                     SELECT FROM campaigns_campaign k, campaigns_tally t, campaigns_pledge p
                     WHERE k.id = g.id AND k.cap <> '{}' AND t.lane = g.lane AND t.id = g.id
                     AND p.lane = g.lane AND p.campaign_id = g.id AND p.state = 'unsecured'
                     AND p.acted_at > t.as_of - %(kept)s AND p.acted_at <= %(now)s - %(kept)s)
            """,
            # psycopg adapts an interval, whatever Django's stubs list.
            cast("dict[str, Any]", {"kept": PLACE_KEPT, "now": now}),
        )
        return [campaign_id for (campaign_id,) in cursor.fetchall()]


def _to_release(now: datetime) -> list[Any]:
    """Campaigns that are over and not closed yet; one that only waits for refunds is left alone
    until one of them is made."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT g.id FROM campaigns_gate g
            WHERE g.closed_at IS NULL AND (g.state IN ('lapsed', 'cancelled', 'released')
                  OR g.executing_at IS NOT NULL
                  OR g.state = 'settled' AND g.deadline <= %s
                     AND g.charging_stopped_at IS NULL)
              AND (NOT EXISTS (SELECT FROM payments_refund r WHERE r.lane = g.lane
                     AND r.campaign_id = g.id AND r.state NOT IN ('done', 'moot'))
                OR EXISTS (SELECT FROM payments_refund r WHERE r.lane = g.lane
                     AND r.campaign_id = g.id AND NOT r.is_read AND r.state IN ('done', 'moot'))
                OR EXISTS (SELECT FROM campaigns_pledge p WHERE p.lane = g.lane
                     AND p.campaign_id = g.id
                     AND p.state IN ('unconfirmed', 'unsecured', 'active', 'held')))
            """,
            [now],
        )
        return [campaign_id for (campaign_id,) in cursor.fetchall()]


def next_due_at(*, after: datetime, until: datetime) -> datetime | None:
    """The first instant of the site's clock in (after, until] at which something falls due."""
    rows = (
        ("deadline", Gate.objects.all_lanes().filter(closed_at=None)),
        ("reallocate_at", Gate.objects.all_lanes().filter(state=CampaignState.failed)),
        ("ends_at", Ballot.objects.all_lanes().filter(closed_at=None)),
        ("topup_until", Gate.objects.all_lanes().filter(state=CampaignState.topup)),
        ("due_at", Charge.objects.all_lanes().filter(state=ChargeState.DUE)),
        ("remind_at", Charge.objects.all_lanes().filter(state=ChargeState.AWAITED)),
        ("due_at", Refund.objects.all_lanes().filter(state=RefundState.DUE)),
        ("expires_at", HostedPage.objects.all_lanes().filter(state=PageState.OPEN)),
        ("due_at", Payout.objects.all_lanes().filter(state=PayoutState.ASKED)),
        ("proof_by", Gate.objects.all_lanes()),
    )
    firsts = [_first(found, field, after=after, until=until) for field, found in rows]
    unasked = Gate.objects.all_lanes().filter(state=CampaignState.open, reminded_at=None)
    near = _first(unasked, "deadline", after=after + ASK_ANEW, until=until + ASK_ANEW)
    firsts.append(near and near - ASK_ANEW)
    awaited = Charge.objects.all_lanes().filter(state=ChargeState.AWAITED)
    over = _first(awaited, "due_at", after=after - BOOKED_WITHIN, until=until - BOOKED_WITHIN)
    firsts.append(over and over + BOOKED_WITHIN)
    return min((first for first in firsts if first is not None), default=None)


def _first(rows: Any, field: str, *, after: datetime, until: datetime) -> datetime | None:
    """The earliest value of a field in (after, until]."""
    within = rows.filter(**{f"{field}__gt": after, f"{field}__lte": until})
    found: datetime | None = within.aggregate(first=Min(field))["first"]
    return found


def unfinished() -> list[str]:
    """Name the kinds of work that are due or under way now; empty when the site is at rest.

    All looks see one instant: work that is handed on between two looks would hide from both.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return _unfinished(site_now())


def _unfinished(now: datetime) -> list[str]:
    gates = Gate.objects.all_lanes()
    looks: dict[str, Callable[[], Any]] = {
        "jobs": _has_jobs,
        "counting": uncounted,
        "cards to read": _with_cards,
        "deadlines": gates.filter(state=CampaignState.open, deadline__lte=now).exists,
        "settling": lambda: _to_settle(now),
        "releasing": lambda: _to_release(now),
        "reallocating": to_reallocate,
        "ballots": ballots_to_close,
        "asking anew": to_ask_anew,
        "asking for the rest": parts_to_tell,
        "commission": to_take,
        "late money": to_return_late,
        "proofs": to_prove,
        "payouts to judge": to_judge,
        "accounts": to_look_at().exists,
        "newcomers": with_newcomers,
        "erasures": undone,
        "unlinking": to_unlink,
        "moderation": unmoderated,
        "events": events.has_news,
        "the public log": _is_unrecorded,
        # A message that is being sent is its job's; what a dead job left is parked by the chores.
        "mail": outreach.has_unsent,
    }
    return [name for name, is_open in looks.items() if is_open()] + payments.unfinished()


def is_at_rest() -> bool:
    """Whether all work that is due is done: only time, or somebody's act, brings more."""
    return not unfinished()


def _has_jobs() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))"
        )
        (found,) = cursor.fetchone()
    return bool(found)


def chores() -> None:
    """Once a minute: what need not be done at once."""
    outreach.park_orphans()
    note_missed()
    forget_old()
    reports.forget_silent()
    if not is_retained():
        defer(retain, once=retain.name)
    if not is_all_sealed():
        defer(seal_old, once=seal_old.name)
    forget_parties()
    reseal_parties()
    _hand_out(settle, "settle", stopped())
    _hand_out(take_commission, "commission", to_take(of_all=True))
    with connection.cursor() as cursor:
        # Finished jobs are of no further use, nor are failed ones that the sweep repeats; their
        # events outweigh them.
        cursor.execute(
            """DELETE FROM procrastinate_jobs WHERE id IN (
                 SELECT j.id FROM procrastinate_jobs j WHERE (j.status = 'succeeded'
                     OR j.status = 'failed' AND j.queueing_lock IS NOT NULL)
                 AND NOT EXISTS (SELECT FROM procrastinate_events e WHERE e.job_id = j.id
                                 AND e.at > now() - interval '10 minutes') LIMIT 5000)"""
        )
    _rescue_elsewhere()


def _rescue_elsewhere() -> None:
    """Give back the jobs of workers whose heartbeat stopped; the supervisor sees to its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT j.id FROM procrastinate_jobs j
               LEFT JOIN procrastinate_workers w ON w.id = j.worker_id
               WHERE j.status = 'doing' AND (w.id IS NULL
                     OR w.last_heartbeat < now() - interval '60 seconds') ORDER BY j.id"""
        )
        for (job_id,) in cursor.fetchall():
            give_back(connection.connection, job_id=job_id)


def beat() -> None:
    """Say that the worker lives."""
    Heartbeat.objects.update_or_create(part="worker", defaults={"at": real_now()})


def tick(stopped: threading.Event) -> None:
    """Sweep until stopped; a fault in one round is logged and the next one tries again."""
    rounds = 0
    while not stopped.wait(SWEEP_SECONDS):
        due: list[Callable[[], Any]] = [sweep]
        if rounds % 10 == 0:
            due.append(beat)
        if rounds % 120 == 0:
            due.append(chores)
        rounds += 1
        for step in due:
            try:
                step()
            except Exception:
                log.exception("the sweep failed and will be repeated")
                connections.close_all()
        close_old_connections()


def work() -> None:
    """Run the worker of this process until it is told to stop."""
    stopped = threading.Event()
    ticker = threading.Thread(target=tick, args=[stopped], name="sweep", daemon=True)
    ticker.start()
    watches = [
        rounds.begin(rounds.OF_THE_WORKER, part=reports.part()),
        rounds.begin(rounds.INSPECTIONS),
    ]
    try:
        asyncio.run(_run_jobs())
    finally:
        for watch in (stopped, *watches):
            watch.set()
        ticker.join(timeout=5)


async def _run_jobs() -> None:
    """Run each group of queues with places of its own until the process is told to stop."""
    connector = app.connector.get_worker_connector()  # type: ignore[attr-defined]
    with app.replace_connector(connector):
        loop = asyncio.get_running_loop()
        # The loop's own pool is as small as the machine, and jobs that wait for the wire fill it.
        places = sum(count for _queues, count in GROUPS)
        loop.set_default_executor(ThreadPoolExecutor(places + 2))
        async with app.open_async():
            _note_when_registered()
            told = asyncio.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, told.set)
            await run_groups(GROUPS, until=told)


async def run_groups(
    groups: Sequence[tuple[tuple[str, ...], int]], *, until: asyncio.Event
) -> None:
    """Run a worker for each group until told to stop; if one of them fails, all stop."""
    async with asyncio.TaskGroup() as together:
        workers = [together.create_task(_run_group(*group)) for group in groups]
        await until.wait()
        for worker in workers:
            worker.cancel()


async def _run_group(queues: tuple[str, ...], places: int) -> None:
    await app.run_worker_async(
        name="+".join(queues),
        queues=list(queues),
        concurrency=places,
        install_signal_handlers=False,
        shutdown_graceful_timeout=1,
        fetch_job_polling_interval=2,
    )


def _note_when_registered() -> None:
    """Let the supervisor know under which number this process takes jobs, before it takes one."""
    register = app.job_manager.register_worker

    async def register_and_note() -> int:
        worker_id = await register()
        note_worker(worker_id=worker_id)
        return worker_id

    app.job_manager.register_worker = register_and_note  # type: ignore[method-assign]
