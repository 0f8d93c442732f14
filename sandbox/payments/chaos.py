"""How a provider misbehaves, on request: answers lost, wrong or late, requests refused."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

# Ways in which a write goes wrong. `timeout_after_success` and `undocumented` do the work.
MODES = ("timeout_after_success", "500", "hang", "undocumented", "429")

# Each is a 200, and nothing that is documented.
UNDOCUMENTED = (
    b'{"object":"surprise","ok":true}',
    b"{}",
    b"[]",
    b"null",
    b'{"id":null,"status":null}',
    b'{"id":"pi_half","object":"payment_in',
    b"<html><title>OK</title></html>",
    b"",
)


@dataclass(slots=True, kw_only=True)
class Planted:
    """The next `times` writes to paths that begin with `path` go wrong in this way."""

    path: str
    mode: str
    times: int = 1


@dataclass(slots=True, kw_only=True)
class Rates:
    """Writes to paths that begin with `path` go wrong with these probabilities, by one seed."""

    path: str
    seed: int
    rates: dict[str, float]
    draw: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)


@dataclass(slots=True)
class Chaos:
    """All that is to go wrong with requests."""

    planted: list[Planted] = field(default_factory=list)
    rates: list[Rates] = field(default_factory=list)
    #: The undocumented answers, one after the other.
    undocumented: Iterator[bytes] = field(default_factory=lambda: cycle(UNDOCUMENTED))

    def next(self, path: str) -> str | None:
        """How this write is to go wrong, if it is."""
        for fault in self.planted:
            if fault.times > 0 and path.startswith(fault.path):
                fault.times -= 1
                return fault.mode
        for each in self.rates:
            if path.startswith(each.path):
                chance = each.draw.random()
                for mode, rate in each.rates.items():
                    if chance < rate:
                        return mode
                    chance -= rate
        return None

    def plant(self, asked: Any) -> None:
        """`fail_next`: {"path", "mode", "times"}, or null to clear. Raises ValueError."""
        if asked is None:
            self.planted = []
            return
        fault = Planted(**asked)
        _require_mode(fault.mode)
        self.planted.append(fault)

    def set_rates(self, asked: Any) -> None:
        """`faults`: {"seed", "path", "rates": {mode: probability}}, or null. Raises ValueError."""
        if asked is None:
            self.rates = []
            return
        made = Rates(path=asked["path"], seed=int(asked["seed"]), rates=dict(asked["rates"]))
        for mode, rate in made.rates.items():
            _require_mode(mode)
            if not 0 <= rate <= 1:
                raise ValueError(mode)
        self.rates.append(made)


def _require_mode(mode: str) -> None:
    if mode not in MODES:
        raise ValueError(f"mode {mode}")
