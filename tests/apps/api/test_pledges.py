"""Pledges through the API: each status and field of the contract."""

import json
from datetime import timedelta
from typing import Any

import pytest

from countmein.base.clock import set_offset
from countmein.base.limits import Limit
from countmein.campaigns import pledge_door
from countmein.campaigns.links import confirm_token_of
from countmein.campaigns.models import Pledge
from countmein.members.models import Organiser
from countmein.web.api import asking
from tests.apps.api.conftest import Opened, Program, money_terms, problem, signature, terms


def pledges() -> list[Pledge]:
    """All pledges there are."""
    return list(Pledge.objects.all_lanes().order_by("id"))


def test_a_signature_is_answered_with_its_private_key(opened: Opened, anonymous: Program) -> None:
    code = opened()
    response = anonymous.post(f"/campaigns/{code}/pledges", signature(), key="one")
    assert 201 == response.status_code, response.content
    said = response.json()
    told = {"code", "state", "counted", "waiting_for", "receipt", "manage_url", "secure_url"}
    assert told == said.keys()
    assert said["secure_url"] is None
    assert ("active", None, None) == (said["state"], said["counted"], said["waiting_for"])
    mine = anonymous.get(f"/pledges/{said['code']}?receipt={said['receipt']}")
    assert 200 == mine.status_code, mine.content
    assert "no-store" == mine["Cache-Control"]
    assert ("signature", 1, code) == tuple(
        mine.json()[name] for name in ("kind", "amount", "campaign")
    )
    assert said["receipt"] in said["manage_url"]


def test_money_with_a_card_begins_unsecured(opened: Opened, anonymous: Program) -> None:
    code = opened(money_terms())
    body = {
        "kind": "money",
        "amount": 2500,
        "member": {"email": "ben@example.org", "name": "Ben"},
        "place": "Leeds",
        "condition": {"people": 500},
        "public_name": False,
        "payment_method": "pm_card_visa",
        "more": [{"kind": "money", "amount": 1000, "condition": {"people": 1000}}],
    }
    response = anonymous.post(f"/campaigns/{code}/pledges", body, key="one")
    assert 201 == response.status_code, response.content
    assert "unsecured" == response.json()["state"]


def test_a_key_is_required_and_well_formed(opened: Opened, anonymous: Program) -> None:
    url = f"/campaigns/{opened()}/pledges"
    problem(anonymous.post(url, signature()), 422, "key_missing")
    for key in ("two words", "x" * 201, "é"):
        problem(anonymous.post(url, signature(), key=key), 400, "key_invalid")
    assert 201 == anonymous.post(url, signature(), key="x" * 200).status_code


def test_the_same_key_and_body_get_the_first_answer_also_after_closing(
    opened: Opened, anonymous: Program
) -> None:
    url = f"/campaigns/{opened()}/pledges"
    first = anonymous.post(url, signature(), key="one")
    assert "Idempotency-Replayed" not in first
    respelled = json.dumps(dict(reversed(signature().items())), indent=4).encode()
    set_offset(timedelta(days=31))
    again = anonymous.post(url, raw=respelled, key="one")
    assert (201, first.json()) == (again.status_code, again.json())
    assert "true" == again["Idempotency-Replayed"]
    assert 1 == len(pledges())
    problem(anonymous.post(url, signature("dora"), key="two"), 409, "campaign_closed")


def test_the_same_key_with_another_body_is_refused(opened: Opened, anonymous: Program) -> None:
    url = f"/campaigns/{opened()}/pledges"
    anonymous.post(url, signature(), key="one")
    problem(anonymous.post(url, signature("dora"), key="one"), 409, "key_reused")
    assert 1 == len(pledges())


def test_one_mailbox_pledges_once(opened: Opened, anonymous: Program) -> None:
    url = f"/campaigns/{opened()}/pledges"
    first = anonymous.post(url, signature("Maria+news"), key="one").json()
    problem(anonymous.post(url, signature("maria"), key="two"), 409, "already_pledged")
    anonymous.delete(f"/pledges/{first['code']}?receipt={first['receipt']}")
    assert 201 == anonymous.post(url, signature("maria"), key="three").status_code


def test_with_confirmation_a_second_pledge_looks_like_the_first(
    opened: Opened, anonymous: Program
) -> None:
    url = f"/campaigns/{opened(terms(confirm='email'))}/pledges"
    first = anonymous.post(url, signature(), key="one")
    second = anonymous.post(url, signature(), key="two")
    assert (201, "unconfirmed") == (first.status_code, first.json()["state"])
    assert (201, "unconfirmed") == (second.status_code, second.json()["state"])
    one, two = pledges()
    confirmed = anonymous.post(f"/pledges/{one.code}/confirm", {"token": confirm_token_of(one)})
    assert (200, "active") == (confirmed.status_code, confirmed.json()["state"])
    refused = anonymous.post(f"/pledges/{two.code}/confirm", {"token": confirm_token_of(two)})
    problem(refused, 409, "already_pledged")


