"""What the API says of Plan B: the plans, the failures, what became of whose money, the ballots."""

from __future__ import annotations

import uuid

from countmein.web.api.answer import Answer, At, RuleOut


class Plan(Answer):
    """One thing to do instead. A plan without a cost takes all that its people have left."""

    title: str
    text: str
    rule: RuleOut | None
    rule_text: str | None
    cost_minor: int | None


class PlanB(Answer):
    """What is done if it cannot be carried out; plan 1 is the first of the list."""

    plans: list[Plan]
    decide_hours: int
    quorum_bp: int
    set_aside_above_minor: int | None


class PlanOutcome(Answer):
    """Whether a plan runs, who named it, how many are in it, and how much it takes of theirs."""

    title: str
    runs: bool
    choosers: int
    people: int
    delivered_minor: int


class FailureSums(Answer):
    """Where everything went that was still held.

    collected = spent + kept - returned + delivered + refund + left over. `kept` went to suppliers
    who delivered, `returned` is what had been spent earlier and came back.
    """

    collected_minor: int
    spent_minor: int
    kept_minor: int
    returned_minor: int
    delivered_minor: int
    refund_minor: int
    left_over_minor: int


class Failure(Answer):
    """One time that it could not be carried out; `sums` once it is settled."""

    number: int
    text: str
    failed_at: At
    decide_until: At
    settled_at: At | None
    majority: int | None
    plans: list[PlanOutcome]
    sums: FailureSums | None


class Ballot(Answer):
    """A question to those whose money it is; the votes are told when it is closed."""

    id: uuid.UUID
    kind: str
    number: int
    question: str
    options: list[str]
    quorum_bp: int
    opened_at: At
    ends_at: At
    closed_at: At | None
    outcome: str | None
    counts: dict[str, int] | None
    silent: int | None
    voters: int


class OwnBallot(Ballot):
    """A ballot with one's own stake and vote."""

    stake_minor: int
    choice: str | None
    is_open: bool


class OwnBallots(Answer):
    """All one's ballots, the latest first."""

    items: list[OwnBallot]


class Share(Answer):
    """What became of one's money when failure `number` was settled."""

    number: int
    borne_minor: int
    refund_minor: int
    delivered_minor: int
    left_over_minor: int
    plan: int | None
