"""A campaign after the tip: charges are read, the money is judged, everybody else is let go.

Pure, each function one transaction, as in campaign.py; here decide `rules.tipping.conclude`,
`rules.clearing`, `rules.failure` and `rules.payout`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from countmein.rules import clearing, failure
from countmein.rules.conditions import Aggregates
from countmein.rules.failure import Donor, Plan, Settlement
from countmein.rules.payout import Funds, commission, payable
from countmein.rules.states import CAMPAIGN_MOVES, CARRIED, KEEPING, CampaignState, PledgeState
from countmein.rules.tipping import TOPUP_LASTS, Conclusion
from countmein.rules.tipping import conclude as conclude_on
from tests.simulator.campaign import SLICE, Campaign, Pledge, accept_slice
from tests.simulator.money import Payout, Refund, State

_C, _P = CampaignState, PledgeState
_OPEN = (State.due, State.doing)
_OUTSIDE = (_P.unconfirmed, _P.unsecured, _P.active, _P.held)
_KEPT = frozenset({_C.settled, *CARRIED})
_OVER = (_C.lapsed, _C.cancelled, _C.released)
PAYING = frozenset({_C.settled, _C.executing, _C.done})
#: The site's share, in basis points, and the stages of a payout: all at once.
COMMISSION_BP = 250
STAGES_BP = (10_000,)


def read_charges(c: Campaign) -> bool:
    """Carry outcomes of charges over to their pledges, a slice at a time."""
    if c.state not in KEEPING | CARRIED:
        return False
    news = [
        charge
        for charge in c.money.charges.values()
        if not charge.is_read and charge.state not in _OPEN
    ][:SLICE]
    for charge in news:
        p = c.pledges[charge.pledge]
        if p.state is _P.accepted and charge.state is State.done:
            p.to(_P.fulfilled)
        elif p.state is _P.accepted:
            p.to(_P.dropped)
            p.round = c.round
            c.is_round_dirty = True
            p.wanted.clear()
            _free_place(c, p)
        charge.is_read = True
    return bool(news)


def _free_place(c: Campaign, p: Pledge) -> None:
    c.accepted[p.said.kind] -= p.accepted
    c.accepted_round = 0


def conclude(c: Campaign, now: datetime) -> None:
    """Judge on what was collected, once nothing is under way."""
    if c.state not in KEEPING or c.executing_at is not None or _is_under_way(c):
        return
    stays, out = collected(c)
    if refund(c, [p for p in c.of(_P.fulfilled) if p in out], "condition", now):
        return
    if c.state is not _C.settled:
        _judge(c, stays, now)


def _is_under_way(c: Campaign) -> bool:
    return (
        c.accepted_round < c.round
        or any(p.state is _P.accepted for p in c.pledges.values())
        or any(not r.is_read for r in c.money.refunds.values())
    )


def collected(c: Campaign) -> tuple[Aggregates, list[Pledge]]:
    """Clear again over what was collected: what it adds up to, and whose condition fails now."""
    kept = c.of(_P.fulfilled)
    joined = Aggregates.zero()
    for p in c.pledges.values():
        inside = p.state is _P.active and p.condition in c.inside
        waited = p.state in (_P.active, _P.released) and p.was_waitlisted
        if inside or waited:
            joined = joined.plus(_alone(p, p.amount))
    parts = [p.part() for p in kept]
    crowds = clearing.classes(parts)
    outcome = clearing.clear(crowds, core=joined)
    out = {crowd.condition for crowd, is_in in zip(crowds, outcome.is_in, strict=True) if not is_in}
    stays = Aggregates.zero()
    for p in kept:
        if p.condition not in out:
            stays = stays.plus(_alone(p, p.accepted))
    return stays, [p for p in kept if p.condition in out]


def _alone(p: Pledge, amount: int) -> Aggregates:
    return Aggregates(
        people=1, sums={p.said.kind: amount}, people_in={}, pledges=frozenset({p.code})
    )


def _judge(c: Campaign, stays: Aggregates, now: datetime) -> None:
    conclusion = conclude_on(
        rule=c.terms.rule,
        collected=stays,
        shortfall=c.terms.shortfall,
        topup_until=c.topup_until,
        now=now,
    )
    if conclusion is Conclusion.wait:
        return
    if conclusion is Conclusion.top_up:
        c.move(_C.topup)
        c.topup_until = now + TOPUP_LASTS
        return
    if c.state is _C.topup:
        c.move(_C.settling)
    if conclusion is Conclusion.settle:
        c.move(_C.settled)
        c.settled_at = now
    elif not refund(c, c.pledges.values(), "shortfall", now):
        c.move(_C.released)


def refund(c: Campaign, whose: Iterable[Pledge], reason: str, now: datetime) -> bool:
    """Write down what goes back of these pledges' charges, all that is left; tell if there was."""
    amounts = {}
    for p in whose:
        charge = c.money.charges.get(p.number)
        if charge is not None and charge.state is State.done:
            amounts[p.number] = c.money.left(charge)
    return give_back(c, amounts, reason, now)


