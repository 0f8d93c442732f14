"""The whole money machine in any order of its verbs; the witness is the provider's own book."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from countmein.base.clock import set_offset, site_now
from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.actions.change import change
from countmein.campaigns.actions.count import count
from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.bodies import PledgePatch
from countmein.campaigns.models import Pledge
from countmein.campaigns.queries import public_view
from countmein.ledger.models import Transfer
from countmein.ledger.queries import balances
from countmein.payments.actions.disputes import look
from countmein.payments.actions.mandates import consent_of
from countmein.payments.models import Charge, ChargeState, Refund, RefundState, Statement
from countmein.rules.pledging import PledgeRefused
from tests.apps.campaigns.acts import Join, pledge_of
from tests.apps.payments.conftest import Provider
from tests.conftest import Launch, Site
from tests.faults.masses import size

pytestmark = pytest.mark.slow
GOAL = 3
provider = Provider()
FINAL = {"fulfilled", "refunded", "withdrawn", "released", "dropped"}
CARDS = st.sampled_from(
    ["pm_card_visa"] * 3
    + ["pm_card_chargeCustomerFail", "pm_card_authenticationRequired"]
    + ["pm_card_visa_chargeDeclined"]
)
CONDITIONS = st.one_of(st.none(), st.integers(2, 4).map(lambda n: {"people": n}))


class Money(RuleBasedStateMachine):
    """One campaign of money; members join, give other cards, change their mind, wait and leave, and
    their banks take back what was paid."""

    site: Site
    launch: Launch
    join: Join
    turns = 0

    @initialize(
        shortfall=st.sampled_from(["release", "topup", "proceed"]),
        currency=st.sampled_from(["EUR", "JPY", "KWD"]),
        cap=st.sampled_from([None, 5000]),
    )
    def a_campaign_opens(self, shortfall: str, currency: str, cap: int | None) -> None:
        set_offset(timedelta(0))
        type(self).turns += 1
        self.members: list[dict[str, Any]] = []
        self.disputes: dict[Any, str] = {}
        self.open_disputes: list[str] = []
        self.campaign = self.launch(
            kinds=["money"],
            currency=currency,
            rule={"people": GOAL},
            shortfall=shortfall,
            cap={"money": cap} if cap else {},
        )

    @rule(hundreds=st.integers(1, 20), card=CARDS, condition=CONDITIONS)
    def somebody_joins(self, hundreds: int, card: str, condition: Any) -> None:
        who = f"mm{type(self).turns}n{len(self.members)}"
        try:
            answer = self.join(
                self.campaign,
                who,
                amount=100 * hundreds,
                payment_method=card,
                condition=condition,
            )
        except PledgeRefused:
            return
        self.members.append(answer)

    @precondition(lambda self: self.members)
    @rule(pick=st.integers(0, 99), card=CARDS)
    def somebody_gives_another_card(self, pick: int, card: str) -> None:
        self._try(lambda p: change(pledge=p, body=PledgePatch(payment_method=card)), pick)

    @precondition(lambda self: self.members)
    @rule(pick=st.integers(0, 99), hundreds=st.integers(1, 20))
    def somebody_changes_the_amount(self, pick: int, hundreds: int) -> None:
        self._try(lambda p: change(pledge=p, body=PledgePatch(amount=100 * hundreds)), pick)

    @precondition(lambda self: self.members)
    @rule(pick=st.integers(0, 99))
    def somebody_leaves(self, pick: int) -> None:
        self._try(lambda p: withdraw(pledge=p), pick)

    def _try(self, act: Any, pick: int) -> None:
        try:
            act(pledge_of(self.members[pick % len(self.members)]))
        except PledgeRefused:
            return

    @precondition(lambda self: self.members)
    @rule(pick=st.integers(0, 99), is_won=st.sampled_from([None, True, False]))
    def a_bank_takes_it_back(self, pick: int, is_won: bool | None) -> None:
        """A dispute of something that was not given back, decided at once or left open."""
        about = Refund.objects.filter(lane=self.campaign.lane, campaign_id=self.campaign.id)
        rows = Charge.objects.filter(
            lane=self.campaign.lane, campaign_id=self.campaign.id, state=ChargeState.PAID
        ).exclude(id__in=[*self.disputes, *about.values_list("charge_id", flat=True)])
        if not rows:
            return
        charge = rows.order_by("id")[pick % len(rows)]
        self.disputes[charge.id] = provider.dispute(charge)
        if is_won is None:
            self.open_disputes.append(self.disputes[charge.id])
        else:
            provider.decide(self.disputes[charge.id], is_won=is_won)
        look(Statement.objects.get())

    @precondition(lambda self: self.open_disputes)
    @rule(is_won=st.booleans())
    def a_dispute_ends(self, is_won: bool) -> None:
        provider.decide(self.open_disputes.pop(), is_won=is_won)
        look(Statement.objects.get())

    @rule()
    def the_tally_is_counted(self) -> None:
        count(str(self.campaign.id))

    @rule()
    def the_site_works(self) -> None:
        self._rest()

    @rule(hours=st.sampled_from([1, 48, 168]))
    def time_passes(self, hours: int) -> None:
        self.site.advance(timedelta(hours=hours))

    @precondition(lambda self: len(self.members) > GOAL)
    @rule(sure=st.integers(0, 5))
    def the_organiser_cancels(self, sure: int) -> None:
        state = public_view(self.campaign)["state"]
        if sure == 0 and state in ("open", "tipped", "settling", "topup", "settled"):
            cancel(campaign=self.campaign)

    def _rest(self) -> None:
        self.site.work()
        self.site.check()
        self._agrees_with_the_provider()

    @invariant()
    def nobody_is_charged_twice_or_beyond_their_word(self) -> None:
        charges = Charge.objects.filter(lane=self.campaign.lane, campaign_id=self.campaign.id)
        rows = {str(row.id): row for row in charges}
        if not rows:
            return
        paid = [
            c
            for c in self.site.charged()
            if c["status"] == "succeeded" and c["metadata"].get("reference") in rows
        ]
        assert 1 >= max(Counter(c["metadata"]["reference"] for c in paid).values(), default=0)
        for taken in paid:
            row = rows[taken["metadata"]["reference"]]
            word = consent_of(lane=row.lane, pledge_id=row.pledge_id)
            assert word is not None
            assert taken["amount"] == row.amount_minor <= word.amount_minor
            assert taken["currency"].upper() == word.currency

    def _agrees_with_the_provider(self) -> None:
        ours = {
            str(id)
            for id in Charge.objects.filter(
                lane=self.campaign.lane, campaign_id=self.campaign.id
            ).values_list("id", flat=True)
        }
        theirs = [c for c in self.site.charged() if c["metadata"].get("reference") in ours]
        taken = sum(c["amount"] for c in theirs if c["status"] == "succeeded")
        back = sum(c["amount_refunded"] for c in theirs)
        books = Transfer.objects.filter(lane=self.campaign.lane, campaign_id=self.campaign.id)
        booked = Counter[str]()
        for kind, amount in books.values_list("kind", "amount_minor"):
            booked[kind] += amount
        assert (taken, back) == (booked["charge"], booked["refund"])
        held = balances(lane=self.campaign.lane, campaign_id=self.campaign.id)
        assert 0 == sum(held.values())
        seen = public_view(self.campaign)
        disputed = booked["dispute"] - booked["dispute_won"]
        assert taken - back - disputed == seen["collected"]["money"]
        assert (back, disputed) == (seen["refunded"]["money"], seen["disputed"]["money"])
        kept = Pledge.objects.filter(
            lane=self.campaign.lane, campaign_id=self.campaign.id, state="fulfilled"
        )
        # What was to go back and a lost dispute took has ended all the same.
        moot = Refund.objects.filter(
            lane=self.campaign.lane, campaign_id=self.campaign.id, state=RefundState.MOOT
        )
        gone = back + sum(moot.values_list("amount_minor", flat=True))
        if seen["state"] != "cancelled":
            assert taken - gone == sum(row.accepted["money"] for row in kept)

    def teardown(self) -> None:
        if not hasattr(self, "campaign"):
            return
        while self.open_disputes:
            provider.decide(self.open_disputes.pop(), is_won=True)
        look(Statement.objects.get())
        self._rest()
        for _week in range(12):
            self.site.advance(timedelta(days=7))
            self._rest()
        ends = Pledge.objects.filter(lane=self.campaign.lane, campaign_id=self.campaign.id)
        assert set(ends.values_list("state", flat=True)) <= FINAL, site_now()
        assert public_view(self.campaign)["state"] in ("settled", "released")


def test_any_order_of_the_verbs_of_money_keeps_the_promise(
    site: Site, launch: Launch, join: Join
) -> None:
    """Histories of 15 steps; each begins with a campaign of its own and is carried to its end."""

    class Machine(Money):
        pass

    Machine.site, Machine.launch, Machine.join = site, staticmethod(launch), staticmethod(join)
    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=size(15, 500),
                stateful_step_count=size(15, 40),
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        set_offset(timedelta(0))
