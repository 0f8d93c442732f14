"""An aggregate while a crowd is peeled: its value, what still holds, and how near failures are."""

from bisect import bisect_left, insort
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Meter:
    """One aggregate: its value over everybody who is in, and what has failed on the way down.

    `ladder` are the thresholds that still hold, rising. A failure's slack is how much was lacking
    when it happened, plus `raised`, all that the aggregate had gained until then; so it is within
    reach as soon as `raised` comes up to it. `nearest` keeps, in order of failure, each slack that
    was less than all before it, with its place in the list of failures.
    """

    __slots__ = ("gates_at", "ladder", "nearest", "net", "raised", "value", "wider", "width")

    def __init__(self) -> None:
        self.value = 0
        self.raised = 0
        #: What has been added since the last settling: by those who are in, and by all others.
        self.net = 0
        self.wider = 0
        #: The largest threshold there ever was.
        self.width = 0
        self.gates_at: dict[int, list[int]] = {}
        self.ladder: list[int] = []
        self.nearest: list[tuple[int, int]] = []

    def hang(self, threshold: int, gates: list[int]) -> None:
        """Let these gates wait at a threshold that still holds."""
        there = self.gates_at.get(threshold)
        if there is not None:
            there.extend(gates)
            return
        self.gates_at[threshold] = gates
        self.width = max(self.width, threshold)
        # What is taken back comes in rising order, so the end is nearly always the place.
        if not self.ladder or self.ladder[-1] < threshold:
            self.ladder.append(threshold)
        else:
            insort(self.ladder, threshold)

    @property
    def is_falling(self) -> bool:
        return bool(self.ladder) and self.ladder[-1] > self.value

    def first_within(self, gain: int) -> int | None:
        """The place of the first failure that a gain of so much brings within reach."""
        nearest = self.nearest
        if not nearest or nearest[-1][0] > gain:
            return None
        return nearest[bisect_left(nearest, -gain, key=lambda each: -each[0])][1]

    def lay(self, threshold: int, gate: int) -> None:
        """Let a gate wait while everybody is still being taken in; `begin` puts all in order."""
        there = self.gates_at.get(threshold)
        if there is None:
            self.gates_at[threshold] = [gate]
        else:
            there.append(gate)

    def begin(self) -> None:
        """Everybody has been taken in: from here on the value falls."""
        self.ladder = sorted(self.gates_at)
        self.width = self.ladder[-1] if self.ladder else 0
        self.net = self.wider = 0

    def note(self, slack: int, place: int) -> None:
        """A failure with so much slack is at this place in the list."""
        if not self.nearest or slack < self.nearest[-1][0]:
            self.nearest.append((slack, place))

    def forget(self, place: int) -> None:
        """The failure at this place, the last one, is taken back."""
        if self.nearest and self.nearest[-1][1] == place:
            self.nearest.pop()


class Weighed(Generic[Key]):
    """All parts with one condition: what they add to each meter, and the gate of the condition."""

    __slots__ = ("key", "people", "root", "weights")

    def __init__(self, key: Key, root: int) -> None:
        self.key = key
        self.root = root
        self.people = 0
        self.weights: dict[Meter, int] = {}
