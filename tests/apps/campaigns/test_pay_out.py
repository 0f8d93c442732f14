"""Payouts to the organiser: what may go, when, and who must agree; and that it goes once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from countmein.campaigns.actions.account import freeze, look_at_account, thaw
from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.actions.hand_over import hand_over
from countmein.campaigns.actions.pay_out import PayoutRefused, approve, stop_payout
from countmein.campaigns.models import Campaign
from countmein.campaigns.moves import MoveRefused
from countmein.campaigns.selfcheck import self_check
from countmein.members.models import Organiser
from countmein.payments.actions.payouts import stop
from countmein.payments.actions.reconcile import reconcile
from countmein.payments.actions.statement import read_lines
from countmein.payments.models import Freeze, Payout
from countmein.payments.providers import LookUpFailed
from countmein.payments.providers.stripe import Stripe
from tests.apps.campaigns.payout_acts import (
    Settled,
    accounts_of,
    ask_own,
    fresh,
    onboard,
    transfers,
)
from tests.apps.payments.conftest import shown
from tests.conftest import Site

DAY = timedelta(days=1)
REST = timedelta(hours=72)


@pytest.fixture
def account(ana: Organiser, site: Site) -> object:
    """Ana's account, set up long enough ago."""
    found = onboard(ana)
    site.advance(4 * DAY)
    return found


