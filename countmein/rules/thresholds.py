"""Clearing when every condition is one threshold on one aggregate, and amounts that follow it.

W(t) is the weight of all whose threshold is at most t. The outcome is W at the rightmost
threshold t with W(t) >= t. Told in docs/rules/clearing.md.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, TypeAlias

from countmein.rules.clearing import MAX_UNLOCK, Unlock
from countmein.rules.conditions import MAX_NUMBER

# Points (total, own amount) with both rising: nothing is given below the first point, straight
# lines join the points, and the last amount is given for ever after.
Curve: TypeAlias = Sequence[tuple[int, int]]

_DEPTH: Final = MAX_NUMBER.bit_length()
_LEAVES: Final = 1 << _DEPTH
# Less than any W(t) - t: what a stretch without thresholds answers.
_NOWHERE: Final = -(1 << 100)


def fixed_point(weights: Mapping[int, int]) -> int:
    """The largest x such that those whose threshold is at most x weigh x. Thresholds are keys."""
    running = reached = 0
    for threshold in sorted(weights):
        running += weights[threshold]
        if running >= threshold:
            reached = running
    return reached


class ThresholdTree:
    """The same, kept up to date: an update or a question costs the height of the tree.

    A segment tree over the thresholds 0 to 10^12. A node stands under its heap number and holds
    the weight beneath it and the largest prefix W(t) - t among its thresholds t.
    """

    def __init__(self) -> None:
        self._weight: dict[int, int] = {}
        self._best: dict[int, int] = {}
        self._count: dict[int, int] = {}

    def add(self, *, threshold: int, weight: int, count: int = 1) -> None:
        """Add `count` members of this threshold who together weigh `weight`.

        Negative numbers take them out again.
        """
        node = _LEAVES + threshold
        members = self._count.get(node, 0) + count
        own_weight = self._weight.get(node, 0) + weight
        if members:
            self._count[node] = members
            self._weight[node], self._best[node] = own_weight, own_weight - threshold
        else:
            for table in (self._count, self._weight, self._best):
                table.pop(node, None)
        self._repair(node >> 1)

    def _repair(self, node: int) -> None:
        weight, best = self._weight, self._best
        while node:
            left, right = 2 * node, 2 * node + 1
            left_weight = weight.get(left, 0)
            from_left, from_right = best.get(left, _NOWHERE), best.get(right, _NOWHERE)
            if from_left == from_right == _NOWHERE:
                weight.pop(node, None)
                best.pop(node, None)
            else:
                weight[node] = left_weight + weight.get(right, 0)
                best[node] = max(from_left, from_right + left_weight)
            node >>= 1

    def fixed_point(self) -> int:
        """What those who are in weigh together."""
        return self._reached(0)

    def unlock(self, *, limit: int = MAX_UNLOCK) -> Unlock | None:
        """How much more brings in the next who wait, and how much they weigh.

        In people when every weight is 1. None when nobody waits or more than `limit` is needed.
        """
        inside = self.fixed_point()
        more = -self._best_beyond(inside)
        if more > limit:
            return None
        return Unlock(more_people=more, brings_people=self._reached(more) - inside)

    def _reached(self, more: int) -> int:
        """W at the rightmost threshold t with W(t) + more >= t."""
        weight, best = self._weight, self._best
        if best.get(1, _NOWHERE) + more < 0:
            return 0
        node, before = 1, 0
        while node < _LEAVES:
            left_weight = weight.get(2 * node, 0)
            if best.get(2 * node + 1, _NOWHERE) + before + left_weight + more >= 0:
                node, before = 2 * node + 1, before + left_weight
            else:
                node = 2 * node
        return before + weight[node]

    def _best_beyond(self, x: int) -> int:
        """The largest W(t) - t over the thresholds t > x."""
        if x >= _LEAVES - 1:
            return _NOWHERE
        node, before, best_seen = 1, 0, _NOWHERE
        for level in reversed(range(_DEPTH)):
            left_weight = self._weight.get(2 * node, 0)
            if x >> level & 1:
                node, before = 2 * node + 1, before + left_weight
            else:
                beyond = self._best.get(2 * node + 1, _NOWHERE) + before + left_weight
                node, best_seen = 2 * node, max(best_seen, beyond)
        return best_seen


def largest_total(curves: Sequence[Curve]) -> Fraction:
    """The largest x such that the amounts given at a total of x add up to at least x, exactly.

    Walks the corners from the right and solves the one straight piece on which the sum crosses
    x; repeating x <- sum would only creep towards it.
    """
    corners = sorted({x for curve in curves for x, _ in curve}, reverse=True)
    beyond: int | None = None
    for corner in corners:
        given = _given(curves, Fraction(corner))
        if given >= corner:
            if beyond is None:
                return given
            middle = Fraction(corner + beyond, 2)
            slope = (_given(curves, middle) - given) / (middle - corner)
            return corner + (given - corner) / (1 - slope)
        beyond = corner
    return Fraction(0)


def _given(curves: Sequence[Curve], total: Fraction) -> Fraction:
    return sum((_amount(curve, total) for curve in curves), Fraction(0))


def _amount(curve: Curve, total: Fraction) -> Fraction:
    index = bisect_right(curve, total, key=lambda point: Fraction(point[0]))
    if index == 0:
        return Fraction(0)
    x, amount = curve[index - 1]
    if index == len(curve):
        return Fraction(amount)
    next_x, next_amount = curve[index]
    return amount + Fraction(next_amount - amount, next_x - x) * (total - x)
