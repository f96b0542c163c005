"""Checkpointed back-propagation against what its schedule promises: steps that run, and time.

    python benchmarks/memory_schedule.py [--steps 1000] [--batch 32] [--hidden 256] [--shares 0.05 0.01] [--rounds 5]
        [--json FILE]

An LSTM over full sequences, a loss on every step. `plain` is what a training step adds to the memory of a fresh
process, beyond one over two steps: that is gradients and packed copies of the weights, whatever the length. For each
share of it: how `unspool.unroll` cuts time, how many runs of a segment were counted, beside the number that the dynamic
programme gives; and the time of a training step, beside

    (runs / segments - 1) · forward + (forward and backward)

from the times of all segments once. Times are of the processor, not of the clock, so that what else runs on the
machine counts little; with one thread they are the same on an idle one.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from peak_memory import added_by, in_a_fresh_process
from timing import table
from torch import Tensor

from unspool import Ragged, cells, unroll
from unspool.unrolling import Plan, plan
from unspool.unrolling.checkpointed import unroll_checkpointed
from unspool.unrolling.dynamic import unroll_dynamic
from unspool.unrolling.planning import cuts


@dataclass(frozen=True)
class Problem:
    """An LSTM over a batch of equally long sequences."""

    steps: int
    batch: int
    hidden: int

    def made(self) -> tuple[cells.LSTM, Ragged]:
        torch.manual_seed(0)
        values = torch.randn(self.batch * self.steps, self.hidden)
        return cells.LSTM(self.hidden, self.hidden), Ragged(values, [self.steps] * self.batch)


@dataclass(frozen=True)
class Row:
    """What was measured at a share of plain memory: runs of segments, counted and `expected`; seconds of a training
    step, and as they follow from those of segments."""

    share: float
    budget_mb: float
    peak_mb: float
    segments: int
    states: int
    counted: int
    expected: int
    seconds: float
    predicted: float
    over_plain: float


def squares(outputs: Ragged, stretch: slice) -> Tensor:
    """A loss on every step: were it on the last state alone, its gradient would soon be too small for a processor's
    normal numbers, and slow."""
    return outputs.values.square().sum()


def training_step(problem: Problem, memory: int | None) -> Callable[[], None]:
    cell, batch = problem.made()

    def step() -> None:
        cell.zero_grad()
        unroll(cell, batch, each=squares, memory=memory).outputs.backward()

    return step


def seconds_of(step: Callable[[], Any], rounds: int) -> float:
    """The median of processor time."""
    found = []
    for number in range(rounds + 1):
        start = time.process_time()
        step()
        found += [time.process_time() - start] if number else []
    return statistics.median(found)


def added(sizes: dict[str, int], memory: int | None) -> float:
    problem = Problem(**sizes)
    # What PyTorch and the engine set up at their first step is no one's cost.
    for small in (None, 2**40):
        training_step(Problem(2, problem.batch, problem.hidden), small)()
    return added_by(training_step(problem, memory))


def counted(problem: Problem, found: Plan) -> int:
    """How many segments run forward, in a training step."""
    cell, batch = problem.made()
    ran = [0]

    def counting(cell: Any, inputs: Ragged, state: Any) -> Any:
        ran[0] += 1
        return unroll_dynamic(cell, inputs, state)

    state = cell.initial_state(problem.batch)
    unroll_checkpointed(counting, cell, batch, state, squares, found)[0].backward()
    return ran[0]


def predicted(problem: Problem, found: Plan, rounds: int) -> float:
    """Seconds of a training step, from those of all segments once forward, and once forward and back."""
    cell, batch = problem.made()
    stretches = list(pairwise(cuts(batch.layout, found.segments)))

    def forward() -> None:
        state: Any = None
        for start, stop in stretches:
            with torch.no_grad():
                _, state = unroll(cell, batch.steps(start, stop), state, each=squares)

    def both() -> None:
        state = cell.initial_state(problem.batch)
        for start, stop in stretches:
            state = type(state)(*(leaf.detach().requires_grad_() for leaf in state))
            loss, final = unroll(cell, batch.steps(start, stop), state, each=squares)
            torch.autograd.grad(loss + final.memory.sum(), [*state, *cell.parameters()])
            state = final

    once, back = seconds_of(forward, rounds), seconds_of(both, rounds)
    return (found.runs / found.segments - 1) * once + back


def measure(problem: Problem, shares: list[float], rounds: int) -> list[Row]:
    sizes = asdict(problem)
    fixed_mb = in_a_fresh_process(__file__, [sizes | {"steps": 2}, None])
    plain_mb = in_a_fresh_process(__file__, [sizes, None]) - fixed_mb
    plain = seconds_of(training_step(problem, None), rounds)
    print(f"plain: {plain_mb:.1f} MB and {fixed_mb:.1f} MB at any length, {plain * 1e3:.0f} ms")
    rows = []
    for share in shares:
        budget = int(share * plain_mb * 2**20)
        found = plan(*problem.made(), each=squares, memory=budget)
        taken = seconds_of(training_step(problem, budget), rounds)
        rows.append(
            Row(
                share=share,
                budget_mb=budget / 2**20,
                peak_mb=in_a_fresh_process(__file__, [sizes, budget]) - fixed_mb,
                segments=found.segments,
                states=found.states,
                counted=counted(problem, found),
                expected=found.runs,
                seconds=taken,
                predicted=predicted(problem, found, rounds),
                over_plain=taken / plain,
            )
        )
    return rows


def report(rows: list[Row]) -> str:
    lines = [
        [
            f"{row.share:.0%} of plain, {row.budget_mb:.1f} MB",
            f"{row.peak_mb:.1f} MB",
            f"{row.segments}",
            f"{row.states}",
            f"{row.counted}",
            f"{row.expected}",
            f"{row.seconds * 1e3:.0f} ms",
            f"{row.predicted * 1e3:.0f} ms",
            f"{row.over_plain:.2f}x",
        ]
        for row in rows
    ]
    header = ["budget", "peak", "segments", "states", "runs", "programme", "time", "predicted", "over plain"]
    return table(header, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--shares", nargs="+", type=float, default=[0.05, 0.01])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print(added(*json.loads(options.peak)))
        return
    problem = Problem(options.steps, options.batch, options.hidden)
    rows = measure(problem, options.shares, options.rounds)
    print(report(rows))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        facts = {"machine": platform.platform(), "threads": torch.get_num_threads(), "torch": torch.__version__}
        rows_said = [asdict(row) for row in rows]
        options.json.write_text(json.dumps({**facts, **asdict(problem), "rows": rows_said}, indent=1))


if __name__ == "__main__":
    main()
