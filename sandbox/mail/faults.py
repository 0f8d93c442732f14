"""Planted faults: refuse now, refuse for good, or die with the message already taken."""

import random
from collections.abc import Mapping

# In this order a message meets them.
NAMES = ("reject_4xx", "reject_5xx", "die_after_data")


class Faults:
    """Each fault holds for the next n messages (whole number) or for a share (below 1)."""

    def __init__(self) -> None:
        self._left: dict[str, float] = dict.fromkeys(NAMES, 0)
        self._random = random.Random(0)

    def plant(self, wanted: Mapping[str, float]) -> None:
        """Set the faults named; the others stay. Raises ValueError for a name not known."""
        if not all(
            name in NAMES and isinstance(much, int | float) and much >= 0
            for name, much in wanted.items()
        ):
            raise ValueError(f"known faults: {', '.join(NAMES)}, each a number from 0")
        self._left.update(wanted)

    def next(self) -> str | None:
        """Say which fault the next message meets, if any."""
        for name, much in self._left.items():
            if 0 < much < 1 and self._random.random() < much:
                return name
            if much >= 1:
                self._left[name] = much - 1
                return name
        return None
