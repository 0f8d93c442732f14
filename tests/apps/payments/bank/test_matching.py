"""What comes in is booked where it is exactly right, and otherwise waits; none of it is lost."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.payments.bank.entries import Direction, Entry
from countmein.payments.bank.matching import Act, Decision, Expected, Verdict, decide, match
from countmein.rules.money import Money
from countmein.rules.remittance import own_reference

DAY = date(2026, 10, 5)
FIFTY = Expected(amount=Money(amount_minor=5000, currency="EUR"))
REFERENCE = own_reference("7k3m9qxt")
OTHER = own_reference("7k3m9qxv")


def entry(text: str = REFERENCE, minor: int = 5000, currency: str = "EUR", id: str = "1") -> Entry:
    return Entry(
        entry_id=id,
        account="NL41MOCK0000000001",
        statement_id="S",
        booked_on=DAY,
        valued_on=DAY,
        amount=Money(amount_minor=minor, currency=currency),
        direction=Direction.CREDIT,
        text=text,
    )


@pytest.mark.parametrize(
    ("came", "payment", "verdict", "act", "excess"),
    [
        (entry(), FIFTY, Verdict.EXACT, Act.BOOK, 0),
        (entry(minor=3000), FIFTY, Verdict.PARTIAL, Act.ACCEPT_PARTIAL, 0),
        (entry(minor=6000), FIFTY, Verdict.OVER, Act.RETURN_EXCESS, 1000),
        (entry(), replace(FIFTY, booked_minor=5000), Verdict.DOUBLE, Act.RETURN_ALL, 5000),
        (entry(minor=2000), replace(FIFTY, booked_minor=3000), Verdict.EXACT, Act.BOOK, 0),
        (entry(minor=2000), replace(FIFTY, waiting_minor=3000), Verdict.EXACT, Act.BOOK, 0),
        (entry(), replace(FIFTY, waiting_minor=3000), Verdict.EXACT, Act.BOOK, 0),
        (entry(minor=2001), replace(FIFTY, waiting_minor=3000), Verdict.OVER, Act.RETURN_EXCESS, 1),
        (entry(currency="USD"), FIFTY, Verdict.WRONG_CURRENCY, Act.RETURN_ALL, 5000),
        (entry(), replace(FIFTY, until=DAY), Verdict.EXACT, Act.BOOK, 0),
        (
            entry(),
            replace(FIFTY, until=DAY - timedelta(days=1)),
            Verdict.LATE,
            Act.RETURN_ALL,
            5000,
        ),
    ],
)
def test_an_entry_is_judged_by_what_is_still_to_pay(
    came: Entry, payment: Expected, verdict: Verdict, act: Act, excess: int
) -> None:
    decision = decide(came, expected={REFERENCE: payment})
    assert (verdict, act, excess, REFERENCE) == (
        decision.verdict,
        decision.act,
        decision.excess_minor,
        decision.reference,
    )
    assert decision.reason


def test_a_part_that_completes_says_so() -> None:
    waiting = {REFERENCE: replace(FIFTY, waiting_minor=3000)}
    assert decide(entry(minor=2000), expected=waiting).completes
    assert not decide(entry(minor=5000), expected=waiting).completes


def test_two_expected_references_are_for_a_person_to_choose_from() -> None:
    decision = decide(entry(f"{REFERENCE} {OTHER}"), expected={REFERENCE: FIFTY, OTHER: FIFTY})
    assert (Verdict.AMBIGUOUS, Act.ASSIGN, (REFERENCE, OTHER)) == (
        decision.verdict,
        decision.act,
        decision.candidates,
    )


def test_a_slip_of_the_finger_is_only_ever_a_suggestion() -> None:
    slipped = REFERENCE[:6] + ("4" if REFERENCE[6] != "4" else "5") + REFERENCE[7:]
    decision = decide(entry(f"thanks {slipped}"), expected={REFERENCE: FIFTY, OTHER: FIFTY})
    assert (Verdict.UNKNOWN_REFERENCE, Act.ASSIGN, (REFERENCE,), 0) == (
        decision.verdict,
        decision.act,
        decision.candidates,
        decision.booked_minor,
    )


@pytest.mark.parametrize("text", ["", "for the barber", OTHER])
def test_without_an_expected_reference_nothing_is_booked(text: str) -> None:
    decision = decide(entry(text), expected={own_reference("0"): FIFTY})
    assert (Verdict.UNKNOWN_REFERENCE, 5000) == (decision.verdict, decision.queued_minor)


def test_a_reference_in_the_end_to_end_id_counts() -> None:
    came = replace(entry(""), end_to_end_id=REFERENCE.lower())
    assert Verdict.EXACT == decide(came, expected={REFERENCE: FIFTY}).verdict


@pytest.mark.parametrize(
    ("other", "act", "queued"),
    [
        ({"direction": Direction.DEBIT}, Act.NOTHING, 0),
        ({"direction": Direction.DEBIT, "reversal": True}, Act.LOOK, 0),
        ({"reversal": True}, Act.LOOK, 5000),
        ({"amount": Money(amount_minor=0, currency="EUR")}, Act.NOTHING, 0),
    ],
)
def test_what_is_no_payment_to_us_is_never_booked(
    other: dict[str, object], act: Act, queued: int
) -> None:
    decision = decide(replace(entry(), **other), expected={REFERENCE: FIFTY})
    assert (Verdict.NOT_OURS, act, 0, queued) == (
        decision.verdict,
        decision.act,
        decision.booked_minor,
        decision.queued_minor,
    )


def test_the_statement_made_by_hand_is_decided_on(entries: Callable[[str], list[Entry]]) -> None:
    expected = {
        "RF97PL000002": FIFTY,
        "RF18539007547034": Expected(amount=Money(amount_minor=2550, currency="EUR")),
        "RF712348231": FIFTY,
    }
    # In the order of the file: among the entries of one day, that is what a bank tells us.
    state, seen = dict(expected), {}
    for came in entries("usual"):
        decision = decide(came, expected=state)
        seen[came.bank_reference] = (decision.verdict.value, decision.act.value)
        if decision.act is Act.BOOK:
            state[decision.reference] = replace(
                state[decision.reference], booked_minor=decision.booked_minor
            )
        if decision.verdict is Verdict.PARTIAL:
            state[decision.reference] = replace(
                state[decision.reference], waiting_minor=came.amount.amount_minor
            )
    assert {
        "B-1": ("exact", "book"),
        "B-2": ("exact", "book"),
        "B-3": ("partial", "accept_partial"),
        "B-4": ("over", "return_excess"),
        "B-5": ("double", "return_all"),
        "B-6": ("unknown_reference", "assign"),
        "B-7": ("unknown_reference", "assign"),
        "B-8": ("ambiguous", "assign"),
        "B-9": ("not_ours", "nothing"),
        "B-10": ("not_ours", "look"),
        "B-11": ("not_ours", "look"),
    } == seen


def test_a_batch_pays_three_pledges(entries: Callable[[str], list[Entry]]) -> None:
    expected = {
        "RF97PL000002": FIFTY,
        "RF18539007547034": Expected(amount=Money(amount_minor=2550, currency="EUR")),
        "RF712348231": Expected(amount=Money(amount_minor=2450, currency="EUR")),
    }
    verdicts = Counter(d.verdict for d in match(entries("batch"), expected=expected))
    assert {Verdict.EXACT: 3, Verdict.NOT_OURS: 1} == verdicts


REFERENCES = [own_reference(code) for code in ("a", "b", "c", "dd")]
arrivals = st.lists(
    st.builds(
        lambda text, minor, currency, day, way, back: replace(
            entry(text, minor, currency),
            booked_on=DAY + timedelta(days=day),
            direction=way,
            reversal=back,
        ),
        st.sampled_from([*REFERENCES, " ".join(REFERENCES[:2]), "nothing", "RF12A"]),
        st.sampled_from([1, 10, 20, 30, 40, 50, 60]),
        st.sampled_from(["EUR", "EUR", "EUR", "USD"]),
        st.integers(0, 3),
        st.sampled_from([Direction.CREDIT, Direction.CREDIT, Direction.CREDIT, Direction.DEBIT]),
        st.sampled_from([False, False, False, True]),
    ),
    max_size=12,
).map(lambda came: [replace(one, entry_id=f"{n:04d}") for n, one in enumerate(came)])
expectations = st.fixed_dictionaries(
    {
        reference: st.builds(
            lambda amount, until: Expected(
                amount=Money(amount_minor=amount, currency="EUR"), until=until
            ),
            st.sampled_from([10, 50]),
            st.sampled_from([None, DAY + timedelta(days=1)]),
        )
        for reference in REFERENCES
    }
)
MODEST = settings(max_examples=200, deadline=None)


def credited(entries: list[Entry]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in entries:
        if one.direction is Direction.CREDIT:
            total[one.amount.currency] += one.amount.amount_minor
    return total


def placed(decisions: tuple[Decision, ...]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in decisions:
        total[one.entry.amount.currency] += one.booked_minor + one.queued_minor
    return +total


@MODEST
@given(arrivals, expectations)
def test_what_is_booked_and_what_waits_is_what_was_received(
    came: list[Entry], expected: dict[str, Expected]
) -> None:
    decisions = match(came, expected=expected)
    assert len(came) == len(decisions)
    assert credited(came) == placed(decisions)
    assert all(one.booked_minor == 0 or one.queued_minor == 0 for one in decisions)


@MODEST
@given(arrivals, expectations)
def test_no_payment_is_booked_in_part_or_twice(
    came: list[Entry], expected: dict[str, Expected]
) -> None:
    booked: Counter[str] = Counter()
    for one in match(came, expected=expected):
        booked[one.reference] += one.booked_minor
    for reference, payment in expected.items():
        assert booked[reference] in (0, payment.amount.amount_minor)


@MODEST
@given(arrivals.flatmap(lambda came: st.tuples(st.just(came), st.permutations(came))), expectations)
def test_the_order_of_entries_changes_nothing(
    case: tuple[list[Entry], list[Entry]], expected: dict[str, Expected]
) -> None:
    came, shuffled = case
    assert match(came, expected=expected) == match(shuffled, expected=expected)


@MODEST
@given(arrivals.flatmap(lambda came: st.tuples(st.just(came), st.permutations(came))), expectations)
def test_one_by_one_in_any_order_the_total_is_the_same(
    case: tuple[list[Entry], list[Entry]], expected: dict[str, Expected]
) -> None:
    came, shuffled = case
    one_by_one = tuple(decide(one, expected=expected) for one in shuffled)
    assert credited(came) == placed(one_by_one)


@MODEST
@given(arrivals, expectations)
def test_the_same_statement_twice_changes_nothing(
    came: list[Entry], expected: dict[str, Expected]
) -> None:
    once = match(came, expected=expected)
    assert once == match([*came, *came], expected=expected)
    assert () == match(came, expected=expected, seen=frozenset(one.entry.entry_id for one in once))
