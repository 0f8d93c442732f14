"""A worker that slept through its claim comes with an answer that somebody else has had before.

Found by the simulator: its old refusal let a charge that was being tried on another card be tried
a third time, after it had been paid.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from countmein.base.clock import site_now
from countmein.campaigns.actions.accept import accept_slice
from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.actions.change import change
from countmein.campaigns.actions.release import _call_off_charges, _close, _release_slice, release
from countmein.campaigns.bodies import PledgePatch
from countmein.campaigns.models import Campaign
from countmein.campaigns.queries import public_view
from countmein.payments.actions.charging import CardTry, _ask, _record
from countmein.payments.actions.claims import update
from countmein.payments.actions.mandates import make_mandates
from countmein.payments.actions.tries import Answered, begin
from countmein.payments.models import Attempt, Charge, ChargeState, Mandate, Refund
from countmein.payments.providers import ChargeResult
from tests.apps.campaigns.acts import Join, pledge_of, states
from tests.conftest import Launch, Site
from tests.faults.masses import CARD, most_per_charge, paid_at_provider, unclear, until_tipped
from tests.faults.scenes import Stage, is_paid, set_up

pytestmark = pytest.mark.slow
REFUSED = "pm_card_chargeCustomerFail"


def _begun(campaign: Campaign) -> CardTry:
    """The campaign's one charge, claimed, with its try written down."""
    charge = Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).get()
    assert update(charge, was="due", state="doing", due_at=site_now() + timedelta(seconds=30))
    charge.refresh_from_db()
    mandate = Mandate.objects.filter(
        lane=campaign.lane, pledge_id=charge.pledge_id, state="made"
    ).get()
    return _tried(charge, mandate)


def _tried(charge: Charge, mandate: Mandate) -> CardTry:
    facts = {"mandate_id": mandate.id}
    with transaction.atomic():
        (tried,) = begin([charge], on={charge.id: mandate}, facts=lambda _: facts)
    assert tried.is_new
    return tried


def _say(tried: CardTry, result: ChargeResult) -> None:
    _record([Answered(tried=tried, result=result)])


def test_an_old_refusal_does_not_let_a_charge_be_made_twice(
    site: Site, launch: Launch, join: Join
) -> None:
    """The first worker sleeps between the answer and its row; the second one goes on from it."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 1})
    answer = join(campaign, "kim", amount=700, payment_method=REFUSED)
    until_tipped(campaign)
    while accept_slice(campaign):
        pass
    sleeper = _begun(campaign)
    refused = _ask(sleeper)
    _say(sleeper, refused)
    change(pledge=pledge_of(answer), body=PledgePatch(payment_method=CARD))
    make_mandates()
    second = _begun(campaign)
    done = _ask(second)
    _say(sleeper, refused)  # it wakes up
    _say(second, done)
    for _day in range(8):
        site.work()
        site.advance(timedelta(days=1))
    paid = paid_at_provider(campaign)
    assert (1, 1) == (len(paid), most_per_charge(paid))
    assert {"fulfilled": 1} == states(campaign)
    assert 0 == unclear(campaign)
    site.check()


def test_what_was_found_done_leaves_no_try_open(site: Site, launch: Launch, join: Join) -> None:
    """The sleeper finds, under the charge's own reference, what the second worker's try did."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 1})
    join(campaign, "kim", amount=700, payment_method=CARD)
    until_tipped(campaign)
    while accept_slice(campaign):
        pass
    first = _begun(campaign)
    Attempt.objects.filter(lane=first.row.lane, id=first.attempt.id).update(outcome="refused")
    assert first.on is not None
    second = _tried(first.row, first.on)
    _say(first, _ask(second))
    assert 0 == unclear(campaign)
    site.work()
    assert {"fulfilled": 1} == states(campaign)
    site.check()


def test_a_charge_that_was_found_paid_is_given_back_before_the_end(
    site: Site, launch: Launch
) -> None:
    """Cancelled: one worker notes what was paid meanwhile and dies, another one, which had looked
    before it, comes to the end."""
    scene = set_up(launch, Stage.CHARGING)
    campaign = scene.campaign
    cancel(campaign=campaign)
    charge = scene.charge("kim")
    assert "paid" == is_paid(scene, "kim")
    lee = scene.charge("lee")
    assert update(lee, was="doing", state=ChargeState.FAILED, is_read=True)
    _call_off_charges(campaign)
    while _release_slice(campaign):
        pass
    _close(campaign)
    assert "cancelled" == public_view(campaign)["state"]
    release(str(campaign.id))
    refund = Refund.objects.filter(lane=campaign.lane, charge_id=charge.id).get()
    assert (500, "due") == (refund.amount_minor, refund.state)
