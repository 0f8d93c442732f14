"""The organiser's account at the provider: made once, looked at often, and every change noted.

Its row is written before the provider is asked to make the account, and asking again asks under
the same key.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.db.models import Q

from countmein.base.clock import site_now
from countmein.payments.models import PayoutAccount
from countmein.payments.providers import PROVIDERS, AccountSeen, LookUpFailed, Outcome

#: How often an account is looked at by itself. It is also looked at before each payout.
LOOKS_EVERY = timedelta(minutes=30)


class AccountUnavailable(Exception):
    """The provider does not show its page now; try again later."""


def account_of(organiser_id: uuid.UUID) -> PayoutAccount | None:
    """An organiser's account, if they have begun one."""
    return PayoutAccount.objects.filter(organiser_id=organiser_id).first()


def open_account(*, organiser_id: uuid.UUID, email: str, return_url: str, retry_url: str) -> str:
    """Return the address of the provider's page on which the account is set up or changed.

    Raises AccountUnavailable.
    """
    account, _is_new = PayoutAccount.objects.get_or_create(
        organiser_id=organiser_id, defaults={"created_at": site_now()}
    )
    provider = PROVIDERS[account.provider]
    if not account.provider_account_id:
        made = provider.create_account(
            reference=str(account.id), email=email, key=f"account:{account.id}"
        )
        if made.outcome != Outcome.DONE:
            raise AccountUnavailable(made.code)
        # Two visits at once are answered the same under one key; only the first is kept anyway.
        PayoutAccount.objects.filter(id=account.id, provider_account_id="").update(
            provider_account_id=made.account_id
        )
        account.refresh_from_db()
    page = provider.account_page(
        account_id=account.provider_account_id, return_url=return_url, retry_url=retry_url
    )
    if page.outcome != Outcome.DONE:
        raise AccountUnavailable(page.code)
    return page.url


def see(account: PayoutAccount) -> AccountSeen | None:
    """Ask the provider how an account stands; None if it was never begun there.

    Raises LookUpFailed.
    """
    if not account.provider_account_id:
        return None
    return PROVIDERS[account.provider].account(account_id=account.provider_account_id)


def note(account: PayoutAccount, seen: AccountSeen) -> tuple[PayoutAccount, bool]:
    """Keep what the provider shows, and tell whether the bank account is another one than before.

    Call in a transaction, which also writes to whoever must be told.
    """
    now = site_now()
    held = PayoutAccount.objects.select_for_update().get(id=account.id)
    is_changed = held.bank_fingerprint != seen.fingerprint
    held.is_verified, held.looked_at = seen.is_verified, now
    if is_changed:
        held.bank_fingerprint, held.bank_last4 = seen.fingerprint, seen.bank_last4
        held.changed_at = now
    held.save()
    return held, is_changed


def to_look_at() -> Any:
    """The organisers whose account has not been looked at for a while."""
    begun = PayoutAccount.objects.exclude(provider_account_id="")
    old = Q(looked_at=None) | Q(looked_at__lte=site_now() - LOOKS_EVERY)
    return begun.filter(old).values_list("organiser_id", flat=True)


def put_off(account: PayoutAccount) -> None:
    """Look again after the usual while, whatever came of this look."""
    PayoutAccount.objects.filter(id=account.id).update(looked_at=site_now())


__all__ = [
    "AccountUnavailable",
    "LookUpFailed",
    "account_of",
    "note",
    "open_account",
    "put_off",
    "see",
    "to_look_at",
]
