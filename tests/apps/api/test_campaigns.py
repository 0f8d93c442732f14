"""Campaigns through the API: each status and field of the contract."""

from datetime import timedelta
from typing import Any

import pytest

from countmein.base.clock import set_offset, site_now
from countmein.campaigns.models import Campaign, StoryVersion
from tests.apps.api.conftest import Opened, Program, money_terms, problem, signature, terms


def test_the_example_of_the_contract_is_drafted_and_launched(program: Program) -> None:
    drafted = program.post("/campaigns", money_terms())
    assert 201 == drafted.status_code, drafted.content
    assert "draft" == drafted.json()["state"]
    code = drafted.json()["code"]
    launched = program.post(f"/campaigns/{code}/launch")
    assert 200 == launched.status_code, launched.content
    said = launched.json()
    assert "open" == said["state"]
    assert said["accepting"] is True
    assert "2,000 people and £30,000" == said["rule_text"]
    assert [
        {"text": "2,000 more people", "people": 2000},
        {"text": "£30,000.00 more", "sum": {"kind": "money", "missing": 3000000}},
    ] == said["missing"]
    assert said["unlock"] is None
    assert {"money": 0, "signature": 0} == said["tally"]["sum"]
    assert {"money": 0} == said["collected"] == said["refunded"] == said["failing"]
    assert ["open"] == [move["state"] for move in said["history"]]
    assert said["url"].endswith(f"/c/{code}/")


def test_the_four_required_fields_are_enough(program: Program) -> None:
    said = {name: terms()[name] for name in ("title", "kinds", "rule", "deadline")}
    drafted = program.post("/campaigns", said).json()
    expected = {"latch": "on_tip", "confirm": "email", "shortfall": "release", "timezone": "UTC"}
    assert expected == {name: drafted[name] for name in expected}
    assert drafted["currency"] is None


@pytest.mark.parametrize("field", ["title", "kinds", "rule", "deadline"])
def test_a_required_field_that_is_missing_or_null_is_named(program: Program, field: str) -> None:
    said = terms()
    said[field] = None
    problem(program.post("/campaigns", said), 422, _word(field), field)
    del said[field]
    problem(program.post("/campaigns", said), 422, _word(field), field)


def _word(field: str) -> str:
    return "rule_invalid" if field == "rule" else "invalid"


def test_instants_are_read_with_any_offset_and_shown_in_utc(program: Program) -> None:
    at = site_now().replace(microsecond=250000) + timedelta(days=9)
    local = at.replace(tzinfo=None) + timedelta(hours=5, minutes=30)
    drafted = program.post("/campaigns", terms(deadline=f"{local.isoformat()}+05:30"))
    assert 201 == drafted.status_code, drafted.content
    assert at.isoformat().replace("+00:00", "Z") == drafted.json()["deadline"]


@pytest.mark.parametrize(
    "deadline",
    ["2030-01-01T00:00:00", "2030-01-01", 1893456000, "2030-02-30T00:00:00Z", "soon", True, ""],
)
def test_what_is_no_instant_is_refused(program: Program, deadline: Any) -> None:
    problem(program.post("/campaigns", terms(deadline=deadline)), 422, "invalid", "deadline")


