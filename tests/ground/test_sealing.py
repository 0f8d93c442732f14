"""What is sealed opens in its place, under its key, and nowhere else."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countmein.base import sealing
from countmein.base.sealing import KeysUnreadable, OwnKey, SealBroken, keys_in, seal, unseal


@given(plain=st.binary(max_size=300), about=st.text(max_size=40))
def test_what_is_sealed_opens_in_its_place(plain: bytes, about: str) -> None:
    sealed = seal(plain, about=about)
    assert plain == unseal(sealed, about=about)
    with pytest.raises(SealBroken):
        unseal(sealed, about=about + "x")


@given(plain=st.binary(max_size=60), at=st.integers(min_value=0), flip=st.integers(1, 255))
def test_one_changed_byte_is_noticed(plain: bytes, at: int, flip: int) -> None:
    sealed = bytearray(seal(plain, about="here"))
    sealed[at % len(sealed)] ^= flip
    with pytest.raises(SealBroken):
        unseal(bytes(sealed), about="here")


@given(length=st.integers(0, 29))
def test_what_is_cut_short_does_not_open(length: int) -> None:
    with pytest.raises(SealBroken):
        unseal(seal(b"a", about="here")[:length], about="here")


def test_the_same_twice_never_looks_the_same() -> None:
    assert 100 == len({seal(b"ben@example.org", about="here") for _ in range(100)})


def test_a_members_key_opens_nothing_of_another_member() -> None:
    ben, cleo = OwnKey.new(), OwnKey.new()
    sealed = ben.seal(b"ben@example.org", about="contact:1")
    assert b"ben@example.org" == ben.unseal(sealed, about="contact:1")
    with pytest.raises(SealBroken):
        cleo.unseal(sealed, about="contact:1")
    with pytest.raises(SealBroken):
        OwnKey.unwrapped(ben.wrapped(about="member:ben"), about="member:cleo")


def test_the_newest_key_seals_and_older_ones_still_open(settings: Any) -> None:
    settings.SEALING_KEYS = {1: bytes(32)}
    old = seal(b"old", about="here")
    settings.SEALING_KEYS = {1: bytes(32), 2: b"2" * 32}
    new = seal(b"new", about="here")
    assert (1, 2) == (sealing.key_number(old), sealing.key_number(new))
    assert (b"old", b"new") == (unseal(old, about="here"), unseal(new, about="here"))
    settings.SEALING_KEYS = {2: b"2" * 32}
    with pytest.raises(SealBroken):
        unseal(old, about="here")


def test_the_file_of_keys_is_read_or_refused_by_line() -> None:
    good = base64.b64encode(bytes(32)).decode()
    assert {1: bytes(32), 7: bytes(32)} == keys_in(f"1 {good}\n\n7 {good}\n")
    assert [9] == list(keys_in(sealing.new_line(9)))
    for bad in (f"0 {good}", f"x {good}", "1 AAAA", f"1 {good}\n1 {good}", "1", f"70000 {good}"):
        with pytest.raises(KeysUnreadable):
            keys_in(bad)
