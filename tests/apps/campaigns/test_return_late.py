"""What comes back after a failure was settled goes back too: in the end nothing is held."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from countmein.base.clock import site_now
from countmein.base.ids import uuid7
from countmein.campaigns.actions.close_ballots import close_ballots
from countmein.campaigns.actions.commission import take_commission, to_take
from countmein.campaigns.actions.fail import fail
from countmein.campaigns.actions.reallocate import reallocate
from countmein.campaigns.actions.return_late import return_late, to_return_late
from countmein.campaigns.models import Ballot, Campaign, PlanShare
from countmein.campaigns.selfcheck import self_check
from countmein.payments.actions.claims import book
from countmein.payments.actions.disputes import _close as end_dispute
from countmein.payments.actions.payouts import came_back
from countmein.payments.models import Charge, Dispute, Payout, Refund
from tests.apps.campaigns.plans import balances, paid, shares
from tests.apps.campaigns.test_plan_b_sums import Settled, plans
from tests.apps.campaigns.test_plan_b_sums import settled as settled  # a fixture
from tests.faults.crowd import together

SOME = settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
#: Sums by which a commission of whole cents comes out.
big_gifts = st.lists(
    st.tuples(st.integers(50, 5000), st.sampled_from(["refund", "refund", "1", "follow"])),
    min_size=1,
    max_size=6,
)


def disputed(campaign: Campaign, nth: int) -> Dispute:
    """Somebody's bank takes a payment back, until it is decided."""
    charges = Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).order_by(
        "pledge_id"
    )
    charge = list(charges)[nth]
    dispute = Dispute(
        lane=campaign.lane,
        campaign_id=campaign.id,
        pledge_id=charge.pledge_id,
        charge_id=charge.id,
        provider_dispute_id=f"dp_{uuid7()}",
        amount_minor=charge.amount_minor,
        currency="EUR",
        parts=charge.parts,
        opened_at=site_now(),
    )
    dispute.save(force_insert=True)
    with transaction.atomic():
        book("dispute", dispute)
    return dispute


def to_rest(campaign: Campaign) -> None:
    """Make what is owed, put the commission right and return what is late, until nothing is due."""
    for _turn in range(20):
        owed = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id, state="due")
        for refund in owed:
            with transaction.atomic():
                Refund.objects.filter(lane=refund.lane, id=refund.id).update(state="done")
                book("refund", refund)
        if campaign.id in to_take(of_all=True):
            take_commission(str(campaign.id))
        elif campaign.id in to_return_late():
            return_late(str(campaign.id))
        elif not owed.exists():
            return
    raise AssertionError("it never comes to rest")


def given_back(campaign: Campaign, reason: str) -> Counter[object]:
    """What went back for a reason, by pledge."""
    rows = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id, reason=reason)
    found = Counter[object]()
    for pledge_id, amount in rows.values_list("pledge_id", "amount_minor"):
        found[pledge_id] += amount
    return found


def stays(campaign: Campaign) -> int:
    """What a plan takes, or a vote left with the campaign."""
    rows = shares(campaign)
    kept = Ballot.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, kind="left_over", outcome="keep"
    ).exists()
    return sum(row.delivered_minor + (row.left_over_minor if kept else 0) for row in rows)


