"""Which request is answered by what, and the parameters each knows."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.payments.book import Page
from sandbox.payments.endpoints import (
    Form,
    Object,
    attach_method,
    create_customer,
    create_payment_intent,
    create_refund,
    create_setup_intent,
    delete_customer,
    detach_method,
    missing,
)
from sandbox.payments.forms import Problem, check_names, integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method and path: who answers, and which parameters it knows."""

    method: str
    path: re.Pattern[str]
    act: Callable[[Page, str, Form], Object]
    required: str = ""
    optional: str = ""

    def answer(self, page: Page, id: str, form: Form) -> Object:
        """Check the names, then do what the request asks."""
        check_names(form, required=self.required, optional=self.optional)
        return self.act(page, id, form)


def _post(
    path: str,
    act: Callable[[Page, str, Form], Object],
    *,
    required: str = "",
    optional: str = "",
    method: str = "POST",
) -> Endpoint:
    return Endpoint(
        method=method, path=re.compile(path), act=act, required=required, optional=optional
    )


def _retrieve(path: str, kind: str) -> Endpoint:
    def act(page: Page, id: str, form: Form) -> Object:
        found = page.find(kind, id)
        if found is None:
            raise missing(kind, id, param="id", status=404)
        return found

    return Endpoint(method="GET", path=re.compile(f"/v1/{path}/([^/]+)"), act=act)


def _list(path: str, kind: str, *, links: str = "") -> Endpoint:
    def act(page: Page, id: str, form: Form) -> Object:
        limit = min(integer(form, "limit"), 100) if "limit" in form else 10
        link = next((link for link in links.split() if link in form), None)
        found = page.listed(
            kind,
            link=link,
            to=link and str(form[link]),
            after=str(form["starting_after"]) if "starting_after" in form else None,
            limit=limit + 1,
        )
        return {
            "object": "list",
            "url": f"/v1/{path}",
            "has_more": len(found) > limit,
            "data": found[:limit],
        }

    optional = f"limit starting_after {links}"
    return Endpoint(method="GET", path=re.compile(f"/v1/{path}"), act=act, optional=optional)


_INTENT = (
    "confirm customer payment_method allowed_payment_method_types payment_method_types metadata"
    " description"
)

ENDPOINTS = (
    _post(
        "/v1/payment_intents",
        create_payment_intent,
        required="amount currency",
        optional=f"{_INTENT} off_session transfer_group",
    ),
    _post("/v1/setup_intents", create_setup_intent, optional=f"{_INTENT} usage"),
    _post("/v1/customers", create_customer, optional="email name description metadata"),
    _post("/v1/customers/([^/]+)", delete_customer, method="DELETE"),
    _post("/v1/payment_methods/([^/]+)/attach", attach_method, required="customer"),
    _post("/v1/payment_methods/([^/]+)/detach", detach_method),
    _post(
        "/v1/refunds",
        create_refund,
        optional="charge payment_intent amount reason metadata",
    ),
    _retrieve("customers", "customer"),
    _retrieve("payment_methods", "payment_method"),
    _retrieve("setup_intents", "setup_intent"),
    _retrieve("payment_intents", "payment_intent"),
    _retrieve("charges", "charge"),
    _retrieve("refunds", "refund"),
    _retrieve("events", "event"),
    _retrieve("balance_transactions", "balance_transaction"),
    _list("payment_intents", "payment_intent", links="customer"),
    _list("charges", "charge", links="customer payment_intent"),
    _list("refunds", "refund", links="charge payment_intent"),
    _list("events", "event"),
    _list("payment_methods", "payment_method", links="customer"),
)


def find(method: str, path: str) -> tuple[Endpoint, str]:
    """Find who answers this request, and the id in its path. Raises Problem (404)."""
    for endpoint in ENDPOINTS:
        match = endpoint.path.fullmatch(path) if endpoint.method == method else None
        if match is not None:
            return endpoint, next(iter(match.groups()), "")
    raise Problem(f"Unrecognized request URL ({method}: {path}).", status=404, code="url_invalid")
