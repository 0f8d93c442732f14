"""Plan B through the API: the choice, the verbs of the organiser, the vote."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from countmein.campaigns.bodies import PledgeBody
from countmein.campaigns.models import Campaign
from countmein.campaigns.pledge_terms import PledgeRequest
from tests.apps.api.conftest import Opened, Program, problem, terms
from tests.apps.campaigns.plans import CARD, asked, paid
from tests.conftest import Site

PLANS = [{"title": "Another paper", "cost_minor": 900}, {"title": "A van"}]


def gift(who: str, **said: Any) -> dict[str, Any]:
    """What somebody gives."""
    member = {"email": f"{who}@example.org"}
    return {"kind": "money", "amount": 1000, "member": member, "payment_method": CARD, **said}


@pytest.fixture
def code(opened: Opened) -> str:
    """A campaign with two plans that tips at once."""
    return opened(
        terms(
            kinds=["money"],
            currency="GBP",
            rule={"people": 1},
            plan_b={"plans": PLANS, "decide_hours": 2},
        )
    )


def given(program: Program, code: str, who: str, **said: Any) -> str:
    """Pledge, and return the address of the pledge, receipt and all."""
    made = program.post(f"/campaigns/{code}/pledges", gift(who, **said), key=f"key-{who}")
    assert 201 == made.status_code, made.content
    return f"/pledges/{made.json()['code']}?receipt={made.json()['receipt']}"


def test_a_choice_is_made_at_the_pledge_and_changed(code: str, anonymous: Program) -> None:
    mine = given(anonymous, code, "ben", fallback=2)
    assert (2, True, []) == tuple(
        anonymous.get(mine).json()[name] for name in ("fallback", "may_choose", "shares")
    )
    for said, kept in (({"fallback": "follow"}, "follow"), ({"fallback": None}, "refund")):
        changed = anonymous.patch(mine, said)
        assert (200, kept) == (changed.status_code, changed.json()["fallback"])


@pytest.mark.parametrize("fallback", [0, 3, 11, "3", "war", True, 1.5, [], {"plan": 1}])
def test_a_plan_that_is_not_there_is_refused(
    code: str, anonymous: Program, fallback: object
) -> None:
    body = gift("ben", fallback=fallback)
    response = anonymous.post(f"/campaigns/{code}/pledges", body, key="one")
    problem(response, 422, "fallback_unknown", "fallback")
    problem(
        anonymous.patch(given(anonymous, code, "dora"), {"fallback": fallback}),
        422,
        "fallback_unknown",
        "fallback",
    )


def test_without_plans_there_is_only_a_refund(opened: Opened, anonymous: Program) -> None:
    code = opened(terms(kinds=["money"], currency="GBP"))
    response = anonymous.post(f"/campaigns/{code}/pledges", gift("a", fallback=1), key="one")
    problem(response, 422, "fallback_unknown", "fallback")
    assert given(anonymous, code, "b", fallback="refund")


def test_a_body_without_a_choice_is_the_body_it_always_was() -> None:
    """A key that was used before there were choices is answered as it was."""
    body = PledgeBody.model_validate(gift("ben"))
    digest = PledgeRequest(body=body, key="one").digest
    assert "fallback" not in body.model_dump(exclude_none=True)
    said = PledgeBody.model_validate(gift("ben", fallback="follow"))
    assert digest != PledgeRequest(body=said, key="one").digest


def test_another_choice_under_the_same_key_is_refused(code: str, anonymous: Program) -> None:
    given(anonymous, code, "ben", fallback=1)
    again = anonymous.post(f"/campaigns/{code}/pledges", gift("ben", fallback=2), key="key-ben")
    problem(again, 409, "key_reused")


def test_each_verb_in_its_time_and_only_the_organisers(
    site: Site, code: str, program: Program, other: Program, anonymous: Program
) -> None:
    mine = given(anonymous, code, "ben", fallback=1)
    site.work()
    at = f"/campaigns/{code}"
    for verb in ("execute", "fail", "finish"):
        problem(other.post(f"{at}/{verb}", {}), 404, "not_found")
        problem(anonymous.post(f"{at}/{verb}", {}), 401, "token_invalid")
    problem(program.post(f"{at}/finish"), 409, "wrong_state")
    began = program.post(f"{at}/execute", key="once")
    assert "executing" == began.json()["state"]
    assert began.json() == program.post(f"{at}/execute", key="once").json()
    problem(program.post(f"{at}/execute"), 409, "wrong_state")
    campaign = Campaign.objects.get(code=code)
    wanted, bought = asked(campaign, 300, "Times"), paid(campaign, 100)
    for said in ({"refused": [str(uuid.UUID(int=7))]}, {"lost": [str(wanted.id)]}):
        body = {"text": "Refused.", **said}
        problem(program.post(f"{at}/fail", body), 422, "invalid", next(iter(said)))
    for silent in ({}, {"text": ""}, {"text": " \n "}):
        # Everybody who is in reads it, so it says something.
        problem(program.post(f"{at}/fail", silent), 422, "invalid", "text")
    said = {"text": "Refused.", "refused": [str(wanted.id)], "lost": [str(bought.id)]}
    failed = program.post(f"{at}/fail", said)
    assert ("failed", "Refused.") == (
        failed.json()["state"],
        failed.json()["failures"][0]["text"],
    )
    assert 200 == anonymous.patch(mine, {"fallback": 2}).status_code
    site.advance(timedelta(hours=2))
    problem(anonymous.patch(mine, {"fallback": 1}), 409, "choice_closed", "fallback")
    site.work()
    seen = anonymous.get(mine).json()
    assert (100, 0, 900, 0, 2) == tuple(
        seen["shares"][0][name]
        for name in ("borne_minor", "refund_minor", "delivered_minor", "left_over_minor", "plan")
    )
    assert 100 == anonymous.get(at).json()["failures"][0]["sums"]["spent_minor"]


def test_one_votes_on_what_is_left_over(
    site: Site, code: str, program: Program, anonymous: Program
) -> None:
    mine = given(anonymous, code, "ben", fallback=1)
    hers = given(anonymous, code, "dora", fallback=2)
    site.work()
    assert 200 == program.post(f"/campaigns/{code}/execute").status_code
    assert 200 == program.post(f"/campaigns/{code}/fail", {"text": "No."}).status_code
    site.advance(timedelta(hours=2))
    site.work()
    votes, hers = mine.replace("?", "/ballots?"), hers.replace("?", "/ballots?")
    (ballot,) = anonymous.get(votes).json()["items"]
    assert (100, None, True, ["refund", "keep"]) == tuple(
        ballot[name] for name in ("stake_minor", "choice", "is_open", "options")
    )
    said = {"ballot": ballot["id"], "choice": "keep"}
    (cast,) = anonymous.post(votes, said).json()["items"]
    assert ("keep", None) == (cast["choice"], cast["counts"])
    problem(anonymous.post(votes, {**said, "choice": "war"}), 422, "choice_unknown")
    problem(anonymous.post(hers, said), 409, "no_paper")
    problem(anonymous.post(votes.partition("?")[0], said), 404, "not_found")
    site.advance(timedelta(hours=73))
    problem(anonymous.post(votes, said), 409, "ballot_closed")
    site.work()
    (closed,) = anonymous.get(f"/campaigns/{code}").json()["ballots"]
    assert ("keep", {"refund": 0, "keep": 1}, 0, 1) == tuple(
        closed[name] for name in ("outcome", "counts", "silent", "voters")
    )
    site.check()
