"""The stand-alone verifier: published signatures, and each rule of the entries by a broken one."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from countmein.rules import log, verify
from countmein.rules.entries import HELD_SIGN, Totals, commitment

#: RFC 8032, 7.1, the first three: key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
#: The example of C2SP's signed notes.
NOTE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
NOTE = NOTE_TEXT + (
    "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngot"
    "pRZb6KE6RyyBwJnAM=\n"
)


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_published_signatures_are_good_and_bent_ones_are_not(
    key: str, message: str, signature: str
) -> None:
    said = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)
    assert verify.is_signed(*said)
    assert not verify.is_signed(said[0], said[1] + b"x", said[2])
    for at in (0, 31, 32, 63):
        bent = bytearray(said[2])
        bent[at] ^= 1
        assert not verify.is_signed(said[0], said[1], bytes(bent))
    more = int.from_bytes(said[2][32:], "little") + verify.L
    assert not verify.is_signed(said[0], said[1], said[2][:32] + more.to_bytes(32, "little"))


@settings(max_examples=5, deadline=None)
@given(st.binary(max_size=80))
def test_what_the_site_signs_is_signed(message: bytes) -> None:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    assert verify.is_signed(public, message, key.sign(message))


def test_the_published_note_is_opened() -> None:
    assert NOTE_TEXT == verify.open_note(NOTE, NOTE_KEY)
    public = base64.b64decode(NOTE_KEY.split("+", 2)[2])[1:]
    assert NOTE_KEY == log.verifier_key("PeterNeumann", public)
    with pytest.raises(verify.Wrong, match="not signed"):
        verify.open_note(NOTE.replace("answer", "question"), NOTE_KEY)


def test_the_published_commitment_is_made() -> None:
    expected = "3fa3254a2d9c3535217f622eb9792de8d27d84583cbd5d573b4af56e210e53bd"
    assert expected == commitment(bytes(31) + b"\1", "ada@example.org")


def test_both_know_the_same_kinds_of_money() -> None:
    assert dict(HELD_SIGN) == verify.HELD


class Written:
    """A log kept in memory, with a key of its own."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.totals = Totals(campaign="abc")
        self.texts: list[str] = []
        public = self.key.public_key().public_bytes_raw()
        self.verifier = log.verifier_key("example.org/log", public)

    def write(self, kind: str, **said: Any) -> int:
        self.texts.append(self.totals.entry(len(self.texts), kind, **said))
        return len(self.texts) - 1

    def checkpoint(self) -> str:
        root = log.root_of([log.leaf_hash(text.encode()) for text in self.texts])
        size = len(self.texts)
        text = log.Checkpoint(origin="example.org/log", size=size, root=root).text()
        public = self.key.public_key().public_bytes_raw()
        signature = self.key.sign(text.encode())
        return f"{text}\n{log.signature_line('example.org/log', public, signature)}"

    def lines(self) -> list[str]:
        """As the site exports them; the key's owner has signed whatever is written."""
        lines = [
            json.dumps({"e": text, "h": log.leaf_hash(text.encode()).hex()}) for text in self.texts
        ]
        return [*lines, json.dumps({"checkpoint": self.checkpoint()})]

    def check(self, seen: str | None = None) -> verify.Log:
        return verify.verify_export(self.lines(), self.verifier, seen)


@pytest.fixture
def written() -> Written:
    """Two who pledge money for a rule that asks for two."""
    log = Written()
    log.write("rule", d={"rule": {"people": 2}})
    for _who in range(2):
        w = commitment(os.urandom(32), "code")
        log.write("pledge", u="money", a=500, e=1, w=w)
    return log


def test_a_right_log_is_right(written: Written) -> None:
    written.write("class", e=2, s={"money": 1000}, i=1)
    written.write("move", d={"state": "tipped", "people": 2, "sums": {"money": 1000}})
    charge = written.write("charge", u="held:EUR", a=500)
    written.write("refund", u="held:EUR", a=-200, r=charge)
    written.write("earmark", u="held:EUR", a=-300)
    written.write("payout", u="payout:EUR", a=300)
    seen = written.check().campaigns["abc"]
    assert (2, {"money": 1000, "held:EUR": 0, "payout:EUR": 300}) == (seen.people, seen.totals)


