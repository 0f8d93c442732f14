"""Which request is answered by what, and the parameters each knows."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.payments import (
    accounts,
    balance,
    checkout,
    customers,
    disputes,
    intents,
    refunds,
    setups,
    transfers,
)
from sandbox.payments.book import Page
from sandbox.payments.customers import missing
from sandbox.payments.expand import expand, paths
from sandbox.payments.forms import Problem, check_names, created_range, integer

Form = dict[str, Any]
Object = dict[str, Any]
Act = Callable[[Page, str, Form], Object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method and path: who answers, and which parameters it knows."""

    method: str
    path: re.Pattern[str]
    act: Act
    required: str = ""
    optional: str = ""

    def answer(self, page: Page, id: str, form: Form) -> Object:
        """Check the names, do what the request asks, expand the answer as it wants."""
        wanted = paths(form)
        check_names(form, required=self.required, optional=self.optional)
        answered = self.act(page, id, form)
        return expand(page, answered, wanted) if wanted else answered


def _post(
    path: str, act: Act, *, required: str = "", optional: str = "", method: str = "POST"
) -> Endpoint:
    pattern = re.compile("/v1/" + path.replace("{id}", "([^/]+)"))
    return Endpoint(method=method, path=pattern, act=act, required=required, optional=optional)


def _retrieve(path: str, kind: str) -> Endpoint:
    def act(page: Page, id: str, form: Form) -> Object:
        found = page.find(kind, id)
        if found is None:
            raise missing(kind, id, param="id", status=404)
        return found

    return _post(f"{path}/{{id}}", act, method="GET")


def _list(path: str, kind: str, *, links: str = "", within: str = "") -> Endpoint:
    """List objects; `links` are filters, `within` is the column that the id in the path fills."""

    def act(page: Page, id: str, form: Form) -> Object:
        limit = min(integer(form, "limit"), 100) if "limit" in form else 10
        sought = {link: str(form[link]) for link in links.split() if link in form}
        if within:
            sought[within] = id
        cursors = {name: form.get(name) for name in ("starting_after", "ending_before")}
        if any(isinstance(cursor, dict) for cursor in cursors.values()) or all(cursors.values()):
            raise Problem("Give one of starting_after and ending_before.", param="starting_after")
        for name, cursor in cursors.items():
            if cursor and page.find(kind, cursor) is None:
                raise missing(kind, cursor, param=name)
        after, before = cursors.values()
        found = page.listed(
            kind,
            links=sought,
            created=created_range(form),
            after=after,
            before=before,
            limit=limit + 1,
        )
        return {
            "object": "list",
            "url": f"/v1/{path.replace('{id}', id)}",
            "has_more": len(found) > limit,
            "data": found[-limit:] if before else found[:limit],
        }

    optional = f"limit starting_after ending_before created {links}"
    return _post(path, act, optional=optional, method="GET")


_INTENT = (
    "allowed_payment_method_types automatic_payment_methods confirm customer description metadata"
    " payment_method payment_method_types return_url use_stripe_sdk"
)
_PAYMENT = "capture_method error_on_requires_action off_session setup_future_usage transfer_group"
_SESSION = (
    "allowed_payment_method_types cancel_url client_reference_id currency custom_text customer"
    " customer_creation customer_email expires_at line_items locale metadata payment_intent_data"
    " payment_method_types setup_intent_data submit_type ui_mode"
)
_ACCOUNT = (
    "business_profile business_type capabilities email external_account metadata tos_acceptance"
)

