"""A batch of refunds: each call written down before it, all in a fixed number of statements."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connections

from countmein.base.clock import site_now
from countmein.ledger.models import Transfer
from countmein.payments.actions import claims, refunding
from countmein.payments.actions.charging import charge_due
from countmein.payments.actions.claims import Pace
from countmein.payments.actions.refunding import refund_due, want_refunds
from countmein.payments.actions.tries import OPEN_TRY, Answered, Try
from countmein.payments.models import Attempt, Charge, ChargeState, Refund
from countmein.payments.providers import PROVIDERS, Outcome, RefundResult
from countmein.payments.providers.stripe import Stripe
from tests.faults.kills import statements_of

LANE = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller(Stripe):
    """A provider that answers as told, and looks at what stood in our tables when it was asked."""

    answers: dict[str, RefundResult] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def refund(self, *, reference: str, **_: Any) -> RefundResult:
        try:
            tries = Attempt.objects.filter(lane=LANE, about_id=reference, outcome="started").count()
        finally:
            connections.close_all()
        with self.lock:
            self.asked.append((reference, tries))
        made = RefundResult(outcome=Outcome.DONE, refund_id=f"re_{reference}")
        return self.answers.get(reference, made)

    def find_refund(self, *, reference: str, **_: Any) -> RefundResult | None:
        with self.lock:
            self.looked_up.append(reference)
        return None


@pytest.fixture
def teller(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Teller:
    made = Teller()
    monkeypatch.setitem(PROVIDERS, "stripe", made)
    return made


def owed(people: int) -> list[Refund]:
    """As many refunds that are due."""
    campaign_id = uuid.uuid4()
    charges = Charge.objects.bulk_create(
        Charge(
            lane=LANE,
            campaign_id=campaign_id,
            pledge_id=uuid.uuid4(),
            amount_minor=100,
            currency="EUR",
            parts={"money": 100},
            state=ChargeState.PAID,
            due_at=site_now(),
            provider_charge_id=f"ch_{uuid.uuid4()}",
        )
        for _ in range(people)
    )
    want_refunds(charges=charges, reason="goodwill", parts=lambda charge: charge.parts)
    return list(Refund.objects.filter(lane=LANE, campaign_id=campaign_id))


def states() -> dict[str, str]:
    return {str(row.id): row.state for row in Refund.objects.filter(lane=LANE)}


def test_each_call_has_its_row_before_it_and_is_booked_once_after_it(teller: Teller) -> None:
    rows = owed(23)
    refund_due()
    assert {(str(row.id), 1) for row in rows} == set(teller.asked)
    assert 23 == len(teller.asked)
    assert {"done"} == set(states().values())
    booked = Transfer.objects.filter(lane=LANE, kind="refund")
    assert {row.id for row in rows} == set(booked.values_list("source_ref", flat=True))
    assert 23 == booked.count()
    refund_due()
    assert 23 == len(teller.asked)


def test_a_batch_takes_as_many_statements_as_one_refund(teller: Teller) -> None:
    """What it cost before, some fifteen for each, is what this must never come back to."""
    owed(1)
    alone = statements_of(refund_due)
    owed(60)
    assert alone == statements_of(refund_due)
    assert 61 == len(teller.asked)


def test_each_answer_of_a_batch_has_its_own_end(teller: Teller) -> None:
    """Refused for good, for now, unknown, and made: side by side in one batch."""
    dead, short, dark, well = (str(row.id) for row in owed(4))
    teller.answers[dead] = RefundResult(outcome=Outcome.REFUSED, permanent=True, code="closed")
    teller.answers[short] = RefundResult(outcome=Outcome.REFUSED, code="balance_insufficient")
    teller.answers[dark] = RefundResult(outcome=Outcome.UNKNOWN, code="no_answer")
    refund_due()
    assert {dead: "stuck", short: "doing", dark: "doing", well: "done"} == states()
    tries = Attempt.objects.filter(lane=LANE).values_list("about_id", "outcome", "code")
    assert {
        (dead, "refused", "closed"),
        (short, "refused", "balance_insufficient"),
        (dark, "unknown", "no_answer"),
        (well, "done", ""),
    } == {(str(id), outcome, code) for id, outcome, code in tries}
    due = {str(row.id): row.due_at for row in Refund.objects.filter(lane=LANE)}
    assert due[dark] < due[short]
    Refund.objects.filter(lane=LANE, state="doing").update(due_at=site_now())
    teller.answers.clear()
    refund_due()
    # The unknown one keeps its try and is looked up first; the refused one begins another.
    assert [dark] == teller.looked_up
    numbers = dict(Refund.objects.filter(lane=LANE).values_list("id", "attempt"))
    assert {dead: 1, short: 2, dark: 1, well: 1} == {str(id): n for id, n in numbers.items()}
    assert {dead: "stuck", short: "done", dark: "done", well: "done"} == states()


def test_a_call_that_breaks_in_our_own_code_does_not_lose_the_others(teller: Teller) -> None:
    first, *others = [str(row.id) for row in owed(5)]

    class Broken(dict[str, RefundResult]):
        def get(self, key: str, default: Any = None) -> Any:
            if key == first:
                raise ZeroDivisionError
            return default

    object.__setattr__(teller, "answers", Broken())
    with pytest.raises(ZeroDivisionError):
        refund_due()
    assert {first: "doing", **dict.fromkeys(others, "done")} == states()


# The provider's allowance


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_no_second_has_more_calls_than_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor after a pause: moments that nobody used are not made up for."""
    clock = Clock()
    monkeypatch.setattr(claims, "time", clock)
    pace, at = Pace(per_second=20), list[float]()
    for turn in range(100):
        if turn == 50:
            clock.now += 60
        pace.wait()
        at.append(clock.now)
    assert all(at[n + 20] - at[n] > 0.999 for n in range(80))
    assert 60 + 98 / 20 == pytest.approx(at[-1])


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often anybody waited for the provider's allowance."""
    seen = list[int]()
    monkeypatch.setattr(Pace, "wait", lambda _self: seen.append(1))
    return seen


