"""A payout is paid once: two who agree, two who pay, and a worker killed at any instant."""

from __future__ import annotations

import json
import threading
import urllib.request
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from countmein.base.ids import uuid7
from countmein.campaigns.actions.account import look_at_account
from countmein.campaigns.actions.hand_over import HandOverRefused, hand_over
from countmein.campaigns.actions.pay_out import approve, ask_payout, pay_out
from countmein.campaigns.models import Campaign, HandOver
from countmein.members.models import Organiser
from countmein.payments.actions import paying
from countmein.payments.actions.paying import pay_due
from countmein.payments.models import Attempt, Payout
from countmein.payments.providers.stripe import Stripe
from tests.apps.campaigns.conftest import olga, settled
from tests.apps.campaigns.payout_acts import (
    Settled,
    accounts_of,
    ask_own,
    fresh,
    onboard,
    transfers,
)
from tests.conftest import Site
from tests.faults.crowd import together
from tests.faults.kills import run_and_die

__all__ = ["olga", "settled"]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("books_read")]
DAY = timedelta(days=1)


def plant(mode: str | None, times: int = 1) -> None:
    """Have the next transfers go wrong in this way."""
    wanted = mode and {"path": "/v1/transfers", "mode": mode, "times": times}
    asked = urllib.request.Request(
        f"{settings.STRIPE_API_BASE}/_control", data=json.dumps({"fail_next": wanted}).encode()
    )
    urllib.request.urlopen(asked, timeout=10).close()


@pytest.fixture
def ready(site: Site, settled: Settled, ana: Organiser) -> tuple[Campaign, Any]:
    """A campaign that has settled, and the account that it pays to, long verified."""
    campaign, account = settled(100_000, people=3), onboard(ana)
    site.advance(4 * DAY)
    site.work()
    return campaign, account


def begun(campaign: Campaign, amount_minor: int = 50_000) -> Payout:
    """A payout that is to be sent now."""
    payout = ask_own(campaign, amount_minor)
    pay_out(str(campaign.id))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    assert "sending" == fresh(payout).state
    return payout


def test_two_who_agree_and_eight_who_pay_pay_once(
    site: Site, ready: tuple[Campaign, Any], ana: Organiser, olga: Organiser
) -> None:
    campaign, account = ready
    payout = ask_own(campaign, 200_000)
    agree = [lambda: approve(campaign=campaign, payout_id=payout.id, by=olga)] * 4
    together(agree, threads=4)
    together([lambda: pay_out(str(campaign.id))] * 4, threads=4)
    together([pay_due] * 8, threads=8)
    site.work()
    assert "paid" == fresh(payout).state
    assert [200_000] == [each["amount"] for each in transfers(account)]
    assert 200_000 == accounts_of(campaign)["paid:organiser"]
    site.check()


def test_two_who_ask_for_all_there_is_do_not_both_get_it(
    site: Site, ready: tuple[Campaign, Any], ana: Organiser, olga: Organiser
) -> None:
    campaign, _account = ready

    def ask() -> Payout:
        return ask_payout(campaign=campaign, by=ana, amount_minor=200_000, key=uuid7())

    answers = together([ask] * 6, threads=6)
    assert 1 == sum(isinstance(answer, Payout) for answer in answers)