@SOME
@given(
    given=big_gifts,
    ranked=plans,
    bp=st.sampled_from([0, 1, 333, 1000, 5000]),
    percent=st.integers(0, 100),
    is_returned=st.booleans(),
    is_won=st.sampled_from([None, True, False]),
)
@example(  # what a vote is still open on was once taken for what came back late
    given=[(3093, "refund"), (3122, "1"), (388, "follow")],
    ranked=[{"title": "x", "cost_minor": 21, "rule": {"people": 2}}, {"title": "x"}],
    bp=5000,
    percent=50,
    is_returned=False,
    is_won=False,
)
def test_after_everything_nothing_is_held_that_is_nobodys(
    settled: Settled,
    given: list[tuple[int, str]],
    ranked: list[dict[str, object]],
    bp: int,
    percent: int,
    is_returned: bool,
    is_won: bool | None,
) -> None:
    campaign = settled(given, plans=ranked, decide_hours=0)
    Campaign.objects.filter(id=campaign.id).update(commission_bp=bp)
    campaign.refresh_from_db()
    take_commission(str(campaign.id))
    dispute = disputed(campaign, 0) if is_won is not None else None
    payment: Payout | None = None
    # A dispute may have taken more than the commission has left.
    if (amount := balances(campaign).get("held:money", 0) * percent // 100) > 0:
        payment = paid(campaign, amount)
    fail(campaign=campaign, text="No.")
    reallocate(str(campaign.id))
    to_rest(campaign)
    if payment is not None and is_returned:
        came_back(payment)
    if dispute is not None:
        with transaction.atomic():
            end_dispute(dispute, is_won=bool(is_won))
    Ballot.objects.filter(lane=campaign.lane, campaign_id=campaign.id).update(ends_at=site_now())
    close_ballots(str(campaign.id))
    to_rest(campaign)
    held = balances(campaign).get("held:money", 0)
    assert stays(campaign) == held
    assert 0 == sum(balances(campaign).values())
    wrong = [c for c in self_check() if not c["ok"] and c["name"].startswith(CHECKED)]
    assert [] == wrong


CHECKED = ("failures", "plan_b", "nobody_gets", "late_money", "commission", "ballot", "money_goes")


def test_the_commission_on_what_goes_back_goes_back_in_one_refund(settled: Settled) -> None:
    """Without it 3 % would come back afterwards and be nobody's."""
    campaign = settled(
        [(10_000, "refund"), (20_000, "refund")], plans=[{"title": "x"}], decide_hours=0
    )
    Campaign.objects.filter(id=campaign.id).update(commission_bp=300)
    campaign.refresh_from_db()
    take_commission(str(campaign.id))
    paid(campaign, 3_000)
    fail(campaign=campaign, text="No.")
    reallocate(str(campaign.id))
    to_rest(campaign)
    # 3 % of the 3,092 that stand in the end, of which 3,000 were paid.
    assert {"commission": 92, "held:money": 0} == {
        name: balances(campaign).get(name, 0) for name in ("commission", "held:money")
    }
    assert 300_00 - 3_000 - 92 == sum(given_back(campaign, "plan_b").values())
    assert Counter() == given_back(campaign, "late")


def test_what_a_supplier_gives_back_late_goes_to_all_in_proportion(settled: Settled) -> None:
    campaign = settled([(1000, "refund"), (2000, "refund")], plans=[{"title": "x"}], decide_hours=0)
    payment = paid(campaign, 300)
    fail(campaign=campaign, text="No.")
    reallocate(str(campaign.id))
    to_rest(campaign)
    assert [] == to_return_late()
    came_back(payment)
    assert [campaign.id] == to_return_late()
    assert [None] * 4 == together([lambda: return_late(str(campaign.id)) for _ in range(4)])
    to_rest(campaign)
    assert [100, 200] == sorted(given_back(campaign, "late").values())
    assert 0 == balances(campaign).get("held:money", 0)
    assert [100, 200] == sorted(
        PlanShare.objects.filter(lane=campaign.lane, campaign_id=campaign.id).values_list(
            "relieved_minor", flat=True
        )
    )


def test_a_dispute_that_is_won_late_bears_its_part(settled: Settled) -> None:
    campaign = settled([(300, "refund")] * 3, plans=[{"title": "x"}], decide_hours=0)
    dispute = disputed(campaign, 0)
    paid(campaign, 90)
    fail(campaign=campaign, text="No.")
    reallocate(str(campaign.id))
    to_rest(campaign)
    with transaction.atomic():
        end_dispute(dispute, is_won=True)
    to_rest(campaign)
    late = given_back(campaign, "late")
    assert 270 == late[dispute.pledge_id]
    assert [15, 15, 270] == sorted(late.values())
    assert 0 == balances(campaign).get("held:money", 0)


def test_what_a_plan_takes_is_left_to_it(settled: Settled) -> None:
    """Two follow a plan and one has it back; what comes back late goes to all three."""
    choices = [(1000, "1"), (1000, "1"), (1000, "refund")]
    campaign = settled(choices, plans=[{"title": "x", "rule": {"people": 2}}], decide_hours=0)
    payment = paid(campaign, 300)
    fail(campaign=campaign, text="No.")
    reallocate(str(campaign.id))
    to_rest(campaign)
    assert 1800 == stays(campaign) == balances(campaign)["held:money"]
    # The plan's own supplier is paid meanwhile.
    assert paid(campaign, 500).asked_at > site_now() - timedelta(minutes=5)
    came_back(payment)
    to_rest(campaign)
    assert [100, 100, 100] == sorted(given_back(campaign, "late").values())
    assert 1300 == balances(campaign)["held:money"]