def test_each_refund_waits_for_the_allowance(teller: Teller, waits: list[int]) -> None:
    owed(12)
    refund_due()
    assert 12 == len(teller.asked) == len(waits)


def test_each_charge_waits_for_the_allowance(teller: Teller, waits: list[int]) -> None:
    """Nobody gave a card here, so the try ends before a call; the pace is kept all the same."""
    owed(5)
    Charge.objects.filter(lane=LANE).update(state="due", due_at=site_now())
    charge_due()
    assert 5 == len(waits)


def test_a_batch_is_no_more_than_can_be_done_before_its_claim_ends(
    teller: Teller, waits: list[int], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHARGES_PER_SECOND = 1
    sizes, claim = list[int](), claims.claim

    def noted(*args: Any, **named: Any) -> Any:
        sizes.append(named["most"])
        return claim(*args, **named)

    monkeypatch.setattr(claims, "claim", noted)
    owed(12)
    refund_due()
    assert {5} == set(sizes)
    assert 12 == len(teller.asked)


def begun() -> Try[Refund, Charge]:
    """The one refund, claimed, with its try written down."""
    Refund.objects.filter(lane=LANE).update(due_at=site_now())
    assert 1 == len(claims.claim(Refund, "doing"))
    (tried,) = refunding._begin(list(Refund.objects.filter(lane=LANE)))
    return tried


def test_an_old_answer_does_not_call_off_what_another_worker_is_doing(teller: Teller) -> None:
    """The first worker sleeps between the answer and its row; the second has gone on from it."""
    owed(1)
    old = begun()
    refused = RefundResult(outcome=Outcome.REFUSED, code="charge_disputed")
    no = Answered(tried=old, result=refused)
    refunding._record([no])
    assert {"due"} == set(states().values())
    new = begun()
    assert (2, True) == (new.attempt.number, new.is_new)
    refunding._record([no])  # it wakes up
    assert {"doing"} == set(states().values())
    yes = RefundResult(outcome=Outcome.DONE, refund_id="re_once")
    refunding._record([Answered(tried=new, result=yes)])
    assert {"done"} == set(states().values())
    assert 1 == Transfer.objects.filter(lane=LANE, kind="refund").count()
    assert not Attempt.objects.filter(lane=LANE, outcome__in=OPEN_TRY).exists()
    # A claim that was lost begins no try.
    assert [] == refunding._begin([new.row])


def test_what_an_old_look_up_finds_done_leaves_no_try_open(teller: Teller) -> None:
    """It is found under the refund's own reference, whichever try did it."""
    owed(1)
    old = begun()
    refused = RefundResult(outcome=Outcome.REFUSED, code="charge_disputed")
    refunding._record([Answered(tried=old, result=refused)])
    begun()
    yes = RefundResult(outcome=Outcome.DONE, refund_id="re_once")
    refunding._record([Answered(tried=old, result=yes)])
    assert {"done"} == set(states().values())
    assert not Attempt.objects.filter(lane=LANE, outcome__in=OPEN_TRY).exists()
