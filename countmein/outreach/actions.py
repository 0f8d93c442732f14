"""Say something to people: write it down once, then send it at most once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, cast

from django.db import connection, connections, transaction
from django.db.models import Q
from procrastinate.tasks import Task

from countmein.base.clock import real_now
from countmein.base.jobs import defer, job
from countmein.base.logs import mask
from countmein.base.metrics import Counter
from countmein.members import contacts as members
from countmein.members.models import ERASED, UNLINKED
from countmein.outreach.channels import CHANNELS
from countmein.outreach.channels.port import Mail, Outcome, SendResult
from countmein.outreach.letters import mail_of
from countmein.outreach.models import Delivery, DeliveryState
from countmein.rules.canonical import lane_of

#: One claim: as many as one connection takes in a good while less than a claim lasts.
BATCH = 200
#: Tries after a "not now", or while no server answers: for two days, ever less often, then refused.
_PAUSES = tuple(timedelta(minutes=m) for m in (1, 5, 25, 120, 360, 720, 720, 720))
#: A claim older than this belongs to a worker that died. What it had not begun is sent by another;
#: what it had begun may have arrived: unknown.
_CLAIM_LASTS = timedelta(seconds=30)
#: So many lines to the mail server side by side, while more than a batch waits.
_LINES = 4
#: A job's turn: long enough to be worth its start, short enough to stop for in good order.
TURN_SECONDS = 20.0

MAILS = Counter(
    "countmein_mails_total", "Mails handed over by this process, by outcome", labels=("outcome",)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """What a message says, in the reader's language; one template lays out all of them.

    `lines` are paragraphs, `facts` label and value pairs, `links` label and address pairs (the
    first is the button), `code` a voucher or check-in code shown large with its QR picture, `scan`
    what a banking app reads from the picture that is attached, `event` the appointment that is
    attached as an `.ics` file.
    """

    subject: str
    lines: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    code: str = ""
    scan: str = ""
    event: dict[str, str] | None = None
    footer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One message to one person: a member's contact, or an address that is nobody's secret."""

    once: str
    topic: str
    letter: Letterhead
    lane: int
    contact_id: uuid.UUID | None = None
    to_address: str = ""
    language: str = "en-gb"
    #: Somebody waits for it now; it goes before all others.
    is_awaited: bool = False


def address_lane(address: str) -> int:
    """The lane for messages to somebody who is not a member."""
    return lane_of(address.lower().encode())


def post(posts: Sequence[Post]) -> None:
    """Queue messages; a cause that was queued before stays as it was, and nobody erased is written
    to."""
    now = real_now()
    posts = [p for p in posts if p.contact_id not in (ERASED, UNLINKED)]
    posts.sort(key=lambda p: (p.lane, p.once))
    rows = [
        Delivery(
            lane=p.lane,
            once=p.once,
            contact_id=p.contact_id,
            to_address=p.to_address,
            topic=p.topic,
            language=p.language,
            is_awaited=p.is_awaited,
            queued_at=now,
            due_at=now,
        )
        for p in posts
    ]
    for row, p in zip(rows, posts, strict=True):
        row.say(asdict(p.letter))
    Delivery.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
    for task, is_awaited in ((send_awaited, True), (send, False)):
        if any(row.is_awaited is is_awaited for row in rows):
            defer(task, once=task.name)


@job(name="outreach.send_awaited", queue="awaited")
def send_awaited() -> None:
    """Send what somebody waits for, on a connection of its own, whatever else is queued."""
    _send(lambda: _claim(is_awaited=True))


@job(name="outreach.send", queue="sends")
def send() -> None:
    """Send what is queued and due, batch by batch, for a turn; the sweep hands out the rest.

    Before each batch it looks for what somebody waits for: where this is the only place to work
    at, one batch is all that can stand before that.
    """
    _send(lambda: _claim(is_awaited=True) or _claim(is_awaited=False))