def give_back(c: Campaign, amounts: dict[int, int], reason: str, now: datetime) -> bool:
    """Write these refunds down; each charge, reason and stage once."""
    fresh = False
    for number, amount in amounts.items():
        charge = c.money.charges[number]
        amount = min(amount, c.money.left(charge))
        if amount <= 0:
            continue
        stage = sum(r.charge == charge.id and r.reason == reason for r in c.money.refunds.values())
        key = (charge.id, reason, stage)
        c.money.refunds[key] = Refund(
            id=f"{charge.id}-{reason}-{stage}",
            charge=charge.id,
            pledge=number,
            reason=reason,
            stage=stage,
            amount=amount,
            due_at=now,
        )
        fresh = True
    return fresh


def read_refunds(c: Campaign) -> bool:
    """Carry finished refunds over to their pledges, a slice at a time."""
    news = [r for r in c.money.refunds.values() if not r.is_read and r.state is State.done][:SLICE]
    for row in news:
        row.is_read = True
        p, charge = c.pledges[row.pledge], c.money.charges[row.pledge]
        done = sum(
            r.amount
            for r in c.money.refunds.values()
            if r.charge == charge.id and r.state is State.done
        )
        if done == charge.amount and p.state is _P.fulfilled:
            p.to(_P.refunded)
            p.round = c.round
            c.is_round_dirty = True
            _free_place(c, p)
    return bool(news)


def cancel(c: Campaign) -> bool:
    """The organiser calls it off, unless money has gone out; tells whether it was in time."""
    is_spent = any(row.state in (State.doing, State.done) for row in c.money.payouts.values())
    has_failed = _C.failed in c.history
    if _C.cancelled not in CAMPAIGN_MOVES[c.state] or is_spent or has_failed:
        return False
    for row in c.money.payouts.values():
        if row.state is State.due:
            row.state = State.failed
            c.money.books.post("earmark_back", row.id, row.amount)
    c.move(_C.cancelled)
    c.closed_at = None
    return True


def call_off(c: Campaign) -> bool:
    """Charges that nobody has begun are never begun; tell whether there were any to see to."""
    if c.state is not _C.cancelled:
        return False
    rows = [
        charge
        for charge in c.money.charges.values()
        if charge.state is State.due or (charge.state is State.done and not charge.is_read)
    ][:SLICE]
    for charge in rows:
        p = c.pledges[charge.pledge]
        if charge.state is State.due:
            charge.state = State.failed
        elif p.state is _P.accepted:
            p.to(_P.fulfilled)
        charge.is_read = True
    return bool(rows)


def release_slice(c: Campaign, now: datetime) -> bool:
    """Let go of the next pledges that are outside; tell whether there were any."""
    if c.state is _C.settled and accept_slice(c, now):
        return True
    if c.state in _KEPT:
        for p in c.of(_P.active):
            p.was_waitlisted = p.was_waitlisted or p.condition in c.inside
    rows = [p for p in c.pledges.values() if p.state in _OUTSIDE]
    if c.state is _C.cancelled:
        rows += [p for p in c.of(_P.accepted) if not _may_be_charged(c, p)]
    for p in rows[:SLICE]:
        if p.state is _P.active and c.state in _KEPT:
            c.is_round_dirty = True
        p.to(_P.released)
        p.round = c.round
        p.wanted.clear()
    return bool(rows)


def _may_be_charged(c: Campaign, p: Pledge) -> bool:
    charge = c.money.charges.get(p.number)
    return charge is not None and charge.state is not State.failed


def is_to_be_released(c: Campaign, now: datetime) -> bool:
    """Whether it is over and not closed yet."""
    is_over = c.state in _OVER or c.executing_at is not None
    return c.closed_at is None and (is_over or (c.state is _C.settled and c.deadline <= now))


def close(c: Campaign, now: datetime) -> None:
    """Everybody is let go and every refund made: that is the end of it."""
    states = _OUTSIDE if c.state in _KEPT else (*_OUTSIDE, _P.accepted)
    if c.of(*states) or any(not r.is_read for r in c.money.refunds.values()):
        return
    if c.state is _C.cancelled and any(p.number in c.money.charges for p in c.of(_P.fulfilled)):
        # Somebody else found a charge that was paid meanwhile, and died before giving it back.
        return
    c.closed_at = now
    if c.state in (_C.lapsed, _C.cancelled):
        c.move(_C.released)


