"""A walk through all that can happen to a campaign's money after it has settled, drawn by a seed.

After each step the books balance and agree with the provider's, and all derived numbers are right.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings

from countmein.base.clock import site_now
from countmein.campaigns.actions.account import freeze, thaw
from countmein.campaigns.actions.hand_over import hand_over
from countmein.campaigns.actions.pay_out import PayoutRefused, approve, stop_payout
from countmein.campaigns.actions.pay_supplier import mark_paid, mark_returned
from countmein.campaigns.actions.prove import ProofRefused, hand_in
from countmein.campaigns.actions.vote import VoteRefused, vote
from countmein.campaigns.documents import checked
from countmein.campaigns.gates import gate_of
from countmein.campaigns.models import Ballot, Campaign, Pledge
from countmein.campaigns.payouts import funds_of
from countmein.members.models import Organiser
from countmein.payments.actions.disputes import look
from countmein.payments.actions.reconcile import reconcile
from countmein.payments.actions.refunding import want_refunds
from countmein.payments.actions.statement import read_lines
from countmein.payments.models import Charge, Freeze, Payout, Statement
from countmein.rules.payout import payable
from tests.apps.campaigns.conftest import olga, own_statement, settled
from tests.apps.campaigns.payout_acts import (
    PDF,
    Settled,
    accounts_of,
    ask_own,
    onboard,
    transfers,
)
from tests.apps.payments.conftest import shown
from tests.apps.payments.test_refunds import control
from tests.conftest import Site

__all__ = ["olga", "own_statement", "settled"]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("books_read")]
DAY = timedelta(days=1)
STEPS = 30
INVOICE = checked(name="invoice.pdf", content=PDF)


class Walk:
    """One campaign, its two organisers by turns, and a seed."""

    def __init__(self, site: Site, campaign: Campaign, people: list[Organiser], seed: int) -> None:
        self.site, self.campaign, self.draw = site, campaign, random.Random(seed)
        self.ana, self.cleo, self.olga = people
        self.done: list[str] = []

    def payouts(self, *states: str) -> list[Payout]:
        rows = Payout.objects.filter(
            lane=self.campaign.lane, campaign_id=self.campaign.id, state__in=states
        )
        return list(rows.order_by("id"))

    def step(self) -> None:
        """Do one thing; what is refused is refused without a trace."""
        acts: list[Callable[[], Any]] = [
            self.ask, self.ask, self.supplier, self.agree, self.stop, self.pay, self.give_back,
            self.refund, self.dispute, self.hand, self.stop_all, self.go_on, self.prove, self.say,
            self.wait, self.wait, self.wait,
        ]  # fmt: skip
        act = self.draw.choice(acts)
        self.campaign.refresh_from_db()
        try:
            act()
            self.done.append(act.__name__)
        except (PayoutRefused, ProofRefused, VoteRefused, IndexError) as refused:
            self.done.append(f"{act.__name__}: {refused}")

    def most(self) -> int:
        gate = gate_of(self.campaign)
        return payable(funds_of(self.campaign, gate, now=site_now()))

    def ask(self) -> None:
        ask_own(self.campaign, self.draw.randint(1, max(1, self.most())))

    def supplier(self) -> None:
        amount = self.draw.randint(1, max(1, self.most() // 2))
        ask_own(self.campaign, amount, payee="A shop", purpose="nails", document=INVOICE)

    def agree(self) -> None:
        payout = self.draw.choice(self.payouts("asked"))
        approve(campaign=self.campaign, payout_id=payout.id, by=self.olga)

    def stop(self) -> None:
        payout = self.draw.choice(self.payouts("asked"))
        stop_payout(campaign=self.campaign, payout_id=payout.id, note="no")

    def pay(self) -> None:
        payout = self.draw.choice(self.payouts("asked"))
        mark_paid(campaign=self.campaign, payout_id=payout.id, reference="E2E")

    def give_back(self) -> None:
        payout = self.draw.choice(self.payouts("paid"))
        mark_returned(campaign=self.campaign, payout_id=payout.id, note="closed")

    def charges(self) -> list[Charge]:
        rows = Charge.objects.filter(lane=self.campaign.lane, campaign_id=self.campaign.id)
        return list(rows.order_by("id"))

    def refund(self) -> None:
        charge = self.draw.choice(self.charges())
        want_refunds(charges=[charge], reason="goodwill", parts=lambda _: {"money": 100})

    def dispute(self) -> None:
        charge = self.draw.choice(self.charges()[:2])
        try:
            control(dispute={"charge": charge.provider_charge_id})
        except OSError:  # it is disputed already
            self.done.append("disputed before")

    def hand(self) -> None:
        by = Organiser.objects.get(id=self.campaign.organiser_id)
        hand_over(campaign=self.campaign, by=by, to=self.cleo if by == self.ana else self.ana)

    def stop_all(self) -> None:
        if self.draw.random() < 0.3:
            freeze(self.draw.choice([self.campaign.id, self.ana.id]))

    def go_on(self) -> None:
        for row in Freeze.objects.filter(ended_at=None):
            thaw(freeze_id=row.id, by=self.olga)

    def prove(self) -> None:
        hand_in(campaign=self.campaign, words="Look.", documents=[])

    def say(self) -> None:
        ballots = Ballot.objects.filter(lane=self.campaign.lane, campaign_id=self.campaign.id)
        ballot = self.draw.choice(list(ballots.filter(closed_at=None)))
        for row in Pledge.objects.filter(lane=self.campaign.lane, campaign_id=self.campaign.id):
            vote(pledge=row, ballot_id=ballot.id, choice=self.draw.choice(["yes", "yes", "no"]))

    def wait(self) -> None:
        self.site.advance(timedelta(hours=self.draw.choice([1, 20, 80, 200])))


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_the_books_agree_with_the_provider(
    site: Site,
    own_statement: None,
    settled: Settled,
    ana: Organiser,
    cleo: Organiser,
    olga: Organiser,
    seed: int,
) -> None:
    with override_settings(COMMISSION_BP=333, PAYOUT_ALONE_UP_TO_MINOR=60_000):
        campaign = settled(
            lambda n: 10_001 + 7_000 * n,
            people=6,
            payout={
                "stages_bp": [5000, 3000, 2000],
                "proof_by": (site_now() + 80 * DAY).isoformat(),
            },
        )
        accounts = [onboard(ana), onboard(cleo, "GB29NWBK60161331926819")]
        walk = Walk(site, campaign, [ana, cleo, olga], seed)
        for _step in range(STEPS):
            walk.step()
            site.work()
            look(Statement.objects.get())
            read_lines("stripe")
            site.work()
            assert [] == shown(reconcile("stripe", grace=timedelta(0))), walk.done
            try:
                site.check()
            except AssertionError as wrong:
                raise AssertionError(f"after {walk.done}: {wrong}") from wrong
            passed_on = sum(
                each["amount"] - each["amount_reversed"]
                for account in accounts
                for each in transfers(account)
            )
            assert passed_on == accounts_of(campaign).get("paid:organiser", 0), walk.done
