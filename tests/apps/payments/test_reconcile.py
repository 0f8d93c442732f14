"""Books against statement: what agrees is silent, and every planted difference is found."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from countmein.base.clock import real_now, site_now
from countmein.base.ids import uuid7
from countmein.base.nights import next_night
from countmein.campaigns.selfcheck import self_check
from countmein.ledger import actions as ledger
from countmein.members.models import Organiser
from countmein.payments.actions import statement
from countmein.payments.actions.reconcile import differences, reconcile
from countmein.payments.models import Discrepancy, ProviderLine, Statement
from countmein.payments.providers import PROVIDERS, LookUpFailed
from tests.apps.payments.conftest import Provider, accounts, shown
from tests.conftest import Site
from tests.faults.kills import run_and_die, statements_of

NONE = timedelta(0)
AT_ONCE: dict[str, Any] = {"grace": NONE}


def verdict(name: str = "provider_agrees") -> dict[str, Any]:
    """What one check of the self-check says."""
    return next(check for check in self_check() if check["name"] == name)


def age(seconds: int = 61) -> None:
    """Make everything that was read so far older."""
    read_at = real_now() - timedelta(seconds=seconds)
    ProviderLine.objects.update(read_at=read_at)


@pytest.fixture
def olga(transactional_db: None) -> Organiser:
    """Olga owns the site."""
    return Organiser.objects.create_user(email="olga@example.org", name="Olga", is_owner=True)


def test_charges_refunds_and_disputes_that_are_booked_agree(
    site: Site, provider: Provider, paid: Any, olga: Organiser
) -> None:
    from countmein.campaigns.actions.cancel import cancel

    _kept, disputed = paid(1000)
    provider.dispute(disputed)
    campaign, _charge = paid(2500)
    cancel(campaign=campaign)
    site.work()
    provider.read()
    assert [] == reconcile("stripe", **AT_ONCE)
    assert verdict() == {"name": "provider_agrees", "ok": True, "detail": ""}
    site.check()


def test_a_charge_behind_our_back_is_found(site: Site, provider: Provider, olga: Organiser) -> None:
    """It has no reference of ours; it is the owner's to look after."""
    charge_id = provider.charge(700)
    provider.read()
    (row,) = reconcile("stripe", **AT_ONCE)
    assert [("only_at_provider", "charge", None, 700)] == shown([row])
    assert (charge_id, "EUR", olga) == (row.about, row.currency, row.owner)
    assert verdict()["ok"]  # for a minute it may be work under way
    age()
    assert not verdict()["ok"]
    assert charge_id in verdict()["detail"]


def test_a_second_charge_under_our_reference_is_found(
    site: Site, provider: Provider, paid: Any, olga: Organiser
) -> None:
    _campaign, charge = paid(1000)
    twice = provider.charge(1000, reference=str(charge.id))
    provider.read()
    (row,) = reconcile("stripe", **AT_ONCE)
    assert (twice, "only_at_provider") == (row.about, row.kind)


def test_an_entry_without_a_line_is_found(
    site: Site, provider: Provider, paid: Any, olga: Organiser
) -> None:
    campaign, _charge = paid(1000)
    ledger.post(
        lane=campaign.lane,
        campaign_id=campaign.id,
        kind="charge",
        about=uuid7(),
        parts={"money": 5},
        currency="EUR",
        at=site_now(),
    )
    provider.read()
    assert [("only_in_ledger", "charge", 5, None)] == shown(reconcile("stripe", **AT_ONCE))


def test_an_amount_that_differs_by_1_is_found(
    site: Site, provider: Provider, paid: Any, olga: Organiser
) -> None:
    paid(1000)
    provider.read()
    ProviderLine.objects.filter(kind="charge").update(amount_minor=999)
    assert [("amount_differs", "charge", 1000, 999)] == shown(reconcile("stripe", **AT_ONCE))


def test_a_fee_that_differs_is_found(
    site: Site, provider: Provider, paid: Any, olga: Organiser
) -> None:
    paid(1000)
    provider.read()
    ProviderLine.objects.filter(kind="charge").update(fee_minor=41)
    assert [("amount_differs", "fee", 40, 41)] == shown(reconcile("stripe", **AT_ONCE))


def test_a_difference_closes_by_itself(
    site: Site, provider: Provider, paid: Any, olga: Organiser
) -> None:
    """It is one row while it lasts, and a new one if it comes again."""
    paid(1000)
    provider.read()
    ProviderLine.objects.filter(kind="charge").update(amount_minor=999)
    assert 1 == len(reconcile("stripe", **AT_ONCE)) == len(reconcile("stripe", **AT_ONCE))
    ProviderLine.objects.filter(kind="charge").update(amount_minor=1000)
    assert [] == reconcile("stripe", **AT_ONCE)
    row = Discrepancy.objects.get()
    assert row.resolved_at is not None
    assert "corrected" == row.resolved_by


def test_young_differences_are_not_opened_yet(
    site: Site, provider: Provider, olga: Organiser
) -> None:
    provider.charge(700)
    provider.read()
    assert [] == reconcile("stripe")
    age(301)
    assert 1 == len(reconcile("stripe"))


def test_a_difference_without_an_owner_is_a_fault(site: Site, provider: Provider) -> None:
    provider.charge(700)
    provider.read()
    reconcile("stripe", **AT_ONCE)
    assert not verdict("discrepancies_are_owned")["ok"]