def test_without_the_gate_both_get_it(
    site: Site,
    ready: tuple[Campaign, Any],
    ana: Organiser,
    olga: Organiser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control: a build that looks at the gate and does not hold it."""
    from countmein.campaigns.actions import pay_out as verb
    from countmein.campaigns.gates import gate_of

    campaign, _account = ready
    judged, is_payable = threading.Barrier(2), verb._require_payable

    def wait_for_the_other(*said: Any) -> None:
        is_payable(*said)
        judged.wait(timeout=30)

    monkeypatch.setattr(verb, "hold", gate_of)
    monkeypatch.setattr(verb, "_require_payable", wait_for_the_other)

    def ask() -> Payout:
        return ask_payout(campaign=campaign, by=ana, amount_minor=200_000, key=uuid7())

    answers = together([ask] * 2, threads=2)
    assert 2 == sum(isinstance(answer, Payout) for answer in answers)


def test_one_form_sent_twice_asks_once(
    site: Site, ready: tuple[Campaign, Any], ana: Organiser, olga: Organiser
) -> None:
    campaign, _account = ready
    key = uuid7()

    def ask() -> Payout:
        return ask_payout(campaign=campaign, by=ana, amount_minor=1_000, key=key)

    answers = together([ask] * 6, threads=6)
    assert 1 == len({answer.id for answer in answers if isinstance(answer, Payout)})
    assert 1 == Payout.objects.filter(lane=campaign.lane, campaign_id=campaign.id).count()


def killed_everywhere(site: Site, campaign: Campaign) -> int:
    """Pay with a worker that dies before its first, second, third … statement, until one lives."""
    kills = 0
    while run_and_die(pay_due, at=kills):
        kills += 1
        # A claim whose worker died is given up after a while.
        site.advance(timedelta(seconds=31))
        assert kills < 100
    return kills


def test_killed_before_each_statement_it_is_paid_once(
    site: Site, ready: tuple[Campaign, Any], ana: Organiser, olga: Organiser
) -> None:
    """Among them is the instant between the provider's answer and our writing it down."""
    campaign, account = ready
    payout = begun(campaign)
    assert killed_everywhere(site, campaign) > 5
    site.work()
    assert "paid" == fresh(payout).state
    assert [50_000] == [each["amount"] for each in transfers(account)]
    assert 1 == Attempt.objects.filter(lane=payout.lane, about_id=payout.id).count()
    site.check()


def test_with_a_new_key_at_each_try_it_is_paid_more_than_once(
    site: Site,
    ready: tuple[Campaign, Any],
    ana: Organiser,
    olga: Organiser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control: a build that looks nothing up and asks under a new key each time."""

    monkeypatch.setattr(paying, "key_of", lambda _payout, _attempt: f"careless:{uuid7()}")
    monkeypatch.setattr(Stripe, "find_transfer", lambda *_args, **_said: None)
    campaign, account = ready
    begun(campaign)
    killed_everywhere(site, campaign)
    site.work()
    assert len(transfers(account)) > 1


@pytest.mark.parametrize("mode", ["timeout_after_success", "undocumented", "500", "429"])
def test_an_answer_that_is_lost_or_strange_is_looked_up(
    site: Site, ready: tuple[Campaign, Any], ana: Organiser, olga: Organiser, mode: str
) -> None:
    campaign, account = ready
    payout = begun(campaign)
    plant(mode)
    try:
        for _turn in range(6):
            pay_due()
            site.advance(timedelta(seconds=5))
    finally:
        plant(None)
    assert "paid" == fresh(payout).state
    assert [50_000] == [each["amount"] for each in transfers(account)]
    site.work()
    site.check()


def test_a_payout_that_the_balance_does_not_cover_is_judged_again_before_it_goes(
    site: Site, ready: tuple[Campaign, Any], ana: Organiser, olga: Organiser
) -> None:
    from countmein.payments.providers import Outcome, TransferResult

    campaign, account = ready
    payout = begun(campaign)
    with pytest.MonkeyPatch.context() as patched:
        short = TransferResult(outcome=Outcome.REFUSED, code="balance_insufficient")
        patched.setattr(Stripe, "transfer", lambda *_args, **_said: short)
        pay_due()
    assert ("asked", "balance_insufficient") == (fresh(payout).state, fresh(payout).code)
    site.work()
    assert [] == transfers(account)
    site.advance(timedelta(minutes=11))
    site.work()
    assert "paid" == fresh(payout).state
    assert [50_000] == [each["amount"] for each in transfers(account)]
    site.check()


def test_many_who_look_at_a_changed_account_tell_of_it_once(
    site: Site, ready: tuple[Campaign, Any], ana: Organiser, olga: Organiser
) -> None:
    _campaign, account = ready
    had = len(site.mails(olga.email))
    Stripe()._v1.accounts.external_accounts.create(
        account.provider_account_id, {"external_account": "btok_gb"}
    )
    together([lambda: look_at_account(str(ana.id))] * 8, threads=8)
    site.work()
    told = [mail["subject"] for mail in site.mails(olga.email)[had:]]
    assert 1 == len(told), told


def test_two_who_are_handed_one_campaign_at_once_do_not_both_get_it(
    site: Site,
    ready: tuple[Campaign, Any],
    ana: Organiser,
    cleo: Organiser,
    olga: Organiser,
) -> None:
    campaign, _account = ready

    def give(to: Organiser) -> None:
        hand_over(campaign=Campaign.objects.get(id=campaign.id), by=ana, to=to)

    answers = together([partial(give, to) for to in (cleo, olga)] * 3, threads=6)
    assert 1 == answers.count(None)
    refused = [answer for answer in answers if isinstance(answer, HandOverRefused)]
    assert 5 == len(refused)
    assert 1 == HandOver.objects.filter(lane=campaign.lane, campaign_id=campaign.id).count()