ENDPOINTS = (
    _post(
        "payment_intents",
        intents.create_payment_intent,
        required="amount currency",
        optional=f"{_INTENT} {_PAYMENT}",
    ),
    _post("setup_intents", setups.create_setup_intent, optional=f"{_INTENT} usage"),
    _post("customers", customers.create_customer, optional="email name description metadata"),
    _post("customers/{id}", customers.update_customer, optional="email name description metadata"),
    _post("customers/{id}", customers.delete_customer, method="DELETE"),
    _post("payment_methods", customers.create_method, required="type card", optional="metadata"),
    _post("payment_methods/{id}/attach", customers.attach_method, required="customer"),
    _post("payment_methods/{id}/detach", customers.detach_method),
    _post(
        "payment_intents/{id}/confirm",
        intents.confirm_payment_intent,
        optional="error_on_requires_action off_session payment_method return_url use_stripe_sdk",
    ),
    _post(
        "payment_intents/{id}/capture",
        intents.capture_payment_intent,
        optional="amount_to_capture metadata",
    ),
    _post(
        "payment_intents/{id}/cancel",
        intents.cancel_payment_intent,
        optional="cancellation_reason",
    ),
    _post(
        "setup_intents/{id}/confirm",
        setups.confirm_setup_intent,
        optional="payment_method return_url use_stripe_sdk",
    ),
    _post("setup_intents/{id}/cancel", setups.cancel_setup_intent, optional="cancellation_reason"),
    _post(
        "refunds",
        refunds.create_refund,
        optional="charge payment_intent amount reason metadata",
    ),
    _post(
        "checkout/sessions",
        checkout.create_session,
        required="mode success_url",
        optional=_SESSION,
    ),
    _post("checkout/sessions/{id}/expire", checkout.expire_session),
    _post("disputes/{id}", disputes.update_dispute, optional="evidence metadata submit"),
    _post("disputes/{id}/close", disputes.close_dispute),
    _post("accounts", accounts.create_account, optional=f"country type {_ACCOUNT}"),
    _post("accounts/{id}", accounts.update_account, optional=_ACCOUNT),
    _post(
        "accounts/{id}/external_accounts",
        accounts.create_external_account,
        required="external_account",
        optional="metadata default_for_currency",
    ),
    _post(
        "accounts/{id}/external_accounts",
        accounts.list_external_accounts,
        optional="object limit",
        method="GET",
    ),
    _post(
        "account_links",
        accounts.create_account_link,
        required="account type return_url refresh_url",
        optional="collection_options",
    ),
    _post(
        "transfers",
        transfers.create_transfer,
        required="amount currency destination",
        optional="description metadata source_transaction source_type transfer_group",
    ),
    _post(
        "transfers/{id}/reversals",
        transfers.create_reversal,
        optional="amount description metadata refund_application_fee",
    ),
    _post(
        "payouts",
        transfers.create_payout,
        required="amount currency",
        optional="description destination metadata method source_type statement_descriptor",
    ),
    _post("balance", balance.retrieve, method="GET"),
    _retrieve("customers", "customer"),
    _retrieve("payment_methods", "payment_method"),
    _retrieve("setup_intents", "setup_intent"),
    _retrieve("payment_intents", "payment_intent"),
    _retrieve("charges", "charge"),
    _retrieve("refunds", "refund"),
    _retrieve("events", "event"),
    _retrieve("balance_transactions", "balance_transaction"),
    _retrieve("checkout/sessions", "checkout.session"),
    _retrieve("disputes", "dispute"),
    _retrieve("accounts", "account"),
    _retrieve("transfers", "transfer"),
    _retrieve("payouts", "payout"),
    _list("customers", "customer"),
    _list("payment_intents", "payment_intent", links="customer"),
    _list("setup_intents", "setup_intent", links="customer"),
    _list("charges", "charge", links="customer payment_intent transfer_group"),
    _list("refunds", "refund", links="charge payment_intent"),
    _list("events", "event", links="type"),
    _list("payment_methods", "payment_method", links="customer type"),
    _list("checkout/sessions", "checkout.session", links="customer payment_intent"),
    _list("disputes", "dispute", links="charge payment_intent"),
    _list("accounts", "account"),
    _list("transfers", "transfer", links="destination transfer_group"),
    _list("transfers/{id}/reversals", "transfer_reversal", within="source"),
    _list("payouts", "payout", links="destination"),
    _list(
        "balance_transactions",
        "balance_transaction",
        links="type source currency payout",
    ),
)

# Most requests go to a path without an id: these are found at once.
_PLAIN = {
    (endpoint.method, endpoint.path.pattern): endpoint
    for endpoint in ENDPOINTS
    if not endpoint.path.groups
}
_WITH_ID = tuple(endpoint for endpoint in ENDPOINTS if endpoint.path.groups)


def find(method: str, path: str) -> tuple[Endpoint, str]:
    """Find who answers this request, and the id in its path. Raises Problem (404)."""
    plain = _PLAIN.get((method, path))
    if plain is not None:
        return plain, ""
    for endpoint in _WITH_ID:
        match = endpoint.path.fullmatch(path) if endpoint.method == method else None
        if match is not None:
            return endpoint, match.group(1)
    raise Problem(f"Unrecognized request URL ({method}: {path}).", status=404, code="url_invalid")
