"""The worked examples of what comes after the tip: Plan B, payouts, cards."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from countmein.rules.collection import expected_minor, expected_share_bp, minutes_left
from countmein.rules.conditions import parse
from countmein.rules.dunning import Decline, after_refusal, at_step
from countmein.rules.failure import Choice, Donor, Fallback, Plan, Settlement, ballot, settle
from countmein.rules.payout import Funds, commission, commission_back, payable, stages
from tests.rules.test_vectors import read

PLAN_B, PAYOUTS, CARDS = read("plan_b.json"), read("payouts.json"), read("cards.json")
FIRST = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)


def choice_of(written: str | int) -> Choice:
    return written if isinstance(written, int) else Fallback(written)


def plan_of(written: dict[str, Any]) -> Plan:
    rule = written["rule"]
    asked = None if rule is None else parse(rule, path="rule", pledges_allowed=False)
    return Plan(rule=asked, cost_minor=written["cost"])


def refused_advert(set_aside: int) -> Settlement:
    vector, donors = PLAN_B["refused_advert"], []
    for group in vector["groups"]:
        for _person in range(group["count"]):
            donor = Donor(
                id=f"d{len(donors)}",
                collected_minor=group["collected"],
                choice=choice_of(group["choice"]),
            )
            donors.append(donor)
    return settle(
        donors=donors,
        plans=[plan_of(vector["plan"])],
        spent_minor=0,
        kept_minor=vector["kept"],
        set_aside_minor=set_aside,
        seed=vector["seed"],
    )


@pytest.mark.parametrize("reading", PLAN_B["refused_advert"]["readings"], ids=lambda r: r["name"])
def test_the_refused_advert_is_settled_to_the_penny(reading: dict[str, Any]) -> None:
    vector, s = PLAN_B["refused_advert"], refused_advert(reading["set_aside"])
    assert vector["raised"] == s.raised_minor
    assert vector["delivered"] == s.delivered_minor
    assert reading["refunds"] == s.refunds_minor
    assert reading["left_over"] == s.left_over_minor
    refunded = [share for share in s.shares.values() if share.plan is None]
    assert {reading["refund_each"]} == {share.refund_minor for share in refunded}


@pytest.mark.parametrize("case", PLAN_B["refused_advert"]["ballots"], ids=lambda c: c["name"])
def test_what_the_refused_advert_left_over_is_decided_by_ballot(case: dict[str, Any]) -> None:
    vector = PLAN_B["refused_advert"]
    reading = vector["readings"][0]
    shares = refused_advert(reading["set_aside"]).shares
    voters = iter(shares)
    votes = {next(voters): c for c, count in case["votes"].items() for _vote in range(count)}
    stakes = {id: share.left_over_minor for id, share in shares.items()}
    result = ballot(stakes=stakes, votes=votes, options=["keep"], seed=vector["seed"])
    assert vector["needed"] == result.needed
    assert case["choice"] == result.choice
    assert reading["left_over"] == sum(result.refunds.values()) + result.kept_minor


@pytest.mark.parametrize("case", PLAN_B["five_gifts"], ids=lambda case: case["name"])
def test_five_gifts_go_where_their_donors_said(case: dict[str, Any]) -> None:
    donors = [
        Donor(id=id, collected_minor=minor, choice=choice_of(choice))
        for id, (minor, choice) in case["donors"].items()
    ]
    plans = [plan_of(plan) for plan in case["plans"]]
    s = settle(donors=donors, plans=plans, spent_minor=case["spent"], seed=case["seed"])
    assert case["majority"] == s.majority
    for id, expected in case["shares"].items():
        share = s.shares[id]
        assert expected == {
            "borne": share.borne_minor,
            "refund": share.refund_minor,
            "delivered": share.delivered_minor,
            "left_over": share.left_over_minor,
            "plan": share.plan,
        }


def test_a_stage_without_proof_goes_back_in_proportion() -> None:
    vector = PLAN_B["no_proof"]
    donors = [
        Donor(id=f"d{n}", collected_minor=vector["collected"]) for n in range(vector["count"])
    ]
    s = settle(
        donors=donors, plans=[], spent_minor=0, kept_minor=vector["kept"], seed=vector["seed"]
    )
    assert vector["refunds"] == s.refunds_minor
    assert {vector["refund_each"]} == {share.refund_minor for share in s.shares.values()}


@pytest.mark.parametrize("case", PAYOUTS["commission"], ids=lambda case: case["name"])
def test_a_commission_is_taken_and_given_back_as_written(case: dict[str, Any]) -> None:
    total = carried = 0
    for step in case["steps"]:
        value, bp = step["value"], case["bp"]
        if value < 0:
            result = commission_back(refunded_minor=-value, bp=bp, carried=carried)
        else:
            result = commission(settled_minor=value, bp=bp, carried=carried)
        assert (step["taken"], step["carried"]) == (result.taken_minor, result.carried)
        total, carried = total + result.taken_minor, result.carried
    assert case["total"] == total


@pytest.mark.parametrize("case", PAYOUTS["stages"])
def test_stages_pay_as_written(case: dict[str, Any]) -> None:
    assert tuple(case["pay"]) == stages(case["whole"], shares_bp=case["shares_bp"])


@pytest.mark.parametrize("case", PAYOUTS["payable"]["cases"], ids=lambda case: case["name"])
def test_so_much_may_be_paid_out_now(case: dict[str, Any]) -> None:
    vector = PAYOUTS["payable"]
    funds = Funds(
        collected_minor=vector["collected"],
        disputed_minor=vector["disputed"],
        processor_costs_minor=vector["processor_costs"],
        commission_minor=vector["commission"],
        holdback_bp=vector["holdback_bp"],
        stage_bp=tuple(vector["stage_bp"]),
        approved_stages=case["approved"],
        is_refund_window_open=case["window_open"],
        paid_out_minor=case["paid_out"],
    )
    assert vector["net"] == funds.net_minor
    assert case["payable"] == payable(funds)


@pytest.mark.parametrize("case", CARDS["steps"], ids=lambda case: case["decline"])
def test_a_refused_charge_climbs_the_ladder_as_written(case: dict[str, Any]) -> None:
    kind, now = Decline(case["decline"]), FIRST
    for number, hour in enumerate(case["hours"], start=1):
        following = after_refusal(kind, first_failed_at=FIRST, now=now)
        now = FIRST + timedelta(hours=hour)
        assert (number, now) == (following.step, following.due_at)
        assert case["try"][number - 1] is following.will_try
        step = at_step(kind, first_failed_at=FIRST, last_step=number - 1, now=now)
        assert step is not None
        assert case["try"][number - 1] is step.will_try
        assert case["asks"][number - 1] == step.asks
    assert after_refusal(kind, first_failed_at=FIRST, now=now).is_over


@pytest.mark.parametrize("case", CARDS["late"], ids=lambda case: case["about"])
def test_a_late_worker_does_the_step_written(case: dict[str, Any]) -> None:
    now = FIRST + timedelta(hours=case["hour"])
    step = at_step(Decline.soft, first_failed_at=FIRST, last_step=case["last_step"], now=now)
    assert case["step"] == (None if step is None else step.step)
    following = after_refusal(Decline.soft, first_failed_at=FIRST, now=now)
    hour = case["next_hour"]
    assert following.due_at == (None if hour is None else FIRST + timedelta(hours=hour))


@pytest.mark.parametrize("case", CARDS["expected"])
def test_so_much_is_expected_of_what_was_pledged(case: dict[str, Any]) -> None:
    record = {"charged": case["charged"], "paid": case["paid"]}
    assert case["share_bp"] == expected_share_bp(**record)
    assert case["expected"] == expected_minor(case["pledged"], **record)


@pytest.mark.parametrize("case", CARDS["minutes"])
def test_charging_takes_the_minutes_written(case: dict[str, Any]) -> None:
    assert case["minutes"] == minutes_left(case["charges"], per_second=case["per_second"])
