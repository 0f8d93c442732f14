"""To count: one job per campaign tallies what is new, clears the conditions and sees it tip."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import TypeVar

from django.db import connection, transaction

from countmein.base.clock import real_now, site_now
from countmein.base.ids import named_uuid
from countmein.base.jobs import job
from countmein.campaigns import books
from countmein.campaigns.actions.secure import is_under_way, secure
from countmein.campaigns.books import News, Turn, turn
from countmein.campaigns.gates import close_round, hold
from countmein.campaigns.models import Campaign, Gate, Tally, totals_of
from countmein.campaigns.moves import announce, move
from countmein.campaigns.uncounted import forget
from countmein.campaigns.waitlist import waitlisted_people
from countmein.rules import conditions
from countmein.rules.conditions import Condition
from countmein.rules.running import Running
from countmein.rules.states import CampaignState, Latch
from countmein.rules.tipping import Verdict, judge

Answered = TypeVar("Answered")

#: Where more crowds than this move at once, they are marked without the gate being held.
_MOVED_UNDER_GATE = 1000
#: How often the marking of many crowds is tried without the gate before it is done under it.
_TRIES = 3
#: No more thresholds than this are looked at for the tipping curve: a picture shows no more.
_CURVE_STEPS = 64


class TooManyMoves(Exception):
    """More crowds move than may be marked while pledgers wait."""


@job(name="campaigns.count", queue="counting")
def count(campaign_id: str) -> None:
    """Bring the tally up to date, and tip or lapse the campaign if it is time.

    The round is closed in one short statement, and the counting is done without holding the gate,
    so pledging goes on. Only when the verdict is no longer "wait" is the gate held, the rest
    counted under it, and the verdict given again.
    """
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    secure(campaign_id)
    with turn(campaign.id) as mine:
        tally = catch_up(campaign, mine)
    if _verdict(campaign, tally) is not Verdict.wait:
        decide(campaign)


def decide(campaign: Campaign) -> Verdict:
    """Judge the campaign with its gate held and everything counted; tip or lapse it, once."""
    return with_rest_counted(campaign, _decide)


def _decide(campaign: Campaign, gate: Gate, tally: Tally) -> Verdict:
    if gate.state != CampaignState.open:
        return Verdict.wait
    verdict = _verdict(campaign, tally)
    now = site_now()
    if verdict is Verdict.tip:
        _move(campaign, CampaignState.tipped, now, tipped_at=now)
    elif verdict is Verdict.lapse:
        _move(campaign, CampaignState.lapsed, now)
    return verdict


def with_rest_counted(
    campaign: Campaign, act: Callable[[Campaign, Gate, Tally], Answered]
) -> Answered:
    """Act in one transaction with the gate held and everything counted.

    Nearly all is counted before, and the tally is held before the gate: so whoever pledges waits
    for neither a long count nor one that another process is about.
    """
    with turn(campaign.id) as mine:
        for left in reversed(range(_TRIES)):
            catch_up(campaign, mine)
            try:
                with transaction.atomic():
                    tally = _hold_tally(campaign)
                    gate = hold(campaign)
                    gate.round = close_round(lane=gate.lane, campaign_id=gate.id)
                    at_most = _MOVED_UNDER_GATE if left else None
                    recount(campaign, mine, tally, open_round=gate.round, at_most=at_most)
                    return act(campaign, gate, tally)
            except TooManyMoves:
                continue
    raise AssertionError("the last try has no limit")


def _move(campaign: Campaign, to: CampaignState, now: datetime, **fields: datetime) -> None:
    moved = move(
        lane=campaign.lane,
        campaign_id=campaign.id,
        was=[CampaignState.open],
        to=to,
        at=now,
        **fields,
    )
    assert moved, "the gate was held, so nobody else can have moved it"


def _verdict(campaign: Campaign, tally: Tally) -> Verdict:
    gate = Gate.objects.get(lane=campaign.lane, id=campaign.id)
    return judge(
        rule=rule_of(campaign),
        totals=totals_of(tally),
        latch=Latch(gate.latch),
        state=CampaignState(gate.state),
        deadline=gate.deadline,
        now=site_now(),
        pending=is_under_way(campaign),
    )


def rule_of(campaign: Campaign) -> Condition:
    """The campaign's rule, which was checked when it was written."""
    return conditions.parse(campaign.rule, path="rule", pledges_allowed=False)


def no_tally(campaign: Campaign) -> Tally:
    """The tally before the first count."""
    nothing = dict.fromkeys(campaign.kinds, 0)
    return Tally(lane=campaign.lane, id=campaign.id, as_of=campaign.created_at, sum=nothing)


def tally_of(campaign: Campaign) -> Tally:
    """The tally as of the last count."""
    row = Tally.objects.filter(lane=campaign.lane, id=campaign.id).first()
    return row or no_tally(campaign)


