"""What happens after a charge was refused: when it is tried again, and what the member is asked.

Told in docs/rules/cards.md.
"""

from collections.abc import Iterable
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """At most so many tries in any stretch of this length."""

    tries: int
    within: timedelta


#: Further automatic tries of one charge; the first try is not one of them.
AUTOMATIC_CEILING: Final = Ceiling(tries=4, within=timedelta(days=14))
#: All tries of one card, the members' own among them: the strictest figure of each network.
#: Visa: 15 in 30 days (20 on newer pages). Mastercard: 10 in 24 hours, 35 in 30 days.
NETWORK_CEILINGS: Final = (
    Ceiling(tries=15, within=timedelta(days=30)),
    Ceiling(tries=10, within=timedelta(hours=24)),
    Ceiling(tries=35, within=timedelta(days=30)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What is due next and when. `step` counts the ladder from 1; 0 is a try at a member's word.

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


def after_refusal(kind: Decline, *, first_failed_at: datetime, now: datetime) -> Next:
    """What follows a refusal at `now`, or a step at `now` that made no try.

    `kind` is what the last refusal said. The first refusal has `first_failed_at` = `now`; the
    member is asked (see `ASKS`) at once. Steps missed meanwhile are gone.
    """
    step = _reached(first_failed_at, now) + 1
    if step > LAST_STEP:
        return Next(step=LAST_STEP, due_at=None, will_try=False, is_over=True)
    due_at = first_failed_at + LADDER[step - 1]
    return Next(step=step, due_at=due_at, will_try=step in TRIES[kind], is_over=False)


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


def at_members_word(kind: Decline, *, first_failed_at: datetime, now: datetime) -> Next:
    """What follows a new card, or a member who authenticated or asks to be charged: a try at once.

    Whatever the refusal was, and without moving the ladder: if the try is refused, the steps are
    where they were. Once the ladder is over so is this.
    """
    if _reached(first_failed_at, now) == LAST_STEP:
        return after_refusal(kind, first_failed_at=first_failed_at, now=now)
    return Next(step=0, due_at=now, will_try=True, is_over=False)


def _reached(first_failed_at: datetime, now: datetime) -> int:
    return sum(first_failed_at + pause <= now for pause in LADDER)


def is_within_ceilings(tried_at: Iterable[datetime], *, now: datetime) -> bool:
    """Whether one more try of this card now is within what the card networks allow.

    `tried_at` are all earlier tries of the card, whoever asked for them, in any order.
    """
    tries = list(tried_at)
    return all(
        sum(at > now - ceiling.within for at in tries) < ceiling.tries
        for ceiling in NETWORK_CEILINGS
    )
