"""It cannot be carried out: who chose what, what is borne, where each one's money goes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from countmein.base.clock import site_now
from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.actions.execute import execute, finish
from countmein.campaigns.actions.fail import PaymentRefused, fail
from countmein.campaigns.actions.give_back import give_back
from countmein.campaigns.actions.vote import VoteRefused, vote
from countmein.campaigns.gates import gate_of
from countmein.campaigns.models import Ballot, Campaign
from countmein.campaigns.moves import MoveRefused
from countmein.campaigns.queries import public_view
from countmein.ledger.actions import post_fee
from countmein.payments.actions import payouts
from countmein.payments.actions.disputes import record
from countmein.payments.models import Charge
from countmein.payments.providers import DisputeSeen, DisputeStatus
from countmein.rules.money import Money
from countmein.rules.pledging import PledgeRefused
from tests.apps.campaigns.acts import Join, pledge_of, states, topics
from tests.apps.campaigns.plans import (
    CARD,
    VAN,
    asked,
    balances,
    carried_out,
    choose,
    crowd,
    failure_of,
    paid,
    refused_advert,
    shared,
    with_plans,
)
from tests.conftest import Launch, Site


def test_what_is_left_goes_where_each_one_chose(site: Site, launch: Launch, join: Join) -> None:
    """The figures of docs/rules/plan_b.md, from the rows, the books and the mails."""
    campaign, made = refused_advert(site, launch, join)
    assert {
        "a": (617, 0, 2353, 2030, 1),
        "b": (309, 0, 1176, 1015, 1),
        "c": (123, 0, 471, 406, 1),
        "d": (123, 877, 0, 0, None),
        "e": (62, 0, 438, 0, 2),
    } == shared(campaign, made)
    settled = failure_of(campaign)
    assert (1, 234, 1000) == (
        settled.majority,
        settled.sums["spent_minor"],
        settled.sums["kept_minor"],
    )
    assert {
        "backers": -10000 + 877,
        "held:money": 4438,
        "pending:ballot": 3451,
        "paid:Standard": 1000,
        "paid:Printer": 234,
    } == balances(campaign)
    states_gone = [step["state"] for step in public_view(campaign)["history"]][-5:]
    assert ["settled", "executing", "failed", "reallocating", "settled"] == states_gone
    for who in made:
        told = [s for s in heard(site, campaign, who) if "tipped" not in s]
        assert [
            f"It cannot be carried out: {campaign.title}",
            f"What becomes of your money: {campaign.title}",
        ] == told
    site.work()
    site.check()


def heard(site: Site, campaign: Campaign, who: str) -> list[str]:
    """The subjects of the mails that somebody got about this very campaign, oldest first."""
    mails = site.mails(f"{who}@example.org")
    return [m["subject"] for m in mails if f"/c/{campaign.code}/" in m["text"]]


def left_over(campaign: Campaign, number: int = 1) -> Ballot:
    """The ballot on what a failure left over."""
    found = Ballot.objects.get(lane=campaign.lane, campaign_id=campaign.id, number=number)
    assert isinstance(found, Ballot)
    return found


def cast(campaign: Campaign, made: dict[str, Any], **choices: str) -> None:
    """Vote as each of these."""
    for who, choice in choices.items():
        vote(pledge=pledge_of(made[who]), ballot_id=left_over(campaign).id, choice=choice)


def test_without_a_quorum_what_is_left_over_goes_back(
    site: Site, launch: Launch, join: Join
) -> None:
    """Nobody votes: each one's part is theirs, to the cent, and each is told once."""
    campaign, made = refused_advert(site, launch, join)
    site.advance(timedelta(hours=73))
    site.work()
    ballot = left_over(campaign)
    assert ("refund", {"refund": 0, "keep": 0, "": 3}) == (ballot.outcome, ballot.counts)
    assert {
        "backers": -10000 + 877 + 3451,
        "held:money": 4438,
        "paid:Standard": 1000,
        "paid:Printer": 234,
    } == balances(campaign)
    for who in "abc":
        told = heard(site, campaign, who)
        assert 1 == sum("The vote is over" in subject for subject in told)
    assert not [s for s in heard(site, campaign, "d") if "vote is over" in s]
    site.work()
    site.check()
    assert made


