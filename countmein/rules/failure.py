"""What becomes of the money when what it was raised for cannot be done.

Plan B, the ballot on what is left over, and milestones. Told in docs/rules/plan_b.md.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from countmein.rules.clearing import Part, classes, clear, clear_parts
from countmein.rules.conditions import Condition, Sum, conjunction, holds
from countmein.rules.money import hamilton, refund_split
from countmein.rules.states import Kind

#: One in ten of those whose money is left over must vote, unless the launch said otherwise.
DEFAULT_QUORUM_BP: Final = 1000
#: A milestone passes with more than half of all who may vote.
DEFAULT_MILESTONE_BP: Final = 5000
#: The one choice every ballot has.
REFUND: Final = "refund"

_WHOLE_BP: Final = 10_000


class SettlementRefused(ValueError):
    """Choices, plans or sums that do not belong together; nothing is settled."""


class Source(StrEnum):
    """Where money came from. Both bear what is lost alike; they are only told apart in the sums."""

    donor = "donor"
    sponsor = "sponsor"


class Fallback(StrEnum):
    """What a donor wants for their share, other than one named plan."""

    refund = "refund"
    follow = "follow"


#: Refund, follow the majority, or the index of a plan.
Choice: TypeAlias = Fallback | int


@dataclass(frozen=True, slots=True, kw_only=True)
class Donor:
    """Whose money it is, how much was collected from them, and what they chose for a failure.

    `id` is the code other conditions can name; `condition` is asked of the plan's crowd.
    """

    id: str
    collected_minor: int
    source: Source = Source.donor
    choice: Choice = Fallback.refund
    condition: Condition | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One thing to do instead. It needs its rule and, if it has a cost, that much money.

    A plan with a cost takes no more than it: the rest of its donors' money is left over.
    A plan without one takes all.
    """

    rule: Condition | None = None
    cost_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Where one donor's money went; the four amounts add up to what was collected from them.

    `borne_minor` is gone, to suppliers who delivered and for good; `delivered_minor` went to
    `plan`; `left_over_minor` waits for a ballot.
    """

    borne_minor: int
    refund_minor: int
    delivered_minor: int
    left_over_minor: int
    plan: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOutcome:
    """Whether a plan runs, with whom, with how much of theirs, and how much of it it takes.

    `choosers` named it; `donors` are those it runs with, followers among them.
    """

    runs: bool
    choosers: int
    donors: frozenset[str]
    total_minor: int
    delivered_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Every cent of a failed execution. `majority` is the plan that the followers went to.

    raised + matched = spent + delivered + refunds + returns + left over (C-7).
    """

    shares: Mapping[str, Share]
    plans: tuple[PlanOutcome, ...]
    majority: int | None
    raised_minor: int
    matched_minor: int
    spent_minor: int
    delivered_minor: int
    refunds_minor: int
    returns_minor: int
    left_over_minor: int


def settle(
    *,
    donors: Iterable[Donor],
    plans: Sequence[Plan],
    spent_minor: int,
    kept_minor: int = 0,
    set_aside_minor: int = 0,
    seed: str,
) -> Settlement:
    """Where everybody's money goes after an execution has failed.

    `spent_minor` is gone for good, payment fees included; `kept_minor` was paid to suppliers who
    delivered all the same. Both are borne in proportion, by Hamilton's method. `set_aside_minor`
    was never asked for by what failed (raised above the goal) and waits for the ballot.
    `seed` is the campaign's code. Raises SettlementRefused, and MoneyRefused when more is gone
    or set aside than was collected. Source: docs/rules/plan_b.md.
    """
    given = _given(donors, plans)
    if min(spent_minor, kept_minor, set_aside_minor) < 0:
        raise SettlementRefused("what is gone or set aside cannot be negative")
    collected = {id: donor.collected_minor for id, donor in given.items()}
    remaining = refund_split(collected, cost=spent_minor + kept_minor, seed=seed)
    at_stake = refund_split(remaining, cost=set_aside_minor, seed=seed)
    majority, outcomes = _routes(given, plans, at_stake)
    shares = _shares(collected, remaining, at_stake, outcomes, seed)
    settlement = _summed(given, shares, outcomes, majority, spent_minor, kept_minor)
    _prove(settlement, given)
    return settlement


