"""What is left of a charge: one owner, held against the three ways in which it was worked out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countmein.base.clock import site_now
from countmein.base.ids import uuid7
from countmein.campaigns.stakes import refund_parts
from countmein.payments.left import left_of
from countmein.payments.models import Charge, Dispute, Refund, RefundState

KINDS = ("money", "purchase")
LANE = 7


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Charges, what was given back of them in stages, and what of it was disputed."""
    said = []
    for _charge in range(draw(st.integers(1, 3))):
        parts = {kind: draw(st.integers(0, 90)) for kind in KINDS}
        parts["money"] += 1
        left, refunds = Counter(parts), {}
        for _refund in range(draw(st.integers(0, 4))):
            cause = (draw(st.sampled_from(["condition", "plan_b"])), draw(st.integers(0, 2)))
            back = {kind: draw(st.integers(0, left[kind])) for kind in KINDS}
            if sum(back.values()) and cause not in refunds:
                refunds[cause] = back
                left.subtract(back)
        disputed = draw(st.sampled_from([None, "open", "won", "lost"]))
        share = {kind: draw(st.integers(0, amount)) for kind, amount in parts.items()}
        said.append({"parts": parts, "refunds": refunds, "dispute": disputed, "share": share})
    return said


def kept(history: Sequence[dict[str, Any]]) -> list[Charge]:
    """The same as rows."""
    rows, campaign_id, now = [], uuid7(), site_now()
    for said in history:
        same = {
            "lane": LANE,
            "campaign_id": campaign_id,
            "pledge_id": uuid7(),
            "currency": "EUR",
        }
        charge = Charge.objects.create(
            **same,
            parts=said["parts"],
            amount_minor=sum(said["parts"].values()),
            state="paid",
            due_at=now,
        )
        same["charge_id"] = charge.id
        Refund.objects.bulk_create(
            Refund(
                **same,
                reason=reason,
                stage=stage,
                parts=parts,
                amount_minor=sum(parts.values()),
                state=list(RefundState)[number % len(RefundState)],
                due_at=now,
            )
            for number, ((reason, stage), parts) in enumerate(said["refunds"].items())
        )
        if said["dispute"] and sum(said["share"].values()):
            Dispute.objects.create(
                **same,
                provider_dispute_id=str(charge.id),
                parts=said["share"],
                amount_minor=sum(said["share"].values()),
                state=said["dispute"],
                opened_at=now,
            )
        rows.append(charge)
    return rows


def as_a_proof_had_it(said: dict[str, Any]) -> Counter[str]:
    """Less all refunds, and less every dispute that was not won."""
    left = Counter(said["parts"])
    for parts in said["refunds"].values():
        left.subtract(parts)
    if said["dispute"] in ("open", "lost"):
        left.subtract(said["share"])
    return +left


def as_a_failure_had_it(said: dict[str, Any], but: tuple[str, int]) -> dict[str, int]:
    """Less the refunds of other causes; disputes are not looked at, what is used up is named."""
    left = dict(said["parts"])
    for cause, parts in said["refunds"].items():
        for kind, amount in parts.items() if cause != but else ():
            left[kind] -= amount
    return left


def as_a_refund_had_it(said: dict[str, Any], owed: dict[str, int] | None) -> dict[str, int]:
    """Less all refunds, and no more than is owed; what is nothing is not given back."""
    left = Counter(said["parts"])
    for parts in said["refunds"].values():
        left.subtract(parts)
    if owed is not None:
        left &= Counter(owed)
    return {kind: amount for kind, amount in left.items() if amount}


@pytest.mark.django_db
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    history=histories(),
    but=st.tuples(st.sampled_from(["condition", "plan_b"]), st.integers(0, 2)),
    amount=st.integers(0, 200),
)
def test_it_is_what_each_of_the_three_ways_came_to(
    history: list[dict[str, Any]], but: tuple[str, int], amount: int
) -> None:
    with transaction.atomic():
        charges = kept(history)
        all_but, whole = left_of(charges, but=but), left_of(charges)
        undisputed = left_of(charges, is_disputed_gone=True)
        for charge, said in zip(charges, history, strict=True):
            assert as_a_proof_had_it(said) == undisputed[charge.id]
            assert as_a_refund_had_it(said, None) == whole[charge.id]
            owed = said["share"]
            assert as_a_refund_had_it(said, owed) == whole[charge.id] & Counter(owed)
            shared = [
                {kind: minor for kind, minor in found.items() if minor}
                for found in (
                    refund_parts(left, amount_minor=amount, seed=str(charge.id))
                    for left in (as_a_failure_had_it(said, but), all_but[charge.id])
                )
            ]
            assert shared[0] == shared[1]
        transaction.set_rollback(True)
