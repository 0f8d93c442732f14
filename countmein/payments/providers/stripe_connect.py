"""Stripe Connect: accounts of organisers, their page at Stripe, and money passed on to them."""

from collections.abc import Mapping
from typing import Any

import stripe
from stripe import RequestOptions

from countmein.payments.providers.port import (
    AccountResult,
    AccountSeen,
    LookUpFailed,
    Outcome,
    PageResult,
    TransferResult,
)
from countmein.payments.providers.stripe_answers import (
    NotDone,
    Object,
    ask,
    ask_on,
    every,
    found,
    result_of,
)
from countmein.payments.providers.stripe_tables import NotInUnits, from_units, to_units
from countmein.rules.money import Money


def create_account(v1: stripe.V1Services, *, reference: str, email: str, key: str) -> AccountResult:
    """Make an Express account: Stripe asks its owner everything, on its own pages.

    Making one twice does no harm, for nothing is paid to it before its owner has been there.
    """
    try:
        made = ask_on(
            key,
            lambda key: v1.accounts.create(
                {
                    "type": "express",
                    "email": email,
                    "capabilities": {"transfers": {"requested": True}},
                    "metadata": {"reference": reference},
                },
                {"idempotency_key": key},
            ).to_dict(),
        )
        return AccountResult(outcome=Outcome.DONE, account_id=_text(made, "id"))
    except NotDone as no:
        return AccountResult(**no.fields)


def account_page(
    v1: stripe.V1Services, *, account_id: str, return_url: str, retry_url: str
) -> PageResult:
    """Make an account link; it is good for minutes and for one visit."""
    try:
        made = ask(
            lambda: v1.account_links.create(
                {
                    "account": account_id,
                    "type": "account_onboarding",
                    "return_url": return_url,
                    "refresh_url": retry_url,
                }
            ).to_dict()
        )
        return PageResult(outcome=Outcome.DONE, url=_text(made, "url"))
    except NotDone as no:
        return PageResult(**no.fields)


def account(v1: stripe.V1Services, *, account_id: str) -> AccountSeen:
    """Retrieve an account. Raises LookUpFailed."""
    try:
        return ask(lambda: _seen(v1.accounts.retrieve(account_id).to_dict()))
    except NotDone as no:
        raise LookUpFailed(no.result.code) from no


def _seen(each: Object) -> AccountSeen:
    banks = (each.get("external_accounts") or {}).get("data") or [{}]
    # Money goes to the default one of the currency; a change of any is told by the first.
    bank: Mapping[str, Any] = next((b for b in banks if b.get("default_for_currency")), banks[0])
    return AccountSeen(
        is_verified=bool(each["payouts_enabled"]),
        bank_last4=str(bank.get("last4") or ""),
        fingerprint=str(bank.get("fingerprint") or bank.get("id") or ""),
    )


def transfer(
    v1: stripe.V1Services,
    *,
    account_id: str,
    amount_minor: int,
    currency: str,
    reference: str,
    key: str,
) -> TransferResult:
    """Pass money on from our balance; what the balance does not cover is refused for now."""
    try:
        units = to_units(Money(amount_minor=amount_minor, currency=currency))
    except NotInUnits:
        return TransferResult(outcome=Outcome.REFUSED, permanent=True, code="amount_too_fine")
    options: RequestOptions = {"idempotency_key": key}
    try:
        return _transferred(
            ask(
                lambda: v1.transfers.create(
                    {
                        "amount": units,
                        "currency": currency.lower(),
                        "destination": account_id,
                        "metadata": {"reference": reference},
                    },
                    options,
                ).to_dict()
            )
        )
    except NotDone as no:
        return result_of(
            no,
            lambda: find_transfer(v1, account_id=account_id, reference=reference),
            TransferResult,
        )


def find_transfer(
    v1: stripe.V1Services, *, account_id: str, reference: str
) -> TransferResult | None:
    """Look through the account's transfers."""
    return found(
        lambda: every(v1.transfers.list({"destination": account_id, "limit": 100})),
        reference,
        _transferred,
        TransferResult,
    )


def _transferred(each: Object) -> TransferResult:
    try:
        if each.get("object") != "transfer":
            raise NotDone(Outcome.UNKNOWN, code="undocumented_answer")
        return TransferResult(
            outcome=Outcome.DONE,
            transfer_id=_text(each, "id"),
            amount=from_units(int(each["amount"]), str(each["currency"])),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotDone(Outcome.UNKNOWN, code="undocumented_answer") from error


def _text(each: Object, name: str) -> str:
    """A field that must be there. Raises NotDone."""
    value = each.get(name) if isinstance(each, Mapping) else None
    if not isinstance(value, str) or not value:
        raise NotDone(Outcome.UNKNOWN, code="undocumented_answer")
    return value
