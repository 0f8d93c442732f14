"""The critical operations in pairs, in every order of their statements up to a bound.

After each order the campaign is recounted from its rows, and what came of it is what one after
the other would have brought: whoever was first.
"""

from __future__ import annotations

import random
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from countmein.campaigns.actions.count import tally_of
from countmein.campaigns.books import Turn
from countmein.campaigns.changes import accepted_parts, parts_of
from countmein.campaigns.gates import gate_of
from countmein.campaigns.models import JOINED_STATES, Change, Crowd, Move, Pledge, crowd_id
from countmein.ledger.queries import totals
from countmein.payments.models import Charge, Refund
from countmein.rules import clearing, conditions
from countmein.rules.states import COUNTED
from tests.conftest import Launch, Site
from tests.faults.masses import size
from tests.faults.scenes import OPERATIONS, Scene, Stage, come_to_rest, set_up
from tests.faults.stepper import Said, Side, Steps, orders

pytestmark = pytest.mark.slow
ORDERS = size(6, 200)
PAIRS = [(first, second) for n, first in enumerate(OPERATIONS) for second in list(OPERATIONS)[n:]]


@contextmanager
def turn_of_a_process(_campaign_id: uuid.UUID) -> Iterator[Turn]:
    """The two sides stand for two processes: neither has the other's lock, nor its book."""
    yield Turn(book=None)


@pytest.fixture(autouse=True)
def _two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countmein.campaigns.actions.count.turn", turn_of_a_process)


class Rig:
    def __init__(self, launch: Launch, steps: Steps) -> None:
        self.launch, self.steps = launch, steps
        self.runs = 0

    def run(self, pair: tuple[str, str], order: list[Side]) -> tuple[Any, str]:
        """Do a pair in this order: what came of it, and what is wrong with it."""
        (first, at_least), (second, also) = (OPERATIONS[name] for name in pair)
        stage = Stage.OPEN if set(pair) == {"tip", "settle"} else max(at_least, also)
        scene = set_up(self.launch, stage)
        said = self.steps.run((lambda: first(scene), lambda: second(scene)), order)
        self.runs += 1
        wrong = wrong_with(scene, said)
        come_to_rest(scene)
        wrong += wrong_with(scene, said)
        if gate_of(scene.campaign).state in COUNTED and tally(scene) != recounted(scene):
            wrong.append("tally is what is recounted")
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM procrastinate_jobs")
        return picture(scene, said), "; ".join(wrong)


def picture(scene: Scene, said: tuple[Said, Said]) -> Any:
    """What came of it, as far as it may not hang on the order within the two."""
    mine = {"lane": scene.campaign.lane, "campaign_id": scene.campaign.id}
    rows = {row.id: row for row in Pledge.objects.filter(**mine)}
    name = {row.id: who for who in scene.members for row in [scene.pledge(who)]}
    return {
        "said": [each.answer for each in said],
        "campaign": gate_of(scene.campaign).state,
        "moves": sorted(Move.objects.filter(**mine).values_list("state", flat=True)),
        "pledges": {name[row.id]: (row.state, row.amount, row.accepted) for row in rows.values()},
        "charges": {
            name[row.pledge_id]: (row.state, row.amount_minor, row.is_read)
            for row in Charge.objects.filter(**mine)
        },
        "refunds": sorted(Refund.objects.filter(**mine).values_list("state", "amount_minor")),
        "books": dict(totals(**mine)),
        "tally": tally(scene),
    }


def tally(scene: Scene) -> Any:
    seen = tally_of(scene.campaign)
    return seen.people, seen.waiting_people, {k: v for k, v in seen.sum.items() if v}


def wrong_with(scene: Scene, said: tuple[Said, Said]) -> list[str]:
    """The promises that do not hold now, whatever is still to be done."""
    mine = {"lane": scene.campaign.lane, "campaign_id": scene.campaign.id}
    gate = gate_of(scene.campaign)
    wrong = [f"raised {each.raised!r}" for each in said if each.raised is not None]
    moves = Counter(Move.objects.filter(**mine).values_list("state", flat=True))
    if moves["tipped"] > 1 or moves["lapsed"] + moves["tipped"] > 1:
        wrong.append("tips once")
    rows = list(Pledge.objects.filter(**mine))
    accepted = Counter[str]()
    for row in rows:
        if row.state in ("accepted", "fulfilled"):
            accepted.update(row.accepted)
    if gate.state in COUNTED:
        if _changed(scene) != _joined(scene, rows):
            wrong.append("changes match pledges")
        if +Counter(gate.accepted) != accepted:
            wrong.append("accepted is what was accepted")
    if any(accepted[kind] > most for kind, most in scene.campaign.cap.items()):
        wrong.append("accepted within cap")
    return wrong + _wrong_with_money(mine, {row.id: row for row in rows})


