"""What happens after a charge was refused: when it is tried again, and what the member is asked.

Told in docs/rules/cards.md.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

#: The steps after the first failure (contract: spec/api.md). At the last one it is over.
LADDER: Final = tuple(timedelta(hours=hours) for hours in (48, 96, 144, 168))
LAST_STEP: Final = len(LADDER)


class Decline(StrEnum):
    """What a refusal says about the card. It is judged by the last refusal of the present card."""

    soft = "soft"
    authenticate = "authenticate"
    hard = "hard"


class Ask(StrEnum):
    """What the member is asked to do."""

    check_card = "check_card"
    authenticate = "authenticate"
    another_card = "another_card"


ASKS: Final = {
    Decline.soft: Ask.check_card,
    Decline.authenticate: Ask.authenticate,
    Decline.hard: Ask.another_card,
}

#: At which steps we try by ourselves. Without the member an authentication cannot succeed, save
#: for banks that change their mind, hence one last try. A hard decline is an answer for ever.
TRIES: Final = {
    Decline.soft: frozenset(range(1, LAST_STEP + 1)),
    Decline.authenticate: frozenset({LAST_STEP}),
    Decline.hard: frozenset[int](),
}


class Act(StrEnum):
    """What is to be done now with a charge that is due and of which no try is open."""

    give_up = "give_up"
    try_card = "try_card"
    ask = "ask"
    wait = "wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What is due next and when. `step` counts the ladder from 1.

    When it is over there is nothing due, `due_at` is None and the pledge is to be dropped.
    """

    step: int
    due_at: datetime | None
    will_try: bool
    is_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What to do now at a step: try the card or not, and what the member is asked.

    The question is for a step without a try, or whose try was refused; at the last one it is
    too late for it. `asks` is then None.
    """

    step: int
    will_try: bool
    asks: Ask | None


def after_refusal(
    kind: Decline, *, first_failed_at: datetime, now: datetime, has_other_card: bool = False
) -> Next:
    """What follows a refusal at `now`, or a step at `now` that made no try.

    `kind` is what the last refusal said. The first refusal has `first_failed_at` = `now`; the
    member is asked (see `ASKS`) at once. Steps missed meanwhile are gone. `has_other_card`:
    another one than the refused was given meanwhile; it is tried at once.
    """
    step = _reached(first_failed_at, now) + 1
    if step > LAST_STEP:
        return Next(step=LAST_STEP, due_at=None, will_try=False, is_over=True)
    if has_other_card:
        return Next(step=step, due_at=now, will_try=True, is_over=False)
    due_at = first_failed_at + LADDER[step - 1]
    return Next(step=step, due_at=due_at, will_try=step in TRIES[kind], is_over=False)


def next_act(
    kind: Decline | None,
    *,
    is_allowed: bool,
    first_failed_at: datetime | None,
    has_other_card: bool,
    last_step: int,
    now: datetime,
) -> Act:
    """What to do now with a charge that is due, when nobody waits for an answer about it.

    `kind` and `first_failed_at` are None before the first refusal. `is_allowed`: the member's
    word covers it (see `rules.collection`).
    """
    if not is_allowed:
        return Act.give_up
    if kind is None or first_failed_at is None or has_other_card:
        return Act.try_card
    step = at_step(kind, first_failed_at=first_failed_at, last_step=last_step, now=now)
    if step is None:
        return Act.wait
    if step.will_try:
        return Act.try_card
    return Act.wait if step.asks is None else Act.ask


def at_step(
    kind: Decline, *, first_failed_at: datetime, last_step: int, now: datetime
) -> Step | None:
    """What is due at `now` when `last_step` was the last one done (0: none); None if nothing.

    Who comes late does the latest step reached, and only that one: two missed steps are one try
    and one mail.
    """
    step = _reached(first_failed_at, now)
    if step <= last_step:
        return None
    return Step(
        step=step,
        will_try=step in TRIES[kind],
        asks=None if step == LAST_STEP else ASKS[kind],
    )


def _reached(first_failed_at: datetime, now: datetime) -> int:
    return sum(first_failed_at + pause <= now for pause in LADDER)