def test_with_a_quorum_most_votes_take_all_of_it(site: Site, launch: Launch, join: Join) -> None:
    """Two of three want it to stay: it does, also the part of the one who kept silent."""
    campaign, made = refused_advert(site, launch, join)
    cast(campaign, made, a="refund", b="keep")
    cast(campaign, made, a="keep")
    assert public_view(campaign)["ballots"][0]["counts"] is None
    with pytest.raises(VoteRefused, match="no_paper"):
        cast(campaign, made, d="keep")
    with pytest.raises(VoteRefused, match="choice_unknown"):
        cast(campaign, made, c="burn")
    site.advance(timedelta(hours=73))
    with pytest.raises(VoteRefused, match="ballot_closed"):
        cast(campaign, made, c="refund")
    site.work()
    (seen,) = public_view(campaign)["ballots"]
    assert ("keep", {"refund": 0, "keep": 2}, 1) == (
        seen["outcome"],
        seen["counts"],
        seen["silent"],
    )
    assert 4438 + 3451 == balances(campaign)["held:money"]
    site.check()


def test_a_plan_can_fail_in_its_turn(site: Site, launch: Launch, join: Join) -> None:
    """The failure of the failure: over what is left, without the plan that was tried."""
    campaign, made = refused_advert(site, launch, join)
    site.advance(timedelta(hours=73))
    site.work()
    van = paid(campaign, 438, "Van")
    execute(campaign=campaign)
    fail(campaign=campaign, text="The other paper refused it too.")
    site.work()
    mails = [m for m in site.mails("c@example.org") if campaign.code in m["text"]]
    digests = [m for m in mails if "cannot be" in m["subject"]]
    assert 2 == len(digests)
    assert "A refund" in digests[1]["text"] and "Another paper" in digests[0]["text"]
    # b would rather see the van go on; but that has been tried as well, so it is a refund.
    choose(made, "b", 2)
    site.advance(timedelta(hours=24))
    site.work()
    # Of the 40.00 that had gone to the paper and 4.38 to the van, 4.38 is spent now.
    second = shared(campaign, {who: made[who] for who in "abce"}, 2)
    assert 4438 == sum(sum(row[:4]) for row in second.values())
    assert 438 == sum(row[0] for row in second.values())
    assert {0} == {row[2] + row[3] for row in second.values()}
    held = {k: v for k, v in balances(campaign).items() if k.startswith(("held", "pending"))}
    assert {} == held
    assert van.amount_minor == balances(campaign)["paid:Van"]
    assert [1, 2] == [failure["number"] for failure in public_view(campaign)["failures"]]
    site.work()
    site.check()


def test_without_plans_what_is_left_goes_back_in_proportion(
    site: Site, launch: Launch, join: Join
) -> None:
    """20 % was spent, so each gets four fifths; nobody has to choose anything."""
    campaign = launch(kinds=["money"], currency="GBP", rule={"people": 1})
    made = crowd(join, campaign, a=(1000, "refund"), b=(3000, None))
    carried_out(site, campaign)
    paid(campaign, 800)
    fail(campaign=campaign)
    site.work()
    assert {"a": (200, 800, 0, 0, None), "b": (600, 2400, 0, 0, None)} == shared(campaign, made)
    assert {"backers": -800, "paid:Metro": 800} == balances(campaign)
    assert "settled" == public_view(campaign)["state"]
    site.check()


def test_what_the_provider_kept_is_borne_by_all(site: Site, launch: Launch, join: Join) -> None:
    """Fees are part of what is gone, and the campaign's accounts come out at nothing."""
    campaign = launch(kinds=["money"], currency="GBP", rule={"people": 1})
    made = crowd(join, campaign, a=(1000, "refund"), b=(3000, "refund"))
    carried_out(site, campaign)
    for who, fee in (("a", 30), ("b", 50)):
        with transaction.atomic():
            post_fee(
                lane=campaign.lane,
                campaign_id=campaign.id,
                about=pledge_of(made[who]).id,
                amount_minor=fee,
                currency="GBP",
                at=site_now(),
            )
    fail(campaign=campaign)
    site.work()
    assert {"a": (20, 980, 0, 0, None), "b": (60, 2940, 0, 0, None)} == shared(campaign, made)
    assert {"backers": -80, "processor": 80} == balances(campaign)
    site.check()


