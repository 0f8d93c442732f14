"""To count: personal conditions, from two friends to a whole crowd."""

from __future__ import annotations

from datetime import timedelta

from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.queries import public_view
from tests.apps.campaigns.acts import Join, pledge_of, states
from tests.conftest import Launch, Site
from tests.faults.masses import paid_at_provider

CARD = "pm_card_visa"


def _tally(campaign: object) -> tuple[int, int]:
    tally = public_view(campaign)["tally"]  # type: ignore[arg-type]
    return tally["people"], tally["waiting_people"]


def test_friends_come_in_together(site: Site, launch: Launch, join: Join) -> None:
    """Ben only if Dora, who is only in if there are two: both are in, or none."""
    campaign = launch(rule={"people": 9})
    dora = join(campaign, "dora", condition={"people": 2})
    ben = join(campaign, "ben", condition={"pledge": dora["code"]})
    site.work()
    assert (2, 0) == _tally(campaign)
    withdraw(pledge=pledge_of(dora))
    site.work()
    assert (0, 1) == _tally(campaign)
    assert "active" == pledge_of(ben).state
    site.check()


def test_places_and_k_of_several_are_counted(site: Site, launch: Launch, join: Join) -> None:
    """At least two places with two people each, or any two of three wishes."""
    campaign = launch(rule={"people": 9}, places=["Leeds", "York"])
    wish = {"places": {"at_least": 2, "people": 2}}
    wishes = [{"people": 4}, {"people_in": {"place": "York", "at_least": 2}}, {"people": 50}]
    some = {"some": {"at_least": 2, "of": wishes}}
    join(campaign, "ben", place="Leeds", condition=wish)
    join(campaign, "dora", place="Leeds")
    join(campaign, "emil", place="York", condition=some)
    site.work()
    assert (1, 2) == _tally(campaign)
    join(campaign, "fay", place="York")
    site.work()
    assert (4, 0) == _tally(campaign)
    assert {"Leeds": 2, "York": 2} == public_view(campaign)["tally"]["places"]
    site.check()


def test_parts_that_are_in_are_charged_as_one_sum_and_the_others_released(
    site: Site, launch: Launch, join: Join
) -> None:
    """Ten for sure, five more if three come, a hundred more if a thousand come."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 3})
    generous = join(
        campaign,
        "ben",
        amount=1000,
        payment_method=CARD,
        more=[
            {"kind": "money", "amount": 500, "condition": {"people": 3}},
            {"kind": "money", "amount": 10_000, "condition": {"people": 1000}},
        ],
    )
    for who in ("dora", "emil"):
        join(campaign, who, amount=100, payment_method=CARD)
    site.work()
    assert ("fulfilled", {"money": 1500}) == (
        pledge_of(generous).state,
        pledge_of(generous).accepted,
    )
    reference = [c for c in paid_at_provider(campaign) if c["amount"] == 1500]
    assert 1 == len(reference)
    assert {"money": 1700} == public_view(campaign)["collected"]
    site.check()


def test_at_the_deadline_is_judged_once_on_what_is_in_then(
    site: Site, launch: Launch, join: Join
) -> None:
    """The rule held for a while, but not at the end: nothing tips."""
    campaign = launch(rule={"people": 2}, latch="at_deadline")
    join(campaign, "ben")
    dora = join(campaign, "dora")
    site.work()
    assert "open" == public_view(campaign)["state"]
    withdraw(pledge=pledge_of(dora))
    site.work()
    site.advance(timedelta(days=31))
    site.work()
    assert "released" == public_view(campaign)["state"]
    assert {"released": 1, "withdrawn": 1} == states(campaign)
    site.check()


def test_at_the_deadline_a_rule_that_holds_tips(site: Site, launch: Launch, join: Join) -> None:
    """And whoever still waits is let go."""
    campaign = launch(rule={"people": 2}, latch="at_deadline")
    for who in ("ben", "dora"):
        join(campaign, who)
    join(campaign, "emil", condition={"people": 10})
    site.advance(timedelta(days=31))
    site.work()
    assert {"fulfilled": 2, "released": 1} == states(campaign)
    site.check()


def test_latecomers_are_settled_singly_without_a_second_tip(
    site: Site, launch: Launch, join: Join
) -> None:
    """After the tip the door stays open; one who waited comes in by a latecomer."""
    campaign = launch(rule={"people": 2})
    for who in ("ben", "dora"):
        join(campaign, who)
    waits = join(campaign, "emil", condition={"people": 4})
    site.work()
    assert "active" == pledge_of(waits).state
    late = join(campaign, "fay")
    site.work()
    assert ("fulfilled", "fulfilled") == (pledge_of(waits).state, pledge_of(late).state)
    moves = [m["state"] for m in public_view(campaign)["history"]]
    assert ["open", "tipped", "settling", "settled"] == moves
    site.check()


def test_whose_condition_fails_after_a_drop_is_refunded_until_stable(
    site: Site, launch: Launch, join: Join
) -> None:
    """One empty card takes a chain of conditions with it, and the rest stands."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 2})
    for who in ("ben", "dora"):
        join(campaign, who, amount=100, payment_method=CARD)
    first = join(campaign, "emil", amount=100, payment_method=CARD, condition={"people": 5})
    second = join(
        campaign, "fay", amount=100, payment_method=CARD, condition={"pledge": first["code"]}
    )
    join(campaign, "gus", amount=100, payment_method="pm_card_authenticationRequired")
    site.work()
    for _time in range(4):
        site.advance(timedelta(hours=48))
        site.work()
    assert {"fulfilled": 2, "refunded": 2, "dropped": 1} == states(campaign)
    assert "refunded" == pledge_of(second).state
    seen = public_view(campaign)
    assert ("settled", {"money": 200}, {"money": 200}) == (
        seen["state"],
        seen["collected"],
        seen["refunded"],
    )
    assert 2 == seen["tally"]["people"]
    site.check()
