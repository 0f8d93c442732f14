"""To release: everybody outside is let go and told, and nobody who was in time is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.actions.draft_again import draft_again
from countmein.campaigns.actions.release import release
from countmein.campaigns.actions.secure import secure
from countmein.campaigns.kinds import KINDS
from countmein.campaigns.kinds.money import Money
from countmein.campaigns.models import Campaign
from countmein.campaigns.queries import public_view
from countmein.payments.actions.mandates import make_mandates
from countmein.schedule import chores
from tests.apps.campaigns.acts import Join, pledge_of, states, topics
from tests.conftest import Launch, Site


def test_a_latecomer_in_the_last_moment_is_accepted_and_not_released(
    site: Site, launch: Launch, join: Join
) -> None:
    """The door of a settled campaign is open until the deadline; who is acknowledged counts."""
    campaign = launch()
    for who in ("ben", "dora", "emil"):
        join(campaign, who)
    site.work()
    late = join(campaign, "fay")
    site.advance(timedelta(days=31))
    # The job that lets the others go may run before anything was counted.
    release(str(campaign.id))
    site.work()
    assert "fulfilled" == pledge_of(late).state
    assert {"fulfilled": 4} == states(campaign)
    site.check()


class Hundredfold(Money):
    """A build that takes the price for one in units a hundred times as small."""

    def price_minor(self, campaign: Campaign, amount: int) -> int:
        return 100 * amount


def test_a_latecomer_whose_charge_was_stopped_is_not_released_at_the_deadline(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours costs nobody the place; once it is mended the charge is made."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 2})
    card = {"amount": 500, "payment_method": "pm_card_visa"}
    for who in ("ben", "dora"):
        join(campaign, who, **card)
    site.work()
    assert {"fulfilled": 2} == states(campaign)
    with monkeypatch.context() as planted:
        planted.setitem(KINDS, "money", Hundredfold())
        late = join(campaign, "fay", **card)
        site.work()
        site.advance(timedelta(days=31))
        site.work()
        release(str(campaign.id))
        assert "active" == pledge_of(late).state
    chores()
    site.work()
    assert {"fulfilled": 3} == states(campaign)
    site.check()


def test_the_deadline_lets_go_of_those_who_still_wait(
    site: Site, launch: Launch, join: Join
) -> None:
    """A condition that never held: nothing is asked, and the page shows nobody as waiting."""
    campaign = launch(title="Waiting for a hundred")
    for who in ("ben", "dora", "emil"):
        join(campaign, who)
    waits = join(campaign, "gus", condition={"people": 100})
    site.work()
    assert (3, 1) == _people(campaign)
    site.advance(timedelta(days=31))
    site.work()
    assert "released" == pledge_of(waits).state
    assert (3, 0) == _people(campaign)
    assert 1 == len(topics(site, campaign, "gus@example.org"))
    site.check()


def test_releasing_twice_changes_nothing(site: Site, launch: Launch, join: Join) -> None:
    """The job is safe to run again at any time."""
    campaign = launch(title="Nobody came")
    join(campaign, "hal")
    site.advance(timedelta(days=31))
    site.work()
    before = public_view(campaign)
    release(str(campaign.id))
    site.work()
    assert before == public_view(campaign)
    assert 1 == len(topics(site, campaign, "hal@example.org"))


def _people(campaign: Any) -> tuple[int, int]:
    tally = public_view(campaign)["tally"]
    return tally["people"], tally["waiting_people"]


def test_a_card_that_is_saved_after_the_end_does_not_make_its_pledge_count(
    site: Site, launch: Launch, join: Join
) -> None:
    """The provider's answer can come when the campaign is over: then nobody is to be counted."""
    campaign = launch(kinds=["money"], currency="EUR")
    said = join(campaign, "ben", amount=1500, payment_method="pm_card_visa")
    make_mandates()
    cancel(campaign=campaign)
    secure(str(campaign.id))
    assert "unsecured" == pledge_of(said).state
    site.work()
    assert "released" == pledge_of(said).state


def test_a_release_that_is_run_again_leaves_one_draft(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = launch()
    join(campaign, "ben")
    site.work()
    draft_again(campaign)
    draft_again(campaign)
    assert 1 == Campaign.objects.filter(follows=campaign.id).count()
