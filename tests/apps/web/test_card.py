"""To the provider's page and back: a first card, another card, a payment in person."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, override_settings

from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.actions.count import count
from countmein.campaigns.models import Campaign
from countmein.campaigns.own_pledge import pledge_view
from countmein.campaigns.queries import public_view
from countmein.payments.actions import pages
from countmein.payments.models import Charge, Consent, HostedPage, Mandate
from tests.apps.campaigns.acts import pledge_of
from tests.apps.web.conftest import hidden, path_of, said
from tests.conftest import ask
from tests.provider_page import ASKS_ALWAYS, ASKS_ONCE, WORKS, give_card, visit

FUND: dict[str, Any] = {"kinds": ["money"], "currency": "GBP", "rule": {"people": 2}}


def card_path(made: dict[str, Any]) -> str:
    return f"/p/{made['code']}/card/?receipt={made['receipt']}"


def provider_page(browser: Client, made: dict[str, Any], **way: str) -> str:
    """Where the site leads whoever wants to give a card."""
    answer = browser.post(card_path(made), way) if way else browser.get(card_path(made))
    assert 302 == answer.status_code, said(answer)
    assert answer["Location"].startswith(settings.STRIPE_API_BASE)
    return str(answer["Location"])


def come_back(browser: Client, address: str) -> str:
    """Follow the provider's way back; what the pledge's page says then."""
    answer = browser.get(path_of(address))
    assert 302 == answer.status_code
    return said(browser.get(answer["Location"]))


def test_money_is_pledged_on_two_pages(site: Any, ben: Client, launch: Any) -> None:
    """The form, the provider's page, and he is in: before any job has run."""
    campaign = launch(**FUND)
    form = {
        "key": hidden(ben.get(f"/c/{campaign.code}/pledge/"), "key"),
        "kind": "money",
        "amount_money": "25",
        "condition": "none",
        "email": "ben@example.org",
    }
    answer = ben.post(f"/c/{campaign.code}/pledge/", form)
    secure = ben.get(path_of(answer["Location"]))
    address = secure["Location"]
    assert address.startswith(settings.STRIPE_API_BASE)
    status, text, _ = visit(address)
    assert (200, True) == (status, "You allow £25.00" in text)
    words = come_back(ben, give_card(address, expiry="11/31"))
    assert "You are pledged, and counted in a moment." in words
    assert "Visa ending in 4242" in words
    assert "good until 11/31" in words
    site.work()
    assert 0 == Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).count()
    assert 1 == public_view(campaign)["tally"]["people"]
    site.check()


