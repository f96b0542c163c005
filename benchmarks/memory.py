"""Back-propagation through time over long sequences: memory and time against length.

    python benchmarks/memory.py [--lengths 1000 10000 100000 1000000] [--hidden 64] [--budget 16MB] [--truncate 256]
        [--plain 100000] [--cell LSTM] [--rounds 3] [--seed 0] [--json FILE]

One layer, one sequence, the loss on its last state, a training step: forward and backward, to the gradients of all
weights. `plain` keeps everything; past `--plain` steps it is left out. `sqrt` runs √T stretches of √T steps again. The
budget is `memory=` of `unspool.unroll`, which plans the rest. `truncated` runs 256 steps at a time, the state
carried, the gradient cut: it is constant in memory, but its gradient is another one. `error` is how far gradients are
from those of `plain`: the largest difference, over the largest gradient, of the worst tensor.

Peak memory is what a step added to a fresh process, beside the inputs. `runs` is how often a step is run forward, on
average; `over plain` compares the time of a step to that of the longest plain one.
"""

import argparse
import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from peak_memory import added_by, in_a_fresh_process
from timing import medians, table
from torch import Tensor

from unspool import Ragged, cells, unroll
from unspool.unrolling import pieces_of, plan

KINDS = ["LSTM", "GRU", "PeepholeLSTM", "LayerNormLSTM", "Elman"]


@dataclass(frozen=True)
class Problem:
    """A cell over one sequence."""

    cell: str
    hidden: int
    length: int
    seed: int

    def made(self) -> tuple[cells.GatedCell, Ragged]:
        torch.manual_seed(self.seed)
        return getattr(cells, self.cell)(self.hidden, self.hidden), Ragged(
            torch.randn(self.length, self.hidden), [self.length]
        )


@dataclass(frozen=True)
class Row:
    """What was measured. `ratio` is over the longest plain run, by the step; `error` over plain of this length."""

    length: int
    how: str
    segments: int
    runs: float
    seconds: float
    ratio: float | None
    peak_mb: float | None
    error: float | None


def _nothing(outputs: Ragged, stretch: slice) -> None:
    """What is made of outputs: they are not needed."""


def training_step(how: str, problem: Problem, truncate: int) -> Callable[[], list[Tensor]]:
    """A function that does forward and backward, and returns the gradients of all weights."""
    cell, batch = problem.made()

    def step() -> list[Tensor]:
        cell.zero_grad()
        if how == "truncated":
            for _, piece in pieces_of(cell, batch, steps=truncate):
                final = piece.final
            final[0].sum().backward()
        elif how == "plain":
            unroll(cell, batch).final[0].sum().backward()
        else:
            unroll(cell, batch, each=_nothing, memory=how).final[0].sum().backward()
        return [parameter.grad.clone() for parameter in cell.parameters() if parameter.grad is not None]

    return step


def peak(how: str, problem: Problem, truncate: int) -> float | None:
    """MB that one training step adds to a process of its own; None where that can't be read."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    return in_a_fresh_process(__file__, [how, asdict(problem), truncate])


def added(how: str, sizes: dict[str, int | str], truncate: int) -> float:
    problem = Problem(**sizes)  # type: ignore[arg-type]
    # What PyTorch and the engine set up at their first step is no one's cost.
    training_step(how, Problem(problem.cell, problem.hidden, 32, problem.seed), truncate)()
    return added_by(training_step(how, problem, truncate))


def shape_of(how: str, problem: Problem, truncate: int) -> tuple[int, float]:
    """Into how many segments a way cuts time, and how often it runs a step forward, on average."""
    if how == "plain":
        return 1, 1.0
    if how == "truncated":
        return -(-problem.length // truncate), 1.0
    cell, batch = problem.made()
    found = plan(cell, batch, each=_nothing, memory=how)
    return found.segments, found.runs / found.segments


def measure(lengths: list[int], options: argparse.Namespace) -> list[Row]:
    """All ways at all lengths; plain ones as long as they fit."""
    rows: list[Row] = []
    plain: float | None = None  # seconds a step
    for length in lengths:
        problem = Problem(options.cell, options.hidden, length, options.seed)
        hows = ["plain"] if length <= options.plain else []
        steps = {
            how: training_step(how, problem, options.truncate) for how in [*hows, "sqrt", options.budget, "truncated"]
        }
        seconds = medians(steps, rounds=options.rounds, warmup=int(length < 10**6))
        gradients = {how: step() for how, step in steps.items()}
        plain = seconds["plain"] / length if hows else plain
        for how, taken in seconds.items():
            segments, runs = shape_of(how, problem, options.truncate)
            ratio = None if plain is None else taken / length / plain
            error = _error(gradients[how], gradients["plain"]) if hows else None
            rows.append(Row(length, how, segments, runs, taken, ratio, peak(how, problem, options.truncate), error))
    return rows


def _error(found: list[Tensor], expected: list[Tensor]) -> float:
    pairs = zip(found, expected, strict=True)
    return max(float((ours - theirs).abs().max() / theirs.abs().max()) for ours, theirs in pairs)


def report(rows: list[Row]) -> str:
    lines = [
        [
            f"{row.length:,} steps, {row.how}",
            f"{row.segments:,}",
            f"{row.runs:.2f}",
            f"{row.seconds * 1e6 / row.length:.1f} µs",
            "-" if row.ratio is None else f"{row.ratio:.2f}x",
            "-" if row.peak_mb is None else f"{row.peak_mb:.1f} MB",
            "-" if row.error is None else f"{row.error:.0e}",
        ]
        for row in rows
    ]
    return table(["one sequence", "segments", "runs", "a step", "over plain", "peak memory", "error"], lines)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", nargs="+", type=int, default=[10**3, 10**4, 10**5, 10**6])
    parser.add_argument("--cell", default="LSTM", choices=KINDS)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--budget", default="16MB", metavar="MEMORY")
    parser.add_argument("--truncate", type=int, default=256, metavar="STEPS")
    parser.add_argument("--plain", type=int, default=10**5, metavar="STEPS", help="the longest plain run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    return parser


def main() -> None:
    options = arguments().parse_args()
    if options.peak:
        print(added(*json.loads(options.peak)))
        return
    facts = {
        "machine": platform.platform(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "cell": options.cell,
        "hidden": options.hidden,
        "rounds": options.rounds,
        "seed": options.seed,
    }
    print(f"{options.cell} of {options.hidden} units, torch {torch.__version__}, {facts['threads']} threads")
    rows = measure(options.lengths, options)
    print(report(rows))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({**facts, "rows": [asdict(row) for row in rows]}, indent=1))


if __name__ == "__main__":
    main()