def test_it_is_passed_on_once_and_the_books_and_the_provider_agree(
    site: Site, own_statement: None, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    campaign = settled(10_000, people=4)
    account = onboard(ana)
    site.advance(4 * DAY)
    had = len(site.mails(ana.email))
    payout = ask_own(campaign, 30_000)
    assert {"held:money": 10_000, "pending:organiser": 30_000} == {
        name: balance
        for name, balance in accounts_of(campaign).items()
        if name.startswith(("held", "pending"))
    }
    site.work()
    paid = fresh(payout)
    assert ("paid", 30_000) == (paid.state, paid.amount_minor)
    assert [(30_000, str(payout.id))] == [
        (each["amount"], each["metadata"]["reference"]) for each in transfers(account)
    ]
    assert 30_000 == accounts_of(campaign)["paid:organiser"]
    site.work()
    told = [m["subject"] for m in site.mails(ana.email)[had:]]
    assert 1 == told.count(f"Paid out: {campaign.title}")
    read_lines("stripe")
    assert [] == shown(reconcile("stripe", grace=timedelta(0)))
    site.check()


def test_nothing_goes_within_72_hours_of_an_account(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    campaign = settled(10_000, people=4)
    account = onboard(ana)
    payout = ask_own(campaign, 5_000)
    site.work()
    site.advance(REST - timedelta(minutes=1))
    site.work()
    assert ("asked", []) == (fresh(payout).state, transfers(account))
    site.advance(timedelta(minutes=2))
    site.work()
    assert "paid" == fresh(payout).state


def test_a_change_of_the_bank_account_rests_too_and_everybody_is_told(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    """The payout was to go; the account is looked at before it does."""
    campaign = settled(10_000, people=4)
    onboard(ana)
    site.advance(4 * DAY)
    site.work()
    before = {who: len(site.mails(who)) for who in (ana.email, olga.email)}
    payout = ask_own(campaign, 5_000)
    Stripe()._v1.accounts.external_accounts.create(
        fresh_account(ana), {"external_account": "btok_gb"}
    )
    site.work()
    assert "asked" == fresh(payout).state
    for who, had in before.items():
        told = [m["subject"] for m in site.mails(who)[had:]]
        assert ["The account for payouts has changed: ana@example.org"] == told
    look_at_account(str(ana.id))
    site.work()
    assert 1 + before[ana.email] == len(site.mails(ana.email))
    site.advance(REST + timedelta(minutes=1))
    site.work()
    assert "paid" == fresh(payout).state


def fresh_account(organiser: Organiser) -> str:
    from countmein.payments.actions.accounts import account_of

    found = account_of(organiser.id)
    assert found is not None
    return str(found.provider_account_id)


def test_new_owner_and_new_account_at_three_in_the_morning(
    site: Site, settled: Settled, ana: Organiser, cleo: Organiser, olga: Organiser
) -> None:
    """R38: whoever takes a campaign over and names their own account gets nothing for 72 hours,
    and whoever had it can stop them by the mail alone."""
    campaign = settled(10_000, people=4)
    before = {who: len(site.mails(who)) for who in (ana.email, olga.email)}
    hand_over(campaign=campaign, by=ana, to=cleo)
    account = onboard(cleo)
    payout = ask_own(campaign, 30_000, by=cleo)
    for _hours in range(0, 72, 12):
        site.work()
        assert ("asked", []) == (fresh(payout).state, transfers(account))
        site.advance(timedelta(hours=12))
    for who, had in before.items():
        told = [m["subject"] for m in site.mails(who)[had:]]
        assert 1 == sum(subject.startswith("Handed over") for subject in told)
        assert 1 == sum("account for payouts has changed: cleo" in subject for subject in told)
    assert freeze(campaign.id)
    assert not freeze(campaign.id)
    site.advance(2 * DAY)
    site.work()
    assert ("asked", []) == (fresh(payout).state, transfers(account))
    (row,) = Freeze.objects.all()
    thaw(freeze_id=row.id, by=olga)
    site.work()
    assert "paid" == fresh(payout).state
    site.check()


def test_without_the_rest_the_thief_is_paid_at_once(
    site: Site,
    settled: Settled,
    ana: Organiser,
    cleo: Organiser,
    olga: Organiser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control of the test above."""
    from countmein.rules import payout as law

    monkeypatch.setattr(law, "CHANGE_RESTS", timedelta(0))
    campaign = settled(10_000, people=4)
    hand_over(campaign=campaign, by=ana, to=cleo)
    onboard(cleo)
    payout = ask_own(campaign, 30_000, by=cleo)
    site.work()
    assert "paid" == fresh(payout).state


def test_a_large_payout_waits_for_a_second_person(
    site: Site, settled: Settled, ana: Organiser, cleo: Organiser, olga: Organiser
) -> None:
    campaign = settled(100_000, people=4)
    onboard(ana)
    site.advance(4 * DAY)
    had = len(site.mails(olga.email))
    payout = ask_own(campaign, 100_001)
    site.work()
    assert "asked" == fresh(payout).state
    told = [m["subject"] for m in site.mails(olga.email)[had:]]
    assert 1 == sum("needs a second person" in subject for subject in told)
    for nobody in (ana, cleo):
        with pytest.raises(PayoutRefused):
            approve(campaign=campaign, payout_id=payout.id, by=nobody)
    approve(campaign=campaign, payout_id=payout.id, by=olga)
    site.work()
    assert "paid" == fresh(payout).state


def test_several_small_ones_that_are_large_together_wait_too(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    campaign = settled(100_000, people=4)
    onboard(ana)
    site.advance(4 * DAY)
    first, second = ask_own(campaign, 60_000), ask_own(campaign, 60_000)
    site.work()
    assert ["asked", "paid"] == sorted([fresh(first).state, fresh(second).state])


def test_no_more_is_asked_for_than_may_go(
    site: Site, own_statement: None, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    """Of 40,000 the provider kept 700; a tenth is held back while refunds are open."""
    campaign = settled(10_000, people=4)
    site.advance(4 * DAY)
    read_lines("stripe")
    with pytest.raises(PayoutRefused, match="held_back"):
        ask_own(campaign, 35_301)
    ask_own(campaign, 35_300)
    with pytest.raises(PayoutRefused, match="held_back"):
        ask_own(campaign, 1)
    with pytest.raises(PayoutRefused, match="nothing_left"):
        ask_own(campaign, 5_000)
    site.advance(15 * DAY)
    ask_own(campaign, 4_000)


def test_a_campaign_has_only_so_many_payouts(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    from countmein.campaigns.actions import pay_out as verb

    monkeypatch.setattr(verb, "MOST", 2)
    campaign = settled(10_000, people=4)
    monkeypatch.setattr(verb, "MOST_WITH_STOPPED", 3)
    for _time in range(2):
        last = ask_own(campaign, 1)
    with pytest.raises(PayoutRefused, match="too_many"):
        ask_own(campaign, 1)
    # One that was stopped leaves its place, but not for ever.
    assert stop(last)
    last = ask_own(campaign, 1)
    assert stop(last)
    with pytest.raises(PayoutRefused, match="too_many"):
        ask_own(campaign, 1)


def test_what_is_stopped_is_the_campaigns_again(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    campaign = settled(10_000, people=4)
    payout = ask_own(campaign, 30_000)
    stop_payout(campaign=campaign, payout_id=payout.id, note="the wrong amount")
    assert ("stopped", "the wrong amount") == (fresh(payout).state, fresh(payout).note)
    assert 40_000 == accounts_of(campaign)["held:money"]
    with pytest.raises(PayoutRefused):
        stop_payout(campaign=campaign, payout_id=payout.id, note="again")
    site.work()
    site.check()


def test_a_campaign_that_has_paid_out_cannot_be_cancelled(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    campaign, other = settled(10_000, people=4), settled(10_000, people=2)
    onboard(ana)
    site.advance(4 * DAY)
    ask_own(campaign, 5_000)
    site.work()
    with pytest.raises(MoveRefused):
        cancel(campaign=campaign)
    waiting = ask_own(other, 100, payee="A shop", purpose="nails")
    cancel(campaign=Campaign.objects.get(id=other.id))
    site.work()
    assert "stopped" == fresh(waiting).state
    site.check()


def test_a_transfer_that_is_taken_back_is_the_campaigns_again(
    site: Site, own_statement: None, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    campaign = settled(10_000, people=4)
    onboard(ana)
    site.advance(4 * DAY)
    payout = ask_own(campaign, 30_000)
    site.work()
    Stripe()._v1.transfers.reversals.create(fresh(payout).reference)
    read_lines("stripe")
    read_lines("stripe")
    assert "returned" == fresh(payout).state
    assert 40_000 == accounts_of(campaign)["held:money"]
    assert [] == shown(reconcile("stripe", grace=timedelta(0)))
    site.check()


def test_while_the_account_cannot_be_looked_at_nothing_is_sent(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = settled(10_000, people=4)
    account = onboard(ana)
    site.advance(4 * DAY)

    def no_answer(*_said: object, **_more: object) -> None:
        raise LookUpFailed("no_answer")

    with monkeypatch.context() as patched:
        patched.setattr(Stripe, "account", no_answer)
        payout = ask_own(campaign, 5_000)
        site.work()
        assert ("asked", []) == (fresh(payout).state, transfers(account))
    site.advance(timedelta(minutes=2))
    site.work()
    assert "paid" == fresh(payout).state


def test_an_account_is_looked_at_by_itself(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    onboard(ana)
    site.work()
    had = len(site.mails(olga.email))
    Stripe()._v1.accounts.external_accounts.create(
        fresh_account(ana), {"external_account": "btok_gb"}
    )
    site.work()
    assert had == len(site.mails(olga.email))
    site.advance(timedelta(minutes=31))
    site.work()
    assert had + 1 == len(site.mails(olga.email))


@pytest.mark.parametrize(
    "wrong", [{"amount_minor": 29_999}, {"state": "stopped"}, {"state": "asked"}]
)
def test_a_payout_that_is_not_what_the_books_say_is_found(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser, wrong: dict[str, Any]
) -> None:
    """The negative control of the self-check."""
    campaign = settled(10_000, people=4)
    onboard(ana)
    site.advance(4 * DAY)
    payout = ask_own(campaign, 30_000)
    site.work()
    Payout.objects.filter(lane=payout.lane, id=payout.id).update(**wrong)
    (check,) = [c for c in self_check() if c["name"] == "ledger_matches_payouts"]
    assert not check["ok"]
    assert str(payout.id) in check["detail"]


def test_a_transfer_behind_our_back_is_found(
    site: Site, own_statement: None, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    """It may even carry the reference of a payout that was made."""
    campaign = settled(10_000, people=4)
    account = onboard(ana)
    site.advance(4 * DAY)
    payout = ask_own(campaign, 5_000)
    site.work()
    Stripe()._v1.transfers.create(
        {
            "amount": 700,
            "currency": "eur",
            "destination": account.provider_account_id,
            "metadata": {"reference": str(payout.id)},
        }
    )
    read_lines("stripe")
    assert [("only_at_provider", "transfer", None, -700)] == shown(
        reconcile("stripe", grace=timedelta(0))
    )