def test_a_deadline_in_the_past_or_beyond_five_years_is_refused(program: Program) -> None:
    for by in (timedelta(seconds=-1), timedelta(days=5 * 366)):
        said = terms(deadline=(site_now() + by).isoformat())
        problem(program.post("/campaigns", said), 422, "invalid", "deadline")
    said = terms(deadline=(site_now() + timedelta(days=5 * 365)).isoformat())
    assert 201 == program.post("/campaigns", said).status_code


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"title": ""}, "title"),
        ({"title": "  \t"}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"title": "a\u202eb"}, "title"),
        ({"title": "a\ud800b"}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": 7}, "title"),
        ({"kinds": []}, "kinds"),
        ({"kinds": ["money", "money"], "currency": "GBP"}, "kinds"),
        ({"kinds": ["gold"]}, "kinds[0]"),
        ({"kinds": ["money"]}, "currency"),
        ({"kinds": ["money"], "currency": "XXX"}, "currency"),
        ({"kinds": ["money"], "currency": "gbp"}, "currency"),
        ({"minimum": {"money": 5}}, "minimum.money"),
        ({"cap": {"signature": 0}}, "cap.signature"),
        ({"cap": {"signature": True}}, "cap.signature"),
        ({"cap": {"signature": 1.0}}, "cap.signature"),
        ({"cap": {"signature": 5}, "minimum": {"signature": 6}}, "cap.signature"),
        ({"latch": "sometimes"}, "latch"),
        ({"timezone": "Europe/Atlantis"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"places": ["Leeds", "Leeds"]}, "places"),
        ({"places": [" "]}, "places[0]"),
        ({"target": {"email": "nobody"}}, "target.email"),
        ({"target": {"phone": "call me"}}, "target.phone"),
        ({"target": {"colour": "red"}}, "target.colour"),
        ({"colour": "red"}, "colour"),
        ({"starts_at": "2030-01-02T00:00:00Z", "ends_at": "2030-01-01T00:00:00Z"}, "ends_at"),
    ],
)
def test_a_bad_field_is_refused_by_name(program: Program, said: dict[str, Any], path: str) -> None:
    response = program.post("/campaigns", terms(**said))
    assert 422 == response.status_code, response.content
    assert path in [fault["path"] for fault in response.json()["errors"]]
    assert 0 == Campaign.objects.count()


@pytest.mark.parametrize(
    ("rule", "path", "reason"),
    [
        ({}, "rule", "not_one_key"),
        ({"people": 0}, "rule.people", "out_of_range"),
        ({"people": 1.5}, "rule.people", "not_an_integer"),
        ({"people": "3"}, "rule.people", "not_an_integer"),
        ({"people": 10**12 + 1}, "rule.people", "out_of_range"),
        ({"pledge": "abc"}, "rule.pledge", "pledge_not_allowed"),
        ({"not": {"people": 3}}, "rule.not", "unknown_key"),
        ({"sum": {"kind": "money", "at_least": 5}}, "rule.sum.kind", "unknown_kind"),
        (
            {"all": [{"people": 1}, {"people_in": {"place": "Leeds", "at_least": 2}}]},
            "rule.all[1].people_in.place",
            "unknown_place",
        ),
        ({"all": [{"all": [{"all": [{"all": [{"all": [{"people": 1}]}]}]}]}]}, None, "too_deep"),
        ({"any": [{"people": 1}] * 50}, None, "too_large"),
    ],
)
def test_a_rule_that_breaks_the_grammar_is_refused_with_the_path_to_the_fault(
    program: Program, rule: Any, path: str | None, reason: str
) -> None:
    response = program.post("/campaigns", terms(rule=rule))
    said = problem(response, 422, "rule_invalid", path)
    assert reason in [fault["reason"] for fault in said["errors"]]


def test_letters_of_a_place_may_be_composed_either_way(program: Program) -> None:
    said = terms(
        places=["Zu\u0308rich"], rule={"people_in": {"place": "Zu\u0308rich", "at_least": 2}}
    )
    drafted = program.post("/campaigns", said)
    assert 201 == drafted.status_code, drafted.content
    assert ["Z\u00fcrich"] == drafted.json()["places"]


PLANS = [{"title": "Another paper", "cost_minor": 900}, {"title": "A van", "rule": {"people": 5}}]


def test_what_is_done_if_it_fails_is_a_term(program: Program) -> None:
    made = program.post("/campaigns", money_terms(plan_b={"plans": PLANS, "decide_hours": 6}))
    assert 201 == made.status_code, made.content
    said = made.json()["plan_b"]
    assert (["Another paper", "A van"], 6, 1000) == (
        [plan["title"] for plan in said["plans"]],
        said["decide_hours"],
        said["quorum_bp"],
    )
    changed = program.patch(f"/campaigns/{made.json()['code']}", {"plan_b": None})
    assert changed.json()["plan_b"] is None


@pytest.mark.parametrize(
    ("plans", "path"),
    [
        ([], "plan_b.plans"),
        ([{"title": " "}], "plan_b.plans[0].title"),
        (
            [{"title": "x", "rule": {"sum": {"kind": "signature", "at_least": 3}}}],
            "plan_b.plans[0].rule.sum.kind",
        ),
        (
            [{"title": "x", "rule": {"people_in": {"place": "Y", "at_least": 3}}}],
            "plan_b.plans[0].rule.people_in.place",
        ),
    ],
)
def test_a_plan_that_could_never_be_is_refused(
    program: Program, plans: list[Any], path: str
) -> None:
    response = program.post("/campaigns", money_terms(plan_b={"plans": plans}))
    assert 422 == response.status_code
    assert path in [fault["path"] for fault in response.json()["errors"]]


