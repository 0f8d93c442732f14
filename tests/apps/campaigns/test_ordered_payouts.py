"""A payment that is to go with the next order to the bank can still be stopped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from countmein.base.ids import uuid7
from countmein.campaigns.actions.account import freeze
from countmein.campaigns.actions.draft import draft
from countmein.campaigns.actions.fail import fail
from countmein.campaigns.actions.hand_over import HandOverRefused, hand_over
from countmein.campaigns.actions.pay_out import PayoutRefused, approve, ask_payout
from countmein.campaigns.actions.pay_supplier import mark_delivery, mark_paid, order
from countmein.campaigns.bodies import CampaignBody
from countmein.campaigns.documents import checked
from countmein.campaigns.models import Campaign
from countmein.members.models import Organiser
from countmein.payments.actions.bank_orders import OrderImpossible, make_order
from countmein.payments.models import Delivery, Payout
from tests.apps.campaigns.payout_acts import PDF, Settled, ask_own, fresh
from tests.conftest import Launch, Site

INVOICE = checked(name="invoice.pdf", content=PDF)
IBAN = "FR1420041010050500013M02606"


def ordered(campaign: Campaign) -> Payout:
    """A payment that the bank is to be told of with the next order."""
    said: dict[str, Any] = {"payee": "Druckerei", "purpose": "posters", "iban": IBAN}
    payout = ask_own(campaign, 8_000, document=INVOICE, **said)
    order(campaign=campaign, payout_id=payout.id)
    assert "sending" == fresh(payout).state
    return payout


@pytest.mark.parametrize(
    "stops",
    [
        lambda campaign, cleo: freeze(campaign.id),
        lambda campaign, cleo: freeze(campaign.organiser_id),
        lambda campaign, cleo: hand_over(campaign=campaign, by=campaign.organiser, to=cleo),
        lambda campaign, cleo: fail(campaign=campaign),
    ],
)
def test_it_is_taken_out_of_the_next_order(
    site: Site,
    settled: Settled,
    olga: Organiser,
    cleo: Organiser,
    stops: Callable[[Campaign, Organiser], Any],
) -> None:
    campaign = settled(10_000, people=4)
    payout = ordered(campaign)
    stops(campaign, cleo)
    with pytest.raises(OrderImpossible):
        make_order(by=olga)
    assert ("asked", None) == (fresh(payout).state, fresh(payout).agreed_at)
    with pytest.raises(PayoutRefused):
        order(campaign=campaign, payout_id=payout.id)
    site.work()
    site.check()


def test_what_is_in_no_order_yet_can_be_refused(
    site: Site, settled: Settled, olga: Organiser
) -> None:
    campaign = settled(10_000, people=4)
    early, late = ordered(campaign), ask_own(campaign, 1_000, payee="A van", purpose="a day")
    fail(campaign=campaign, refused=[early.id, late.id])
    assert {"stopped"} == {fresh(early).state, fresh(late).state}


def test_after_a_hand_over_somebody_has_to_agree_anew(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser, cleo: Organiser
) -> None:
    campaign = settled(100_000, people=4)
    payout = ask_own(campaign, 180_000, payee="The paper", purpose="a page", document=INVOICE)
    approve(campaign=campaign, payout_id=payout.id, by=olga)
    hand_over(campaign=campaign, by=ana, to=cleo)
    site.advance(timedelta(hours=73))
    site.work()
    with pytest.raises(PayoutRefused, match="second_person_needed"):
        mark_paid(campaign=campaign, payout_id=payout.id, reference="E2E-1")


def test_a_draft_is_not_handed_over(ana: Organiser, cleo: Organiser) -> None:
    said = {"title": "T", "kinds": ["signature"], "rule": {"people": 2}}
    body = CampaignBody.model_validate({**said, "deadline": "2029-01-01T00:00:00Z"})
    with pytest.raises(HandOverRefused, match="not_launched"):
        hand_over(campaign=draft(organiser=ana, body=body), by=ana, to=cleo)


def test_the_same_form_in_two_campaigns_is_two_payouts_that_add_up(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    """What one person pays out alone is bounded over all campaigns, whatever a form is named."""
    key, said = uuid7(), {"payee": "A shop", "purpose": "nails", "document": INVOICE}
    payouts = []
    for campaign in (settled(20_000, people=4), settled(20_000, people=4)):
        asked = ask_payout(campaign=campaign, by=ana, amount_minor=60_000, key=key, **said)
        payouts.append((campaign, asked))
    (first, one), (second, two) = payouts
    assert one.id != two.id
    mark_paid(campaign=first, payout_id=one.id, reference="E2E-1")
    with pytest.raises(PayoutRefused, match="second_person_needed"):
        mark_paid(campaign=second, payout_id=two.id, reference="E2E-2")
    with pytest.raises(PayoutRefused, match="already_asked"):
        ask_payout(
            campaign=first, by=ana, amount_minor=60_000, key=key, **{**said, "purpose": "screws"}
        )


@pytest.mark.parametrize("payee", ["ballot", "Ballot"])
def test_no_supplier_has_the_name_of_an_account_of_the_books(
    site: Site, settled: Settled, payee: str
) -> None:
    with pytest.raises(PayoutRefused, match="payee_reserved"):
        ask_own(settled(10_000, people=4), 100, payee=payee, purpose="nails")


def test_what_came_of_a_payment_is_not_said_while_it_is_being_settled(
    site: Site, settled: Settled, launch: Launch, olga: Organiser
) -> None:
    campaign = settled(10_000, people=4, plan_b={"plans": [{"title": "A van"}]})
    payout = ask_own(campaign, 8_000, payee="A shop", purpose="nails", document=INVOICE)
    mark_paid(campaign=campaign, payout_id=payout.id, reference="E2E-1")
    fail(campaign=campaign, lost=[payout.id])
    with pytest.raises(PayoutRefused, match="being_settled"):
        mark_delivery(campaign=campaign, payout_id=payout.id, delivery=Delivery.DELIVERED)
