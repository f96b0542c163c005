"""Where to cut time, and which plan keeps to a budget at the least cost."""

from __future__ import annotations

import math

import numpy as np

from unspool.errors import BatchError
from unspool.layout import Layout
from unspool.unrolling.footprint import Footprint
from unspool.unrolling.schedule import Plan

CALL = 200  # what one more run of a segment costs beyond its steps, in steps: 0.4 ms, an LSTM of 64 units takes 2 µs


def cuts(layout: Layout, segments: int) -> list[int]:
    """The times at which a batch is cut into segments of about equal numbers of steps. At most `segments` + 1 of them.

    Found from the lengths alone: what grows with time, such as a list of how many sequences run, is not made.
    """
    if not layout.total:
        return [0, layout.max_length]
    ends = np.unique(layout.lengths.numpy())
    ends = ends[ends > 0]
    sizes = np.sort(layout.lengths.numpy())
    before = np.concatenate([[0], np.cumsum(sizes)])
    shorter = np.searchsorted(sizes, ends, side="right")
    until = before[shorter] + (len(sizes) - shorter) * ends  # steps before each of these times
    wanted = layout.total * np.arange(1, segments) / segments
    times = np.round(np.interp(wanted, np.concatenate([[0], until]), np.concatenate([[0], ends])))
    return sorted({0, *times.astype(int).tolist(), layout.max_length})


def square_root(layout: Layout) -> Plan:
    """√T segments of √T steps, every segment run twice but the last."""
    segments = max(math.ceil(math.sqrt(layout.max_length)), 1)
    return Plan(segments, segments)


def cheapest(layout: Layout, budget: int, taken: Footprint, state: int) -> Plan:
    """The plan that keeps to a budget with the fewest runs of a step.

    Args:
        layout: of the batch.
        budget: bytes.
        taken: bytes by steps.
        state: bytes of a state that is kept.

    Raises:
        BatchError: there is no plan so small.
    """
    tried = (_fitting(layout, segments, budget, taken, state) for segments in _numbers(layout.max_length))
    plans = [plan for plan in tried if plan is not None]
    if not plans:
        least = math.ceil(taken.of_peak(*_widest(layout, layout.max_length)))
        raise BatchError(
            f"`memory` must be at least {least:,} bytes for one time step of these {layout.batch_size} sequences, "
            f"but is {budget:,}; give it more, or a smaller batch"
        )
    return min(plans, key=lambda plan: plan.runs * (layout.total / plan.segments + CALL))


def _numbers(longest: int) -> list[int]:
    """Numbers of segments to try: each about an eighth more than the one before."""
    found, number = [], 1
    while number < longest:
        found.append(number)
        number = max(number + 1, number * 9 // 8)
    return [*found, max(longest, 1)]


def _widest(layout: Layout, segments: int) -> tuple[int, int]:
    """The most steps, of all sequences, and the most moments of time that a segment of `cuts` can have."""
    rows, longest = layout.batch_size, layout.max_length
    last = int((layout.lengths == longest).sum())  # sequences that run to the end, where segments are longest in time
    times = min(math.ceil(layout.total / segments / last) + (last < rows), longest)
    return min(math.ceil(layout.total / segments) + rows, layout.total, times * rows), times


def _fitting(layout: Layout, segments: int, budget: int, taken: Footprint, state: int) -> Plan | None:
    """The best plan of so many segments, or None."""
    steps, times = _widest(layout, segments)
    free = budget - taken.of_peak(steps, times)
    if free < 0:
        return None
    tape = max(taken.of_tape(steps, times), 1.0)
    # Each state but the first and the last segment's: `segments - tapes - 1` of them.
    spare = free - (segments - 2) * state
    if spare < 0 or segments < 2:
        return Plan(segments, min(1 + int(free // state), segments))
    tapes = segments if free >= (segments - 1) * tape else 1 + max(int(spare // max(tape - state, 1.0)), 0)
    return Plan(segments, segments, min(tapes, segments))