def _send(claim: Callable[[], list[Delivery]]) -> None:
    """Send for a turn: over one line, and over more side by side once there are many."""
    ends = time.monotonic() + TURN_SECONDS

    def next_batch() -> list[Delivery]:
        return claim() if time.monotonic() < ends else []

    batch = next_batch()
    while 0 < len(batch) < BATCH:
        _hand_over(batch)
        batch = next_batch()
    if batch:
        _side_by_side(batch, next_batch)


def _side_by_side(batch: list[Delivery], next_batch: Callable[[], list[Delivery]]) -> None:
    """Send this batch and all that follow; each line takes batches of its own."""

    def line(batch: list[Delivery]) -> None:
        while batch:
            _hand_over(batch)
            batch = next_batch()

    def further_line() -> None:
        try:
            line(next_batch())
        finally:
            connections.close_all()

    with ThreadPoolExecutor(_LINES - 1) as pool:
        others = [pool.submit(further_line) for _ in range(_LINES - 1)]
        line(batch)
        for done in others:
            done.result()


def _claim(*, is_awaited: bool) -> list[Delivery]:
    """Take the next batch for a while: what its worker does not come to is due again later."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE outreach_delivery d SET due_at = clock_timestamp() + %s
            FROM (SELECT lane, id FROM outreach_delivery
                  WHERE state = 'queued' AND is_awaited = %s AND due_at <= clock_timestamp()
                  ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED) due
            WHERE d.lane = due.lane AND d.id = due.id
            RETURNING d.lane, d.id
            """,
            # psycopg adapts an interval, whatever Django's stubs list.
            [cast("Any", _CLAIM_LASTS), is_awaited, BATCH],
        )
        keys = cursor.fetchall()
    if not keys:
        return []
    return list(Delivery.objects.filter(pk__in=keys).order_by("queued_at", "id"))


