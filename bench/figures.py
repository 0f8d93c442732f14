"""What a bench found: figures over several rounds with their goals, and whether the rows agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How large and how long; `size` 0 means the bench's own full size."""

    seconds: float = 5.0
    size: int = 0
    rounds: int = 3

    def size_or(self, full: int) -> int:
        """The size that was asked for, or the full one."""
        return self.size or full


@dataclass(slots=True, kw_only=True)
class Figure:
    """One measured quantity, a value for each round.

    `role` is "ours", "limit" (what the machine could do at most) or "peer" (how others do it).
    """

    name: str
    unit: str
    role: str = "ours"
    values: list[float] = field(default_factory=list)
    at_least: float | None = None
    at_most: float | None = None

    @property
    def middle(self) -> float:
        return median(self.values)

    @property
    def is_reached(self) -> bool | None:
        """Whether the middle value reaches the goal; None where there is none."""
        if self.at_least is not None:
            return self.middle >= self.at_least
        if self.at_most is not None:
            return self.middle <= self.at_most
        return None

    def row(self) -> dict[str, Any]:
        """The figure as it is kept."""
        kept: dict[str, Any] = {
            "name": self.name,
            "unit": self.unit,
            "role": self.role,
            "min": _rounded(min(self.values)),
            "median": _rounded(self.middle),
            "max": _rounded(max(self.values)),
            "rounds": len(self.values),
        }
        for name in ("at_least", "at_most"):
            if (goal := getattr(self, name)) is not None:
                kept |= {name: goal, "reached": self.is_reached}
        return kept


class Findings:
    """Gathers what a bench measures and what it finds wrong."""

    def __init__(self) -> None:
        self._figures: dict[str, Figure] = {}
        self.facts: dict[str, Any] = {}
        self.faults: list[str] = []
        self.curves: list[dict[str, Any]] = []

    def add(self, name: str, value: float, unit: str, **goal: Any) -> None:
        """Note one round's value of a figure; goal and role are those of the first round."""
        figure = self._figures.setdefault(name, Figure(name=name, unit=unit, **goal))
        figure.values.append(value)

    def middle(self, name: str) -> float:
        """The middle value of a figure that was noted."""
        return self._figures[name].middle

    def require(self, is_so: bool, otherwise: str) -> None:
        """Note a fault unless something is so: what a bench measured counts only without any."""
        if not is_so:
            self.faults.append(otherwise)

    def curve(self, *, title: str, unit: str, x: Sequence[float], y: Sequence[float]) -> None:
        """Note how a cost grows with a size."""
        points = [[size, _rounded(cost)] for size, cost in zip(x, y, strict=True)]
        self.curves.append({"title": title, "unit": unit, "points": points})

    def rows(self) -> list[dict[str, Any]]:
        """All figures, as they are kept."""
        return [figure.row() for figure in self._figures.values() if figure.values]


def _rounded(value: float) -> float:
    """Four digits say as much as there is to say."""
    return float(f"{value:.4g}")


def lines(result: dict[str, Any]) -> list[str]:
    """The result for people."""
    said = [f"{result['bench']}: {'ok' if result['ok'] else 'WRONG'}"]
    for row in result["figures"]:
        goal = ""
        for name, word in (("at_least", "≥"), ("at_most", "≤")):
            if name in row:
                goal = f"  goal {word} {row[name]:,g} {'reached' if row['reached'] else 'MISSED'}"
        said.append(
            f"  {row['name']:<46}{row['median']:>12,g} {row['unit']:<10}"
            f" ({row['min']:,g} to {row['max']:,g}){goal}"
        )
    for curve in result["curves"]:
        points = ", ".join(f"{size:,g}: {cost:g}" for size, cost in curve["points"])
        said.append(f"  {curve['title']} ({curve['unit']}): {points}")
    said += [f"  {name}: {value}" for name, value in result["facts"].items()]
    said += [f"  WRONG: {fault}" for fault in result["faults"]]
    return said