def test_the_answer_says_where_a_card_is_given(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    made = join(launch(**FUND), "ben", amount=2500)
    assert ("unsecured", f"http://127.0.0.1:8000{card_path(made)}") == (
        made["state"],
        made["secure_url"],
    )
    come_back(ben, give_card(provider_page(ben, made)))
    assert "active" == pledge_of(made).state


def test_a_page_is_opened_once_and_shown_again(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    made = join(launch(**FUND), "ben", amount=2500)
    assert provider_page(ben, made) == provider_page(ben, made)
    assert 1 == HostedPage.objects.all_lanes().filter(pledge_id=pledge_of(made).id).count()


def test_who_closes_the_browser_is_secured_by_our_own_look(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    made = join(launch(**FUND), "ben", amount=2500)
    give_card(provider_page(ben, made))
    site.work()
    assert "unsecured" == pledge_of(made).state
    site.advance(timedelta(minutes=11))
    site.work()
    assert "active" == pledge_of(made).state


def test_coming_back_without_a_card_proves_nothing(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    """The address that says "I am back" can be typed by anybody."""
    made = join(launch(**FUND), "ben", amount=2500)
    provider_page(ben, made)
    (page,) = HostedPage.objects.all_lanes().filter(pledge_id=pledge_of(made).id)
    back = f"/p/{made['code']}/card/back/?receipt={made['receipt']}&page="
    assert "One step is missing" in come_back(ben, f"{back}{page.id}")
    assert "One step is missing" in come_back(ben, f"{back}{uuid.uuid4()}")
    assert 404 == ben.get(f"{back}nonsense").status_code
    assert "unsecured" == pledge_of(made).state


def test_a_card_given_after_the_deadline_comes_too_late(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    campaign = launch(**FUND)
    made = join(campaign, "ben", amount=2500)
    address = provider_page(ben, made)
    site.advance(campaign.deadline - site_time() + timedelta(seconds=1))
    back = give_card(address)
    come_back(ben, back)
    assert "active" != pledge_of(made).state
    site.work()
    assert "released" == pledge_of(made).state
    site.work()
    assert 0 == cards_of(made)


def site_time() -> Any:
    from countmein.base.clock import site_now

    return site_now()


def cards_of(made: dict[str, Any]) -> int:
    """How many of the cards given for this pledge the provider still has."""
    rows = Mandate.objects.all_lanes().filter(pledge_id=pledge_of(made).id)
    return rows.exclude(state="forgotten").count()


def test_a_card_given_while_withdrawing_is_deleted(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    before = customers()
    made = join(launch(**FUND), "ben", amount=2500)
    address = provider_page(ben, made)
    ben.post(f"/p/{made['code']}/withdraw/?receipt={made['receipt']}")
    give_card(address)
    site.work()
    assert ("withdrawn", before) == (pledge_of(made).state, customers())
    assert "pledge has ended" in said(ben.get(ben.get(card_path(made))["Location"]))


def test_a_card_seen_on_a_page_that_was_closed_meanwhile_is_no_mandate(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    """Between the provider's answer and our row she withdraws: the look was an old one."""
    made = join(launch(**FUND), "ben", amount=2500)
    give_card(provider_page(ben, made))
    seen = HostedPage.objects.all_lanes().get(pledge_id=pledge_of(made).id)
    ben.post(f"/p/{made['code']}/withdraw/?receipt={made['receipt']}")
    pages._one_page(seen)
    assert 0 == cards_of(made)
    site.work()
    seen.refresh_from_db()
    assert ("over", "withdrawn") == (seen.state, pledge_of(made).state)


def test_the_deadline_waits_a_minute_for_a_card_that_was_just_given(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    """He is back in time, but the look at his page found nobody: judging waits for the next."""
    campaign = launch(**FUND | {"rule": {"people": 1}})
    made = join(campaign, "ben", amount=2500)
    give_card(provider_page(ben, made))
    page = HostedPage.objects.all_lanes().get(pledge_id=pledge_of(made).id)
    site.advance(campaign.deadline - site_time() - timedelta(seconds=5))
    pages.came_back(lane=page.lane, page_id=page.id)
    site.advance(timedelta(seconds=10))
    count(str(campaign.id))
    assert "open" == public_view(campaign)["state"]
    site.work()
    assert "fulfilled" == pledge_of(made).state
    site.check()


def customers() -> int:
    """How many people's cards the provider keeps."""
    return int(ask(f"{settings.STRIPE_API_BASE}/_book/summary")["customers"])


def test_a_card_may_come_before_the_mailbox_is_confirmed(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    campaign = launch(**FUND, confirm="email", title="Card first, mailbox second")
    made = join(campaign, "robin", amount=2500)
    words = come_back(ben, give_card(provider_page(ben, made)))
    assert "Open the link in the mail" in words
    site.work()
    assert "unconfirmed" == pledge_of(made).state
    mail = next(m for m in site.mails("robin@example.org") if made["code"] in m["text"])
    link = next(word for word in mail["text"].split() if "/confirm/" in word)
    ben.get(path_of(link))
    site.work()
    assert "active" == pledge_of(made).state


def failing(site: Any, launch: Any, join: Any, card: str) -> dict[str, Any]:
    campaign = launch(**FUND)
    join(campaign, "dora", amount=1000, payment_method="pm_card_visa")
    made = join(campaign, "ben", amount=2500, payment_method=card)
    site.work()
    assert pledge_view(pledge_of(made))["payment"]["is_failing"]
    return dict(made)


def test_a_failed_charge_is_paid_in_person(site: Any, ben: Client, launch: Any, join: Any) -> None:
    """The bank that always asks says yes to its owner; nothing else is tried meanwhile."""
    made = failing(site, launch, join, "pm_card_authenticationRequired")
    words = said(ben.get(card_path(made)))
    assert "Your bank wants you to confirm the payment yourself." in words
    assert "£25.00" in words
    address = provider_page(ben, made, way="payment")
    site.advance(timedelta(minutes=20))
    site.work()
    charge = Charge.objects.all_lanes().get(pledge_id=pledge_of(made).id)
    assert ("on_page", 2) == (charge.state, charge.attempt)
    come_back(ben, give_card(address, ASKS_ALWAYS))
    site.work()
    assert "fulfilled" == pledge_of(made).state
    paid = [c for c in site.charged() if c["metadata"].get("reference") == str(charge.id)]
    assert ["failed", "succeeded"] == sorted(c["status"] for c in paid)
    site.check()


def test_nothing_is_paid_in_person_beyond_what_was_allowed(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    row = pledge_of(made := failing(site, launch, join, "pm_card_authenticationRequired"))
    said_once = Consent.objects.filter(lane=row.lane, pledge_id=row.id)
    said_once.update(amount_minor=1)
    assert 503 == ben.post(card_path(made), {"way": "payment"}).status_code
    assert not HostedPage.objects.filter(lane=row.lane, pledge_id=row.id).exists()
    said_once.update(amount_minor=10_000)
    provider_page(ben, made, way="payment")


def test_a_page_of_payment_that_is_left_changes_nothing(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    made = failing(site, launch, join, "pm_card_chargeCustomerFail")
    before = Charge.objects.all_lanes().get(pledge_id=pledge_of(made).id)
    address = provider_page(ben, made, way="payment")
    assert address == provider_page(ben, made, way="payment")
    # An event says that a card was refused there: nothing else is tried while it is open.
    Charge.objects.filter(lane=before.lane, id=before.id).update(due_at=site_time())
    site.work()
    assert "on_page" == Charge.objects.all_lanes().get(id=before.id).state
    site.advance(timedelta(minutes=31))
    site.work()
    after = Charge.objects.all_lanes().get(pledge_id=pledge_of(made).id)
    assert ("due", before.due_at, before.asks) == (after.state, after.due_at, after.asks)
    assert 410 == visit(address)[0]
    site.check()


@pytest.mark.parametrize("pays_first", [True, False])
def test_cancelling_while_somebody_pays_in_person(
    site: Any, ben: Client, launch: Any, join: Any, pays_first: bool
) -> None:
    """The page is shut; whoever was faster gets the money back."""
    made = failing(site, launch, join, "pm_card_authenticationRequired")
    campaign = Campaign.objects.get(id=pledge_of(made).campaign_id)
    address = provider_page(ben, made, way="payment")
    if pays_first:
        give_card(address, ASKS_ALWAYS)
    cancel(campaign=campaign)
    site.work()
    assert 410 == visit(address)[0]
    assert ("refunded" if pays_first else "released") == pledge_of(made).state
    assert "released" == public_view(campaign)["state"]
    assert {"money": 0} == public_view(campaign)["collected"]
    site.check()


@pytest.mark.parametrize("number", [WORKS, ASKS_ONCE])
def test_another_card_is_charged_at_once(
    site: Any, ben: Client, launch: Any, join: Any, number: str
) -> None:
    made = failing(site, launch, join, "pm_card_chargeCustomerFail")
    come_back(ben, give_card(provider_page(ben, made, way="card"), number))
    site.work()
    assert "fulfilled" == pledge_of(made).state
    site.check()


def test_another_card_while_the_page_of_payment_stands_open(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    """She changes her mind between the two buttons: one of them takes the money, once."""
    made = failing(site, launch, join, "pm_card_chargeCustomerFail")
    first = provider_page(ben, made, way="payment")
    second = provider_page(ben, made, way="card")
    site.work()
    assert 410 == visit(first)[0]
    come_back(ben, give_card(second))
    site.work()
    assert "fulfilled" == pledge_of(made).state
    charge = Charge.objects.all_lanes().get(pledge_id=pledge_of(made).id)
    paid = [c for c in site.charged() if c["metadata"].get("reference") == str(charge.id)]
    assert 1 == sum(c["status"] == "succeeded" for c in paid)
    site.check()


def test_a_card_that_expires_too_soon_is_told_of_twice(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    campaign = launch(kinds=["money"], currency="GBP", rule={"people": 99}, title="Expiring soon")
    made = join(campaign, "ben", amount=2500)
    soon = site_time()
    come_back(ben, give_card(provider_page(ben, made), expiry=f"{soon:%m/%y}"))
    site.work()

    def told() -> int:
        subjects = [m["subject"] for m in site.mails("ben@example.org")]
        return subjects.count("Your card will expire: Expiring soon")

    assert 1 == told()
    site.advance(timedelta(days=27, hours=1))
    site.work()
    assert 2 == told()
    site.work()
    assert 2 == told()


def test_a_provider_that_does_not_answer_loses_nothing(
    site: Any, ben: Client, launch: Any, join: Any
) -> None:
    made = join(launch(**FUND), "ben", amount=2500)
    with override_settings(STRIPE_API_BASE="http://127.0.0.1:9"):
        answer = ben.get(card_path(made))
    assert 503 == answer.status_code
    assert "does not answer just now" in said(answer)
    come_back(ben, give_card(provider_page(ben, made)))
    assert "active" == pledge_of(made).state


def test_looking_at_the_link_opens_no_page(site: Any, ben: Client, launch: Any, join: Any) -> None:
    """Mail scanners ask for the head of a link."""
    made = join(launch(**FUND), "ben", amount=2500)
    assert 200 == ben.head(card_path(made)).status_code
    assert 0 == HostedPage.objects.all_lanes().filter(pledge_id=pledge_of(made).id).count()


def test_the_browser_may_go_on_to_the_provider(ben: Client, launch: Any) -> None:
    policy = ben.get("/")["Content-Security-Policy"]
    assert f"form-action 'self' {settings.STRIPE_API_BASE}" in policy
