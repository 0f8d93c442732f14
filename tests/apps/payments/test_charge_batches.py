"""A batch of charges: each call written down before it, all in a fixed number of statements."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from countmein.base.clock import site_now
from countmein.ledger.models import Transfer
from countmein.payments.actions import charging, claims
from countmein.payments.actions.charging import charge_due
from countmein.payments.actions.tries import OPEN_TRY
from countmein.payments.models import Attempt, Charge, Consent, Mandate
from countmein.payments.providers import PROVIDERS, ChargeResult, Outcome
from countmein.payments.providers.stripe import Stripe
from countmein.rules.dunning import Decline
from tests.faults.kills import statements_of

LANE = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller(Stripe):
    """A provider that answers as told, and looks at what stood in our tables when it was asked."""

    answers: dict[str, ChargeResult] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def charge(self, *, reference: str, key: str, **_: Any) -> ChargeResult:
        try:
            tries = Attempt.objects.filter(lane=LANE, about_id=reference, outcome="started").count()
        finally:
            connections.close_all()
        with self.lock:
            self.asked.append((reference, tries))
            self.keys.append(key)
        made = ChargeResult(outcome=Outcome.DONE, charge_id=f"ch_{reference}")
        return self.answers.get(reference, made)

    def find_charge(self, *, reference: str, **_: Any) -> ChargeResult | None:
        with self.lock:
            self.looked_up.append(reference)
        return None


@pytest.fixture
def teller(transactional_db: None, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Teller:
    settings.CHARGES_PER_SECOND = 1000
    made = Teller()
    monkeypatch.setitem(PROVIDERS, "stripe", made)
    return made


def due(people: int, *, allowed_minor: int = 100) -> list[Charge]:
    """As many charges that are due, each with a card and its member's word."""
    campaign_id, now = uuid.uuid4(), site_now()
    charges = Charge.objects.bulk_create(
        Charge(
            lane=LANE,
            campaign_id=campaign_id,
            pledge_id=uuid.uuid4(),
            amount_minor=100,
            currency="EUR",
            parts={"money": 100},
            due_at=now,
        )
        for _ in range(people)
    )
    Mandate.objects.bulk_create(
        Mandate(
            lane=LANE,
            campaign_id=campaign_id,
            pledge_id=charge.pledge_id,
            state="made",
            currency="EUR",
            provider_reference=f"cus:{charge.id}",
            wanted_at=now,
            due_at=now,
        )
        for charge in charges
    )
    Consent.objects.bulk_create(
        Consent(
            lane=LANE,
            campaign_id=campaign_id,
            pledge_id=charge.pledge_id,
            amount_minor=amount,
            currency="EUR",
            latest_charge_at=now + timedelta(days=30),
            words="Yes",
            at=now,
        )
        # Of two words the later one counts.
        for charge in charges
        for amount in (1_000_000, allowed_minor)
    )
    return charges


def states() -> dict[str, str]:
    return {str(row.id): row.state for row in Charge.objects.filter(lane=LANE)}


def test_each_call_has_its_row_before_it_and_is_booked_once_after_it(teller: Teller) -> None:
    rows = due(23)
    charge_due()
    assert {(str(row.id), 1) for row in rows} == set(teller.asked)
    assert 23 == len(teller.asked) == len(set(teller.keys))
    assert {"paid"} == set(states().values())
    booked = Transfer.objects.filter(lane=LANE, kind="charge")
    assert {row.id for row in rows} == set(booked.values_list("source_ref", flat=True))
    assert 23 == booked.count()
    charge_due()
    assert 23 == len(teller.asked)


def test_a_batch_takes_as_many_statements_as_one_charge(teller: Teller) -> None:
    """What it cost before, some nineteen for each, is what this must never come back to."""
    due(1)
    alone = statements_of(charge_due)
    due(60)
    assert alone == statements_of(charge_due)
    assert 61 == len(teller.asked)


def test_each_answer_of_a_batch_has_its_own_end(teller: Teller) -> None:
    """Refused for good, for now, unknown, and made: side by side; and one beyond its word."""
    hard, soft, dark, well = (str(row.id) for row in due(4))
    (beyond,) = (str(row.id) for row in due(1, allowed_minor=99))
    refused = Outcome.REFUSED
    teller.answers[hard] = ChargeResult(
        outcome=refused, permanent=True, code="stolen", decline=Decline.hard
    )
    teller.answers[soft] = ChargeResult(outcome=refused, code="funds", decline=Decline.soft)
    teller.answers[dark] = ChargeResult(outcome=Outcome.UNKNOWN, code="no_answer")
    charge_due()
    assert {hard: "due", soft: "due", dark: "doing", well: "paid", beyond: "failed"} == states()
    rows = {str(row.id): row for row in Charge.objects.filter(lane=LANE)}
    assert ("stolen", "hard", 1) == (rows[hard].code, rows[hard].decline, rows[hard].asks)
    assert ("funds", "soft", 1) == (rows[soft].code, rows[soft].decline, rows[soft].asks)
    assert rows[soft].first_failed_at is not None
    assert (None, "beyond_consent") == (rows[dark].first_failed_at, rows[beyond].code)
    tries = Attempt.objects.filter(lane=LANE).values_list("about_id", "outcome", "code")
    assert {
        (hard, "refused", "stolen"),
        (soft, "refused", "funds"),
        (dark, "unknown", "no_answer"),
        (well, "done", ""),
    } == {(str(id), outcome, code) for id, outcome, code in tries}
    Charge.objects.filter(lane=LANE, id=dark).update(due_at=site_now())
    teller.answers.clear()
    charge_due()
    # It keeps its try and its key, and is looked up before it is repeated.
    assert [dark] == teller.looked_up
    assert 1 == len({key for key in teller.keys if str(rows[dark].pledge_id) in key})
    assert "paid" == states()[dark]
    assert {soft: 1, dark: 1} == {
        id: Charge.objects.get(lane=LANE, id=id).attempt for id in (soft, dark)
    }
    assert not Attempt.objects.filter(lane=LANE, outcome__in=OPEN_TRY).exists()


def test_the_next_batch_is_written_down_while_the_calls_of_one_are_made(
    teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call does not answer before that: one after the other it never would."""
    monkeypatch.setattr(claims, "BATCH", 1)
    begun, second, began = charging._begin, threading.Event(), list[int]()

    def noted(charges: Any) -> Any:
        tries = begun(charges)
        began.append(len(tries))
        if len(began) == 2:
            second.set()
        return tries

    def waiting(tried: Any) -> ChargeResult:
        assert second.wait(60), "the next batch was not begun meanwhile"
        return ChargeResult(outcome=Outcome.DONE, charge_id=f"ch_{tried.row.id}")

    monkeypatch.setattr(charging, "_begin", noted)
    monkeypatch.setattr(charging, "_ask", waiting)
    due(3)
    charge_due()
    assert {"paid"} == set(states().values())
    assert [1, 1, 1] == began


def test_a_batch_that_cannot_be_begun_loses_no_answer_of_the_one_before(
    teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "BATCH", 1)
    begun, calls = charging._begin, list[int]()

    def broken(charges: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise ZeroDivisionError
        return begun(charges)

    monkeypatch.setattr(charging, "_begin", broken)
    due(2)
    with pytest.raises(ZeroDivisionError):
        charge_due()
    assert ["doing", "paid"] == sorted(states().values())
    assert 1 == Transfer.objects.filter(lane=LANE, kind="charge").count()
