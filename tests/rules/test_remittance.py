"""References that survive being retyped, and slips that do not survive their check digits."""

import json
import string
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.rules.remittance import (
    BicRefused,
    IbanRefused,
    ReferenceRefused,
    bic_text,
    creditor_reference,
    find_references,
    iban_text,
    near_references,
    own_code,
    own_reference,
    printed,
    reference_text,
)

MODEST = settings(max_examples=200, deadline=None)
VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "remittance.json").read_text(encoding="utf-8")
)
LETTERS = string.digits + string.ascii_uppercase
OWN_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
bodies = st.text(LETTERS, min_size=1, max_size=21)
codes = st.text(OWN_LETTERS, min_size=1, max_size=20)
gaps = st.sampled_from(["", "", " ", "  ", "-", "\u00a0", "\u2011", ".", "\n"])
#: Words in which no reference can begin, and which end at the reference's edge.
prose = st.text("abcdeghijklmnopqstuvwxyzäß ,.!?", max_size=40)


def is_ours(text: str) -> bool:
    try:
        own_code(text)
    except ReferenceRefused:
        return False
    return True


@pytest.mark.parametrize("case", VECTORS["references"], ids=lambda case: case["reference"])
def test_a_reference_is_made_and_printed_as_in_the_standard(case: dict[str, str]) -> None:
    assert case["reference"] == creditor_reference(case["body"])
    assert case["printed"] == printed(case["reference"])
    assert case["reference"] == reference_text(case["printed"])


@pytest.mark.parametrize("case", VECTORS["ours"], ids=lambda case: case["code"])
def test_a_code_of_ours_goes_into_its_reference_and_comes_out(case: dict[str, str]) -> None:
    assert case["reference"] == own_reference(case["code"])
    assert case["code"] == own_code(case["reference"])


def read(reader: Any, typed: str) -> str | None:
    try:
        return str(reader(typed))
    except (ReferenceRefused, IbanRefused, BicRefused):
        return None


@pytest.mark.parametrize("case", VECTORS["typed"], ids=lambda case: repr(case["text"]))
def test_what_a_person_typed_is_read_or_refused(case: dict[str, str]) -> None:
    assert case["reference"] == read(reference_text, case["text"])


@pytest.mark.parametrize("case", VECTORS["free_texts"], ids=lambda case: case["text"])
def test_a_reference_is_found_in_a_sentence(case: dict[str, str]) -> None:
    assert case["holds"] in find_references(case["text"])


@pytest.mark.parametrize("case", VECTORS["ibans"], ids=lambda case: case["typed"])
def test_account_numbers_are_read_or_refused(case: dict[str, str]) -> None:
    assert case["iban"] == read(iban_text, case["typed"])


@pytest.mark.parametrize("case", VECTORS["bics"], ids=lambda case: case["typed"])
def test_bank_codes_are_read_or_refused(case: dict[str, str]) -> None:
    assert case["bic"] == read(bic_text, case["typed"])


@MODEST
@given(codes)
def test_every_code_survives_its_reference(code: str) -> None:
    reference = own_reference(code)
    assert len(reference) <= 25
    assert code == own_code(reference)
    assert reference == reference_text(reference)


@MODEST
@given(codes, st.data())
def test_any_one_wrong_letter_in_a_reference_of_ours_is_detected(
    code: str, data: st.DataObject
) -> None:
    reference = own_reference(code)
    place = data.draw(st.integers(0, len(reference) - 1))
    wrong = data.draw(st.sampled_from(LETTERS).filter(lambda letter: letter != reference[place]))
    assert not is_ours(reference[:place] + wrong + reference[place + 1 :])


@MODEST
@given(codes, st.data())
def test_any_swap_of_neighbours_in_a_reference_of_ours_is_detected(
    code: str, data: st.DataObject
) -> None:
    reference = own_reference(code)
    place = data.draw(st.integers(0, len(reference) - 2))
    one, two = reference[place : place + 2]
    if one != two:
        assert not is_ours(reference[:place] + two + one + reference[place + 2 :])


def test_check_digits_alone_would_miss_some_swaps() -> None:
    """The negative control: why our codes carry a letter of their own."""
    missed = creditor_reference("B1")
    assert "RF" + missed[2:4] + "1B" == reference_text("RF" + missed[2:4] + "1B")


@MODEST
@given(bodies, st.data())
def test_in_any_reference_a_digit_for_a_digit_and_a_letter_for_a_letter_is_detected(
    body: str, data: st.DataObject
) -> None:
    reference = creditor_reference(body)
    place = data.draw(st.integers(2, len(reference) - 1))
    alike = string.digits if reference[place].isdigit() else string.ascii_uppercase
    wrong = data.draw(st.sampled_from(alike).filter(lambda letter: letter != reference[place]))
    typed = reference[:place] + wrong + reference[place + 1 :]
    # Only O for 0 and I for 1 may still be read, and then as what was meant.
    assert typed not in find_references(typed)


@MODEST
@given(codes, prose, prose, st.data())
def test_a_reference_survives_gaps_small_letters_and_the_words_around_it(
    code: str, before: str, after: str, data: st.DataObject
) -> None:
    reference = own_reference(code)
    typed = "".join(
        (letter.lower() if data.draw(st.booleans()) else letter) + data.draw(gaps)
        for letter in reference
    )
    assert reference in find_references(f"{before} {typed} {after}")
    assert reference == reference_text(typed)


@MODEST
@given(codes, st.data())
def test_o_for_0_and_i_for_1_are_read_as_what_was_meant(code: str, data: st.DataObject) -> None:
    reference = own_reference(code)
    typed = reference[:2] + "".join(
        data.draw(st.sampled_from({"0": "0Oo", "1": "1Ii"}.get(letter, letter)))
        for letter in reference[2:]
    )
    assert reference in find_references(typed)
    assert reference in {reference_text(typed), *find_references(typed)}


@MODEST
@given(codes, st.data())
def test_one_slip_leads_back_to_the_reference_meant(code: str, data: st.DataObject) -> None:
    reference = own_reference(code)
    place = data.draw(st.integers(2, len(reference) - 1))
    wrong = data.draw(st.sampled_from(string.digits if place < 4 else LETTERS))
    typed = reference[:place] + wrong + reference[place + 1 :]
    assert reference in {*find_references(typed), *near_references(typed)}


@MODEST
@given(st.text())
def test_any_text_is_read_without_failing(text: str) -> None:
    for found in find_references(text):
        assert found == reference_text(found)


def test_a_hostile_text_costs_no_more_than_a_long_one() -> None:
    began = time.process_time()
    find_references("RF00O1I" * 100_000)
    list(near_references("RF11" * 100_000))
    assert time.process_time() - began < 5


@pytest.mark.parametrize("code", ["", "a" * 21, "oil", "ä", "a b"])
def test_a_code_that_is_none_gets_no_reference(code: str) -> None:
    with pytest.raises(ReferenceRefused):
        own_reference(code)


@pytest.mark.parametrize("body", ["", "A" * 22, "a", "A B", "Ä"])
def test_a_body_that_is_none_gets_no_reference(body: str) -> None:
    with pytest.raises(ReferenceRefused):
        creditor_reference(body)
