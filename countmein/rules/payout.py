"""What may be paid out to the organiser or the supplier, when, and who may say so.

Told in docs/rules/payouts.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from countmein.rules.money import MoneyRefused

WHOLE_BP: Final = 10_000
#: Long enough for a weekend: who finds their account changed on Monday can still stop the money.
CHANGE_RESTS: Final = timedelta(hours=72)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commission:
    """What is taken now (negative: given back) and the fraction carried to the next settlement.

    `carried` is in ten-thousandths of a minor unit, 0 to 9,999.
    """

    taken_minor: int
    carried: int


def commission(*, settled_minor: int, bp: int, carried: int) -> Commission:
    """The commission on a settlement: its floor, with the fraction earlier ones left."""
    return _commission(settled_minor, bp=bp, carried=carried, sign=1)


def commission_back(*, refunded_minor: int, bp: int, carried: int) -> Commission:
    """What a refund takes back of the commission, in proportion; `taken_minor` is not positive.

    After any history, all that was taken is the floor of the commission on what stays settled.
    """
    return _commission(refunded_minor, bp=bp, carried=carried, sign=-1)


def _commission(value_minor: int, *, bp: int, carried: int, sign: int) -> Commission:
    if value_minor < 0 or not 0 <= bp <= WHOLE_BP or not 0 <= carried < WHOLE_BP:
        raise MoneyRefused("a commission is a share of a sum, and carries less than one unit")
    # Floor division rounds towards minus infinity, so the fraction never turns negative.
    taken_minor, carried = divmod(sign * value_minor * bp + carried, WHOLE_BP)
    return Commission(taken_minor=taken_minor, carried=carried)


def stages(whole_minor: int, *, shares_bp: Sequence[int]) -> tuple[int, ...]:
    """What each stage pays: the floor of its share, and the last one the rest.

    Raises MoneyRefused unless the shares are positive and add up to 10,000 basis points.
    """
    if whole_minor < 0:
        raise MoneyRefused("nothing negative is paid out")
    _check_stages(shares_bp)
    floors = [whole_minor * bp // WHOLE_BP for bp in shares_bp[:-1]]
    return (*floors, whole_minor - sum(floors))


def _check_stages(shares_bp: Sequence[int]) -> None:
    if not shares_bp or min(shares_bp) <= 0 or sum(shares_bp) != WHOLE_BP:
        raise MoneyRefused("the stages share out the whole, each of them something")


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """What came in for one payee, what of it is gone, and how it is released.

    `disputed_minor` is what cardholders dispute and may win. `processor_costs_minor` are never
    given back. `stage_bp` is how the whole is staged, of which the first `approved_stages` are
    proven. `holdback_bp` of what stands is kept for refunds while their window is open.
    Raises MoneyRefused for figures that cannot be.
    """

    collected_minor: int
    refunded_minor: int = 0
    disputed_minor: int = 0
    processor_costs_minor: int = 0
    commission_minor: int = 0
    paid_out_minor: int = 0
    holdback_bp: int = 0
    is_refund_window_open: bool = False
    at_risk_minor: int = 0
    stage_bp: tuple[int, ...] = (WHOLE_BP,)
    approved_stages: int = 1

    def __post_init__(self) -> None:
        amounts = (
            self.collected_minor,
            self.refunded_minor,
            self.disputed_minor,
            self.processor_costs_minor,
            self.commission_minor,
            self.paid_out_minor,
            self.at_risk_minor,
        )
        if min(amounts) < 0 or self.refunded_minor + self.disputed_minor > self.collected_minor:
            raise MoneyRefused("no more goes back than came in, and nothing is negative")
        if not 0 <= self.holdback_bp <= WHOLE_BP:
            raise MoneyRefused("the holdback is a share of what was collected")
        _check_stages(self.stage_bp)
        if not 0 <= self.approved_stages <= len(self.stage_bp):
            raise MoneyRefused("no more stages are proven than there are")

    @property
    def standing_minor(self) -> int:
        """What was collected and is neither refunded nor disputed."""
        return self.collected_minor - self.refunded_minor - self.disputed_minor

    @property
    def net_minor(self) -> int:
        """What the payee gets in the end, all payouts together, if nothing more happens.

        Negative when costs exceed what stands.
        """
        return self.standing_minor - self.processor_costs_minor - self.commission_minor

    @property
    def held_back_minor(self) -> int:
        """The worst refunds still allowed, which must stay in the account; rounded up."""
        if not self.is_refund_window_open:
            return self.at_risk_minor
        # Whoever is at risk may ask for it as well, but gets it back once.
        rest_minor = max(0, self.standing_minor - self.at_risk_minor)
        return self.at_risk_minor - (-rest_minor * self.holdback_bp // WHOLE_BP)

    @property
    def proven_minor(self) -> int:
        """What the proven stages release of the net amount, earlier payouts included."""
        net_minor = max(self.net_minor, 0)
        return sum(stages(net_minor, shares_bp=self.stage_bp)[: self.approved_stages])


def payable(funds: Funds) -> int:
    """What may be paid out now, in minor units; never negative.

    No more than the proven stages release, and no more than what stays after the worst refunds
    still allowed. What later stages hold already counts towards the holdback.
    """
    released = min(funds.proven_minor, funds.net_minor - funds.held_back_minor)
    return max(0, released - funds.paid_out_minor)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnprovenEnd:
    """What becomes of what stands when a stage was not proven in time; the three add up to it.

    Kept is the payee's, spent is gone for good in processor costs and commission.
    """

    kept_minor: int
    spent_minor: int
    refunds_minor: int


def end_unproven(funds: Funds, *, commission_bp: int) -> UnprovenEnd:
    """What the proven stages released stays, paid out or not, and the rest goes back.

    The commission is on what stays, so its share of the rest goes back to the backers with it.
    """
    kept = min(max(funds.proven_minor, funds.paid_out_minor), max(funds.net_minor, 0))
    needed = min(kept + funds.processor_costs_minor, funds.standing_minor)
    # The least that stays so that, its commission taken, just that much is left of it.
    low, high = needed, funds.standing_minor
    while low < high:
        middle = (low + high) // 2
        if middle - middle * commission_bp // WHOLE_BP >= needed:
            high = middle
        else:
            low = middle + 1
    return UnprovenEnd(
        kept_minor=kept, spent_minor=low - kept, refunds_minor=funds.standing_minor - low
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A payee's account closed: gross = net + commission + processor costs + refunds (B-8)."""

    gross_minor: int
    refunds_minor: int
    processor_costs_minor: int
    commission_minor: int
    net_minor: int


