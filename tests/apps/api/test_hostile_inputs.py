"""Hostile input through the API: a class of it is answered, not one value.

The sample lies beside the checkout where there is one; a small copy of what can
be asked here serves elsewhere.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from countmein.campaigns.models import Campaign, Pledge
from tests.apps.api.conftest import Opened, Program, money_terms, problem, signature, terms

SAMPLE = Path(__file__).parents[4] / "shared" / "data" / "hostile_inputs_sample.json"
COPY = Path(__file__).with_name("hostile_inputs.json")
ENTRIES: list[dict[str, Any]] = json.loads((SAMPLE if SAMPLE.exists() else COPY).read_text())[
    "entries"
]

#: Surfaces that this file cannot reach, each with where they are answered, or when they arrive.
ELSEWHERE = {
    "form.auth": "signing in has no password; redirects are tested with the pages",
    "import.csv": "comes with people and segments",
    "export.csv": "comes with people and segments",
    "webhook.payment": "tests/apps/api/test_hooks.py and the tests of payments",
    "webhook.mail": "comes with deliverability",
    "upload.image": "comes with pictures",
    "text.markdown": "tested with the pages, which show it",
    "link.tracking": "comes with messages",
    "outbound.url": "comes with outgoing webhooks",
    "send.mail": "comes with messages",
    "sequence": "tests/faults",
}
#: Entries of our surfaces that only a page can be asked.
BY_PAGES = {
    "S034": "there is no search yet",
    "S036": "tests/apps/api/test_events.py asks the socket",
}


def value_of(entry: dict[str, Any]) -> Any:
    """The entry's value; expressions of the sample use literals and arithmetic only."""
    value = entry["value"]
    if "py" in value:
        return eval(value["py"], {"__builtins__": {}}, {"json": json})
    return value.get("text", value.get("json"))


def entries(*surfaces: str) -> list[Any]:
    """The entries of these surfaces, as parameters."""
    return [
        pytest.param(entry, id=entry["id"])
        for entry in ENTRIES
        if entry["surface"] in surfaces and entry["id"] not in BY_PAGES
    ]


def stored() -> int:
    """How many pledges there are."""
    return int(Pledge.objects.all_lanes().count())


def judge(entry: dict[str, Any], response: Any, *, rows_before: int = 0) -> None:
    """The outcome the sample expects, and what holds for every entry."""
    assert response.status_code < 500
    outcome = entry["expect"]["outcome"]
    if outcome == "reject":
        assert 400 <= response.status_code < 500, response.content
        assert "application/problem+json" == response["Content-Type"]
        assert rows_before == stored()
    elif outcome in ("accept_literal", "accept"):
        assert 201 == response.status_code, response.content


@pytest.mark.parametrize("entry", entries("form.pledge"))
def test_amounts(entry: dict[str, Any], opened: Opened, anonymous: Program) -> None:
    value = value_of(entry)
    if isinstance(value, dict):
        said = money_terms() | {"currency": value["currency"], "places": []}
        amount: Any = int(value["amount"])
    else:
        said, amount = money_terms(), value
    body = signature(kind="money", amount=amount, payment_method="pm_card_visa")
    judge(entry, anonymous.post(f"/campaigns/{opened(said)}/pledges", body, key="1"))


@pytest.mark.parametrize("entry", entries("form.signup"))
def test_people(entry: dict[str, Any], program: Program, opened: Opened) -> None:
    anonymous, code, value = Program(), opened(), value_of(entry)
    url = f"/campaigns/{code}/pledges"
    if entry["field"] == "person.name":
        body = signature(member={"email": "eve@example.org", "name": value}, public_name=True)
        judge(entry, anonymous.post(url, body, key="1"))
        listed = program.get(url).json()["items"]
        assert [value] == [item["name"] for item in listed]
    elif entry["expect"]["outcome"] == "dedupe":
        for number, address in enumerate((value, value.replace("+news", "+x"), value.lower())):
            anonymous.post(url, signature(member={"email": address}), key=str(number))
        assert 1 == stored()
    else:
        judge(entry, anonymous.post(url, signature(member={"email": value}), key="1"))


@pytest.mark.parametrize("entry", entries("form.campaign"))
def test_campaigns(entry: dict[str, Any], program: Program) -> None:
    value = value_of(entry)
    field = entry["field"].removeprefix("campaign.")
    said = {"rule": {"people": value}} if field == "goal" else {field: value}
    refused = program.post("/campaigns", terms(**said))
    assert 422 == refused.status_code
    assert "rule" in said or field == refused.json()["errors"][0]["path"]
    assert 0 == Campaign.objects.count()


@pytest.mark.parametrize("entry", entries("api.json", "authz"))
def test_requests(entry: dict[str, Any], opened: Opened, program: Program, other: Program) -> None:
    anonymous, code = Program(), opened()
    url = f"/campaigns/{code}/pledges"
    if entry["field"] == "body":
        judge(entry, anonymous.post(url, raw=value_of(entry).encode(), key="1"))
    elif entry["field"] == "Idempotency-Key":
        anonymous.post(url, signature(), key="1")
        refused = anonymous.post(url, signature(public_name=True), key="1")
        problem(refused, 409, "key_reused")
        assert 1 == stored()
    else:
        problem(other.get(url), 404, "not_found")
        problem(other.patch(f"/campaigns/{code}", {"story": "mine"}), 404, "not_found")
        made = anonymous.post(url, signature(), key="1").json()
        problem(other.get(f"/pledges/{made['code']}"), 404, "not_found")


@pytest.mark.parametrize("entry", entries("http"))
def test_questions(entry: dict[str, Any], anonymous: Program, db: None) -> None:
    problem(anonymous.get(f"/campaigns?limit={value_of(entry)}"), 422, "invalid", "limit")


@pytest.mark.parametrize("surface", sorted({entry["surface"] for entry in ENTRIES}))
def test_every_surface_is_answered_or_is_known_to_be_elsewhere(surface: str) -> None:
    here = {"form.pledge", "form.signup", "form.campaign", "api.json", "authz", "http"}
    if surface not in here:
        count = sum(entry["surface"] == surface for entry in ENTRIES)
        pytest.skip(f"{count} entries: {ELSEWHERE[surface]}")