def _wrong_with_money(mine: dict[str, Any], rows: dict[Any, Pledge]) -> list[str]:
    wrong = []
    charges = list(Charge.objects.filter(**mine))
    for charge in charges:
        row = rows[charge.pledge_id]
        if row.state not in ("accepted", "fulfilled", "refunded", "dropped", "released"):
            wrong.append(f"charged is what was accepted: {row.state}")
        if charge.state == "paid" and row.state in ("dropped", "released"):
            wrong.append(f"never both charged and let go: {row.state}")
        if charge.amount_minor != row.accepted.get("money"):
            wrong.append("charged what was accepted")
    back = Refund.objects.filter(**mine, state="done")
    held = sum(c.amount_minor for c in charges if c.state == "paid")
    held -= sum(refund.amount_minor for refund in back)
    if totals(**mine)["held:money"] != held:
        wrong.append("ledger matches charges")
    return wrong


def _changed(scene: Scene) -> Counter[Any]:
    """What the changes of all rounds add up to."""
    sums = Counter[Any]()
    for row in Change.objects.filter(lane=scene.campaign.lane, campaign_id=scene.campaign.id):
        sums[(row.crowd_id, row.kind, "people")] += row.people
        sums[(row.crowd_id, row.kind, "amount")] += row.amount
    return _counted(sums)


def _joined(scene: Scene, rows: list[Pledge]) -> Counter[Any]:
    """The same from the pledges themselves."""
    core = crowd_id(scene.campaign.id, "core")
    sums = Counter[Any]()
    for row in rows:
        if row.state not in JOINED_STATES:
            continue
        is_active = row.state == "active"
        for part in parts_of(row) if is_active else accepted_parts(row):
            crowd = part.crowd_id if is_active else core
            sums[(crowd, part.kind, "people")] += part.people
            sums[(crowd, part.kind, "amount")] += part.amount
    return _counted(sums)


def _counted(sums: Counter[Any]) -> Counter[Any]:
    return Counter({key: value for key, value in sums.items() if value})


def recounted(scene: Scene) -> Any:
    """The tally made anew from the rows."""
    parts, core = [], conditions.Aggregates.zero()
    said = dict(
        Crowd.objects.filter(lane=scene.campaign.lane, campaign_id=scene.campaign.id).values_list(
            "id", "condition"
        )
    )
    everybody = 0
    for row in Pledge.objects.filter(
        lane=scene.campaign.lane, campaign_id=scene.campaign.id, state__in=JOINED_STATES
    ):
        everybody += 1
        if row.state != "active":
            alone = conditions.Aggregates(
                people=1, sums=row.accepted, people_in={}, pledges=frozenset()
            )
            core = core.plus(alone)
            continue
        wish = said[row.crowd_id]
        parts.append(
            clearing.Part(
                id=row.code,
                condition=wish and conditions.parse(wish, path="condition", pledges_allowed=True),
                people=1,
                kind=row.kind,
                amount=row.amount,
            )
        )
    total = clearing.clear(clearing.classes(parts), core=core).totals
    return total.people, everybody - total.people, {k: v for k, v in total.sums.items() if v}


@pytest.fixture
def rig(site: Site, launch: Launch) -> Iterator[Rig]:
    with Steps() as steps:
        yield Rig(launch, steps)


def broken(rig: Rig, pair: tuple[str, str], *, most: int) -> list[str]:
    """The orders of a pair that break a promise, or bring what no serial order brings."""
    serial = [rig.run(pair, [])]
    first = len([line for line in rig.steps.trace if line[0] == "a"])
    second = len(rig.steps.trace) - first
    serial.append(rig.run(pair, [1] * (4 * second)))
    found = [f"{pair} one after the other: {wrong}" for _picture, wrong in serial if wrong]
    allowed = [seen for seen, _wrong in serial]
    draw = random.Random(f"{pair}")
    for order in orders(first, second, most=most, draw=draw):
        seen, wrong = rig.run(pair, order)
        if wrong or seen not in allowed:
            steps = "\n    ".join(rig.steps.trace)
            found.append(f"{pair}: {wrong or 'no serial order brings this'} {seen}\n    {steps}")
    return found


@pytest.mark.parametrize("first", OPERATIONS)
def test_every_order_of_two_operations_keeps_every_promise(rig: Rig, first: str) -> None:
    """This operation beside each that follows it in the table, and beside itself."""
    for pair in PAIRS:
        if pair[0] == first:
            assert [] == broken(rig, pair, most=ORDERS)


def test_without_the_gate_some_order_breaks_a_promise(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: whoever should hold the gate only looks at it."""
    for module in list(sys.modules.values()):
        if module.__name__.startswith("countmein.campaigns."):
            for name in ("hold", "hold_shared"):
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, gate_of)
    found = broken(rig, ("withdraw", "tip"), most=12)
    found += broken(rig, ("change", "cancel"), most=12)
    assert found