def statement(funds: Funds) -> Statement:
    """Where the gross amount went. A dispute still open counts as a refund until it is won."""
    closed = Statement(
        gross_minor=funds.collected_minor,
        refunds_minor=funds.refunded_minor + funds.disputed_minor,
        processor_costs_minor=funds.processor_costs_minor,
        commission_minor=funds.commission_minor,
        net_minor=funds.net_minor,
    )
    gone_minor = closed.refunds_minor + closed.processor_costs_minor + closed.commission_minor
    assert closed.gross_minor == closed.net_minor + gone_minor, "B-8: the account does not add up"
    return closed


class Obstacle(StrEnum):
    """The stable words for what stands in the way of a payout."""

    account_unverified = "account_unverified"
    account_changed_lately = "account_changed_lately"
    owner_changed_lately = "owner_changed_lately"
    frozen = "frozen"
    second_person_needed = "second_person_needed"
    approved_own_request = "approved_own_request"
    approved_twice = "approved_twice"
    stage_not_proven = "stage_not_proven"
    held_back = "held_back"
    nothing_left = "nothing_left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where the money would go, and when it or its owner last changed (None: never).

    `is_frozen`: somebody who was told of a change did not recognise it.
    """

    is_verified: bool
    changed_at: datetime | None = None
    owner_changed_at: datetime | None = None
    is_frozen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A payout somebody asked for, and who approved it since.

    `paid_alone_minor` is what was paid lately on one person's word: a large payout cut into
    small ones needs the second person as well.
    """

    amount_minor: int
    requested_by: str
    approved_by: tuple[str, ...] = ()
    paid_alone_minor: int = 0


def may_pay(
    request: Request, *, account: Account, funds: Funds, alone_up_to_minor: int, now: datetime
) -> tuple[Obstacle, ...]:
    """All that stands in the way of a payout now; empty when it may go.

    `alone_up_to_minor` is what one person may pay out without a second one.
    Raises MoneyRefused for a payout of nothing or less.
    """
    if request.amount_minor <= 0 or request.paid_alone_minor < 0:
        raise MoneyRefused("a payout pays something")
    wanted_minor, net_minor = request.amount_minor + funds.paid_out_minor, funds.net_minor
    others = set(request.approved_by) - {request.requested_by}
    is_large = request.amount_minor + request.paid_alone_minor > alone_up_to_minor
    checks = {
        Obstacle.account_unverified: not account.is_verified,
        Obstacle.account_changed_lately: _rests(account.changed_at, now),
        Obstacle.owner_changed_lately: _rests(account.owner_changed_at, now),
        Obstacle.frozen: account.is_frozen,
        Obstacle.second_person_needed: is_large and not others,
        Obstacle.approved_own_request: request.requested_by in request.approved_by,
        Obstacle.approved_twice: len(set(request.approved_by)) < len(request.approved_by),
        Obstacle.stage_not_proven: funds.proven_minor < wanted_minor <= net_minor,
        Obstacle.held_back: net_minor - funds.held_back_minor < wanted_minor <= net_minor,
        Obstacle.nothing_left: wanted_minor > net_minor,
    }
    return tuple(obstacle for obstacle, stands in checks.items() if stands)


def _rests(changed_at: datetime | None, now: datetime) -> bool:
    return changed_at is not None and now < changed_at + CHANGE_RESTS
