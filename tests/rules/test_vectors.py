"""The worked examples, read from language-neutral files that any other program can read too."""

import json
from fractions import Fraction
from math import ceil
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest

from countmein.rules.canonical import (
    AddressRefused,
    campaign_code,
    canonical_json,
    digest,
    lane_of,
    lane_of_code,
    mailbox,
    pledge_code,
    voucher_code,
    voucher_ok,
)
from countmein.rules.clearing import Part, Unlock, classes, clear, clear_parts, unlock
from countmein.rules.conditions import Condition, People, holds, parse
from countmein.rules.money import hamilton, refund_split, stage_floor, stage_last
from countmein.rules.thresholds import ThresholdTree, fixed_point, largest_total

VECTORS = Path(__file__).parents[1] / "vectors"


def read(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def people_who_ask(thresholds: list[int]) -> list[Part]:
    return [
        Part(id=str(index), condition=People(n=n), people=1, kind="signature", amount=1)
        for index, n in enumerate(thresholds)
    ]


def tree_of(thresholds: list[int]) -> ThresholdTree:
    tree = ThresholdTree()
    for threshold in thresholds:
        tree.add(threshold=threshold, weight=1)
    return tree


@pytest.mark.parametrize("case", read("thresholds.json")["cases"], ids=lambda case: case["name"])
def test_thresholds_bring_in_as_many_as_written(case: dict[str, Any]) -> None:
    crowds, tree = classes(people_who_ask(case["thresholds"])), tree_of(case["thresholds"])
    outcome = clear(crowds)
    expected = None if case["unlock"] is None else Unlock(**case["unlock"])
    assert case["in"] == outcome.totals.people
    assert case["in"] == tree.fixed_point()
    assert expected == unlock(crowds, outcome)
    assert expected == tree.unlock()


@pytest.mark.parametrize("case", read("compound_rule.json")["cases"], ids=lambda case: case["name"])
def test_a_compound_rule_with_seven_members_comes_out_as_written(case: dict[str, Any]) -> None:
    vector = read("compound_rule.json")
    rule = parse(vector["rule"], path="rule", pledges_allowed=False)
    parts = [part_of(member, case["amounts"]) for member in vector["members"]]
    totals = clear(classes(parts)).totals
    assert case["in"] == sorted(clear_parts(parts))
    assert case["money"] == totals.sums["money"]
    assert case["tips"] is holds(rule, totals)


def part_of(member: dict[str, Any], amounts: dict[str, int]) -> Part:
    code, asked = member["code"], member["condition"]
    wanted: Condition | None = None
    if asked is not None:
        wanted = parse(asked, path="condition", pledges_allowed=True)
    amount = amounts.get(code, member["amount"])
    return Part(
        id=code,
        condition=wanted,
        people=1,
        kind="money",
        amount=amount,
        place=member["place"],
        pledge=code,
    )


def test_a_price_is_shared_by_those_who_find_it_low_enough() -> None:
    vector = read("max_prices.json")
    price = vector["price"]
    inside = clear_parts(people_who_ask([ceil(price / most) for most in vector["maxima"]]))
    assert vector["in"] == len(inside)
    shares = hamilton(dict.fromkeys(inside, 1), total=price, seed="7")
    assert {vector["share"]} == set(shares.values())


def test_approval_under_conditions_has_the_published_largest_solution() -> None:
    vector = read("maxparc.json")
    count = len(vector["willingness"])
    asked = [count * (100 - r) // 100 + 1 for r in vector["willingness"]]
    assert vector["approve"] == len(clear_parts(people_who_ask(asked)))


def test_two_donors_who_follow_the_total_meet_exactly() -> None:
    vector = read("conitzer_sandholm.json")
    expected = Fraction(vector["total"]["numerator"], vector["total"]["denominator"])
    assert expected == largest_total(vector["curves"])


@pytest.mark.parametrize("case", read("granovetter.json")["crowds"], ids=lambda case: case["name"])
def test_the_crowd_that_collapses_by_sequential_joining_reaches_all(case: dict[str, Any]) -> None:
    others = case["others"]
    joined = 0
    while (now := sum(threshold <= joined for threshold in others)) > joined:
        joined = now
    with_oneself = [threshold + 1 for threshold in others]
    assert case["sequential"] == joined
    assert case["conditional"] == len(clear_parts(people_who_ask(with_oneself)))
    assert case["conditional"] == fixed_point({n: with_oneself.count(n) for n in with_oneself})


def test_a_normal_crowd_leaps_at_one_deviation_and_conditions_reach_all_at_every_one() -> None:
    vector = read("granovetter.json")["normal"]
    for row in vector["sequential"]:
        crowd = NormalDist(vector["mean"], row["deviation"])
        joined = 0.0
        while (now := 100 * crowd.cdf(joined)) > joined + 1e-9:
            joined = now
        assert row["reached"] == round(joined, 2)
    for deviation in vector["conditional"]["deviations"]:
        crowd = NormalDist(vector["mean"], deviation)
        asked = [max(0, ceil(crowd.inv_cdf((rank + 0.5) / 100))) + 1 for rank in range(100)]
        assert vector["conditional"]["reached"] == len(clear_parts(people_who_ask(asked)))


def test_refunds_a_bonus_pool_and_the_alabama_paradox_come_out_to_the_cent() -> None:
    vector = read("refunds.json")
    seed, refund, bonus = vector["seed"], vector["refund"], vector["bonus"]
    assert refund["refunds"] == refund_split(refund["amounts"], cost=refund["cost"], seed=seed)
    assert bonus["shares"] == hamilton(bonus["amounts"], total=bonus["pool"], seed=seed)
    alabama = vector["alabama"]
    for total, shares in alabama["shares"].items():
        assert shares == hamilton(alabama["weights"], total=int(total), seed=seed)


def test_staged_refunds_pay_floors_and_the_last_stage_the_rest() -> None:
    vector = read("refunds.json")
    alabama, paid = vector["alabama"], {}
    for stage in alabama["stages"]:
        weights, returned = alabama["weights"], stage["returned"]
        if stage.get("last", False):
            pay = stage_last(weights, returned=returned, paid=paid, seed=vector["seed"])
        else:
            pay = stage_floor(weights, returned=returned, paid=paid)
        paid = {key: paid.get(key, 0) + amount for key, amount in pay.items()}
        assert stage["pay"] == pay


def test_the_frozen_bytes_have_not_moved() -> None:
    vector = read("bytes.json")
    for case in vector["digest"]:
        assert case["sha256"] == digest(case["use"], *case["fields"])
    for case in vector["lanes"]:
        assert case["lane"] == lane_of(case["identity"].encode())
    for case in vector["json"]:
        assert case["text"] == canonical_json(case["value"])
    for case in vector["pledge_codes"]:
        code = pledge_code(lane=case["lane"], random=bytes.fromhex(case["random"]))
        assert case["code"] == code
        assert case["lane"] == lane_of_code(code)
    for case in vector["campaign_codes"]:
        assert case["code"] == campaign_code(bytes.fromhex(case["random"]))
    for case in vector["voucher_codes"]:
        assert case["code"] == voucher_code(bytes.fromhex(case["random"]))
        assert voucher_ok(case["code"])


@pytest.mark.parametrize("typed", read("mailboxes.json")["mailboxes"], ids=ascii)
def test_an_address_has_the_mailbox_written_or_is_refused(typed: str) -> None:
    expected = read("mailboxes.json")["mailboxes"][typed]
    if expected is None:
        with pytest.raises(AddressRefused):
            mailbox(typed)
    else:
        assert expected == mailbox(typed)
        assert expected == mailbox(expected)
