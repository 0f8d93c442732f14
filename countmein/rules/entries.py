"""What an entry of the public log says: facts that change a public number, and no person.

An entry is one canonical JSON text. `k` kind, `c` campaign, `n` its number, `p` the entry of the
campaign before it; `a` a signed amount of the unit `u`, `t` the campaign's running total of that
unit; `e` the people it adds, `m` the campaign's running number of people; `w` a salted commitment,
`r` the entry it refers to; `q` a condition; `l` and `h` place and hour, where enough others share
them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from countmein.rules.canonical import canonical_json
from countmein.rules.log import MAX_ENTRY_BYTES, LogRefused

#: Place and hour of fewer pledges than this could tell who somebody is.
SMALLEST_CELL: Final = 10
#: How each kind of entry about money changes what its campaign holds; others move it elsewhere.
HELD_SIGN: Final[Mapping[str, int]] = {
    "charge": 1,
    "refund": -1,
    "refund_back": 1,
    "dispute": -1,
    "dispute_won": 1,
    "earmark": -1,
    "earmark_back": 1,
    "payout_back": 1,
    "commission": -1,
    "commission_back": 1,
    "costs": -1,
}
#: The states by which a pledge leaves the count; any other way out is a change of mind.
LEAVING: Final = frozenset({"withdrawn", "released", "held", "dropped", "refunded"})


def commitment(salt: bytes, pledge: str) -> str:
    """What an entry shows of a pledge: its code, hidden by 32 random bytes (mechanisms, G)."""
    if len(salt) != 32:
        raise LogRefused("a salt has 32 bytes")
    return hashlib.sha256(b"countmein/v1\n" + salt + b"\n" + pledge.encode()).hexdigest()


def named(code: str) -> str:
    """How a condition names another's pledge in the log; a code is random enough not to be
    guessed."""
    return hashlib.sha256(f"countmein/named/v1\n{code}\n".encode()).hexdigest()[:32]


def public_condition(said: Any) -> Any:
    """A condition as the log shows it: pledges are named by their hash."""
    if isinstance(said, list):
        return [public_condition(each) for each in said]
    if isinstance(said, dict):
        return {
            word: named(inner)
            if word == "pledge" and isinstance(inner, str)
            else public_condition(inner)
            for word, inner in said.items()
        }
    return said


def names_places(said: Any) -> bool:
    """Whether a rule or condition looks at places, so that its clearing cannot be checked
    without."""
    if isinstance(said, list):
        return any(map(names_places, said))
    if isinstance(said, dict):
        return bool({"people_in", "places"} & said.keys()) or any(map(names_places, said.values()))
    return False


def shown_cells(cells: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """The cells of place and hour that enough pledges share to be shown."""
    return frozenset(cell for cell, n in Counter(cells).items() if n >= SMALLEST_CELL)


@dataclass(slots=True, kw_only=True)
class Totals:
    """The running totals of one campaign, from which each entry is spelled."""

    campaign: str
    last: int | None = None
    people: int = 0
    totals: dict[str, int] = field(default_factory=dict)

    def entry(self, n: int, kind: str, **said: Any) -> str:
        """The text of the campaign's next entry, which has the number `n`.

        `a` and `u` bring `t` with them, `e` brings `m`. Raises LogRefused if it is too long.
        """
        whole: dict[str, Any] = {"n": n, "k": kind, "c": self.campaign, **said}
        if self.last is not None:
            whole["p"] = self.last
        if "a" in said:
            total = self.totals.get(said["u"], 0) + said["a"]
            whole["t"] = self.totals[said["u"]] = total
        if "e" in said and "u" in said:
            self.people += said["e"]
            whole["m"] = self.people
        text = canonical_json(whole)
        if len(text.encode()) > MAX_ENTRY_BYTES:
            raise LogRefused("an entry is too long")
        self.last = n
        return text