# The money that was collected goes on, or goes back.


def funds_of(c: Campaign) -> Funds:
    """What came in and what of it is gone; a refund under way counts as made."""
    charges = [charge for charge in c.money.charges.values() if charge.state is State.done]
    came = sum(charge.amount for charge in charges)
    back = sum(r.amount for r in c.money.refunds.values() if r.state is not State.failed)
    back += _at_risk(c)
    gone = sum(row.amount for row in c.money.payouts.values() if row.state is not State.failed)
    taken = commission(settled_minor=came - back, bp=COMMISSION_BP, carried=0)
    return Funds(
        collected_minor=came,
        refunded_minor=back,
        commission_minor=taken.taken_minor,
        paid_out_minor=gone,
        stage_bp=STAGES_BP,
    )


def _at_risk(c: Campaign) -> int:
    """What goes back if those fall out who are accepted and have not paid yet."""
    if c.state is not _C.settled or c.executing_at is not None or not c.of(_P.accepted):
        return 0
    _stays, out = collected(c)
    charges = [c.money.charges[p.number] for p in out if p.number in c.money.charges]
    return sum(c.money.left(charge) for charge in charges)


def ask_payout(c: Campaign, key: str, now: datetime) -> bool:
    """Set aside for the organiser what may be paid out now; the same key asks once."""
    if key in c.money.payouts or c.state not in PAYING:
        return False
    amount = payable(funds_of(c))
    if amount <= 0:
        return False
    c.money.payouts[key] = Payout(id=key, amount=amount, due_at=now)
    c.money.books.post("earmark", key, amount)
    return True


def execute(c: Campaign, now: datetime) -> bool:
    """It is carried out: who is in by now is taken, and the door is shut for good."""
    if c.state is not _C.settled:
        return False
    while accept_slice(c, now):
        pass
    c.executing_at = now
    c.move(_C.executing)
    return True


def finish(c: Campaign) -> None:
    """It was carried out."""
    c.move(_C.done)


def fail(c: Campaign) -> bool:
    """It cannot be carried out after all; what is only set aside comes back."""
    if c.state is not _C.executing:
        return False
    c.move(_C.failed)
    for row in c.money.payouts.values():
        if row.state is State.due:
            row.state = State.failed
            c.money.books.post("earmark_back", row.id, row.amount)
    return True


def call_off_charges(c: Campaign) -> bool:
    """Nobody is charged any more for what has failed; tell whether anybody was to be."""
    rows = [charge for charge in c.money.charges.values() if charge.state is State.due]
    if c.state is not _C.failed:
        return False
    for charge in rows[:SLICE]:
        p = c.pledges[charge.pledge]
        charge.state, charge.is_read = State.failed, True
        if p.state is _P.accepted:
            p.to(_P.released)
            c.is_round_dirty = True
            _free_place(c, p)
    return bool(rows)


def is_moving(c: Campaign) -> bool:
    """Whether something may still come in or go out."""
    return any(row.state in _OPEN for row in c.money.rows()) or bool(c.of(_P.accepted))


def reallocate(
    c: Campaign, choices: dict[int, failure.Choice], plans: tuple[Plan, ...], now: datetime
) -> Settlement | None:
    """Settle a failure once nothing is under way: what is refunded, and what goes to a plan."""
    if c.state is not _C.failed or is_moving(c):
        return None
    donors = [
        Donor(
            id=p.code,
            collected_minor=c.money.left(charge),
            choice=choices.get(p.number, failure.Fallback.refund),
        )
        for number, charge in c.money.charges.items()
        if charge.state is State.done and c.money.left(charge) > 0
        for p in [c.pledges[number]]
    ]
    spent = sum(row.amount for row in c.money.payouts.values() if row.state is State.done)
    settlement = failure.settle(donors=donors, plans=plans, spent_minor=spent, seed=c.terms.code)
    amounts = {
        p.number: settlement.shares[p.code].refund_minor + settlement.shares[p.code].left_over_minor
        for p in c.pledges.values()
        if p.code in settlement.shares
    }
    c.move(_C.reallocating)
    give_back(c, amounts, "plan_b", now)
    return settlement


def end_reallocation(c: Campaign) -> None:
    """All of it has gone back that was to go back."""
    if c.state is _C.reallocating and all(r.is_read for r in c.money.refunds.values()):
        c.move(_C.settled)
