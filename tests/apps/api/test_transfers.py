"""Bank transfers through the API: the term, the pledge, and what its member sees."""

from __future__ import annotations

from typing import Any

from tests.apps.api.conftest import Program, problem, terms
from tests.conftest import Site


def by_transfer(who: str, **said: Any) -> dict[str, Any]:
    return {
        "kind": "money",
        "amount": 5000,
        "member": {"email": f"{who}@example.org"},
        "payment_method": "bank_transfer",
        **said,
    }


def test_a_transfer_is_promised_asked_for_and_shown(
    site: Site, program: Program, anonymous: Program
) -> None:
    said = terms(
        kinds=["money"], currency="EUR", rule={"people": 1}, confirm="none", transfer_days=14
    )
    drafted = program.post("/campaigns", said)
    assert 201 == drafted.status_code, drafted.content
    code = drafted.json()["code"]
    launched = program.post(f"/campaigns/{code}/launch").json()
    assert 14 == launched["transfer_days"]
    made = anonymous.post(f"/campaigns/{code}/pledges", by_transfer("ben"), key="one")
    assert 201 == made.status_code, made.content
    assert ("active", None) == (made.json()["state"], made.json()["secure_url"])
    again = anonymous.post(f"/campaigns/{code}/pledges", by_transfer("ben"), key="one")
    assert made.json()["code"] == again.json()["code"]
    site.work()
    own = f"/pledges/{made.json()['code']}?receipt={made.json()['receipt']}"
    seen = anonymous.get(own).json()["payment"]
    assert ("bank_transfer", "awaited", False) == (
        seen["method"],
        seen["charge"],
        seen["is_failing"],
    )
    asked = seen["transfer"]
    assert ("NL41MOCK0000000001", 5000, "EUR") == (
        asked["iban"],
        asked["amount_minor"],
        asked["currency"],
    )
    assert asked["reference"].startswith("RF") and asked["last_day"].endswith("Z")
    assert {"money": 5000} == anonymous.get(f"/campaigns/{code}").json()["awaited"]


def test_what_is_not_offered_is_named(site: Site, program: Program, anonymous: Program) -> None:
    for days in (0, 31, "14", 1.5):
        said = terms(kinds=["money"], currency="EUR", transfer_days=days)
        problem(program.post("/campaigns", said), 422, "invalid", "transfer_days")
    dollars = terms(kinds=["money"], currency="USD", transfer_days=14)
    answer = program.post("/campaigns", dollars)
    assert 422 == answer.status_code
    assert "transfers_not_offered" in answer.content.decode()
    cards = terms(kinds=["money"], currency="EUR", confirm="none")
    code = program.post("/campaigns", cards).json()["code"]
    assert program.post(f"/campaigns/{code}/launch").json()["transfer_days"] is None
    refused = anonymous.post(f"/campaigns/{code}/pledges", by_transfer("ben"), key="one")
    problem(refused, 422, "transfers_not_offered", "payment_method")


def test_a_draft_takes_the_term_and_gives_it_up(site: Site, program: Program) -> None:
    draft = terms(kinds=["money"], currency="EUR")
    code = program.post("/campaigns", draft).json()["code"]
    changed = program.patch(f"/campaigns/{code}", {"transfer_days": 7})
    assert 7 == changed.json()["transfer_days"]
    back = program.patch(f"/campaigns/{code}", {"transfer_days": None})
    assert back.json()["transfer_days"] is None