def catch_up(campaign: Campaign, mine: Turn) -> Tally:
    """Count all closed rounds, holding the tally but not the gate, and look ahead."""
    open_round = close_round(lane=campaign.lane, campaign_id=campaign.id)
    with transaction.atomic():
        tally = _hold_tally(campaign)
        recount(campaign, mine, tally, open_round=open_round)
        if tally.outlook_round < tally.round:
            _look_ahead(campaign, mine, tally)
        forget(lane=tally.lane, campaign_id=tally.id, round=tally.round)
    return tally


def _hold_tally(campaign: Campaign) -> Tally:
    """The tally's row is the lock: two counts of one campaign take turns, in whatever process."""
    fresh = no_tally(campaign)
    fresh.as_of = site_now()
    Tally.objects.bulk_create([fresh], ignore_conflicts=True)
    tally = Tally.objects.filter(lane=campaign.lane, id=campaign.id).select_for_update().get()
    assert isinstance(tally, Tally)
    return tally


def recount(
    campaign: Campaign, mine: Turn, tally: Tally, *, open_round: int, at_most: int | None = None
) -> None:
    """Add the changes of closed rounds to the totals, clear, and write the tally.

    Call with the tally held. What one count has added the other finds done, so a killed count is
    simply run again. Raises TooManyMoves if more than `at_most` crowds come in or fall out.
    """
    if tally.round >= open_round - 1 and tally.round > 0:
        return
    # Until everything is written there is no book: whoever fails half way opens a new one.
    book, mine.book = mine.book, None
    book, news = books.read(campaign, book, tally=tally, before=open_round)
    if at_most is not None and len(book.wrong) > at_most:
        raise TooManyMoves
    _add_totals(campaign, news)
    for is_in in (True, False):
        _mark(campaign, [id for id in book.wrong if book.running.is_in(id) is is_in], is_in)
    book.wrong.clear()
    totals = book.running.totals
    tally.round = open_round - 1
    tally.as_of = site_now()
    tally.counted_at = real_now()
    tally.people = totals.people
    tally.waiting_people = book.running.waiting_people
    tally.sum = {kind: totals.sums.get(kind, 0) for kind in campaign.kinds}
    tally.places = dict(sorted(totals.people_in.items()))
    tally.save()
    announce(campaign.id)
    mine.book = book


def _look_ahead(campaign: Campaign, mine: Turn, tally: Tally) -> None:
    """How few more would bring in others, and how many of those who are in have no place."""
    book, mine.book = mine.book, None
    if book is None or book.round != tally.round:
        book, _news = books.read(campaign, book, tally=tally, before=tally.round + 1)
    unlock = book.running.unlock()
    tally.unlock = unlock and {
        "more_people": unlock.more_people,
        "brings_people": unlock.brings_people,
    }
    tally.curve = _curve(campaign, book.running)
    accepted = book.running.people_of(book.core)
    tally.waitlisted_people = waitlisted_people(campaign, tally, accepted_people=accepted)
    tally.outlook_round = tally.round
    tally.save(update_fields=["unlock", "curve", "waitlisted_people", "outlook_round"])
    mine.book = book


def _curve(campaign: Campaign, running: Running[uuid.UUID]) -> list[list[int]]:
    """The tipping curve, far enough to show where the rule's people come together."""
    if not running.waiting_people:
        return []
    atoms = conditions.atoms(rule_of(campaign))
    wanted = max((atom.n for atom in atoms if isinstance(atom, conditions.People)), default=0)
    missing = max(wanted - running.totals.people, running.waiting_people, 1)
    rungs = running.curve(limit=missing, steps_at_most=_CURVE_STEPS)
    return [[rung.more_people, rung.brings_people] for rung in rungs]


def _add_totals(campaign: Campaign, news: Sequence[News]) -> None:
    """Add what is new to the rows that a book is opened from, in one statement."""
    if not news:
        return
    ordered = sorted(
        (named_uuid("total", str(each.crowd_id), each.kind, each.place), each) for each in news
    )
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO campaigns_crowdtotal AS t
                (lane, campaign_id, id, crowd_id, kind, place, people, amount)
            SELECT %s, %s, u.* FROM unnest(
                %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::bigint[]) AS u
            ON CONFLICT (lane, id) DO UPDATE
            SET people = t.people + excluded.people, amount = t.amount + excluded.amount
            """,
            [
                campaign.lane,
                campaign.id,
                [id for id, _each in ordered],
                [each.crowd_id for _id, each in ordered],
                [each.kind for _id, each in ordered],
                [each.place for _id, each in ordered],
                [each.people for _id, each in ordered],
                [each.amount for _id, each in ordered],
            ],
        )


def _mark(campaign: Campaign, ids: Collection[uuid.UUID], is_in: bool) -> None:
    """Write down which crowds are in, where that has changed."""
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE campaigns_crowd SET is_in = %s WHERE lane = %s AND id = ANY(%s)",
                [is_in, campaign.lane, sorted(ids)],
            )