def _given(donors: Iterable[Donor], plans: Sequence[Plan]) -> dict[str, Donor]:
    """The donors by id, in one order whatever the order of the rows."""
    given: dict[str, Donor] = {}
    for donor in sorted(donors, key=lambda donor: donor.id):
        if donor.id in given:
            raise SettlementRefused("a donor is listed twice")
        if donor.collected_minor < 0:
            raise SettlementRefused("nobody gave less than nothing")
        is_known = isinstance(donor.choice, Fallback) or donor.choice in range(len(plans))
        if not is_known or isinstance(donor.choice, bool):
            raise SettlementRefused("a donor chose a plan that is not there")
        given[donor.id] = donor
    if any(plan.cost_minor is not None and plan.cost_minor <= 0 for plan in plans):
        raise SettlementRefused("a plan that costs nothing has no cost")
    return given


def _routes(
    given: Mapping[str, Donor], plans: Sequence[Plan], at_stake: Mapping[str, int]
) -> tuple[int | None, tuple[PlanOutcome, ...]]:
    """The majority's plan and what becomes of each plan. Who has nothing left decides nothing."""
    parts: dict[Choice, list[Part]] = {}
    for id, donor in given.items():
        if at_stake[id] > 0:
            parts.setdefault(donor.choice, []).append(_part(donor, at_stake[id]))
    alone = [_cleared(plan, parts.get(j, []), []) for j, plan in enumerate(plans)]
    followers = parts.get(Fallback.follow, [])
    # Only a plan that somebody named has a majority to follow; ties go to the plan ranked first.
    by_votes = sorted(
        (j for j in range(len(plans)) if alone[j].choosers), key=lambda j: -alone[j].choosers
    )
    for j in by_votes:
        joined = _cleared(plans[j], parts[j], followers)
        if joined.runs:
            return j, (*alone[:j], joined, *alone[j + 1 :])
    return None, tuple(alone)


def _part(donor: Donor, amount_minor: int) -> Part:
    return Part(
        id=donor.id,
        condition=donor.condition,
        people=1,
        kind=Kind.money,
        amount=amount_minor,
        place=donor.place,
        pledge=donor.id,
    )


def _cleared(plan: Plan, choosers: list[Part], followers: list[Part]) -> PlanOutcome:
    """A plan is a new campaign of those who chose it: their conditions first, then its rule."""
    parts = choosers + followers
    totals, inside = clear(classes(parts)).totals, clear_parts(parts)
    cost = plan.cost_minor
    enough = None if cost is None else Sum(kind=Kind.money, at_least=cost)
    rule = conjunction(plan.rule, enough)
    if not inside or (rule is not None and not holds(rule, totals)):
        return PlanOutcome(
            runs=False,
            choosers=len(choosers),
            donors=frozenset(),
            total_minor=0,
            delivered_minor=0,
        )
    total_minor = totals.sums[Kind.money]
    return PlanOutcome(
        runs=True,
        choosers=len(choosers),
        donors=inside,
        total_minor=total_minor,
        delivered_minor=total_minor if cost is None else cost,
    )


def _shares(
    collected: Mapping[str, int],
    remaining: Mapping[str, int],
    at_stake: Mapping[str, int],
    outcomes: Sequence[PlanOutcome],
    seed: str,
) -> dict[str, Share]:
    plan_of = {id: j for j, outcome in enumerate(outcomes) for id in outcome.donors}
    delivered = dict.fromkeys(collected, 0)
    for outcome in outcomes:
        weights = {id: at_stake[id] for id in outcome.donors}
        delivered |= hamilton(weights, total=outcome.delivered_minor, seed=seed)
    shares = {}
    for id, collected_minor in collected.items():
        refund_minor = 0 if id in plan_of else at_stake[id]
        shares[id] = Share(
            borne_minor=collected_minor - remaining[id],
            refund_minor=refund_minor,
            delivered_minor=delivered[id],
            left_over_minor=remaining[id] - refund_minor - delivered[id],
            plan=plan_of.get(id),
        )
    return shares


def _summed(
    given: Mapping[str, Donor],
    shares: Mapping[str, Share],
    outcomes: tuple[PlanOutcome, ...],
    majority: int | None,
    spent_minor: int,
    kept_minor: int,
) -> Settlement:
    came, back = Counter[Source](), Counter[Source]()
    for id, donor in given.items():
        came[donor.source] += donor.collected_minor
        back[donor.source] += shares[id].refund_minor
    return Settlement(
        shares=shares,
        plans=outcomes,
        majority=majority,
        raised_minor=came[Source.donor],
        matched_minor=came[Source.sponsor],
        spent_minor=spent_minor,
        delivered_minor=kept_minor + sum(outcome.delivered_minor for outcome in outcomes),
        refunds_minor=back[Source.donor],
        returns_minor=back[Source.sponsor],
        left_over_minor=sum(share.left_over_minor for share in shares.values()),
    )


