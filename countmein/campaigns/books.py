"""The books of the count: what is in, kept in this process between one count and the next.

A book is only a shortcut. It says up to which round it has been kept, what came since is read from
the changes, and where there is none it is opened anew from the rows; so it may be lost or grow old
at any time, and any process may count.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from django.db import connection

from countmein.campaigns.models import JOINED_STATES, Campaign, Crowd, Pledge, Tally, crowd_id
from countmein.campaigns.waitlist import crowds_in
from countmein.rules import conditions
from countmein.rules.running import Running

#: Crowds kept in memory by one process, of all campaigns: some 1.5 KB each.
_CROWDS_KEPT = 400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What one crowd has gained or lost of one kind in one place."""

    crowd_id: uuid.UUID
    kind: str
    place: str
    people: int
    amount: int
    #: Whether the rows of the totals have yet to hear of it.
    is_uncounted: bool


@dataclass(slots=True, kw_only=True)
class Book:
    """The crowds of one campaign, as of a round."""

    core: uuid.UUID
    round: int
    running: Running[uuid.UUID] = field(default_factory=Running)
    #: The crowds whose rows do not yet say whether they are in.
    wrong: set[uuid.UUID] = field(default_factory=set)
    #: The pledges that conditions name and that have been looked up.
    known: set[str] = field(default_factory=set)

    def settle(self) -> None:
        """Find out who is in by now."""
        moved = self.running.settle()
        self.wrong ^= moved.entered | moved.left


@dataclass(slots=True, kw_only=True)
class Turn:
    """The right of one thread of this process to count a campaign, with the book if there is one.

    Take it before the tally and the gate, never while holding either.
    """

    book: Book | None


class _Turnstile:
    """One campaign's lock; gone when nobody waits at it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


_guard = threading.Lock()
_turnstiles: WeakValueDictionary[uuid.UUID, _Turnstile] = WeakValueDictionary()
_books: OrderedDict[uuid.UUID, Book] = OrderedDict()


@contextmanager
def turn(campaign_id: uuid.UUID) -> Iterator[Turn]:
    """Take turns with the other threads; what fails half way leaves no book behind."""
    with _guard:
        turnstile = _turnstiles.setdefault(campaign_id, _Turnstile())
    with turnstile.lock:
        with _guard:
            mine = Turn(book=_books.pop(campaign_id, None))
        yield mine
        if mine.book is not None:
            _keep(campaign_id, mine.book)


def _keep(campaign_id: uuid.UUID, book: Book) -> None:
    with _guard:
        _books[campaign_id] = book
        crowds = sum(1 + len(kept.running) for kept in _books.values())
        while crowds > _CROWDS_KEPT and _books:
            _id, oldest = _books.popitem(last=False)
            crowds -= 1 + len(oldest.running)


def forget() -> None:
    """Close all books, as a process that has just started."""
    with _guard:
        _books.clear()


def read(
    campaign: Campaign, book: Book | None, *, tally: Tally, before: int
) -> tuple[Book, list[News]]:
    """The book with everything in it that happened before a round, and what the totals lack.

    Call with the tally held.
    """
    if book is None or book.round > tally.round:
        book = _opened(campaign, tally)
    is_behind = book.round < tally.round
    news = list(_news(campaign, after=book.round, counted=tally.round, before=before))
    _add_crowds(campaign, book, {each.crowd_id for each in news})
    for each in news:
        book.running.add(
            each.crowd_id,
            kind=each.kind,
            amount=each.amount,
            place=each.place,
            people=each.people,
        )
    _locate(campaign, book, before=before)
    book.round = before - 1
    book.settle()
    if is_behind:
        # Another process has counted since, and marked the crowds as it found them.
        book.wrong = {id for id in book.running if book.running.is_in(id)} ^ crowds_in(campaign)
    return book, [each for each in news if each.is_uncounted]


def _opened(campaign: Campaign, tally: Tally) -> Book:
    """A new book, from the totals as the last count left them."""
    book = Book(core=crowd_id(campaign.id, "core"), round=tally.round)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT crowd_id, kind, place, people, amount FROM campaigns_crowdtotal
            WHERE lane = %s AND campaign_id = %s
            """,
            [campaign.lane, campaign.id],
        )
        totals = cursor.fetchall()
    _add_crowds(campaign, book, {crowd for crowd, *_rest in totals})
    for crowd, kind, place, people, amount in totals:
        book.running.add(crowd, kind=kind, amount=amount, place=place, people=people)
    return book


def _news(campaign: Campaign, *, after: int, counted: int, before: int) -> Iterator[News]:
    """The changes of rounds in (after, before), added up; one row may stand for many pledges."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT crowd_id, kind, place, round > %(counted)s,
                   sum(people)::bigint, sum(amount)::bigint
            FROM campaigns_change
            WHERE lane = %(lane)s AND campaign_id = %(campaign)s
              AND round > %(after)s AND round < %(before)s
            GROUP BY 1, 2, 3, 4
            """,
            {
                "lane": campaign.lane,
                "campaign": campaign.id,
                "after": after,
                "before": before,
                "counted": counted,
            },
        )
        for crowd, kind, place, is_uncounted, people, amount in cursor.fetchall():
            yield News(
                crowd_id=crowd,
                kind=kind,
                place=place,
                people=people,
                amount=amount,
                is_uncounted=is_uncounted,
            )


def _add_crowds(campaign: Campaign, book: Book, ids: Iterable[uuid.UUID]) -> None:
    """Take in the crowds that the book has not met, each with its condition."""
    unknown = [id for id in ids if id not in book.running]
    for start in range(0, len(unknown), 10_000):
        rows = Crowd.objects.filter(lane=campaign.lane, id__in=unknown[start : start + 10_000])
        for id, said, is_in in rows.values_list("id", "condition", "is_in"):
            asked = said and conditions.parse(said, path="condition", pledges_allowed=True)
            book.running.add_crowd(id, asked)
            if is_in:
                book.wrong.add(id)


def _locate(campaign: Campaign, book: Book, *, before: int) -> None:
    """Look up where the pledges are that conditions name: all new names, and whoever has moved.

    A pledge that has moved carries the round in which it did; one that moves in a round still open
    is looked up by the next count.
    """
    new = book.running.named - book.known
    found = _whereabouts(campaign, new)
    if book.known:
        found |= _whereabouts(campaign, book.known, round__gt=book.round, round__lt=before)
    book.known |= new
    for code, (state, crowd) in found.items():
        here = None
        if state in JOINED_STATES:
            here = crowd if state == "active" else book.core
        # A crowd that nobody has been counted in is met at the next count, and so is the pledge.
        book.running.locate(code, here if here is not None and here in book.running else None)


def _whereabouts(
    campaign: Campaign, codes: Iterable[str], **rounds: int
) -> dict[str, tuple[str, uuid.UUID]]:
    rows = Pledge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, code__in=list(codes), **rounds
    ).values_list("code", "state", "crowd_id")
    return {code: (state, crowd) for code, state, crowd in rows}