@pytest.mark.parametrize(
    ("currency", "amount", "fee"), [("JPY", 3000, 45), ("KWD", 12340, 440), ("EUR", 1000, 40)]
)
def test_lines_are_in_minor_units_of_their_currency(
    site: Site, provider: Provider, paid: Any, currency: str, amount: int, fee: int
) -> None:
    campaign, _charge = paid(amount, currency)
    provider.read()
    line = ProviderLine.objects.get(kind="charge")
    assert (amount, fee, amount - fee, currency) == (
        line.amount_minor,
        line.fee_minor,
        line.net_minor,
        line.currency,
    )
    assert fee == accounts(campaign)["processor"]
    assert [] == differences("stripe", grace=NONE)


def test_more_lines_than_three_pages_are_read_once_each(site: Site, provider: Provider) -> None:
    for n in range(251):
        provider.charge(100 + n)
    for _again in range(2):
        provider.read()
    assert 251 == ProviderLine.objects.count()
    assert sum(range(100, 351)) == sum(ProviderLine.objects.values_list("amount_minor", flat=True))
    assert Statement.objects.get().after == ""


def test_what_has_a_call_under_way_is_not_judged(site: Site, provider: Provider, paid: Any) -> None:
    """A worker was killed between the provider's answer and our commit; once it is found out, both
    sides agree."""
    from countmein.payments.models import Attempt, Charge

    _campaign, charge = paid(1000)
    reference = uuid.uuid4()
    provider.charge(700, reference=str(reference))
    attempt = Attempt(
        lane=charge.lane,
        campaign_id=charge.campaign_id,
        about_id=reference,
        number=1,
        started_at=real_now(),
    )
    attempt.save(force_insert=True)
    provider.read()
    assert [] == differences("stripe", grace=NONE)
    Attempt.objects.filter(lane=attempt.lane, id=attempt.id).update(outcome="refused")
    assert 1 == len(differences("stripe", grace=NONE))
    assert Charge.objects.all_lanes().count() == 1


def test_what_is_booked_and_has_a_call_under_way_is_not_judged_either(
    site: Site, provider: Provider, paid: Any
) -> None:
    from countmein.payments.models import Attempt

    _campaign, charge = paid(1000)
    provider.read()
    ProviderLine.objects.filter(kind="charge").update(amount_minor=999)
    tries = Attempt.objects.filter(lane=charge.lane, about_id=charge.id)
    tries.update(outcome="unknown")
    assert [] == differences("stripe", grace=NONE)
    tries.update(outcome="done")
    assert 1 == len(differences("stripe", grace=NONE))


def test_a_fee_is_booked_once_whatever_is_marked(site: Site, provider: Provider, paid: Any) -> None:
    campaign, _charge = paid(1000)
    provider.read()
    ProviderLine.objects.update(is_fee_booked=False)
    provider.read()
    assert 40 == accounts(campaign)["processor"]


def test_of_two_readers_the_slower_one_changes_nothing(site: Site, provider: Provider) -> None:
    """Where the reading stands is moved on only by whoever stood there."""
    provider.charge(700)
    slow = Statement.objects.get()
    page = list(PROVIDERS["stripe"].lines(since=slow.since))
    Statement.objects.update(after="txn_further")
    assert not statement._keep(slow, page)
    assert "txn_further" == Statement.objects.get().after
    assert 1 == ProviderLine.objects.count()


def test_a_pass_whose_last_line_is_gone_begins_again(site: Site, provider: Provider) -> None:
    provider.charge(700)
    Statement.objects.update(after="txn_gone", newest_at=real_now())
    with pytest.raises(LookUpFailed):
        provider.read()
    provider.read()
    assert 1 == ProviderLine.objects.count()


def test_the_comparison_comes_each_night_by_the_sites_clock(
    site: Site, provider: Provider, olga: Organiser
) -> None:
    due = Statement.objects.get().compare_due_at
    assert (next_night(site_now(), hour=3), 3) == (due, due.hour)
    provider.charge(700)
    provider.read()
    age(301)
    site.work()
    assert not Discrepancy.objects.exists()
    site.advance(timedelta(days=1))
    site.work()
    assert 1 == Discrepancy.objects.count()
    assert next_night(site_now(), hour=3) == Statement.objects.get().compare_due_at


@pytest.mark.slow
def test_a_reading_killed_anywhere_adds_nothing_twice(
    site: Site, provider: Provider, paid: Any
) -> None:
    """Killed before each of its statements in turn, then read to the end."""
    campaign, charge = paid(1000)
    provider.dispute(charge)
    for n in range(120):
        provider.charge(100 + n)
    kills, at = 0, 0
    while run_and_die(provider.read, at=at):
        kills, at = kills + 1, at + 1
    provider.read()
    assert kills > 10
    assert 122 == ProviderLine.objects.count()
    assert 1540 == accounts(campaign)["processor"]
    assert statements_of(provider.read) > 0
    site.check()


@pytest.mark.slow
def test_a_charge_killed_after_the_providers_answer_leaves_no_difference(
    site: Site, provider: Provider, launch: Any, join: Any
) -> None:
    """The worker dies at each statement of the charging; afterwards both sides agree."""
    from tests.faults.test_kills import one_round, rescue

    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 2})
    for name in ("ben", "eve"):
        join(campaign, name, amount=900, payment_method="pm_card_visa")
    at, kills = 5, 0
    for _turn in range(60):
        if run_and_die(one_round, at=at):
            kills, at = kills + 1, at + 3
            rescue()
    site.work()
    provider.read()
    assert kills > 5
    assert 1800 == accounts(campaign)["held:money"]
    assert [] == differences("stripe", grace=NONE)
    site.check()