def test_a_wrong_token_confirms_nothing(opened: Opened, anonymous: Program) -> None:
    anonymous.post(f"/campaigns/{opened(terms(confirm='email'))}/pledges", signature(), key="one")
    (row,) = pledges()
    problem(anonymous.post(f"/pledges/{row.code}/confirm", {"token": "x"}), 404, "not_found")
    problem(anonymous.post(f"/pledges/{row.code}/confirm", {}), 422, "invalid", "token")
    problem(anonymous.post("/pledges/nobody/confirm", {"token": "x"}), 404, "not_found")


@pytest.mark.parametrize("receipt", ["", "?receipt=", "?receipt=wrong", "?receipt=%00%ff"])
def test_a_wrong_or_missing_receipt_is_not_found(
    opened: Opened, anonymous: Program, receipt: str
) -> None:
    made = anonymous.post(f"/campaigns/{opened()}/pledges", signature(), key="one").json()
    url = f"/pledges/{made['code']}{receipt}"
    problem(anonymous.get(url), 404, "not_found")
    problem(anonymous.patch(url, {"condition": None}), 404, "not_found")
    problem(anonymous.delete(url), 404, "not_found")
    assert "active" == pledges()[0].state


def test_a_pledge_is_changed_and_withdrawn(opened: Opened, anonymous: Program) -> None:
    code = opened(
        terms(kinds=["hours"], starts_at="2030-01-01T08:00:00Z", ends_at="2030-01-01T18:00:00Z")
    )
    body = {**signature(), "kind": "hours", "amount": 60, "condition": {"people": 2}}
    made = anonymous.post(f"/campaigns/{code}/pledges", body, key="one").json()
    url = f"/pledges/{made['code']}?receipt={made['receipt']}"
    assert 90 == anonymous.patch(url, {"amount": 90}).json()["amount"]
    kept = anonymous.get(url).json()
    assert {"people": 2} == kept["condition"]
    assert anonymous.patch(url, {"condition": None}).json()["condition"] is None
    problem(anonymous.patch(url, {"condition": {"people": 0}}), 422, "condition_invalid")
    problem(anonymous.patch(url, {"amount": 1.5}), 422, "invalid", "amount")
    problem(anonymous.patch(url, {"colour": 1}), 422, "invalid", "colour")
    gone = anonymous.delete(url)
    assert (200, "withdrawn") == (gone.status_code, gone.json()["state"])
    assert 200 == anonymous.delete(url).status_code


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"kind": "money", "amount": 5}, "kind"),
        ({"amount": 2}, "amount"),
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": "1"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": 1.0}, "amount"),
        ({"amount": 10**12 + 1}, "amount"),
        ({"place": "Hull"}, "place"),
        ({"condition": {"people": 0}}, "condition.people"),
        (
            {"condition": {"people_in": {"place": "Hull", "at_least": 1}}},
            "condition.people_in.place",
        ),
        ({"condition": 5}, "condition"),
        ({"member": {"email": "nobody"}}, "member.email"),
        ({"member": {"email": "a@example.test%0aBcc:b@evil.test"}}, "member.email"),
        ({"member": {"email": "ben@example.org", "name": "a\r\nBcc: b"}}, "member.name"),
        ({"member": {}}, "member.email"),
        ({"member": "ben@example.org"}, "member"),
        ({"public_name": "yes"}, "public_name"),
        ({"payment_method": "4242424242424242"}, "payment_method"),
        ({"more": [{"kind": "signature"}] * 11}, "more"),
        ({"more": [{"kind": "gold"}]}, "more[0].kind"),
        ({"more": [{"kind": "hours", "amount": 5, "condition": {}}]}, "more[0].condition"),
        ({"currency": "GBP"}, "currency"),
    ],
)
def test_a_bad_field_is_refused_by_name_and_nothing_is_stored(
    opened: Opened, anonymous: Program, said: dict[str, Any], path: str
) -> None:
    url = f"/campaigns/{opened(terms(places=['Leeds']))}/pledges"
    response = anonymous.post(url, {**signature(), **said}, key="one")
    assert 422 == response.status_code, response.content
    assert path in [fault["path"] for fault in response.json()["errors"]], response.content
    assert [] == pledges()


def test_an_amount_below_the_minimum_is_refused(opened: Opened, anonymous: Program) -> None:
    url = f"/campaigns/{opened(money_terms())}/pledges"
    body = {**signature(), "kind": "money", "amount": 99, "payment_method": "pm_card_visa"}
    problem(anonymous.post(url, body, key="one"), 422, "below_minimum", "amount")
    del body["amount"]
    problem(anonymous.post(url, body, key="one"), 422, "invalid", "amount")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b'{"kind": "signature", "kind": "money"}', "malformed_json"),
        (b'{"amount": NaN}', "malformed_json"),
        (b"\xff\xfe{}", "malformed_json"),
        (b"[" * 9000, "malformed_json"),
        (b'{"amount": ' + b"9" * 5000 + b"}", "malformed_json"),
    ],
)
def test_malformed_json_is_400(opened: Opened, anonymous: Program, raw: bytes, reason: str) -> None:
    problem(anonymous.post(f"/campaigns/{opened()}/pledges", raw=raw, key="1"), 400, reason)