WRONGS = {
    "more goes back": [("charge", {"u": "h", "a": 5}), ("refund", {"u": "h", "a": -6, "r": 3})],
    "was not charged": [("refund", {"u": "h", "a": -6, "r": 1})],
    "wrong sign": [("charge", {"u": "h", "a": -5})],
    "more is paid": [("earmark", {"u": "h", "a": -5}), ("payout", {"u": "p", "a": 6})],
    "is no pledge that is in": [("withdrawn", {"u": "money", "a": -5, "e": -1, "r": 0})],
    "takes out other than": [("withdrawn", {"u": "money", "a": -5, "e": -1, "r": 1})],
    "there is no kind of entry": [("gift", {})],
    "not those of the pledges": [
        ("class", {"e": 2, "s": {"money": 1000}, "q": {"people": 1}, "i": 1}),
        ("move", {"d": {"state": "tipped", "people": 2, "sums": {"money": 1000}}}),
    ],
    "are not in the log": [
        ("class", {"e": 3, "s": {"money": 1000}, "i": 1}),
        ("move", {"d": {"state": "tipped", "people": 3, "sums": {"money": 1000}}}),
    ],
    "not worked out rightly": [
        ("class", {"e": 2, "s": {"money": 1000}, "i": 0}),
        ("move", {"d": {"state": "tipped", "people": 0, "sums": {}}}),
    ],
    "add up to something else": [
        ("class", {"e": 2, "s": {"money": 1000}, "i": 1}),
        ("move", {"d": {"state": "tipped", "people": 2, "sums": {"money": 999}}}),
    ],
    "its rule does not hold": [
        ("withdrawn", {"u": "money", "a": -500, "e": -1, "r": 1}),
        ("class", {"e": 1, "s": {"money": 500}, "i": 1}),
        ("move", {"d": {"state": "tipped", "people": 1, "sums": {"money": 500}}}),
    ],
    "tips a second time": [
        ("class", {"e": 2, "s": {"money": 1000}, "i": 1}),
        ("move", {"d": {"state": "tipped", "people": 2, "sums": {"money": 1000}}}),
        ("move", {"d": {"state": "tipped", "people": 2, "sums": {"money": 1000}}}),
    ],
}


@pytest.mark.parametrize(("reason", "entries"), WRONGS.items(), ids=WRONGS)
def test_the_keys_own_holder_cannot_sign_what_does_not_add_up(
    written: Written, reason: str, entries: list[tuple[str, dict[str, Any]]]
) -> None:
    for kind, said in entries:
        last = written.write(kind, **said)
    with pytest.raises(verify.Wrong, match=reason) as found:
        written.check()
    assert found.value.first in (last, last - 1)


@pytest.mark.parametrize("field", ["t", "m", "p", "n"])
def test_a_wrong_number_is_named(written: Written, field: str) -> None:
    entry = json.loads(written.texts[2])
    entry[field] += 1
    written.texts[2] = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    with pytest.raises(verify.Wrong, match=r"^entry 2:"):
        written.check()


def test_another_history_is_found_by_who_saw_the_first(written: Written) -> None:
    """The key's holder signs twice; whoever kept a checkpoint sees it."""
    seen = written.checkpoint()
    written.write("story", d={"number": 1})
    written.check(seen)
    written.texts[1] = written.texts[1].replace(":500", ":501")
    other = Written()
    other.key, other.verifier = written.key, written.verifier
    other.write("rule", d={"rule": {"people": 1}})
    for _who in range(3):
        other.write("pledge", u="money", a=500, e=1, w="0")
    other.check()
    with pytest.raises(verify.Wrong, match="not those you have seen"):
        other.check(seen)
    del other.texts[2:]
    with pytest.raises(verify.Wrong, match="cut off"):
        other.check(seen)
