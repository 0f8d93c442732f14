"""Connect: accounts that money is passed on to, and what they still have to say."""

import hashlib
import re
import secrets
from typing import Any

from sandbox.payments.book import Page, new_id
from sandbox.payments.customers import missing
from sandbox.payments.forms import (
    CURRENCIES,
    Problem,
    address,
    choice,
    flag,
    inner,
    metadata,
    text,
)

Form = dict[str, Any]
Object = dict[str, Any]

LINK_SECONDS = 300
NEEDED = ("business_type", "external_account", "tos_acceptance.date")
_CURRENCY_OF = {"GB": "gbp", "US": "usd", "CH": "chf", "JP": "jpy", "SE": "sek", "PL": "pln"}
_KINDS = ("individual", "company", "non_profit", "government_entity", "")
_CAPABILITIES = (
    "card_payments transfers sepa_debit_payments link_payments us_bank_account_ach_payments"
)


def create_account(page: Page, id: str, form: Form) -> Object:
    country = (text(form, "country") or "US").upper()
    if not re.fullmatch("[A-Z]{2}", country):
        raise Problem(f"Country '{country}' is unknown.", code="country_unsupported")
    made_id = new_id("acct")
    account: Object = {
        "id": made_id,
        "type": choice(form, "type", ("express", "custom", "standard"), default="standard"),
        "business_profile": {"name": None, "url": None, "mcc": None},
        "business_type": None,
        "capabilities": {},
        "charges_enabled": False,
        "country": country,
        "default_currency": _CURRENCY_OF.get(country, "eur"),
        "details_submitted": False,
        "email": text(form, "email"),
        "external_accounts": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/accounts/{made_id}/external_accounts",
        },
        "metadata": {},
        "payouts_enabled": False,
        "tos_acceptance": {"date": None, "ip": None},
    }
    _change(page, account, form)
    return page.add("account", "acct", **account)


def update_account(page: Page, id: str, form: Form) -> Object:
    account = find_account(page, id)
    if "email" in form:
        account["email"] = text(form, "email")
    _change(page, account, form)
    page.on(id).tell("account.updated", page.save(account))
    return account


def find_account(page: Page, id: object, *, param: str = "account") -> Object:
    """The account of this id. Raises Problem (403), as Stripe does."""
    found = page.on(None).find("account", id)
    if found is None:
        raise Problem(
            f"The provided key does not have access to account '{id}' (or that account does not"
            " exist). Application access may have been revoked.",
            status=403,
            code="account_invalid",
            param=param,
        )
    return found


def _change(page: Page, account: Object, form: Form) -> None:
    for name, wanted in inner(form, "capabilities", _CAPABILITIES).items():
        is_wanted = isinstance(wanted, dict) and flag(wanted, "requested")
        account["capabilities"][name] = "inactive" if is_wanted else "unrequested"
    for name in inner(form, "business_profile", "name url mcc product_description"):
        account["business_profile"][name] = text(form["business_profile"], name)
    for name in inner(form, "tos_acceptance", "date ip user_agent service_agreement"):
        account["tos_acceptance"][name] = text(form["tos_acceptance"], name)
    if "business_type" in form:
        account["business_type"] = choice(form, "business_type", _KINDS, default="") or None
    if "external_account" in form:
        _add_bank(account, form["external_account"])
    account["metadata"] |= metadata(form)
    judge(account)


def judge(account: Object) -> None:
    """Work out what is still needed, and what the account may do."""
    said = {
        "business_type": account["business_type"],
        "external_account": account["external_accounts"]["data"],
        "tos_acceptance.date": account["tos_acceptance"]["date"],
    }
    needed = [name for name in NEEDED if not said[name]]
    is_ready = not needed
    account["capabilities"] = {
        name: status if status == "unrequested" else ("active" if is_ready else "inactive")
        for name, status in account["capabilities"].items()
    }
    account |= {
        "details_submitted": is_ready,
        "payouts_enabled": is_ready,
        "charges_enabled": is_ready,
        "requirements": {
            "currently_due": needed,
            "eventually_due": needed,
            "past_due": needed,
            "pending_verification": [],
            "errors": [],
            "disabled_reason": None if is_ready else "requirements.past_due",
        },
    }


def create_external_account(page: Page, id: str, form: Form) -> Object:
    account = find_account(page, id)
    bank = _add_bank(account, form["external_account"])
    judge(account)
    page.on(id).tell("account.external_account.created", bank)
    page.save(account)
    return bank


def list_external_accounts(page: Page, id: str, form: Form) -> Object:
    found: Object = find_account(page, id)["external_accounts"]
    return found


def _add_bank(account: Object, given: object) -> Object:
    """Note where payouts go: a bank account given in full, or a public test token."""
    if isinstance(given, str):
        if not given.startswith("btok_"):
            raise missing("token", given, param="external_account")
        given = {"account_number": "000123456789", "country": account["country"]}
    if not isinstance(given, dict):
        raise Problem("Invalid hash", param="external_account")
    number = (text(given, "account_number") or "").replace(" ", "").upper()
    if not re.fullmatch("[A-Z0-9]{4,34}", number):
        raise Problem("You must use a valid account number.", code="account_number_invalid")
    currency = (text(given, "currency") or account["default_currency"]).lower()
    if currency not in CURRENCIES:
        raise Problem(f"Invalid currency: {currency}.", param="external_account[currency]")
    bank = {
        "id": new_id("ba"),
        "object": "bank_account",
        "account": account["id"],
        "account_holder_name": text(given, "account_holder_name"),
        "bank_name": "SANDBOX TEST BANK",
        "country": text(given, "country") or account["country"],
        "currency": currency,
        "default_for_currency": True,
        "fingerprint": hashlib.sha256(number.encode()).hexdigest()[:16],
        "last4": number[-4:],
        "status": "new",
    }
    account["external_accounts"]["data"].insert(0, bank)
    return bank


def create_account_link(page: Page, id: str, form: Form) -> Object:
    account = find_account(page, form["account"])
    choice(form, "type", ("account_onboarding", "account_update"), default="account_onboarding")
    urls = [address(form, name) for name in ("return_url", "refresh_url")]
    token, expires_at = secrets.token_urlsafe(18), page.now + LINK_SECONDS
    page.connection.execute(
        "INSERT INTO invitations (token, account, return_url, refresh_url, expires_at)"
        " VALUES (?, ?, ?, ?, ?)",
        (token, account["id"], *urls, expires_at),
    )
    return {
        "object": "account_link",
        "created": page.now,
        "expires_at": expires_at,
        "url": f"{page.url}/setup/{token}",
    }