def test_without_money_there_is_nothing_to_share_out(program: Program) -> None:
    response = program.post("/campaigns", terms(plan_b={"plans": PLANS}))
    problem(response, 422, "invalid", "plan_b")


@pytest.mark.parametrize("shortfall", ["release", "topup", "proceed"])
def test_what_happens_if_money_is_missing_is_a_term(program: Program, shortfall: str) -> None:
    made = program.post("/campaigns", money_terms(shortfall=shortfall))
    assert (201, shortfall) == (made.status_code, made.json()["shortfall"])


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"kinds": ["purchase"], "currency": "EUR", "cap": {"purchase": 9}}, "unit_price_minor"),
        ({"kinds": ["purchase"], "currency": "EUR", "unit_price_minor": 100}, "cap.purchase"),
        ({"kinds": ["presence"], "venue": "Briggate"}, "starts_at"),
        ({"kinds": ["presence"], "starts_at": "2030-01-01T10:00:00Z"}, "venue"),
        ({"kinds": ["call"], "target": {"name": "The mayor"}}, "target.phone"),
        ({"kinds": ["hours"], "starts_at": "2030-01-01T10:00:00Z"}, "ends_at"),
        ({"kinds": ["signature"], "cap": {"signature": 2}}, "rule"),
    ],
)
def test_launch_refuses_what_could_not_be_kept(
    program: Program, said: dict[str, Any], path: str
) -> None:
    drafted = program.post("/campaigns", terms(**said))
    assert 201 == drafted.status_code, drafted.content
    code = drafted.json()["code"]
    response = program.post(f"/campaigns/{code}/launch")
    assert 422 == response.status_code
    assert path in [fault["path"] for fault in response.json()["errors"]]
    assert "draft" == program.get(f"/campaigns/{code}").json()["state"]


def test_a_draft_whose_deadline_has_passed_is_not_launched(program: Program) -> None:
    code = program.post("/campaigns", terms()).json()["code"]
    set_offset(timedelta(days=31))
    problem(program.post(f"/campaigns/{code}/launch"), 422, "invalid", "deadline")


def test_a_launched_campaign_is_not_launched_again(program: Program, opened: Opened) -> None:
    code = opened()
    problem(program.post(f"/campaigns/{code}/launch"), 409, "wrong_state")
    moves = program.get(f"/campaigns/{code}").json()["history"]
    assert ["open"] == [move["state"] for move in moves]


def test_a_draft_can_be_edited_and_null_takes_a_field_back(program: Program) -> None:
    code = program.post("/campaigns", terms(latch="at_deadline", venue="Here")).json()["code"]
    said = program.patch(f"/campaigns/{code}", {"title": "On Mondays", "latch": None}).json()
    assert ("On Mondays", "on_tip", "Here") == (said["title"], said["latch"], said["venue"])
    problem(program.patch(f"/campaigns/{code}", {"kinds": ["money"]}), 422, "invalid", "currency")
    problem(program.patch(f"/campaigns/{code}", {"title": None}), 422, "invalid", "title")
    problem(program.patch(f"/campaigns/{code}", {"colour": 1}), 422, "invalid", "colour")


def test_after_launch_only_the_story_changes_as_a_new_version(
    program: Program, opened: Opened
) -> None:
    code = opened(terms(story="Once"))
    said = program.patch(f"/campaigns/{code}", {"story": "Twice"})
    assert 200 == said.status_code
    assert ("Twice", 2) == (said.json()["story"], said.json()["story_version"])
    assert ["Once", "Twice"] == list(
        StoryVersion.objects.order_by("number").values_list("text", flat=True)
    )
    refused = program.patch(f"/campaigns/{code}", {"title": "Other"})
    problem(refused, 409, "already_launched", "title")


def test_a_draft_is_seen_by_its_own_organiser_only(
    program: Program, other: Program, anonymous: Program
) -> None:
    code = program.post("/campaigns", terms()).json()["code"]
    assert 200 == program.get(f"/campaigns/{code}").status_code
    problem(other.get(f"/campaigns/{code}"), 404, "not_found")
    problem(anonymous.get(f"/campaigns/{code}"), 404, "not_found")
    problem(anonymous.get(f"/campaigns/{code}/ledger"), 404, "not_found")


