"""The grammar: what is read, what is refused and where, what a condition means and lacks."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.rules.conditions import (
    Aggregates,
    All,
    AnyOf,
    Condition,
    ConditionRefused,
    Fault,
    Gap,
    People,
    PeopleIn,
    Places,
    PledgeIn,
    Some,
    Sum,
    atoms,
    canonical,
    conjunction,
    gaps,
    holds,
    normal,
    parse,
    pledges_named,
    to_json,
)

MODEST = settings(max_examples=150, deadline=None)
PLACES = ["Leeds", "York"]
KINDS = ["money", "hours"]

numbers = st.integers(1, 10**12)
atom = st.one_of(
    st.builds(People, n=st.integers(1, 9)),
    st.builds(Sum, kind=st.sampled_from(KINDS), at_least=st.integers(1, 9)),
    st.builds(PeopleIn, place=st.sampled_from(PLACES), at_least=st.integers(1, 9)),
    st.builds(Places, people=st.integers(1, 3), at_least=st.integers(1, 3)),
    st.builds(PledgeIn, code=st.sampled_from("abc")),
)


def gates(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    lists = st.lists(inner, min_size=1, max_size=3).map(tuple)
    some = lists.flatmap(
        lambda of: st.builds(Some, of=st.just(of), at_least=st.integers(1, len(of)))
    )
    return st.one_of(st.builds(All, of=lists), st.builds(AnyOf, of=lists), some)


# One gate around another around atoms: within the depth of five that `parse` allows.
condition = st.one_of(atom, gates(atom), gates(st.one_of(atom, gates(atom))))
counts = st.integers(0, 9)
aggregates = st.builds(
    Aggregates,
    people=counts,
    sums=st.dictionaries(st.sampled_from(KINDS), counts),
    people_in=st.dictionaries(st.sampled_from(PLACES), counts),
    pledges=st.frozensets(st.sampled_from("abc")),
)
words = st.sampled_from(
    ["people", "sum", "people_in", "places", "pledge", "all", "some", "of", "at_least", "kind"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(words | st.text(), inner, max_size=3),
    max_leaves=12,
)


def read(value: object, **options: Any) -> Condition:
    return parse(value, path="rule", **{"pledges_allowed": True, **options})


@MODEST
@given(condition)
def test_what_is_written_is_read_back(c: Condition) -> None:
    assert c == read(to_json(c))


@settings(max_examples=400, deadline=None)
@given(json_values, st.booleans())
def test_any_json_is_read_or_refused_with_a_path(value: object, pledges_allowed: bool) -> None:
    try:
        c = parse(value, path="rule", pledges_allowed=pledges_allowed)
    except ConditionRefused as refused:
        assert refused.path.startswith("rule")
        assert refused.path.isprintable()
        assert refused.reason in Fault
    else:
        assert to_json(c) == value


@pytest.mark.parametrize("word", ["all", "any"])
def test_a_very_deep_condition_is_refused_before_it_is_followed(word: str) -> None:
    value: object = {"people": 1}
    for _ in range(100_000):
        value = {word: [value]}
    with pytest.raises(ConditionRefused) as caught:
        read(value)
    assert (Fault.too_deep, f"rule.{word}[0].{word}[0].{word}[0].{word}[0].{word}[0]") == (
        caught.value.reason,
        caught.value.path,
    )
    while isinstance(value, dict) and isinstance(inner := value.get(word), list):
        value = inner.pop()


def nested(depth: int) -> object:
    return {"people": 1} if depth == 1 else {"any": [nested(depth - 1)]}


def test_five_levels_and_fifty_nodes_are_read() -> None:
    read(nested(5))
    read({"all": [{"people": n} for n in range(1, 50)]})


REFUSALS: list[tuple[object, Fault, str]] = [
    (None, Fault.not_an_object, "rule"),
    ([], Fault.not_an_object, "rule"),
    ({}, Fault.not_one_key, "rule"),
    ({"people": 1, "pledge": "x"}, Fault.not_one_key, "rule"),
    ({"at_most": 1}, Fault.unknown_key, "rule.at_most"),
    ({"not": {"people": 1}}, Fault.unknown_key, "rule.not"),
    ({"a b\n": 1}, Fault.unknown_key, "rule"),
    ({"people": True}, Fault.not_an_integer, "rule.people"),
    ({"people": 5.0}, Fault.not_an_integer, "rule.people"),
    ({"people": "5"}, Fault.not_an_integer, "rule.people"),
    ({"people": 0}, Fault.out_of_range, "rule.people"),
    ({"people": 10**12 + 1}, Fault.out_of_range, "rule.people"),
    ({"people": 10**5000}, Fault.out_of_range, "rule.people"),
    ({"sum": 5}, Fault.not_an_object, "rule.sum"),
    ({"sum": {"kind": "money"}}, Fault.missing_key, "rule.sum.at_least"),
    ({"sum": {"kind": "gold", "at_least": 1}}, Fault.unknown_kind, "rule.sum.kind"),
    ({"sum": {"kind": [], "at_least": 1}}, Fault.not_text, "rule.sum.kind"),
    ({"sum": {"kind": "money", "at_least": 1, "x": 1}}, Fault.unknown_key, "rule.sum.x"),
    ({"people_in": {"place": "Rome", "at_least": 1}}, Fault.unknown_place, "rule.people_in.place"),
    ({"people_in": {"place": "", "at_least": 1}}, Fault.not_text, "rule.people_in.place"),
    ({"people_in": {"place": "\ud800", "at_least": 1}}, Fault.not_text, "rule.people_in.place"),
    ({"places": {"people": 1, "at_least": 0}}, Fault.out_of_range, "rule.places.at_least"),
    ({"pledge": "abc"}, Fault.pledge_not_allowed, "rule.pledge"),
    ({"all": []}, Fault.not_a_list, "rule.all"),
    ({"any": {"people": 1}}, Fault.not_a_list, "rule.any"),
    (
        {"all": [{"people": 1}, {"sum": {"kind": "money", "at_least": -1}}]},
        Fault.out_of_range,
        "rule.all[1].sum.at_least",
    ),
    ({"some": {"of": [{"people": 1}], "at_least": 2}}, Fault.out_of_range, "rule.some.at_least"),
    (
        {"some": {"of": [{"people": 0}], "at_least": 1}},
        Fault.out_of_range,
        "rule.some.of[0].people",
    ),
    ({"all": [{"people": 1}] * 50}, Fault.too_large, "rule.all[49]"),
    (nested(6), Fault.too_deep, "rule.any[0].any[0].any[0].any[0].any[0]"),
]


@pytest.mark.parametrize(("value", "reason", "path"), REFUSALS)
def test_a_fault_is_refused_with_a_word_and_the_path_to_it(
    value: object, reason: Fault, path: str
) -> None:
    with pytest.raises(ConditionRefused) as caught:
        read(value, kinds=frozenset(KINDS), places=frozenset(PLACES), pledges_allowed=False)
    assert (reason, path) == (caught.value.reason, caught.value.path)


@MODEST
@given(condition, aggregates)
def test_the_canonical_spelling_means_the_same(c: Condition, a: Aggregates) -> None:
    assert holds(c, a) is holds(normal(c), a)
    assert normal(c) == normal(normal(c))
    assert canonical(c) == canonical(normal(c))


@MODEST
@given(gates(atom).flatmap(lambda c: st.tuples(st.just(c), st.permutations(c.of))))
def test_order_and_repetition_do_not_change_the_canonical_text(
    both: tuple[All | AnyOf | Some, list[Condition]],
) -> None:
    c, shuffled = both
    assert canonical(c) == canonical(replace(c, of=tuple(shuffled)))
    if not isinstance(c, Some):
        assert canonical(c) == canonical(replace(c, of=(*c.of, c.of[0])))
        assert canonical(c) == canonical(replace(c, of=(c, c.of[0])))


def test_a_list_of_one_is_that_one() -> None:
    one = People(n=3)
    assert '{"people":3}' == canonical(All(of=(AnyOf(of=(Some(of=(one,), at_least=1),)),)))


def test_the_same_condition_twice_is_two_of_some() -> None:
    twice = Some(of=(People(n=1), People(n=1), People(n=9)), at_least=2)
    once = Aggregates(people=1, sums={}, people_in={}, pledges=frozenset())
    assert holds(twice, once)
    assert holds(normal(twice), once)


@MODEST
@given(condition, aggregates, aggregates)
def test_a_condition_is_monotone(c: Condition, a: Aggregates, more: Aggregates) -> None:
    assert not holds(c, a) or holds(c, a.plus(more))


@MODEST
@given(condition, aggregates)
def test_there_are_gaps_exactly_when_the_condition_does_not_hold(
    c: Condition, a: Aggregates
) -> None:
    found = gaps(c, a)
    assert holds(c, a) is (found == ())
    for gap in found:
        assert gap.missing > 0
        assert not holds(gap.atom, a)
        assert gap.atom in atoms(c)


def test_a_gap_says_how_much_is_missing_in_the_unit_of_its_atom() -> None:
    a = Aggregates(people=3, sums={"money": 50}, people_in={"Leeds": 2}, pledges=frozenset())
    c = All(
        of=(
            People(n=2),
            People(n=5),
            AnyOf(of=(Sum(kind="money", at_least=80), PeopleIn(place="York", at_least=2))),
            Places(people=2, at_least=3),
            PledgeIn(code="cleo"),
            Some(of=(PledgeIn(code="cleo"), People(n=1)), at_least=1),
        )
    )
    expected = (
        Gap(atom=People(n=5), missing=2),
        Gap(atom=Sum(kind="money", at_least=80), missing=30),
        Gap(atom=PeopleIn(place="York", at_least=2), missing=2),
        Gap(atom=Places(people=2, at_least=3), missing=2),
        Gap(atom=PledgeIn(code="cleo"), missing=1),
    )
    assert expected == gaps(c, a)


def test_a_conjunction_leaves_out_what_always_holds() -> None:
    one, other = People(n=1), People(n=2)
    assert conjunction(None, None) is None
    assert one == conjunction(None, one)
    assert All(of=(one, other)) == conjunction(one, None, other)


def test_the_pledges_a_condition_names_are_found_at_any_depth() -> None:
    c = All(of=(People(n=1), AnyOf(of=(PledgeIn(code="a"), All(of=(PledgeIn(code="b"),))))))
    assert frozenset("ab") == pledges_named(c)
