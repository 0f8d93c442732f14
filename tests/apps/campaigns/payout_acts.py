"""What the tests of payouts do: onboard an account, look into the provider's own book."""

from __future__ import annotations

import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from django.conf import settings

from countmein.base.ids import uuid7
from countmein.campaigns.actions.account import look_at_account
from countmein.campaigns.actions.pay_out import ask_payout
from countmein.campaigns.models import Campaign
from countmein.campaigns.queries import public_view
from countmein.ledger.queries import totals
from countmein.members.models import Organiser
from countmein.payments.actions.accounts import account_of, open_account
from countmein.payments.models import Payout, PayoutAccount
from countmein.payments.providers.stripe import Stripe

PDF = b"%PDF-1.4 an invoice"
Settled = Callable[..., Campaign]


class _Stay(urllib.request.HTTPRedirectHandler):
    """The page leads back to a site that does not run here."""

    def redirect_request(self, *_: Any) -> None:
        return None


def give_bank(url: str, number: str = "DE89370400440532013000") -> str:
    """Fill in the provider's page at this address, and return where it leads back to."""
    form = urllib.parse.urlencode({"business_type": "individual", "account_number": number})
    opener = urllib.request.build_opener(_Stay)
    try:
        opener.open(url, data=form.encode(), timeout=10).close()
    except urllib.error.HTTPError as answer:
        assert 303 == answer.code
        return str(answer.headers["location"])
    raise AssertionError("the page did not lead back")


def onboard(organiser: Organiser, number: str = "DE89370400440532013000") -> PayoutAccount:
    """Set the organiser's account up, or change its bank account, and look at it."""
    url = open_account(
        organiser_id=organiser.id,
        email=organiser.email,
        return_url="http://127.0.0.1:8000/organise/account/back/",
        retry_url="http://127.0.0.1:8000/organise/account/",
    )
    give_bank(url, number)
    look_at_account(str(organiser.id))
    account = account_of(organiser.id)
    assert account is not None
    return account


def transfers(account: PayoutAccount) -> list[Any]:
    """What the provider itself says it passed on to an account."""
    listed = Stripe()._v1.transfers.list({"destination": account.provider_account_id, "limit": 100})
    return [each.to_dict() for each in listed.auto_paging_iter()]


def ask_own(campaign: Campaign, amount_minor: int, **said: Any) -> Payout:
    """Ask for a payout to the organiser."""
    by = said.pop("by", campaign.organiser)
    return ask_payout(campaign=campaign, by=by, amount_minor=amount_minor, key=uuid7(), **said)


def fresh(payout: Payout) -> Payout:
    """A payout as it stands now."""
    found = Payout.objects.get(lane=payout.lane, id=payout.id)
    assert isinstance(found, Payout)
    return found


def accounts_of(campaign: Campaign) -> dict[str, int]:
    """The balances of a campaign's accounts that are not 0."""
    found = totals(lane=campaign.lane, campaign_id=campaign.id)
    return {account: balance for account, balance in found.items() if balance}


def is_settled(campaign: Campaign) -> bool:
    """Whether it has come about and everything is collected."""
    return bool(public_view(campaign)["state"] == "settled")


__all__ = ["PDF", "ask_own", "fresh", "give_bank", "onboard", "settings", "transfers"]
