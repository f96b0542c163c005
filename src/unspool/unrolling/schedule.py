"""When to keep a state and when to run steps again: back-propagation through time in little memory.

Time is cut into segments. To go back through a segment it is run once more with everything kept that its gradient
reads (its tape), from the state at its beginning; that state was kept in a slot, or is computed again from an earlier
one. With few slots, which states to keep is Gruslys et al.'s question:

    C(n, 1) = n (n + 1) / 2
    C(n, m) = 2 n - 1                                             for m ≥ n
    C(n, m) = min over 0 < y < n of  y + C(n - y, m - 1) + C(y, m)

runs of segments for n segments and m states, the first among them: y segments are run ahead, the state there is kept,
what follows is reversed with one slot less, then what came before.

Reference: Gruslys, Munos, Danihelka, Lanctot & Graves (2016), section 3.1; where they mix states and tapes throughout
(section 3.3), here tapes are kept of the last segments alone. The closed form of C: Griewank & Walther (2000).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb


def runs(segments: int, states: int) -> int:
    """C(segments, states): how many runs of a segment it takes to go back through so many, each with its tape once.

    Args:
        segments: 0 or more.
        states: the most that are kept at a time, that of the beginning among them; at least 1.

    Example:
        >>> runs(10, 1), runs(10, 3), runs(10, 10)
        (55, 25, 19)
    """
    repeats = 0
    while comb(states + repeats, states) < segments:
        repeats += 1
    return (repeats + 1) * segments - comb(states + repeats, states + 1)


def ahead(segments: int, states: int) -> int:
    """The smallest y that attains the minimum in C(segments, states): where the next state is to be kept.

    What each further segment ahead adds grows from one to the next, so the minimum is found by halving.
    """
    if states == 1 or segments < 2:
        raise ValueError(f"there is nothing to keep between, with {states} states for {segments} segments")

    def cost(y: int) -> int:
        return y + runs(segments - y, states - 1) + runs(y, states)

    low, high = 1, segments - 1
    while low < high:
        middle = (low + high) // 2
        if cost(middle) <= cost(middle + 1):
            high = middle
        else:
            low = middle + 1
    return low


def kept_on_the_way(first: int, last: int, states: int) -> Iterator[int]:
    """Which states to keep on the way from the beginning of segment `first` to that of `last`, to go back from there.

    Args:
        states: how many there is room for, that of `first` among them, which is kept.
    """
    while first < last and states > 1:
        first, states = first + ahead(last + 1 - first, states), states - 1
        if first < last:
            yield first


@dataclass(frozen=True)
class Plan:
    """How to go forward and back through a batch.

    Fields:
        segments: how many stretches of time, of about equal work.
        states: how many states are kept at a time, that of the beginning among them.
        tapes: of how many of the last segments the tape is kept on the way forward; at least 1, as the last segment's
            gradient comes first.
    """

    segments: int
    states: int
    tapes: int = 1

    @property
    def runs(self) -> int:
        """How many runs of a segment there will be, forward and back."""
        if self.tapes > 1:
            return 2 * self.segments - self.tapes
        return runs(self.segments, self.states)

    def cut_to(self, segments: int) -> Plan:
        """The same plan where there are fewer segments, as sequences have too few steps."""
        if segments == self.segments:
            return self
        return Plan(segments, min(self.states, segments), min(self.tapes, segments))

    def on_the_way(self) -> Iterator[int]:
        """The segments at whose beginning the state is kept in the pass forward, but for the first."""
        last = self.segments - self.tapes
        if self.tapes > 1:
            return iter(range(1, last))
        return kept_on_the_way(0, last, self.states)

    def on_the_way_back(self, first: int, last: int, held: int) -> Iterator[int]:
        """The same for the way to segment `last` in the pass back, from the state of `first`, with `held` kept."""
        return kept_on_the_way(first, last, self.states - held + 1)
