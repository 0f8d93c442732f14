"""The count by what is new equals the count of everybody, whoever counts and whatever is lost."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from countmein.campaigns import books
from countmein.campaigns.actions import count as counting
from countmein.campaigns.actions.accept import accept_slice
from countmein.campaigns.actions.change import change
from countmein.campaigns.actions.count import count, decide, tally_of
from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.bodies import PledgePatch
from countmein.campaigns.changes import accepted_parts, parts_of
from countmein.campaigns.models import Campaign, Crowd, Pledge
from countmein.campaigns.uncounted import uncounted
from countmein.rules import conditions
from countmein.rules.clearing import Part, classes, clear, unlock
from countmein.rules.pledging import PledgeRefused
from tests.apps.campaigns.acts import Join, pledge_of
from tests.conftest import Launch, Site

PLACES = ["Hull", "Leeds", "York"]
Totals = tuple[int, int, dict[str, int], Any, dict[Any, bool]]


def everybody(campaign: Campaign) -> Totals:
    """The tally worked out anew from all pledges: people, waiting, places, unlock, marks."""
    rows = Crowd.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    asked = {
        row.id: row.condition
        and conditions.parse(row.condition, path="condition", pledges_allowed=True)
        for row in rows
    }
    parts = []
    joined = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    for row in joined.filter(state__in=["active", "accepted", "fulfilled"]):
        is_open = row.state == "active"
        for number, part in enumerate(parts_of(row) if is_open else accepted_parts(row)):
            parts.append(
                Part(
                    id=f"{row.code}.{number}",
                    condition=asked[part.crowd_id] if is_open else None,
                    people=part.people,
                    kind=part.kind,
                    amount=part.amount,
                    place=row.place or None,
                    pledge=row.code if number == 0 else None,
                )
            )
    crowds = classes(parts)
    outcome = clear(crowds)
    further = unlock(crowds, outcome)
    marks = {c.condition: is_in for c, is_in in zip(crowds, outcome.is_in, strict=True)}
    return (
        outcome.totals.people,
        sum(crowd.people for crowd in crowds) - outcome.totals.people,
        dict(outcome.totals.people_in),
        further and {"more_people": further.more_people, "brings_people": further.brings_people},
        {condition: is_in for condition, is_in in marks.items() if condition is not None},
    )


def counted(campaign: Campaign) -> Totals:
    """The same as the tally and the marks say it."""
    tally = tally_of(campaign)
    rows = Crowd.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    present = _inhabited(campaign)
    marks = {
        conditions.normal(conditions.parse(said, path="condition", pledges_allowed=True)): is_in
        for id, said, is_in in rows.values_list("id", "condition", "is_in")
        if said and id in present
    }
    return tally.people, tally.waiting_people, tally.places, tally.unlock, marks


def _inhabited(campaign: Campaign) -> set[Any]:
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id, state="active")
    return set(rows.values_list("crowd_id", flat=True))


class History:
    """People who come, change their mind and go, by chance."""

    def __init__(self, campaign: Campaign, join: Join, seed: int) -> None:
        self.campaign, self.join, self.rng = campaign, join, Random(seed)
        self.answers: list[dict[str, Any]] = []

    def wish(self) -> Any:
        rng = self.rng
        atoms: list[Any] = [
            {"people": rng.randint(2, 30)},
            {"people_in": {"place": rng.choice(PLACES), "at_least": rng.randint(2, 8)}},
            {"places": {"people": rng.randint(1, 4), "at_least": rng.randint(2, 3)}},
        ]
        if self.answers:
            atoms.append({"pledge": rng.choice(self.answers)["code"]})
        whole = rng.choice([None, None, *atoms, {"all": rng.sample(atoms, 2)}])
        return {"any": rng.sample(atoms, 2)} if rng.random() < 0.15 else whole

    def act(self) -> None:
        draw = self.rng.random()
        if draw < 0.6 or not self.answers:
            who, where = f"p{len(self.answers)}", self.rng.choice(PLACES)
            self.answers.append(self.join(self.campaign, who, condition=self.wish(), place=where))
            return
        row = pledge_of(self.rng.choice(self.answers))
        try:
            if draw < 0.8:
                withdraw(pledge=row)
            else:
                change(pledge=row, body=PledgePatch.model_validate({"condition": self.wish()}))
        except PledgeRefused:
            pass  # withdrawn already, or taken by now


@pytest.mark.parametrize(
    ("seed", "rounds"),
    [(0, 5), *(pytest.param(seed, 14, marks=pytest.mark.slow) for seed in (1, 2))],
)
def test_the_count_by_what_is_new_equals_the_count_of_everybody(
    site: Site, launch: Launch, join: Join, seed: int, rounds: int
) -> None:
    """Joins, changes, withdrawals and the tip; books are lost, and a second process counts too."""
    campaign = launch(rule={"people": 16}, places=PLACES)
    history = History(campaign, join, seed)
    elsewhere: OrderedDict[Any, Any] = OrderedDict()
    for _round in range(rounds):
        for _act in range(history.rng.randint(1, 5)):
            history.act()
        draw = history.rng.random()
        if draw < 0.2:
            books.forget()
        elif draw < 0.5:
            elsewhere, books._books = books._books, elsewhere
        count(str(campaign.id))
        while accept_slice(campaign):
            pass
        count(str(campaign.id))
        assert everybody(campaign) == counted(campaign)
    assert [] == uncounted()


def test_a_process_that_sleeps_through_a_count_reads_what_it_missed(
    site: Site, launch: Launch, join: Join
) -> None:
    """Its old book alone would count what it knows twice or forget what it missed."""
    campaign = launch(rule={"people": 99})
    join(campaign, "ben", condition={"people": 3})
    count(str(campaign.id))
    asleep, books._books = books._books, OrderedDict()
    join(campaign, "dora")
    count(str(campaign.id))
    books._books = asleep
    # The control: taken for up to date, that book does not know of Dora.
    assert 1 == books._books[campaign.id].running.waiting_people
    join(campaign, "emil")
    count(str(campaign.id))
    assert (3, 0) == (tally_of(campaign).people, tally_of(campaign).waiting_people)


def test_a_count_that_fails_half_way_leaves_no_book(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = launch(rule={"people": 99})
    join(campaign, "ben")
    count(str(campaign.id))

    def fails(*_: object) -> None:
        raise RuntimeError("killed")

    join(campaign, "dora", condition={"people": 2})
    with monkeypatch.context() as broken:
        broken.setattr(counting, "announce", fails)
        with pytest.raises(RuntimeError):
            count(str(campaign.id))
    assert campaign.id not in books._books
    count(str(campaign.id))
    assert everybody(campaign) == counted(campaign)
    assert 2 == tally_of(campaign).people


def _read_of_crowds(act: Callable[[], object]) -> int:
    """How many statements read the conditions of crowds."""
    with CaptureQueriesContext(connection) as seen:
        act()
    return sum('"campaigns_crowd"."condition"' in query["sql"] for query in seen.captured_queries)


def test_a_count_reads_only_the_crowds_that_it_has_not_met(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = launch(rule={"people": 99})
    for number in range(5):
        join(campaign, f"p{number}", condition={"people": 20 + number})
    count(str(campaign.id))
    join(campaign, "q", condition={"people": 20})
    assert 0 == _read_of_crowds(lambda: count(str(campaign.id)))
    # The control: a process that has just started reads them all.
    books.forget()
    join(campaign, "r", condition={"people": 20})
    assert 1 == _read_of_crowds(lambda: count(str(campaign.id)))


def test_many_crowds_that_move_at_once_are_marked_before_the_gate_is_held(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one brings in ten crowds while the gate is being taken: first they are marked."""
    monkeypatch.setattr(counting, "_MOVED_UNDER_GATE", 3)
    campaign = launch(rule={"people": 11})
    for number in range(10):
        join(campaign, f"p{number}", condition={"any": [{"people": 11}, {"people": 50 + number}]})
    count(str(campaign.id))
    caught_up = counting.catch_up
    coming = ["last"]

    def and_one_more(*args: Any) -> Any:
        tally = caught_up(*args)
        if coming:
            join(campaign, coming.pop())
        return tally

    marked_under_gate: list[int] = []
    mark = counting._mark

    def watched(campaign: Campaign, ids: Any, is_in: bool) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM campaigns_gate WHERE id = %s"
                " AND xmax::text = pg_current_xact_id()::text",
                [campaign.id],
            )
            (is_held,) = cursor.fetchone()
        if is_held and ids:
            marked_under_gate.append(len(ids))
        mark(campaign, ids, is_in)

    monkeypatch.setattr(counting, "catch_up", and_one_more)
    monkeypatch.setattr(counting, "_mark", watched)
    assert "tip" == decide(campaign)
    assert [] == marked_under_gate
    assert 11 == tally_of(campaign).people


def test_a_campaign_counted_just_now_is_left_for_a_moment_and_a_quiet_one_is_not(
    site: Site, launch: Launch, join: Join
) -> None:
    hot, quiet = launch(), launch()
    join(hot, "ben")
    count(str(hot.id))
    join(hot, "dora")
    join(quiet, "ben")
    assert [quiet.id] == uncounted(pause_seconds=3600)
    assert {hot.id, quiet.id} == set(uncounted())
    # The pause is over.
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_tally SET counted_at = counted_at - interval '2 hours'")
    assert {hot.id, quiet.id} == set(uncounted(pause_seconds=3600))
    # The database's clock was set back: what was counted in the future is not left until then.
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE campaigns_tally SET counted_at = clock_timestamp() + interval '1 hour'"
        )
    assert {hot.id, quiet.id} == set(uncounted(pause_seconds=3600))
