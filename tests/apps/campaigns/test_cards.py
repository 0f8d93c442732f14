"""Cards to their end: what was allowed, what failed, what is asked, what is given in its place."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from countmein.base.clock import site_now
from countmein.campaigns.actions.change import change
from countmein.campaigns.bodies import PledgePatch
from countmein.campaigns.models import Campaign
from countmein.campaigns.own_pledge import pledge_view
from countmein.campaigns.queries import public_view
from countmein.payments.actions.mandates import consent_of
from countmein.payments.actions.tries import begin
from countmein.payments.models import Charge, Consent, Mandate
from countmein.rules.pledging import PledgeRefused
from tests.apps.campaigns.acts import Join, pledge_of, states, topics
from tests.conftest import Launch, Site

GOOD, BAD, ASKS = "pm_card_visa", "pm_card_chargeCustomerFail", "pm_card_authenticationRequired"


def tipped(launch: Launch, join: Join, site: Site, card: str, **terms: Any) -> tuple[Campaign, Any]:
    """A campaign that has tipped, and somebody in it with this card."""
    campaign = launch(kinds=["money"], currency="GBP", rule={"people": 2}, **terms)
    join(campaign, "ben", amount=2000, payment_method=GOOD)
    made = join(campaign, "emil", amount=2500, payment_method=card)
    site.work()
    return campaign, made


def tries(site: Site, made: dict[str, Any]) -> list[str]:
    """How each try of the charge of this pledge ended, by the provider's own book."""
    charge = Charge.objects.all_lanes().get(pledge_id=pledge_of(made).id)
    return [c["status"] for c in site.charged() if c["metadata"].get("reference") == str(charge.id)]


def test_what_a_member_allows_is_kept_word_for_word(site: Site, launch: Launch, join: Join) -> None:
    campaign = launch(kinds=["money"], currency="GBP", rule={"people": 900}, title="The roof")
    made = join(
        campaign,
        "ben",
        amount=2000,
        payment_method=GOOD,
        condition={"people": 500},
        more=[{"kind": "money", "amount": 500, "condition": {"people": 800}}],
    )
    row = pledge_of(made)
    allowed = consent_of(lane=row.lane, pledge_id=row.id)
    assert allowed is not None
    assert (2500, "GBP") == (allowed.amount_minor, allowed.currency)
    for part in ("at most £25.00", "The roof", "900 people", "at least 500 people"):
        assert part in allowed.words
    assert campaign.deadline + timedelta(days=7) < allowed.latest_charge_at
    assert allowed.words == pledge_view(row)["payment"]["mandate_text"]


def test_a_change_of_the_amount_is_allowed_anew(site: Site, launch: Launch, join: Join) -> None:
    campaign = launch(kinds=["money"], currency="GBP", rule={"people": 900})
    made = join(campaign, "ben", amount=2000, payment_method=GOOD)
    site.work()
    change(pledge=pledge_of(made), body=PledgePatch(amount=3000))
    row = pledge_of(made)
    said = Consent.objects.filter(lane=row.lane, pledge_id=row.id).order_by("id")
    assert [2000, 3000] == list(said.values_list("amount_minor", flat=True))


@pytest.mark.parametrize(
    "planted", [{"amount_minor": 2499}, {"latest_charge_at": "2020-01-01T00:00:00Z"}]
)
def test_nothing_is_charged_beyond_what_was_allowed(
    site: Site, launch: Launch, join: Join, planted: dict[str, Any]
) -> None:
    """The control is the same campaign without the planted row: it is charged."""
    campaign = launch(kinds=["money"], currency="GBP", rule={"people": 2})
    join(campaign, "ben", amount=2000, payment_method=GOOD)
    made = join(campaign, "emil", amount=2500, payment_method=GOOD)
    Consent.objects.filter(lane=campaign.lane, pledge_id=pledge_of(made).id).update(**planted)
    site.work()
    assert [] == tries(site, made)
    assert {"fulfilled": 1, "dropped": 1} == states(campaign) or "released" == (
        public_view(campaign)["state"]
    )


