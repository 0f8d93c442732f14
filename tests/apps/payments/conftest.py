"""The provider as its own owner sees it: what it lists, disputes, and charges behind our back."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
import stripe
from django.conf import settings

from countmein.base.clock import real_now
from countmein.campaigns.models import Campaign
from countmein.ledger.queries import balances
from countmein.payments.actions.disputes import look
from countmein.payments.actions.statement import read_lines
from countmein.payments.models import Charge, Discrepancy, Statement
from tests.conftest import Launch, Site


class Provider:
    """What a test does at the provider, and has read from there."""

    @property
    def api(self) -> stripe.V1Services:
        addresses: Any = {"api": settings.STRIPE_API_BASE}
        return stripe.StripeClient("sk_test_sandbox", base_addresses=addresses).v1

    def control(self, **wanted: Any) -> None:
        """Ask for what only the sandbox can do."""
        url = f"{settings.STRIPE_API_BASE}/_control"
        asked = urllib.request.Request(url, method="POST", data=json.dumps(wanted).encode())
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert {"ok": True} == json.load(answer)

    def dispute(self, charge: Charge) -> str:
        """Have a charge's owner dispute it, and return the provider's name for that."""
        self.control(dispute={"charge": charge.provider_charge_id})
        listed = self.api.disputes.list({"charge": charge.provider_charge_id})
        return str(listed.data[0].id)

    def decide(self, dispute_id: str, *, is_won: bool) -> None:
        """Give evidence on which the bank decides at once."""
        verdict = "winning_evidence" if is_won else "losing_evidence"
        self.api.disputes.update(dispute_id, {"evidence": {"uncategorized_text": verdict}})

    def charge(self, amount: int, *, currency: str = "eur", reference: str = "") -> str:
        """Charge a card behind our back, and return the charge's name."""
        made = self.api.payment_intents.create(
            {
                "amount": amount,
                "currency": currency,
                "payment_method": "pm_card_visa",
                "allowed_payment_method_types": ["card"],
                "confirm": True,
                "metadata": {"reference": reference} if reference else {},
            }
        )
        return str(made.latest_charge)

    def read(self) -> None:
        """Look at the disputes and read the statement now."""
        look(Statement.objects.get())
        read_lines("stripe")


@pytest.fixture
def provider(site: Site) -> Provider:
    """The provider; its statement is read from the next full second on, so it is this test's."""
    time.sleep(1.0 - time.time() % 1.0)
    now = real_now()
    Statement.objects.update(began_at=now, since=now)
    return Provider()


@pytest.fixture
def paid(
    site: Site, provider: Provider, launch: Launch, join: Callable[..., dict[str, Any]]
) -> Callable[..., tuple[Campaign, Charge]]:
    """A campaign that has tipped with one member, whose card was charged."""

    def pay(amount: int = 1000, currency: str = "EUR") -> tuple[Campaign, Charge]:
        campaign = launch(kinds=["money"], currency=currency, rule={"people": 1})
        join(campaign, "ben", amount=amount, payment_method="pm_card_visa")
        site.work()
        charge = Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).get()
        assert "paid" == charge.state
        return campaign, charge

    return pay


def accounts(campaign: Campaign) -> dict[str, int]:
    """The balances of a campaign's accounts that are not 0."""
    found = balances(lane=campaign.lane, campaign_id=campaign.id)
    return {account: balance for (account, _currency), balance in found.items() if balance}


def shown(rows: list[Discrepancy]) -> list[tuple[str, str, int | None, int | None]]:
    """What is to be known of each difference."""
    return sorted((row.kind, row.event, row.ours_minor, row.theirs_minor) for row in rows)