def test_what_is_somebody_elses_is_not_found(opened: Opened, other: Program) -> None:
    code = opened()
    problem(other.patch(f"/campaigns/{code}", {"story": "mine"}), 404, "not_found")
    problem(other.post(f"/campaigns/{code}/launch"), 404, "not_found")
    problem(other.post(f"/campaigns/{code}/cancel"), 404, "not_found")
    problem(other.get(f"/campaigns/{code}/pledges"), 404, "not_found")


def test_writes_need_a_token(opened: Opened, anonymous: Program) -> None:
    code = opened()
    for token in (None, "wrong", ""):
        anonymous.token = token
        for response in (
            anonymous.post("/campaigns", terms()),
            anonymous.patch(f"/campaigns/{code}", {"story": "x"}),
            anonymous.post(f"/campaigns/{code}/launch"),
            anonymous.post(f"/campaigns/{code}/cancel"),
            anonymous.get(f"/campaigns/{code}/pledges"),
            anonymous.get("/self-check"),
        ):
            problem(response, 401, "token_invalid")
            assert "Bearer" == response["WWW-Authenticate"]


def test_a_campaign_is_cancelled_once(program: Program, opened: Opened) -> None:
    code = opened()
    said = program.post(f"/campaigns/{code}/cancel")
    assert 200 == said.status_code, said.content
    assert said.json()["accepting"] is False
    assert "cancelled" in [move["state"] for move in said.json()["history"]]


def test_lists_go_on_where_the_last_page_ended(
    program: Program, opened: Opened, anonymous: Program
) -> None:
    codes = [opened() for _ in range(3)]
    program.post("/campaigns", terms())
    first = anonymous.get("/campaigns?state=open&limit=2").json()
    second = anonymous.get(f"/campaigns?state=open&limit=2&after={first['next']}").json()
    assert second["next"] is None
    seen = [item["code"] for item in first["items"] + second["items"]]
    assert sorted(codes) == sorted(seen)
    assert 3 == len(anonymous.get("/campaigns?limit=1000000").json()["items"])


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=-1", "limit=ten", "limit=1.5", "limit=", "state=asleep", "after=%00"],
)
def test_a_bad_question_to_a_list_is_refused(anonymous: Program, db: None, query: str) -> None:
    problem(anonymous.get(f"/campaigns?{query}"), 422, "invalid", query.partition("=")[0])


def test_the_organiser_lists_pledges_without_addresses(
    program: Program, opened: Opened, anonymous: Program
) -> None:
    code = opened(terms(places=["Leeds"]))
    anonymous.post(f"/campaigns/{code}/pledges", signature("ben", place="Leeds"), key="1")
    anonymous.post(f"/campaigns/{code}/pledges", signature("dora", public_name=True), key="2")
    response = program.get(f"/campaigns/{code}/pledges")
    assert 200 == response.status_code, response.content
    assert b"@example.org" not in response.content
    said = response.json()
    assert [("signature", 1, "Leeds", None), ("signature", 1, None, "dora")] == [
        (item["kind"], item["amount"], item["place"], item["name"]) for item in said["items"]
    ]
    assert {"code", "kind", "amount", "place", "state", "counted", "at", "name"} == set(
        said["items"][0]
    )
    assert said["next"] is None
    page = program.get(f"/campaigns/{code}/pledges?limit=1").json()
    assert page["next"] == said["items"][0]["code"]


def test_the_ledger_is_public_and_begins_empty(opened: Opened, anonymous: Program) -> None:
    code = opened(money_terms())
    said = anonymous.get(f"/campaigns/{code}/ledger").json()
    assert {"accounts": [], "entries": [], "next": None} == said
    problem(anonymous.get(f"/campaigns/{code}/ledger?after=x"), 422, "invalid", "after")


def test_the_self_check_is_for_the_sites_owner(program: Program, other: Program) -> None:
    problem(other.get("/self-check"), 404, "not_found")
    response = program.get("/self-check")
    assert 200 == response.status_code, response.content
    said = response.json()
    assert said["ok"] is True
    assert "ledger_balances" in [check["name"] for check in said["checks"]]
