"""The ladder after a refusal: never too often, never too long, never the same card after a no."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.rules.dunning import (
    ASKS,
    LADDER,
    LAST_STEP,
    Act,
    Ask,
    Decline,
    Next,
    Step,
    after_refusal,
    at_step,
    next_act,
)

SOME = settings(max_examples=500, deadline=None)
FIRST = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
WEEK = timedelta(hours=168)
#: So many further tries of one charge by ourselves in 14 days, and no more.
AUTOMATIC, FORTNIGHT = 4, timedelta(days=14)
#: What the card networks allow of one card, by their strictest figures as providers tell them.
NETWORKS = (
    (15, timedelta(days=30)),
    (10, timedelta(hours=24)),
    (35, timedelta(days=30)),
)
kinds = st.sampled_from(Decline)
hours = st.integers(0, 400).map(lambda number: FIRST + timedelta(hours=number))


@dataclass(frozen=True)
class Try:
    """One try of a card in a simulated life, and what was known of the card before it."""

    at: datetime
    automatic: bool
    known: Decline


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Try], list[Step], Next]:
    """All tries of a charge that is refused for ever, by a worker who wakes when it likes."""
    kind, now, last_step = draw(kinds), FIRST, 0
    tries, steps = [], []
    following = after_refusal(kind, first_failed_at=FIRST, now=now)
    for pause in draw(st.lists(st.integers(0, 100), max_size=12)):
        now += timedelta(hours=pause)
        if draw(st.booleans()):
            # Another card, which is tried at once and moves no step.
            if now < FIRST + WEEK:
                tries.append(Try(at=now, automatic=False, known=kind))
                kind = draw(kinds)
        elif step := at_step(kind, first_failed_at=FIRST, last_step=last_step, now=now):
            last_step = step.step
            steps.append(step)
            if step.will_try:
                tries.append(Try(at=now, automatic=True, known=kind))
                kind = draw(kinds)
        following = after_refusal(kind, first_failed_at=FIRST, now=now)
    return tries, steps, following


@SOME
@given(lives())
def test_no_history_of_refusals_exceeds_the_ceiling_on_automatic_tries(
    life: tuple[list[Try], list[Step], Next],
) -> None:
    tries = [one.at for one in life[0] if one.automatic]
    for at in tries:
        window = [t for t in tries if at <= t < at + FORTNIGHT]
        assert len(window) <= AUTOMATIC
    assert len(tries) <= AUTOMATIC


def test_the_ladder_alone_keeps_every_network_ceiling() -> None:
    tries = [FIRST, *(FIRST + pause for pause in LADDER)]
    for most, within in NETWORKS:
        for at in tries:
            assert sum(at <= t < at + within for t in tries) <= most


@SOME
@given(lives())
def test_a_hard_decline_never_yields_an_automatic_try_of_the_same_card(
    life: tuple[list[Try], list[Step], Next],
) -> None:
    assert not any(one.automatic and one.known is Decline.hard for one in life[0])


@SOME
@given(lives())
def test_a_card_to_be_authenticated_is_tried_blindly_once_at_the_end_at_most(
    life: tuple[list[Try], list[Step], Next],
) -> None:
    blind = [one for one in life[0] if one.automatic and one.known is Decline.authenticate]
    assert len(blind) <= 1
    assert all(one.at >= FIRST + WEEK for one in blind)


@SOME
@given(kinds, hours)
def test_nothing_is_due_later_than_168_hours_after_the_first_failure(
    kind: Decline, now: datetime
) -> None:
    following = after_refusal(kind, first_failed_at=FIRST, now=now)
    assert following.is_over == (now >= FIRST + WEEK)
    assert following.is_over == (following.due_at is None)
    if following.due_at is not None:
        assert now < following.due_at <= FIRST + WEEK
        assert following.due_at == FIRST + LADDER[following.step - 1]


@SOME
@given(kinds, hours, st.integers(0, LAST_STEP))
def test_who_wakes_up_late_does_one_step_and_not_two(
    kind: Decline, now: datetime, last_step: int
) -> None:
    step = at_step(kind, first_failed_at=FIRST, last_step=last_step, now=now)
    reached = sum(FIRST + pause <= now for pause in LADDER)
    if step is None:
        assert reached <= last_step
    else:
        assert reached == step.step
        assert at_step(kind, first_failed_at=FIRST, last_step=step.step, now=now) is None


@SOME
@given(lives())
def test_steps_are_done_in_their_order_each_once(
    life: tuple[list[Try], list[Step], Next],
) -> None:
    numbers = [step.step for step in life[1]]
    assert sorted(set(numbers)) == numbers


def test_the_time_a_try_took_does_not_bring_an_earlier_step_back() -> None:
    """The order of times does not matter: the answer depends on the clock, not on the last one."""
    late = after_refusal(Decline.soft, first_failed_at=FIRST, now=FIRST + timedelta(hours=150))
    early = after_refusal(Decline.soft, first_failed_at=FIRST, now=FIRST + timedelta(hours=1))
    assert (4, 1) == (late.step, early.step)
    before = FIRST - timedelta(hours=1)
    assert 1 == after_refusal(Decline.soft, first_failed_at=FIRST, now=before).step
    assert at_step(Decline.soft, first_failed_at=FIRST, last_step=0, now=before) is None


def test_the_member_is_asked_at_every_step_but_the_last() -> None:
    assert {Ask.check_card, Ask.authenticate, Ask.another_card} == set(ASKS.values())
    for kind in Decline:
        asks = []
        for number, pause in enumerate(LADDER):
            step = at_step(kind, first_failed_at=FIRST, last_step=number, now=FIRST + pause)
            assert step is not None
            asks.append(step.asks)
        assert [ASKS[kind]] * 3 + [None] == asks


@SOME
@given(kinds, hours, st.integers(0, LAST_STEP), st.booleans(), st.booleans())
def test_what_is_done_next_is_the_step_that_is_due_or_the_other_card(
    kind: Decline, now: datetime, last_step: int, is_allowed: bool, has_other_card: bool
) -> None:
    act = next_act(
        kind,
        is_allowed=is_allowed,
        first_failed_at=FIRST,
        has_other_card=has_other_card,
        last_step=last_step,
        now=now,
    )
    step = at_step(kind, first_failed_at=FIRST, last_step=last_step, now=now)
    if not is_allowed:
        assert act is Act.give_up
    elif has_other_card or (step is not None and step.will_try):
        assert act is Act.try_card
    else:
        asks = step is not None and step.asks is not None
        assert act is (Act.ask if asks else Act.wait)


def test_the_first_try_needs_nothing_but_the_members_word() -> None:
    def first(*, is_allowed: bool) -> Act:
        return next_act(
            None,
            is_allowed=is_allowed,
            first_failed_at=None,
            has_other_card=False,
            last_step=0,
            now=FIRST,
        )

    assert (Act.try_card, Act.give_up) == (first(is_allowed=True), first(is_allowed=False))


@SOME
@given(kinds, hours)
def test_another_card_is_tried_at_once_unless_it_is_over(kind: Decline, now: datetime) -> None:
    following = after_refusal(kind, first_failed_at=FIRST, now=now, has_other_card=True)
    assert following.is_over is (now >= FIRST + WEEK)
    assert following.due_at == (None if following.is_over else now)
