"""How a campaign pays out: what terms are taken, and how long a form with documents may be."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from countmein.base.clock import site_now
from countmein.campaigns.bodies import body_limit_bytes
from countmein.campaigns.terms import TermsRefused
from tests.conftest import Launch

MONEY = {"kinds": ["money"], "currency": "EUR"}


def in_days(days: int) -> str:
    return (site_now() + timedelta(days=days)).isoformat()


@pytest.mark.parametrize(
    ("terms", "payout", "path", "reason"),
    [
        (MONEY, {"stages_bp": [9000]}, "payout.stages_bp", "out_of_range"),
        (MONEY, {"stages_bp": [6000, 4000]}, "payout.proof_by", "missing"),
        (MONEY, {"stages_bp": [6000, 4000], "proof_by": 10}, "payout.proof_by", "out_of_order"),
        (MONEY, {"stages_bp": [6000, 4000], "proof_by": 3000}, "payout.proof_by", "too_far"),
        ({"kinds": ["signature"]}, {"refund_days": 3}, "payout", "unknown_kind"),
    ],
)
def test_terms_that_cannot_be_kept_are_refused(
    launch: Launch, terms: dict[str, Any], payout: dict[str, Any], path: str, reason: str
) -> None:
    said = dict(payout)
    if "proof_by" in said:
        said["proof_by"] = in_days(said["proof_by"])
    with pytest.raises(TermsRefused) as refused:
        launch(**terms, payout=said)
    assert [(path, reason)] == [(fault.path, fault.reason) for fault in refused.value.errors]


def test_what_is_said_stands_and_what_is_not_said_is_one_part(launch: Launch) -> None:
    from countmein.campaigns.gates import gate_of
    from countmein.campaigns.payouts import terms_of
    from countmein.campaigns.queries import public_view

    plain = launch(**MONEY)
    assert ([10_000], None, 1000, 14) == tuple(terms_of(plain).model_dump().values())
    staged = launch(**MONEY, payout={"stages_bp": [2500] * 4, "proof_by": in_days(90)})
    view = public_view(staged)["payout"]
    assert [2500] * 4 == view["stages_bp"]
    assert isinstance(view["proof_by"], datetime)
    assert view["proof_by"] == gate_of(staged).proof_by
    assert gate_of(plain).proof_by is None


def test_only_forms_with_documents_may_be_long() -> None:
    """Three files of 2 MB fit in; no other door takes as much."""
    for path in (
        "/organise/abc/payouts/",
        "/organise/abc/proof/",
        "/desk/payouts/01a211ce-a0fe-76e2-a471-1e3ff0df839d/paid/",
        "/desk/payouts/01a211ce-a0fe-76e2-a471-1e3ff0df839d/order/",
        "/desk/bank/import/",
    ):
        assert body_limit_bytes(path) > 6 * 1024 * 1024
    for path in ("/organise/abc/edit/", "/api/v1/campaigns", "/organise/a/b/payouts/", "/desk/"):
        assert body_limit_bytes(path) <= 256 * 1024