def send_now(causes: Sequence[tuple[int, str]]) -> None:
    """Send these few messages, by lane and cause, in the caller's process.

    For what must go out although no worker lives. What is not due, or is somebody else's by now, is
    left alone.
    """
    lanes, onces = [lane for lane, _ in causes], [once for _, once in causes]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE outreach_delivery d SET due_at = clock_timestamp() + %s
            FROM (SELECT lane, id FROM outreach_delivery
                  WHERE (lane, once) IN (SELECT * FROM unnest(%s::int[], %s::text[]))
                  AND state = 'queued' AND due_at <= clock_timestamp()
                  FOR UPDATE SKIP LOCKED) due
            WHERE d.lane = due.lane AND d.id = due.id
            RETURNING d.lane, d.id
            """,
            [cast("Any", _CLAIM_LASTS), lanes, onces],
        )
        keys = cursor.fetchall()
    if keys:
        _hand_over(list(Delivery.objects.filter(pk__in=keys)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """What came of one message. With a pause it was explicitly refused for now: it waits again."""

    delivery: Delivery
    state: str
    receipt: str
    pause: timedelta | None = None


def _hand_over(batch: Sequence[Delivery]) -> None:
    """Send a batch over one line.

    What came of a message is written in the statement that marks the next one as being sent: so
    each costs one commit, and still a kill leaves one message unknown and not the whole batch.
    """
    rows, ended = {str(delivery.id): delivery for delivery in batch}, list[_Ended]()
    try:
        for result in CHANNELS["email"].send(_mails(batch, ended)):
            ended.append(_what_came(rows[result.id], result))
    finally:
        _write(ended, None)


def _mails(batch: Sequence[Delivery], ended: list[_Ended]) -> Iterator[Mail]:
    """Each message of a batch, marked as being sent at the moment the channel asks for it."""
    contacts = members.opened((d.lane, d.contact_id) for d in batch if d.contact_id)
    for delivery in batch:
        id = delivery.contact_id
        contact = contacts.get((delivery.lane, id)) if id is not None else None
        if contact is None and id is not None:
            receipt = "the address was erased"
            ended.append(_Ended(delivery=delivery, state=DeliveryState.REFUSED, receipt=receipt))
            continue
        mail = mail_of(delivery, contact=contact)
        if _begin(delivery, ended):
            yield mail


def _begin(delivery: Delivery, ended: list[_Ended]) -> bool:
    """Mark as being sent, unless another worker has taken it since; committed before a byte goes.

    Who froze for longer than a claim lasts finds another due time here than its own.
    """
    delivery.attempt += 1
    return _write(ended, delivery)


def _what_came(delivery: Delivery, result: SendResult) -> _Ended:
    """Only what was explicitly refused for now is tried again, for a while."""
    is_over = delivery.attempt > len(_PAUSES)
    if result.outcome != Outcome.REFUSED or result.permanent or is_over:
        return _Ended(delivery=delivery, state=result.outcome, receipt=result.receipt)
    pause = _PAUSES[delivery.attempt - 1]
    return _Ended(
        delivery=delivery, state=DeliveryState.QUEUED, receipt=result.receipt, pause=pause
    )


def _key(delivery: Delivery) -> list[Any]:
    return [delivery.attempt, delivery.lane, delivery.id, delivery.due_at]


def _write(ended: list[_Ended], begun: Delivery | None) -> bool:
    """Write down what has ended and what begins, together; tell whether that may begin.

    What a message said is of no further use once it has ended.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH ended AS (
                UPDATE outreach_delivery d SET state = v.state, receipt = v.receipt,
                    due_at = coalesce(clock_timestamp() + v.pause, d.due_at),
                    done_at = CASE WHEN v.pause IS NULL THEN clock_timestamp() ELSE d.done_at END,
                    letter = CASE WHEN v.pause IS NULL THEN '{}' ELSE d.letter END
                FROM unnest(%s::int[], %s::uuid[], %s::text[], %s::text[], %s::interval[])
                     AS v (lane, id, state, receipt, pause)
                WHERE d.lane = v.lane AND d.id = v.id)
            UPDATE outreach_delivery
            SET state = 'sending', attempt = %s, done_at = clock_timestamp()
            WHERE lane = %s AND id = %s AND state = 'queued' AND due_at = %s RETURNING id
            """,
            [
                [each.delivery.lane for each in ended],
                [each.delivery.id for each in ended],
                [str(each.state) for each in ended],
                [mask(each.receipt)[:255] for each in ended],
                [each.pause for each in ended],
                *(_key(begun) if begun is not None else [None] * 4),
            ],
        )
        may_begin = cursor.fetchone() is not None
    for each in ended:
        if each.pause is None:
            MAILS.add(each.state)
    ended.clear()
    return may_begin


def forget_deliveries(*, lane: int, contact_ids: Sequence[uuid.UUID]) -> None:
    """Delete what was or is to be said to these contacts; what is queued is never sent."""
    Delivery.objects.filter(lane=lane, contact_id__in=contact_ids).delete()


def park_orphans() -> int:
    """Mark as unknown what a killed worker had claimed: it may have been sent, so never again."""
    return (
        Delivery.objects.all_lanes()
        .filter(state=DeliveryState.SENDING, done_at__lt=real_now() - _CLAIM_LASTS)
        .update(
            state=DeliveryState.UNKNOWN,
            receipt="the sender was stopped; it may have arrived",
            letter={},
        )
    )


def park_open() -> int:
    """Mark as unknown all that is not sent yet: in a restored site it may have been sent since."""
    rows = Delivery.objects.all_lanes()
    return rows.filter(state__in=[DeliveryState.QUEUED, DeliveryState.SENDING]).update(
        state=DeliveryState.UNKNOWN,
        receipt="the site was restored; it may have arrived",
        letter={},
    )


def has_unsent() -> bool:
    """Whether a message waits that is due, or that a worker took and has not begun."""
    waiting = Delivery.objects.all_lanes().filter(state=DeliveryState.QUEUED)
    return waiting.filter(Q(due_at__lte=real_now()) | Q(attempt=0)).exists()


def due_jobs() -> list[Task[..., None, ...]]:
    """The jobs for which a message waits to be sent now."""
    due = Delivery.objects.all_lanes().filter(state=DeliveryState.QUEUED, due_at__lte=real_now())
    jobs = {True: send_awaited, False: send}
    return [jobs[is_awaited] for is_awaited in jobs if due.filter(is_awaited=is_awaited).exists()]
