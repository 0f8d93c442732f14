"""The whole verb set in any order, against a model that clears by brute force after each step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from countmein.base.clock import set_offset
from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.actions.change import change
from countmein.campaigns.actions.count import count
from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.bodies import PledgePatch
from countmein.campaigns.queries import public_view
from countmein.rules import clearing, conditions
from countmein.rules.pledging import PledgeRefused
from tests.apps.campaigns.acts import Join, pledge_of
from tests.conftest import Launch, Site

pytestmark = pytest.mark.slow
GOAL = 4

CONDITIONS = st.one_of(
    st.none(),
    st.integers(1, 7).map(lambda n: {"people": n}),
    st.integers(1, 3).map(lambda n: {"people_in": {"place": "Leeds", "at_least": n}}),
    st.integers(60, 400).map(lambda n: {"sum": {"kind": "hours", "at_least": n}}),
)


class Promise(RuleBasedStateMachine):
    """One campaign of signatures and hours; members join, change their mind, wait and leave."""

    site: Site
    launch: Launch
    join: Join

    def __init__(self) -> None:
        super().__init__()
        set_offset(timedelta(0))
        self.campaign = self.launch(
            kinds=["signature", "hours"],
            rule={"people": GOAL},
            places=["Leeds", "York"],
            hours="Saturday mornings",
            starts_at="2030-06-01T10:00:00Z",
            ends_at="2030-06-01T12:00:00Z",
        )
        self.members: list[dict[str, Any]] = []
        self.is_at_rest = True

    def _open(self) -> bool:
        return bool(public_view(self.campaign)["accepting"])

    @rule(
        condition=CONDITIONS,
        minutes=st.one_of(st.none(), st.integers(1, 240)),
        minutes_condition=CONDITIONS,
        place=st.sampled_from([None, "Leeds", "York"]),
    )
    def somebody_joins(
        self, condition: Any, minutes: int | None, minutes_condition: Any, place: str | None
    ) -> None:
        more = (
            []
            if minutes is None
            else [{"kind": "hours", "amount": minutes, "condition": minutes_condition}]
        )
        was_open = self._open()
        try:
            answer = self.join(
                self.campaign,
                f"m{len(self.members)}",
                kind="signature",
                condition=condition,
                place=place,
                more=more,
            )
        except PledgeRefused as no:
            assert ("campaign_closed", False) == (no.reason, was_open)
            return
        assert was_open
        self.members.append({**answer, "condition": condition, "more": more, "place": place})
        self.is_at_rest = False

    @precondition(lambda self: self.members)
    @rule(pick=st.integers(0, 99))
    def somebody_leaves(self, pick: int) -> None:
        member = self.members[pick % len(self.members)]
        before = pledge_of(member).state
        try:
            after = withdraw(pledge=pledge_of(member)).state
        except PledgeRefused:
            assert before not in ("active", "withdrawn") or self._state() != "open"
            return
        assert "withdrawn" == after
        self.is_at_rest = False

    @precondition(lambda self: self.members)
    @rule(pick=st.integers(0, 99), condition=CONDITIONS)
    def somebody_changes(self, pick: int, condition: Any) -> None:
        member = self.members[pick % len(self.members)]
        try:
            change(pledge=pledge_of(member), body=PledgePatch(condition=condition))
        except PledgeRefused:
            return
        member["condition"] = condition
        self.is_at_rest = False

    @rule()
    def the_tally_is_counted(self) -> None:
        count(str(self.campaign.id))

    @rule()
    def the_site_works(self) -> None:
        self.site.work()
        self.is_at_rest = True

    @rule(days=st.sampled_from([1, 8, 31]))
    def time_passes(self, days: int) -> None:
        self.site.advance(timedelta(days=days))
        self.is_at_rest = False

    @precondition(lambda self: len(self.members) > 3 and self._state() in ("open", "settled"))
    @rule(sure=st.integers(0, 5))
    def the_organiser_cancels(self, sure: int) -> None:
        if sure == 0:
            cancel(campaign=self.campaign)
            self.is_at_rest = False

    def _state(self) -> str:
        return str(public_view(self.campaign)["state"])

    @invariant()
    def the_tally_is_the_largest_self_consistent_set(self) -> None:
        state = self._state()
        if not self.is_at_rest or state not in ("open", "settled"):
            return
        tally = public_view(self.campaign)["tally"]
        core, parts = [], []
        for member in self.members:
            row = pledge_of(member)
            if row.state == "fulfilled":
                core += [("signature", 1), *(p for p in row.accepted.items() if p[0] == "hours")]
            elif row.state == "active":
                parts += _parts(member)
        inside = _largest(parts, core=core, core_places=self._places("fulfilled"))
        people = sum(part.people for part in inside) + len(self._rows("fulfilled"))
        minutes = sum(p.amount for p in inside if p.kind == "hours")
        minutes += sum(amount for kind, amount in core if kind == "hours")
        assert (people, minutes) == (tally["people"], tally["sum"]["hours"])
        assert (
            len(self._rows("active")) + len(self._rows("fulfilled")) - people
            == (tally["waiting_people"])
        )
        if state == "open":
            assert people < GOAL
        else:
            assert not inside

    def _rows(self, state: str) -> list[dict[str, Any]]:
        return [m for m in self.members if pledge_of(m).state == state]

    def _places(self, state: str) -> dict[str, int]:
        places: dict[str, int] = {}
        for member in self._rows(state):
            if member["place"]:
                places[member["place"]] = places.get(member["place"], 0) + 1
        return places

    @invariant()
    def a_campaign_tips_or_lapses_at_most_once(self) -> None:
        moves = [m["state"] for m in public_view(self.campaign)["history"]]
        assert moves.count("tipped") + moves.count("lapsed") <= 1

    @invariant()
    def the_site_keeps_its_word(self) -> None:
        self.site.check()

    def teardown(self) -> None:
        self.site.work()
        self.site.check()


def _parts(member: dict[str, Any]) -> list[clearing.Part]:
    first = _parsed(member["condition"])
    parts = [
        clearing.Part(
            id=member["code"],
            condition=first,
            people=1,
            kind="signature",
            amount=1,
            place=member["place"],
            pledge=member["code"],
        )
    ]
    for index, said in enumerate(member["more"]):
        whole = conditions.conjunction(first, _parsed(said["condition"]))
        parts.append(
            clearing.Part(
                id=f"{member['code']}-{index}",
                condition=whole,
                people=0,
                kind=said["kind"],
                amount=said["amount"],
                place=member["place"],
            )
        )
    return parts


def _parsed(said: Any) -> conditions.Condition | None:
    return None if said is None else conditions.parse(said, path="condition", pledges_allowed=True)


def _largest(
    parts: list[clearing.Part], *, core: list[tuple[str, int]], core_places: dict[str, int]
) -> list[clearing.Part]:
    """Take everybody in and throw out whoever's condition fails, one after the other."""
    inside = list(parts)
    while True:
        totals = _totals(inside, core=core, core_places=core_places)
        failing = [
            p
            for p in inside
            if p.condition is not None and not conditions.holds(p.condition, totals)
        ]
        if not failing:
            return inside
        inside.remove(failing[0])


def _totals(
    inside: list[clearing.Part], *, core: list[tuple[str, int]], core_places: dict[str, int]
) -> conditions.Aggregates:
    sums: dict[str, int] = {}
    places = dict(core_places)
    for kind, amount in [*core, *((p.kind, p.amount) for p in inside)]:
        sums[kind] = sums.get(kind, 0) + amount
    for part in inside:
        if part.place and part.people:
            places[part.place] = places.get(part.place, 0) + 1
    people = sum(p.people for p in inside) + sum(kind == "signature" for kind, _amount in core)
    return conditions.Aggregates(people=people, sums=sums, people_in=places, pledges=frozenset())


def test_any_order_of_the_verbs_keeps_the_promise(site: Site, launch: Launch, join: Join) -> None:
    """25 histories of 15 steps; each begins with a campaign of its own."""

    class Machine(Promise):
        pass

    Machine.site, Machine.launch, Machine.join = site, staticmethod(launch), staticmethod(join)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
