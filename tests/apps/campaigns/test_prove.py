"""Stages: a proof, a vote in which silence counts as no, and what goes back without a proof."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection

from countmein.base.clock import site_now
from countmein.base.ids import uuid7
from countmein.campaigns.actions.close_ballots import close_ballots
from countmein.campaigns.actions.pay_out import PayoutRefused
from countmein.campaigns.actions.prove import ProofRefused, hand_in
from countmein.campaigns.actions.vote import vote
from countmein.campaigns.gates import gate_of
from countmein.campaigns.models import Ballot, Campaign, Pledge, Unproven
from countmein.campaigns.moves import move
from countmein.campaigns.payouts import funds_of, terms_of
from countmein.ledger import actions as ledger
from countmein.members.models import Organiser
from countmein.payments.actions.disputes import record
from countmein.payments.actions.statement import read_lines
from countmein.payments.models import Charge, Refund
from countmein.payments.providers import DisputeSeen, DisputeStatus
from countmein.rules.money import Money
from countmein.rules.states import CampaignState
from tests.apps.campaigns.payout_acts import Settled, accounts_of, ask_own, fresh, onboard
from tests.conftest import Site
from tests.faults.crowd import together
from tests.faults.kills import run_and_die

DAY = timedelta(days=1)
_C = CampaignState
#: It could not be carried out, and what is done instead is settled.
ROUND = (_C.settled, _C.executing, _C.failed, _C.reallocating, _C.settled)


def staged(settled: Settled, site: Site, amounts: Any = 10_000, *, people: int = 5) -> Campaign:
    """60 % now and 40 % on proof within 60 days; nothing held back for refunds."""
    return settled(
        amounts,
        people=people,
        payout={
            "stages_bp": [6000, 4000],
            "proof_by": (site_now() + 90 * DAY).isoformat(),
            "holdback_bp": 0,
        },
    )


def pledges(campaign: Campaign) -> list[Pledge]:
    return list(Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).order_by("id"))


def say(campaign: Campaign, ballot: Ballot, *choices: str) -> None:
    for pledge, choice in zip(pledges(campaign), choices, strict=False):
        vote(pledge=pledge, ballot_id=ballot.id, choice=choice)


def proven(campaign: Campaign) -> int:
    return int(funds_of(campaign, gate_of(campaign), now=site_now()).approved_stages)


def test_the_second_stage_is_paid_once_more_than_half_said_yes(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    campaign = staged(settled, site)
    onboard(ana)
    site.advance(4 * DAY)
    with pytest.raises(PayoutRefused, match="stage_not_proven"):
        ask_own(campaign, 30_001)
    first = ask_own(campaign, 29_000)
    site.work()
    assert "paid" == fresh(first).state
    ballot = hand_in(campaign=campaign, words="Here is the sample.", documents=[])
    site.work()
    for n in range(5):
        told = [m["subject"] for m in site.mails(f"b{n}@example.org")]
        assert any(s == f"Is this proof enough? {campaign.title}" for s in told)
    with pytest.raises(ProofRefused, match="being_voted_on"):
        hand_in(campaign=campaign, words="Again.", documents=[])
    say(campaign, ballot, "yes", "yes", "no", "yes")
    site.advance(6 * DAY)
    site.work()
    assert 1 == proven(campaign)
    site.advance(DAY + timedelta(minutes=1))
    site.work()
    assert 2 == proven(campaign)
    second = ask_own(campaign, 19_000)
    site.work()
    assert "paid" == fresh(second).state
    site.advance(90 * DAY)
    site.work()
    assert not Unproven.objects.filter(lane=campaign.lane, campaign_id=campaign.id).exists()
    with pytest.raises(ProofRefused, match="nothing_to_prove"):
        hand_in(campaign=campaign, words="More.", documents=[])
    site.check()


def test_who_disputed_has_no_vote_and_is_not_asked_for_one(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    campaign = staged(settled, site, people=3)
    disputed = Charge.objects.get(lane=campaign.lane, pledge_id=pledges(campaign)[1].id)
    seen = DisputeSeen(
        dispute_id="du_of_b1",
        charge_id=disputed.provider_charge_id,
        amount=Money(amount_minor=disputed.amount_minor, currency="EUR"),
        status=DisputeStatus.OPEN,
        reason="general",
        opened_at=site_now(),
        answer_by=None,
    )
    assert record(seen)
    had = [asked_for_a_vote(site, n) for n in range(3)]
    hand_in(campaign=campaign, words="Here is the sample.", documents=[])
    site.work()
    assert [1, 0, 1] == [asked_for_a_vote(site, n) - had[n] for n in range(3)]


def asked_for_a_vote(site: Site, number: int) -> int:
    mails = site.mails(f"b{number}@example.org")
    return sum(mail["subject"].startswith("Is this proof enough?") for mail in mails)


def test_silence_counts_as_no_and_a_proof_can_be_handed_in_again(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    campaign = staged(settled, site, people=4)
    first = hand_in(campaign=campaign, words="Trust me.", documents=[])
    say(campaign, first, "yes", "yes")
    site.advance(8 * DAY)
    site.work()
    assert 1 == proven(campaign)
    again = hand_in(campaign=campaign, words="Here it is.", documents=[])
    assert (2, 102) == (first.number, again.number)
    say(campaign, again, "yes", "yes", "yes")
    site.advance(8 * DAY)
    site.work()
    assert 2 == proven(campaign)


def test_without_a_proof_the_rest_goes_back_in_proportion_and_each_is_told_once(
    site: Site, own_statement: None, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    """Failure B: of 1,000.00 the provider kept some, 60 % was paid, 40 % goes back."""
    campaign = staged(settled, site, lambda n: 10_000 + 5_000 * n)
    onboard(ana)
    site.advance(4 * DAY)
    read_lines("stripe")
    costs = accounts_of(campaign)["processor"]
    paid = ask_own(campaign, (100_000 - costs) * 6 // 10)
    site.work()
    assert "paid" == fresh(paid).state
    ballot = hand_in(campaign=campaign, words="Nearly.", documents=[])
    say(campaign, ballot, "no", "yes")
    had = {n: len(site.mails(f"b{n}@example.org")) for n in range(5)}
    site.advance(120 * DAY)
    site.work()
    refunds = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id).order_by(
        "pledge_id"
    )
    assert [("no_proof", "done")] * 5 == list(refunds.values_list("reason", "state"))
    back = 100_000 - costs - paid.amount_minor
    assert back == sum(refund.amount_minor for refund in refunds)
    for n, refund in enumerate(refunds):
        share = back * (10_000 + 5_000 * n) / 100_000
        assert abs(share - refund.amount_minor) < 1
        told = [m["subject"] for m in site.mails(f"b{n}@example.org")[had[n] :]]
        assert 1 == told.count(f"Refund: {campaign.title}")
    assert costs == accounts_of(campaign)["held:money"]
    with pytest.raises(PayoutRefused, match="nothing_left"):
        ask_own(campaign, 1)
    site.work()
    assert 5 == refunds.count()
    site.check()


def test_a_vote_under_way_on_the_day_is_waited_for(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    campaign = staged(settled, site, people=3)
    site.advance(89 * DAY)
    ballot = hand_in(campaign=campaign, words="Done.", documents=[])
    say(campaign, ballot, "yes", "yes")
    site.advance(3 * DAY)
    site.work()
    assert not Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id).exists()
    site.advance(5 * DAY)
    site.work()
    assert 2 == proven(campaign)
    assert not Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id).exists()


def test_a_proof_that_comes_too_late_is_refused(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    campaign = staged(settled, site, people=2)
    site.advance(91 * DAY)
    with pytest.raises(ProofRefused, match="too_late"):
        hand_in(campaign=campaign, words="Sorry.", documents=[])


def test_two_who_close_a_vote_close_it_once(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    campaign = staged(settled, site, people=3)
    ballot = hand_in(campaign=campaign, words="Done.", documents=[])
    say(campaign, ballot, "yes", "yes")
    site.advance(8 * DAY)
    had = len(site.mails(ana.email))
    together([lambda: close_ballots(str(campaign.id)) for _ in range(8)], threads=8)
    site.work()
    told = [m["subject"] for m in site.mails(ana.email)[had:]]
    assert 1 == sum("proof was accepted" in subject for subject in told)


def test_the_end_of_the_stages_can_be_killed_anywhere_and_gives_back_once(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    from countmein.campaigns.actions.prove import prove

    campaign = staged(settled, site, people=3)
    site.advance(91 * DAY)
    at = 0
    while run_and_die(lambda: prove(str(campaign.id)), at=at):
        refunds = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
        assert refunds.count() in (0, 3)
        at += 5
        if Unproven.objects.filter(lane=campaign.lane, campaign_id=campaign.id).exists():
            break
    prove(str(campaign.id))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs WHERE status = 'doing'")
    site.work()
    refunds = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    assert 3 == refunds.count()
    site.check()


def test_once_it_has_failed_there_is_nothing_to_prove(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    """What is done instead decides about the rest, so the day of the proof gives nothing back."""
    campaign = staged(settled, site, people=3)
    for was, to in pairwise(ROUND):
        moved = move(lane=campaign.lane, campaign_id=campaign.id, was=[was], to=to, at=site_now())
        assert moved
    with pytest.raises(ProofRefused, match="nothing_to_prove"):
        hand_in(campaign=campaign, words="Late.", documents=[])
    site.advance(91 * DAY)
    site.work()
    assert not Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id).exists()
    ask_own(campaign, 25_000)


def test_what_is_set_aside_for_others_is_not_paid_out(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    """A ballot on what is left over holds money of the campaign's, too."""
    campaign = settled(10_000, people=4, payout={"holdback_bp": 0})
    ledger.post(
        lane=campaign.lane,
        campaign_id=campaign.id,
        kind="earmark",
        about=uuid7(),
        parts={"money": 30_000},
        currency="EUR",
        at=site_now(),
        payee="ballot",
    )
    with pytest.raises(PayoutRefused, match="nothing_left"):
        ask_own(campaign, 10_001)
    ask_own(campaign, 5_000)
    with pytest.raises(PayoutRefused, match="nothing_left"):
        ask_own(campaign, 5_001)
    site.work()
    site.check()


def test_a_second_try_has_its_proof_later_too(
    site: Site, launch: Any, join: Any, ana: Organiser
) -> None:
    campaign = launch(
        kinds=["money"],
        currency="EUR",
        rule={"people": 9},
        payout={"stages_bp": [6000, 4000], "proof_by": (site_now() + 90 * DAY).isoformat()},
    )
    join(campaign, "ben", amount=1_000, payment_method="pm_card_visa")
    site.work()
    site.advance(31 * DAY)
    site.work()
    again = Campaign.objects.get(follows=campaign.id)
    was, now = terms_of(campaign), terms_of(again)
    assert was.proof_by is not None
    assert now.proof_by is not None
    assert now.proof_by - again.deadline == was.proof_by - campaign.deadline
    assert gate_of(again).proof_by is None