def test_money_that_comes_back_is_shared_out_the_next_time(
    site: Site, launch: Launch, join: Join
) -> None:
    """A payment that all had borne returns: it is theirs again as they bore it."""
    campaign = with_plans(launch, VAN)
    made = crowd(join, campaign, a=(1000, 1), b=(3000, "refund"))
    carried_out(site, campaign)
    bought = paid(campaign, 400)
    fail(campaign=campaign)
    site.advance(timedelta(hours=24))
    site.work()
    assert {"a": (100, 0, 900, 0, 1), "b": (300, 2700, 0, 0, None)} == shared(campaign, made)
    assert payouts.came_back(bought)
    fail(campaign=campaign)
    site.advance(timedelta(hours=24))
    site.work()
    assert {"a": (-100, 1000, 0, 0, None), "b": (-300, 300, 0, 0, None)} == shared(
        campaign, made, 2
    )
    assert {} == balances(campaign)
    assert {"refunded": 2} == states(campaign)
    site.check()


def test_what_was_raised_above_the_goal_waits_for_the_ballot(
    site: Site, launch: Launch, join: Join
) -> None:
    """It was never meant for what failed, so also who wants a refund votes on it."""
    campaign = with_plans(launch, VAN, above=3000)
    made = crowd(join, campaign, a=(2000, "refund"), b=(2000, 1))
    carried_out(site, campaign)
    fail(campaign=campaign)
    site.advance(timedelta(hours=24))
    site.work()
    assert {"a": (0, 1500, 0, 500, None), "b": (0, 0, 1500, 500, 1)} == shared(campaign, made)
    site.check()


def test_nobody_joins_what_is_being_carried_out(site: Site, launch: Launch, join: Join) -> None:
    """Who is in is taken, who waits is let go, and the door stays shut after a failure too."""
    campaign = with_plans(launch, VAN)
    crowd(join, campaign, a=(1000, 1))
    site.work()
    waits = {"people": 50}
    join(campaign, "w", amount=100, condition=waits, payment_method=CARD)
    late = join(campaign, "late", amount=100, payment_method=CARD)
    site.work()
    carried_out(site, campaign)
    assert {"fulfilled": 2, "released": 1} == states(campaign)
    assert "fulfilled" == pledge_of(late).state
    assert not public_view(campaign)["accepting"]
    fail(campaign=campaign)
    site.advance(timedelta(hours=24))
    site.work()
    assert "settled" == public_view(campaign)["state"]
    with pytest.raises(PledgeRefused, match="campaign_closed"):
        join(campaign, "x", amount=100)
    site.check()


def test_nobody_is_charged_for_what_cannot_be_carried_out(
    site: Site, launch: Launch, join: Join
) -> None:
    """A card that is being tried again when it fails is left alone from then on."""
    campaign = with_plans(launch, VAN)
    crowd(join, campaign, a=(1000, "refund"))
    site.work()
    bad = join(campaign, "bad", amount=700, payment_method="pm_card_chargeCustomerFail")
    site.work()
    assert "accepted" == pledge_of(bad).state
    carried_out(site, campaign)
    fail(campaign=campaign)
    site.work()
    assert "released" == pledge_of(bad).state
    (*_, last) = topics(site, campaign, "bad@example.org")
    assert f"You are released: {campaign.title}" == last
    site.advance(timedelta(days=9))
    site.work()
    assert {"money": 0} == public_view(campaign)["collected"]
    site.check()


def test_each_verb_has_its_time(site: Site, launch: Launch, join: Join) -> None:
    """Executing before it is settled, finishing what has not begun, failing what is done."""
    campaign = with_plans(launch, VAN)
    for act in (execute, finish, fail):
        with pytest.raises(MoveRefused):
            act(campaign=campaign)
    crowd(join, campaign, a=(1000, 1))
    carried_out(site, campaign)
    with pytest.raises(MoveRefused):
        execute(campaign=campaign)
    finish(campaign=campaign)
    with pytest.raises(MoveRefused):
        fail(campaign=campaign)
    site.work()
    assert "done" == public_view(campaign)["state"]
    site.check()


def test_what_has_been_spent_cannot_be_cancelled(site: Site, launch: Launch, join: Join) -> None:
    """Nobody can be given back what is gone: it has to be said that it failed."""
    campaign = with_plans(launch, VAN)
    crowd(join, campaign, a=(1000, 1))
    carried_out(site, campaign)
    asked(campaign, 100, "Times")
    bought = paid(campaign, 100)
    with pytest.raises(MoveRefused, match="money has been paid out"):
        cancel(campaign=campaign)
    assert payouts.came_back(bought)
    cancel(campaign=campaign)
    site.work()
    assert ("released", {"refunded": 1}) == (public_view(campaign)["state"], states(campaign))
    assert {} == balances(campaign)
    site.check()