def test_a_body_that_is_no_object_is_422(opened: Opened, anonymous: Program) -> None:
    url = f"/campaigns/{opened()}/pledges"
    for raw in (b"[]", b"7", b'"x"', b"null"):
        assert 422 == anonymous.post(url, raw=raw, key="1").status_code


def test_another_media_type_is_415_and_a_long_body_413(opened: Opened, anonymous: Program) -> None:
    url = f"/campaigns/{opened()}/pledges"
    for media_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "",
    ):
        response = anonymous.post(url, signature(), key="1", media_type=media_type)
        problem(response, 415, "not_json")
    long = signature(place="x" * 16 * 1024)
    problem(anonymous.post(url, long, key="1"), 413, "too_large")
    utf8 = "application/json; charset=UTF-8"
    assert 201 == anonymous.post(url, signature(), key="1", media_type=utf8).status_code


def test_what_nothing_answers_is_a_problem_too(anonymous: Program, db: None) -> None:
    for path in ("/nothing", "", "/", "/campaigns/", "/pledges", "/campaigns/x/pledges/y"):
        problem(anonymous.get(path), 404, "not_found")
    refused = anonymous.delete("/campaigns")
    problem(refused, 405, "method_not_allowed")
    assert "GET, POST" == refused["Allow"]
    problem(anonymous.ask("OPTIONS", "/campaigns/x/pledges"), 405, "method_not_allowed")


@pytest.mark.parametrize("code", ["nobody", "%00", "..%2f", "ÄÖ", "x" * 500, "'; drop"])
def test_an_unknown_code_is_not_found(anonymous: Program, db: None, code: str) -> None:
    problem(anonymous.get(f"/campaigns/{code}"), 404, "not_found")
    problem(anonymous.post(f"/campaigns/{code}/pledges", signature(), key="1"), 404, "not_found")
    problem(anonymous.get(f"/pledges/{code}?receipt=x"), 404, "not_found")


def test_nobody_pledges_to_a_draft(program: Program, anonymous: Program) -> None:
    code = program.post("/campaigns", terms()).json()["code"]
    refused = anonymous.post(f"/campaigns/{code}/pledges", signature(), key="1")
    problem(refused, 404, "not_found")


def test_a_flood_from_one_address_is_slowed_but_not_this_machine_in_the_sandbox(
    opened: Opened, anonymous: Program, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pledge_door, "_BY_ADDRESS", Limit(count=2, window_seconds=300))
    url = f"/campaigns/{opened()}/pledges"
    for number in range(5):
        assert 201 == anonymous.post(url, signature(f"b{number}"), key=str(number)).status_code
    settings.TRUSTED_PROXIES = ("127.0.0.1",)
    statuses = [
        anonymous.post(
            url,
            signature(f"c{number}"),
            key=f"c{number}",
            **{"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.7"},
        )
        for number in range(3)
    ]
    assert [201, 201, 429] == [response.status_code for response in statuses]
    problem(statuses[-1], 429, "too_many_requests")
    assert 1 <= int(statuses[-1]["Retry-After"]) <= 300


def test_a_header_from_nobody_we_trust_says_nothing(
    opened: Opened, anonymous: Program, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pledge_door, "_BY_ADDRESS", Limit(count=1, window_seconds=300))
    settings.SANDBOX = False
    url = f"/campaigns/{opened()}/pledges"
    statuses = [
        anonymous.post(
            url,
            signature(f"c{number}"),
            key=f"c{number}",
            **{"X-Forwarded-For": f"198.51.100.{number}"},
        ).status_code
        for number in range(2)
    ]
    assert [201, 429] == statuses


def test_a_token_has_its_own_limit(
    program: Program, opened: Opened, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    code = opened()
    settings.SANDBOX = False
    monkeypatch.setattr(pledge_door, "_BY_ADDRESS", Limit(count=0, window_seconds=300))
    monkeypatch.setattr(asking, "_WRITES_BY_TOKEN", Limit(count=1, window_seconds=1))
    made = program.post(f"/campaigns/{code}/pledges", signature(), key="1")
    assert 201 == made.status_code, made.content
    refused = program.post(f"/campaigns/{code}/pledges", signature("dora"), key="2")
    problem(refused, 429, "too_many_requests")
    assert "1" == refused["Retry-After"]
    assert 200 == program.get(f"/campaigns/{code}").status_code


def test_a_wrong_token_does_not_make_one_anonymous(opened: Opened, anonymous: Program) -> None:
    code = opened()
    anonymous.token = "wrong"
    refused = anonymous.post(f"/campaigns/{code}/pledges", signature(), key="1")
    problem(refused, 401, "token_invalid")


def test_no_answer_names_a_member_to_others(
    opened: Opened, anonymous: Program, ana: Organiser
) -> None:
    code = opened()
    anonymous.post(f"/campaigns/{code}/pledges", signature(public_name=False), key="1")
    for path in (f"/campaigns/{code}", "/campaigns", f"/campaigns/{code}/ledger"):
        assert b"ben" not in anonymous.get(path).content
