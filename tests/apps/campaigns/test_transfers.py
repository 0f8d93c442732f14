"""To promise a transfer: where it is offered, what is agreed, and what cannot be had with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from countmein.base.clock import site_now
from countmein.campaigns.actions.change import change
from countmein.campaigns.actions.give_card import card_page
from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.bodies import PledgePatch
from countmein.campaigns.models import Campaign
from countmein.campaigns.own_pledge import pledge_view
from countmein.campaigns.queries import public_view
from countmein.campaigns.terms import TermsRefused
from countmein.payments.models import Charge, Consent, Mandate
from countmein.rules.pledging import PledgeRefused
from tests.apps.campaigns.acts import Join, pledge_of, states
from tests.conftest import Launch, Site


@pytest.fixture
def campaign(launch: Launch) -> Campaign:
    return launch(
        title="By bank", kinds=["money", "signature"], currency="EUR", rule={"people": 2},
        transfer_days=10,
    )  # fmt: skip


BEN: dict[str, Any] = {"kind": "money", "amount": 5000, "payment_method": "bank_transfer"}


@pytest.mark.parametrize(
    "terms",
    [
        {"currency": "USD"},
        {"currency": "EUR", "kinds": ["signature"]},
    ],
)
def test_transfers_are_offered_in_euros_for_what_is_paid(
    site: Site, launch: Launch, terms: dict[str, Any]
) -> None:
    with pytest.raises(TermsRefused) as caught:
        launch(**{"kinds": ["money"], "transfer_days": 14, **terms})
    assert [("transfer_days", "transfers_not_offered")] == [
        (fault.path, fault.reason) for fault in caught.value.errors
    ]


@pytest.mark.parametrize("iban", ["", "NL00MOCK0000000001"])
def test_a_site_without_a_possible_account_offers_none(
    site: Site, launch: Launch, settings: Any, iban: str
) -> None:
    settings.BANK_IBAN = iban
    with pytest.raises(TermsRefused):
        launch(kinds=["money"], currency="EUR", transfer_days=14)


def test_a_campaign_of_cards_refuses_a_transfer(site: Site, launch: Launch, join: Join) -> None:
    campaign = launch(kinds=["money", "signature"], currency="EUR")
    with pytest.raises(PledgeRefused, match="payment_method: transfers_not_offered"):
        join(campaign, "ben", **BEN)


def test_no_bank_moves_a_thousand_million(site: Site, campaign: Campaign, join: Join) -> None:
    much = {**BEN, "amount": 99_999_999_999}
    more = [{"kind": "money", "amount": 1, "condition": {"people": 9}}]
    with pytest.raises(PledgeRefused, match="amount: amount_invalid"):
        join(campaign, "ben", more=more, **much)
    ben = pledge_of(join(campaign, "ben", **much))
    with pytest.raises(PledgeRefused, match="amount_invalid"):
        change(pledge=ben, body=PledgePatch(amount=100_000_000_000))


def test_a_signature_needs_no_transfer(site: Site, campaign: Campaign, join: Join) -> None:
    with pytest.raises(PledgeRefused, match="payment_method_not_needed"):
        join(campaign, "ben", kind="signature", payment_method="bank_transfer")


def test_the_promise_is_kept_in_the_words_shown(site: Site, campaign: Campaign, join: Join) -> None:
    ben = pledge_of(join(campaign, "ben", condition={"people": 2}, **BEN))
    consent = Consent.objects.get(lane=ben.lane, pledge_id=ben.id)
    for fact in ("€50.00", "By bank", "within 10 days", "on your word", "2 people"):
        assert fact in consent.words
    latest = consent.latest_charge_at - campaign.deadline
    assert timedelta(days=10) < latest < timedelta(days=25)
    assert 0 == Mandate.objects.filter(lane=ben.lane, pledge_id=ben.id).count()
    payment = pledge_view(ben)["payment"]
    assert ("bank_transfer", None, None) == (
        payment["method"],
        payment["transfer"],
        payment["secure_url"],
    )


def test_the_way_to_pay_is_not_changed_on_the_way(
    site: Site, campaign: Campaign, join: Join
) -> None:
    ben = pledge_of(join(campaign, "ben", **BEN))
    with pytest.raises(PledgeRefused, match="payment_method_not_needed"):
        card_page(ben, language="en-gb")
    with pytest.raises(PledgeRefused, match="payment_method_not_needed"):
        change(pledge=ben, body=PledgePatch(payment_method="pm_card_visa"))
    cleo = pledge_of(
        join(campaign, "cleo", kind="money", amount=5000, payment_method="pm_card_visa")
    )
    with pytest.raises(PledgeRefused, match="transfers_not_offered"):
        change(pledge=cleo, body=PledgePatch(payment_method="bank_transfer"))
    change(pledge=ben, body=PledgePatch(amount=6000))
    assert [5000, 6000] == list(
        Consent.objects.filter(lane=ben.lane, pledge_id=ben.id)
        .order_by("id")
        .values_list("amount_minor", flat=True)
    )
    withdraw(pledge=ben)
    site.work()
    assert "withdrawn" == pledge_of({"code": ben.code}).state


def test_cards_are_charged_while_transfers_are_awaited(
    site: Site, campaign: Campaign, join: Join
) -> None:
    join(campaign, "ben", **BEN)
    join(campaign, "cleo", kind="money", amount=700, payment_method="pm_card_visa")
    site.work()
    site.work()
    assert {"accepted": 1, "fulfilled": 1} == states(campaign)
    seen = public_view(campaign)
    assert ({"money": 5000}, {"money": 700}) == (seen["collecting"], seen["collected"])
    assert ("settling", {"money": 5000}) == (seen["state"], seen["awaited"])
    charge = Charge.objects.filter(lane=campaign.lane, provider="bank").get()
    assert timedelta(days=9, hours=23) < charge.due_at - site_now() <= timedelta(days=10)


def test_part_of_a_pledge_that_stays_out_is_not_asked_for(
    site: Site, campaign: Campaign, join: Join
) -> None:
    more = [{"kind": "money", "amount": 900, "condition": {"people": 100}}]
    join(campaign, "ben", more=more, **BEN)
    join(campaign, "cleo", kind="signature")
    site.work()
    charge = Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).get()
    assert 5000 == charge.amount_minor


def test_with_a_confirmed_mailbox_it_counts_from_then_on(
    site: Site, launch: Launch, join: Join
) -> None:
    from countmein.campaigns.actions.confirm import confirm
    from countmein.campaigns.links import confirm_token_of

    campaign = launch(
        kinds=["money"], currency="EUR", rule={"people": 9}, transfer_days=3, confirm="email"
    )
    ben = pledge_of(join(campaign, "ben", **BEN))
    assert "unconfirmed" == ben.state
    assert "active" == confirm(pledge=ben, token=confirm_token_of(ben)).state
    site.work()
    assert 1 == public_view(campaign)["tally"]["people"]
