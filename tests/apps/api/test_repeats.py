"""The same request twice has one effect: keys on every POST but pledges'."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from countmein.base.clock import real_now
from countmein.base.idempotency import KEPT_FOR, Kept, KeyReused, forget_old, once
from countmein.base.models import KeptAnswer
from countmein.campaigns.models import Campaign
from tests.apps.api.conftest import Opened, Program, problem, terms


def test_a_draft_sent_twice_is_one_draft(program: Program) -> None:
    said = terms()
    first = program.post("/campaigns", said, key="one")
    again = program.post("/campaigns", said, key="one")
    assert (201, first.json()) == (again.status_code, again.json())
    assert "Idempotency-Replayed" not in first
    assert "true" == again["Idempotency-Replayed"]
    assert 1 == Campaign.objects.count()


def test_a_key_used_for_something_else_is_refused(program: Program) -> None:
    program.post("/campaigns", terms(), key="one")
    problem(program.post("/campaigns", terms(title="Other"), key="one"), 409, "key_reused")
    assert 1 == Campaign.objects.count()


def test_another_token_has_its_own_keys(program: Program, other: Program) -> None:
    assert 201 == program.post("/campaigns", terms(), key="one").status_code
    assert 201 == other.post("/campaigns", terms(title="Other"), key="one").status_code


def test_a_refusal_is_not_remembered(program: Program) -> None:
    problem(program.post("/campaigns", terms(title=""), key="one"), 422, "invalid")
    assert 201 == program.post("/campaigns", terms(), key="one").status_code


def test_a_launch_repeated_with_its_key_is_answered_again(program: Program) -> None:
    code = program.post("/campaigns", terms()).json()["code"]
    first = program.post(f"/campaigns/{code}/launch", key="go")
    again = program.post(f"/campaigns/{code}/launch", key="go")
    assert (200, first.json()) == (again.status_code, again.json())
    problem(program.post(f"/campaigns/{code}/launch"), 409, "wrong_state")


def test_a_key_is_forgotten_after_a_day(program: Program) -> None:
    program.post("/campaigns", terms(), key="one")
    KeptAnswer.objects.update(kept_at=real_now() - KEPT_FOR)
    assert 201 == program.post("/campaigns", terms(title="Other"), key="one").status_code
    KeptAnswer.objects.update(kept_at=real_now() - KEPT_FOR)
    assert 1 == forget_old()


def race(attempt: Callable[[], Any], *, threads: int = 8) -> list[Any]:
    """Run the attempt in several threads at once, each on its own connection."""
    barrier, results = threading.Barrier(threads), []

    def run() -> None:
        try:
            barrier.wait()
            results.append(attempt())
        finally:
            connection.close()

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return results


def test_eight_at_once_with_one_key_have_one_effect(transactional_db: None) -> None:
    effects: list[uuid.UUID] = []

    def act() -> tuple[int, Any]:
        effects.append(uuid.uuid4())
        return 201, {"code": str(effects[-1])}

    kept = race(lambda: once(scope="s", key="k", digest="d", act=act))
    assert 1 == len(effects)
    assert 8 == len(kept)
    assert {str(effects[0])} == {answer.body["code"] for answer in kept}
    assert [False] + [True] * 7 == sorted(answer.replayed for answer in kept)


def test_without_the_unique_constraint_eight_at_once_have_many_effects(
    transactional_db: None,
) -> None:
    """The negative control: the test above would notice if the constraint were gone."""
    effects: list[uuid.UUID] = []
    every = threading.Barrier(8)

    def look_then_act() -> Kept:
        found = KeptAnswer.objects.filter(scope="s", key="k").first()
        every.wait()
        if found is None:
            effects.append(uuid.uuid4())
        return Kept(status=201, body={}, replayed=found is not None)

    race(look_then_act)
    assert 8 == len(effects)


def test_what_fails_leaves_the_key_free(transactional_db: None) -> None:
    def fail() -> tuple[int, Any]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        once(scope="s", key="k", digest="d", act=fail)
    assert 201 == once(scope="s", key="k", digest="d", act=lambda: (201, {})).status
    with pytest.raises(KeyReused):
        once(scope="s", key="k", digest="other", act=fail)


def test_a_pledge_key_and_another_posts_key_do_not_meet(program: Program, opened: Opened) -> None:
    code = opened()
    body = {"kind": "signature", "member": {"email": "ben@example.org"}}
    assert 201 == program.post(f"/campaigns/{code}/pledges", body, key="one").status_code
    assert 201 == program.post("/campaigns", terms(), key="one").status_code
