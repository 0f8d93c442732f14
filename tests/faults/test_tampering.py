"""Somebody with all rights in the database, but without the key, changes the log: it is found.

What is changed is the rows themselves, and the tree with them if the intruder is thorough; what
checks is the program that anybody can download, with nothing but the key and the export.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from countmein.campaigns.actions.cancel import cancel
from countmein.log import keys, queries
from countmein.rules import log, verify
from tests.apps.campaigns.acts import Join
from tests.conftest import Launch, Site

pytestmark = pytest.mark.slow

Line = dict[str, str]


def built(site: Site, launch: Launch, join: Join) -> list[Line]:
    """A log of three campaigns with conditions, money, a tip and refunds, as it is exported."""
    money = launch(kinds=["money"], currency="EUR", rule={"people": 6})
    petition = launch(rule={"people": 9})
    waiting = launch(rule={"people": 999})
    for n in range(12):
        if n < 6:
            join(money, f"b{n}", amount=1000 + n, payment_method="pm_card_visa")
        join(petition, f"b{n}", **({"condition": {"people": n}} if n > 3 else {}))
        join(waiting, f"b{n}")
        site.work()
    cancel(campaign=money)
    site.work()
    return [json.loads(line) for line in queries.export()]


def _entries(lines: list[Line]) -> list[int]:
    return [at for at, line in enumerate(lines) if "e" in line]


def edit(lines: list[Line], dice: random.Random) -> int:
    """One character of one entry is another."""
    at = dice.choice(_entries(lines))
    text = lines[at]["e"]
    place = dice.randrange(len(text))
    other = dice.choice([c for c in '0123456789abc{}":,' if c != text[place]])
    lines[at] = lines[at] | {"e": text[:place] + other + text[place + 1 :]}
    return at


def change_amount(lines: list[Line], dice: random.Random) -> int:
    """An amount is larger, and all is spelled as it should be."""
    at = dice.choice([at for at in _entries(lines) if "a" in json.loads(lines[at]["e"])])
    entry = json.loads(lines[at]["e"])
    entry["a"] += dice.choice([-1, 1, 100])
    entry["t"] += dice.choice([0, 1, 100])
    lines[at] = lines[at] | {"e": verify.text_of(entry)}
    return at


def delete(lines: list[Line], dice: random.Random) -> int:
    """An entry is gone."""
    at = dice.choice(_entries(lines))
    del lines[at]
    return at


def insert(lines: list[Line], dice: random.Random) -> int:
    """An entry is there once more, with the number of the place it takes."""
    at = dice.choice(_entries(lines))
    lines.insert(at, dict(lines[dice.choice(_entries(lines))]))
    return at


def swap(lines: list[Line], dice: random.Random) -> int:
    """Two entries have changed places."""
    one, other = sorted(dice.sample(_entries(lines), 2))
    lines[one], lines[other] = lines[other], lines[one]
    return one


def cut(lines: list[Line], dice: random.Random) -> int:
    """The end is missing, from an entry on; a checkpoint before it may still be the last line."""
    at = dice.choice(_entries(lines))
    del lines[at:]
    return at


TAMPERINGS: list[Callable[[list[Line], random.Random], int]] = [
    edit,
    change_amount,
    delete,
    insert,
    swap,
    cut,
]


def rehashed(lines: list[Line]) -> list[Line]:
    """The intruder makes the tree anew from the changed entries."""
    return [
        line | {"h": log.leaf_hash(line["e"].encode()).hex()} if "e" in line else line
        for line in lines
    ]


def number_of(lines: list[Line], at: int) -> int:
    """The number of the entry at a line."""
    return sum("e" in line for line in lines[:at])


def test_a_thousand_tamperings_are_found_and_their_place_is_named(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, key = built(site, launch, join), keys.verifier_key()
    seen = [line["checkpoint"] for line in lines if "checkpoint" in line][-1]
    verify.verify_export(map(json.dumps, lines), key, seen)
    # A signature costs milliseconds; those that are right are not looked at a thousand times.
    opened = {c: verify.open_checkpoint(c, key) for line in lines if (c := line.get("checkpoint"))}
    monkeypatch.setattr(verify, "open_checkpoint", lambda note, _key: opened[note])
    dice, found, sizes = random.Random(6), 0, []
    for turn in range(1000):
        bent = [dict(line) for line in lines]
        at = TAMPERINGS[turn % len(TAMPERINGS)](bent, dice)
        n = number_of(lines, at)
        if turn % 2:
            bent = rehashed(bent)
        if [line for line in bent if "e" in line] == [line for line in lines if "e" in line]:
            continue
        with pytest.raises(verify.Wrong) as wrong:
            verify.verify_export(map(json.dumps, bent), key, seen)
        first, last = wrong.value.first, wrong.value.last
        assert first <= n <= last, (turn, n, str(wrong.value))
        found, sizes = found + 1, [*sizes, last - first + 1]
    assert found > 980
    # Where the place is a stretch, it is what was sealed together.
    ends = sorted(size for size, _root in opened.values())
    longest = max(after - before for before, after in zip([0, *ends], ends, strict=False))
    assert sorted(sizes)[len(sizes) * 3 // 4] <= longest


def test_without_the_signatures_a_thorough_intruder_is_not_found(
    site: Site, launch: Launch, join: Join
) -> None:
    """The control: a checker that trusts the tree it is given sees nothing."""
    lines = built(site, launch, join)
    at = next(at for at in _entries(lines) if json.loads(lines[at]["e"]).get("w"))
    entry = json.loads(lines[at]["e"])
    entry["w"] = "0" * 64
    lines[at] = lines[at] | {"e": verify.text_of(entry)}
    trusting = verify.Log()
    for line in rehashed(lines):
        if "e" in line:
            trusting.entry(line)
    assert trusting.bent is None
    assert trusting.fault is None
    with pytest.raises(verify.Wrong):
        verify.verify_export(map(json.dumps, rehashed(lines)), keys.verifier_key())