def test_a_payment_that_is_named_must_fit(site: Site, launch: Launch, join: Join) -> None:
    """What was paid cannot be stopped, what was not paid is not lost, another's is unknown."""
    campaign, other = with_plans(launch, VAN), with_plans(launch, VAN)
    crowd(join, campaign, a=(1000, 1))
    crowd(join, other, a=(1000, 1))
    carried_out(site, campaign)
    done, waiting, strange = paid(campaign, 100), asked(campaign, 100), asked(other, 100)
    for refused, lost in (([done.id], []), ([], [waiting.id]), ([strange.id], [])):
        with pytest.raises(PaymentRefused):
            fail(campaign=campaign, refused=refused, lost=lost)
    assert "executing" == gate_of(campaign).state
    # A payment that is still asked for and was not stopped counts as made.
    fail(campaign=campaign)
    site.advance(timedelta(hours=24))
    site.work()
    assert 200 == failure_of(campaign).sums["kept_minor"]
    site.check()


def test_what_the_organiser_has_asked_for_is_not_paid(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = with_plans(launch, VAN)
    crowd(join, campaign, a=(1000, 1))
    carried_out(site, campaign)
    asked(campaign, 900, "organiser", kind="organiser")
    fail(campaign=campaign)
    assert 1000 == balances(campaign)["held:money"]
    site.work()
    site.check()


def test_a_dispute_is_borne_by_whoever_is_left(site: Site, launch: Launch, join: Join) -> None:
    """What somebody's bank takes back after it was spent is gone for the others."""
    campaign = with_plans(launch, VAN)
    made = crowd(join, campaign, a=(1000, 1), b=(1000, 1))
    carried_out(site, campaign)
    paid(campaign, 500)
    fail(campaign=campaign)
    site.advance(timedelta(hours=24))
    site.work()
    charge = Charge.objects.get(lane=campaign.lane, pledge_id=pledge_of(made["b"]).id)
    assert record(
        DisputeSeen(
            dispute_id=f"dp_{charge.id.hex}",
            charge_id=charge.provider_charge_id,
            amount=Money(amount_minor=1000, currency="GBP"),
            reason="fraudulent",
            status=DisputeStatus.OPEN,
            opened_at=site_now(),
            answer_by=None,
        )
    )
    fail(campaign=campaign)
    choose(made, "a", "refund")
    site.advance(timedelta(hours=24))
    site.work()
    assert {"a": (250, 500, 0, 0, None), "b": (-250, 0, 0, 0, None)} == shared(campaign, made, 2)
    assert {"backers": -1500, "disputed": 1000, "paid:Metro": 500} == balances(campaign)
    site.check()


def test_nobody_is_given_back_what_others_rely_on(site: Site, launch: Launch, join: Join) -> None:
    """Who came only if three are in stays in when one of them is refunded: it was carried out."""
    campaign = with_plans(launch, VAN)
    made = crowd(join, campaign, a=(1000, 1), b=(1000, "refund"))
    made["c"] = join(
        campaign, "c", amount=1000, fallback=1, condition={"people": 3}, payment_method=CARD
    )
    carried_out(site, campaign)
    fail(campaign=campaign)
    site.advance(timedelta(hours=24))
    site.work()
    # In the plan there are only two, so c's own condition is asked of them and does not hold.
    assert {
        "a": (0, 0, 1000, 0, 1),
        "b": (0, 1000, 0, 0, None),
        "c": (0, 1000, 0, 0, None),
    } == shared(campaign, made)
    assert {"fulfilled": 1, "refunded": 2} == states(campaign)
    execute(campaign=campaign)
    site.work()
    assert {"fulfilled": 1, "refunded": 2} == states(campaign)
    site.check()


def test_a_late_condition_takes_nobody_out_while_it_is_carried_out(
    site: Site, launch: Launch, join: Join
) -> None:
    """One is given back while it is executed: whoever wanted three to be in is still in."""
    campaign = with_plans(launch, VAN)
    made = crowd(join, campaign, a=(1000, 1), b=(1000, 1))
    made["c"] = join(campaign, "c", amount=1000, condition={"people": 3}, payment_method=CARD)
    carried_out(site, campaign)
    give_back(campaign, {pledge_of(made["b"]).id: 1000}, reason="gesture", stage=0)
    site.work()
    assert {"fulfilled": 2, "refunded": 1} == states(campaign)
    finish(campaign=campaign)
    site.work()
    assert {"fulfilled": 2, "refunded": 1} == states(campaign)
    site.check()
