"""One way to write each thing down: JSON text, hashes, lanes, mailboxes and codes."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.rules.canonical import (
    AddressRefused,
    CanonicalRefused,
    CodeRefused,
    campaign_code,
    canonical_json,
    digest,
    lane_of,
    lane_of_code,
    mailbox,
    pledge_code,
    voucher_code,
    voucher_ok,
    voucher_text,
)

MODEST = settings(max_examples=200, deadline=None)
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
voucher = st.binary(min_size=7, max_size=7).map(voucher_code)


@MODEST
@given(json_values)
def test_canonical_json_says_the_same_and_says_it_once(value: object) -> None:
    text = canonical_json(value)
    assert value == json.loads(text)
    assert text == canonical_json(json.loads(text))


def test_the_order_of_keys_does_not_matter() -> None:
    assert canonical_json({"a": 1, "b": [2]}) == canonical_json({"b": [2], "a": 1})


@pytest.mark.parametrize("value", [1.0, [1.5], {"a": {"b": float("nan")}}, {1: 2}, "\ud800", {1}])
def test_a_value_without_one_text_is_refused(value: object) -> None:
    with pytest.raises(CanonicalRefused):
        canonical_json(value)


def test_a_very_deep_value_is_refused_and_not_fatal() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(CanonicalRefused):
        canonical_json(value)
    while value:
        value = value.pop()  # type: ignore[assignment]


def test_a_digest_depends_on_use_and_on_where_fields_end_but_not_on_case() -> None:
    assert digest("tie", "AB", "c") == digest("tie", "ab", "C")
    assert digest("tie", "a", "b") != digest("bid", "a", "b")
    assert digest("tie", "a", "b") != digest("tie", "ab", "")
    with pytest.raises(CanonicalRefused):
        digest("tie", "a\nb")


def test_every_lane_is_used_about_equally() -> None:
    lanes = [lane_of(str(number).encode()) for number in range(40_960)]
    assert range(4096) == range(min(lanes), max(lanes) + 1)
    assert max(lanes.count(lane) for lane in range(0, 4096, 64)) < 30


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=12), st.text(max_size=12))
def test_h_1_a_mailbox_is_its_own_mailbox(local: str, domain: str) -> None:
    for address in (f"{local}@{domain}", f"{local}@gmail.com", f"ben@{domain}.example"):
        try:
            once = mailbox(address)
        except AddressRefused:
            continue
        assert once == mailbox(once)
        assert once.isprintable()


@MODEST
@given(
    st.from_regex(r"[a-z0-9äöüßéñж例]{1,8}\.(example|org)", fullmatch=True),
    st.from_regex(r"[a-z0-9äöüßéñж例]{1,8}\.(example|org)", fullmatch=True),
)
def test_h_1_different_domains_are_never_merged(one: str, other: str) -> None:
    assert (one == other) is (mailbox(f"ben@{one}") == mailbox(f"ben@{other}"))


@pytest.mark.parametrize("value", [None, 5, b"ben@example.org"])
def test_what_is_not_text_is_not_an_address(value: object) -> None:
    with pytest.raises(AddressRefused):
        mailbox(value)  # type: ignore[arg-type]


@MODEST
@given(st.integers(0, 4095), st.binary(min_size=9, max_size=9))
def test_a_pledge_code_carries_its_lane(lane: int, random: bytes) -> None:
    code = pledge_code(lane=lane, random=random)
    assert 18 == len(code)
    assert lane == lane_of_code(code)


@MODEST
@given(st.integers(0, 4095), st.binary(min_size=9, max_size=9), st.integers(0, 4095))
def test_two_pledges_never_share_a_code(lane: int, random: bytes, other: int) -> None:
    code = pledge_code(lane=lane, random=random)
    assert (lane == other) is (code == pledge_code(lane=other, random=random))


@MODEST
@given(st.one_of(st.text(max_size=20), st.text("0123z", min_size=18, max_size=18)))
def test_any_text_is_a_code_or_refused(text: str) -> None:
    with suppress(CodeRefused):
        assert 0 <= lane_of_code(text) < 4096


@pytest.mark.parametrize(
    "code", ["", "zzz", "4" + "0" * 17, "0" * 19, "000" + "z" * 15, "i" * 18, "0" * 17 + "A", None]
)
def test_a_malformed_code_is_refused(code: str) -> None:
    with pytest.raises(CodeRefused):
        lane_of_code(code)


def test_a_code_needs_its_random_bytes() -> None:
    for refused in (
        lambda: campaign_code(bytes(6)),
        lambda: voucher_code(bytes(6)),
        lambda: pledge_code(lane=0, random=bytes(8)),
        lambda: pledge_code(lane=4096, random=bytes(9)),
    ):
        with pytest.raises(CodeRefused):
            refused()
    assert 10 == len(campaign_code(bytes(range(16))))


@MODEST
@given(voucher, st.integers(0, 11), st.sampled_from(ALPHABET))
def test_any_single_slip_in_a_voucher_code_is_noticed(code: str, at: int, letter: str) -> None:
    letters = code.replace("-", "")
    slipped = letters[:at] + letter + letters[at + 1 :]
    assert (slipped == letters) is voucher_ok(slipped)


@MODEST
@given(voucher, st.integers(0, 10))
def test_any_swap_of_neighbours_in_a_voucher_code_is_noticed(code: str, at: int) -> None:
    letters = code.replace("-", "")
    swapped = letters[:at] + letters[at + 1] + letters[at] + letters[at + 2 :]
    assert (swapped == letters) is voucher_ok(swapped)


@MODEST
@given(voucher, st.randoms(use_true_random=False))
def test_a_voucher_code_typed_by_a_person_is_understood(code: str, random: object) -> None:
    typed = code.replace("0", "O").replace("1", "l").replace("-", " ").lower()
    assert code == voucher_text(typed)
    assert code == voucher_text(code.replace("1", "I").replace("-", ""))


@pytest.mark.parametrize("code", ["", "-", "0000-0000-000", "0000-0000-0001", "０" * 12, "U" * 12])
def test_what_is_no_voucher_code_is_not_ok(code: str) -> None:
    assert not voucher_ok(code)