def test_a_soft_decline_is_tried_at_every_step_and_then_dropped(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign, made = tipped(launch, join, site, BAD, title="Soft")
    assert ["failed"] == tries(site, made)
    for hours, count in ((47, 1), (1, 2), (48, 3), (48, 4), (23, 4), (1, 5)):
        site.advance(timedelta(hours=hours))
        site.work()
        assert ["failed"] * count == tries(site, made)
    assert "dropped" == pledge_of(made).state
    told = topics(site, campaign, "emil@example.org")
    assert 4 == sum("needs you" in subject for subject in told)
    assert 1 == sum("could not be charged" in subject for subject in told)
    site.check()


def test_a_bank_that_asks_for_its_owner_is_not_tried_blindly(
    site: Site, launch: Launch, join: Join
) -> None:
    """Once at the tip, once at the very end; in between only the member is asked."""
    campaign, made = tipped(launch, join, site, ASKS, title="Asks")
    for _step in range(3):
        site.advance(timedelta(hours=48))
        site.work()
    assert ["failed"] == tries(site, made)
    told = topics(site, campaign, "emil@example.org")
    assert 4 == sum("needs you" in subject for subject in told)
    (mail, *_) = [m for m in site.mails("emil@example.org") if made["code"] in m["text"]]
    assert "your bank wants you to confirm" in mail["text"]
    assert f"/p/{made['code']}/card/?receipt=" in mail["text"]
    site.advance(timedelta(hours=24))
    site.work()
    assert ["failed", "failed"] == tries(site, made)
    assert "dropped" == pledge_of(made).state
    site.check()


def test_a_late_worker_does_one_step_and_not_two(site: Site, launch: Launch, join: Join) -> None:
    _campaign, made = tipped(launch, join, site, BAD)
    site.advance(timedelta(hours=100))
    site.work()
    assert ["failed"] * 2 == tries(site, made)
    site.advance(timedelta(hours=44))
    site.work()
    assert ["failed"] * 3 == tries(site, made)


def test_another_card_is_charged_at_once_and_the_old_one_deleted(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign, made = tipped(launch, join, site, BAD)
    mine = pledge_view(pledge_of(made))["payment"]
    assert mine["is_failing"]
    assert mine["secure_url"]
    site.advance(timedelta(hours=3))
    change(pledge=pledge_of(made), body=PledgePatch(payment_method=GOOD))
    site.work()
    assert ["failed", "succeeded"] == tries(site, made)
    assert "fulfilled" == pledge_of(made).state
    assert {"money": 4500} == public_view(campaign)["collected"]
    rows = Mandate.objects.filter(lane=campaign.lane, pledge_id=pledge_of(made).id)
    assert ["forgotten", "made"] == sorted(rows.values_list("state", flat=True))
    site.check()


def test_another_card_that_fails_too_does_not_move_the_ladder(
    site: Site, launch: Launch, join: Join
) -> None:
    _campaign, made = tipped(launch, join, site, BAD)
    first = Charge.objects.all_lanes().get(pledge_id=pledge_of(made).id)
    site.advance(timedelta(hours=3))
    change(pledge=pledge_of(made), body=PledgePatch(payment_method=ASKS))
    site.work()
    after = Charge.objects.all_lanes().get(pledge_id=pledge_of(made).id)
    assert ["failed", "failed"] == tries(site, made)
    assert (first.first_failed_at, first.due_at) == (after.first_failed_at, after.due_at)
    assert "authenticate" == after.decline


def test_another_card_given_while_the_old_one_is_tried_is_charged_at_once(
    site: Site, launch: Launch, join: Join
) -> None:
    """Whoever tried the old one died on the way: its refusal does not make the new one wait."""
    _campaign, made = tipped(launch, join, site, BAD)
    charge = Charge.objects.all_lanes().get(pledge_id=pledge_of(made).id)
    Charge.objects.filter(lane=charge.lane, id=charge.id).update(state="doing", due_at=site_now())
    facts = {"mandate_id": charge.refused_mandate_id}
    with transaction.atomic():
        begin([charge], on={charge.id: None}, facts=lambda _: facts)
    change(pledge=pledge_of(made), body=PledgePatch(payment_method=GOOD))
    site.work()
    assert "fulfilled" == pledge_of(made).state
    assert 1 == tries(site, made).count("succeeded")
    site.check()


def test_a_card_in_the_place_of_one_that_works_is_kept_until_the_new_one_is_saved(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = launch(kinds=["money"], currency="GBP", rule={"people": 900})
    made = join(campaign, "ben", amount=2000, payment_method=GOOD)
    site.work()
    change(pledge=pledge_of(made), body=PledgePatch(payment_method="pm_card_visa_chargeDeclined"))
    site.work()
    row = pledge_of(made)
    rows = Mandate.objects.filter(lane=campaign.lane, pledge_id=row.id)
    assert ("active", {"made": 1, "refused": 1}) == (
        row.state,
        dict.fromkeys(rows.values_list("state", flat=True), 1),
    )
    assert any("refused" in s for s in topics(site, campaign, "ben@example.org"))
    change(pledge=row, body=PledgePatch(payment_method="pm_card_mastercard"))
    site.work()
    assert "4444" == pledge_view(pledge_of(made))["payment"]["card"]["last4"]
    assert 1 == rows.filter(state="made").count()
    site.check()


def test_a_pledge_without_a_card_to_charge_takes_none(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = launch(rule={"people": 900})
    made = join(campaign, "ben")
    with pytest.raises(PledgeRefused, match="payment_method_not_needed"):
        change(pledge=pledge_of(made), body=PledgePatch(payment_method=GOOD))


def test_a_kept_pledge_takes_no_other_card(site: Site, launch: Launch, join: Join) -> None:
    _campaign, made = tipped(launch, join, site, GOOD)
    with pytest.raises(PledgeRefused, match="latched"):
        change(pledge=pledge_of(made), body=PledgePatch(payment_method=GOOD))