def _prove(s: Settlement, given: Mapping[str, Donor]) -> None:
    """Stop everything rather than misplace a cent (C-7) or a person's choice (C-9)."""
    came = s.raised_minor + s.matched_minor
    went = s.spent_minor + s.delivered_minor + s.refunds_minor + s.returns_minor
    assert came == went + s.left_over_minor, "C-7: money came or went unaccounted for"
    for id, share in s.shares.items():
        amounts = (
            share.borne_minor,
            share.refund_minor,
            share.delivered_minor,
            share.left_over_minor,
        )
        assert min(amounts) >= 0, "C-8: a share is negative"
        assert sum(amounts) == given[id].collected_minor, "C-7: one donor's money does not add up"
        choice = given[id].choice
        delegated = s.majority if choice is Fallback.follow else None
        assert share.plan is None or share.plan in (choice, delegated), "C-9: not their plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """What a ballot decided; `kept_minor` goes to `choice`, unless that is to refund.

    `counts` has every choice, `needed` is the number of votes that make it binding.
    """

    choice: str
    is_quorate: bool
    needed: int
    counts: Mapping[str, int]
    refunds: Mapping[str, int]
    kept_minor: int


def ballot(
    *,
    stakes: Mapping[str, int],
    votes: Mapping[str, str],
    options: Sequence[str],
    left_minor: int | None = None,
    quorum_bp: int = DEFAULT_QUORUM_BP,
    seed: str,
) -> Ballot:
    """What becomes of money left over, by vote of those whose money it is.

    One person, one vote, whatever the stake. With the quorum the choice with most votes takes
    everything, also from those who kept silent; without it, or in a tie for most, all is refunded
    in proportion to the stakes. `options` are the choices besides a refund; `left_minor` is what
    is left of the stakes, all of them if not said. Raises SettlementRefused.
    """
    whole = sum(stakes.values())
    left_minor = whole if left_minor is None else left_minor
    eligible = sum(stake > 0 for stake in stakes.values())
    _check_basis_points(quorum_bp)
    if not 0 <= left_minor <= whole or min(stakes.values(), default=0) < 0:
        raise SettlementRefused("what is left lies between nothing and all the stakes")
    if any(stakes.get(voter, 0) <= 0 for voter in votes):
        raise SettlementRefused("only those whose money is left over vote on it")
    counts = dict.fromkeys((REFUND, *options), 0)
    for choice in votes.values():
        if choice not in counts:
            raise SettlementRefused("a vote is for one of the choices on the ballot")
        counts[choice] += 1
    needed = votes_needed(eligible=eligible, quorum_bp=quorum_bp)
    is_quorate = len(votes) >= needed
    choice = _most_votes(counts) if is_quorate else REFUND
    refunded_minor = left_minor if choice == REFUND else 0
    return Ballot(
        choice=choice,
        is_quorate=is_quorate,
        needed=needed,
        counts=counts,
        refunds=hamilton(stakes, total=refunded_minor, seed=seed),
        kept_minor=left_minor - refunded_minor,
    )


def votes_needed(*, eligible: int, quorum_bp: int) -> int:
    """How many of those who may vote must, so that a ballot is binding; one at least."""
    return max(1, -(-eligible * quorum_bp // _WHOLE_BP))


def _most_votes(counts: Mapping[str, int]) -> str:
    most = max(counts.values())
    winners = [choice for choice, count in counts.items() if count == most]
    return winners[0] if len(winners) == 1 else REFUND


def milestone_passes(
    *,
    eligible: frozenset[str],
    yes: frozenset[str],
    no: frozenset[str] = frozenset(),
    more_than_bp: int = DEFAULT_MILESTONE_BP,
) -> bool:
    """Whether the next stage is paid: more than so many of all who may vote said yes.

    Silence counts as no, so an organiser cannot win by not being noticed.
    Raises SettlementRefused for a stranger's vote or one for both sides.
    """
    _check_basis_points(more_than_bp)
    if not (yes | no) <= eligible or yes & no:
        raise SettlementRefused("one vote each, of those who may vote")
    return len(yes) * _WHOLE_BP > len(eligible) * more_than_bp


def _check_basis_points(bp: int) -> None:
    if not 0 <= bp <= _WHOLE_BP:
        raise SettlementRefused("a share lies between 0 and 10,000 basis points")
