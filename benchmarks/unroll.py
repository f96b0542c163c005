"""Dynamic against static unrolling: flexible lengths, memory, computation, long sequences.

    python benchmarks/unroll.py [--rounds 7]

One LSTM of 128 units over 32 sequences, a training step. `static` steps over every column of the rectangle; `dynamic`
over the steps there are, once on the plain loop, which does the same arithmetic as `static`, and once on the engine of
choice. Peak memory is what the step added to a fresh process. The `program` is what torch.export makes of the static
unroll: for a fixed number of steps, and with a symbolic one.
"""

import argparse
import json
import time
from collections.abc import Callable

import torch
from peak_memory import added_by, in_a_fresh_process
from timing import medians, table
from torch import nn

from unspool import Padded, Ragged, cells, engine, unroll

WIDTH, BATCH = 128, 32
HOW = ["static", "dynamic, plain loop", "dynamic, engine of choice"]


def lengths_of(fill: float, longest: int) -> list[int]:
    """One sequence as long as the rectangle, the others equal, together the share `fill` of it."""
    rest = (fill * BATCH - 1) / (BATCH - 1)
    return [longest, *[max(1, round(rest * longest))] * (BATCH - 1)]


def training_step(how: str, lengths: list[int]) -> Callable[[], None]:
    """A function that does forward and backward."""
    torch.manual_seed(0)
    cell = cells.LSTM(WIDTH, WIDTH)
    batch: Ragged | Padded = Ragged(torch.randn(sum(lengths), WIDTH), lengths)
    if how == "static":
        batch = batch.to_padded()

    def step() -> None:
        if how == "dynamic, plain loop":
            with engine.using("reference"):
                outputs = unroll(cell, batch).outputs
        else:
            outputs = unroll(cell, batch).outputs
        outputs.values.sum().backward()

    return step


def peak(how: str, lengths: list[int]) -> float:
    """MB that one training step adds to a process of its own."""
    return in_a_fresh_process(__file__, [how, lengths])


def added(how: str, lengths: list[int]) -> float:
    training_step(how, [1] * BATCH)()  # what PyTorch sets up at its first step is no one's cost
    return added_by(training_step(how, lengths))


def flexible_lengths_and_memory(rounds: int) -> str:
    rows = []
    for fill in (1.0, 0.6, 0.3, 0.1):
        lengths = lengths_of(fill, 200)
        seconds = medians({how: training_step(how, lengths) for how in HOW}, rounds=rounds, warmup=1)
        for how in HOW:
            computed = BATCH * 200 if how == "static" else sum(lengths)
            rows.append(
                [
                    f"{fill:.0%} real steps, {how}",
                    f"{computed}",
                    f"{seconds[how] * 1e3:.0f} ms",
                    f"{seconds['static'] / seconds[how]:.2f}x",
                    f"{peak(how, lengths):.0f} MB",
                ]
            )
    return table(["32 sequences, rectangle of 200 steps", "row-steps", "time", "over static", "peak memory"], rows)


def long_sequences() -> str:
    rows = []
    for longest in (100, 1_000, 10_000):
        lengths = [longest, longest // 2]
        for how in HOW:
            step = training_step(how, lengths)
            step() if longest < 10_000 else None
            start = time.perf_counter()
            step()
            taken = time.perf_counter() - start
            rows.append([f"{longest} steps, {how}", f"{taken * 1e3:.0f} ms", f"{peak(how, lengths):.0f} MB"])
    return table(["2 sequences, the second half as long", "time", "peak memory"], rows)


class Program(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = cells.LSTM(WIDTH, WIDTH)

    def forward(self, batch: Padded) -> torch.Tensor:
        return unroll(self.cell, batch).outputs.values


def programs() -> str:
    rows = []
    for longest in (10, 100, 400):
        batch = Padded(torch.randn(3, longest, WIDTH), torch.tensor([longest, 1, 0]))
        for name, dims in (("fixed", {}), ("symbolic", {1: torch.export.Dim("time", min=1)})):
            size = {0: torch.export.Dim("batch", min=1)}
            start = time.perf_counter()
            program = torch.export.export(Program().eval(), (batch,), dynamic_shapes=[[size | dims, size, size]])
            taken = time.perf_counter() - start
            rows.append([f"{longest} steps, {name}", f"{len(program.graph.nodes)}", f"{taken:.1f} s"])
    return table(["a program of", "nodes", "time to export"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print(added(*json.loads(options.peak)))
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, LSTM of {WIDTH}, training step\n")
    print(f"Flexible lengths, computation and memory (median of {options.rounds})\n")
    print(flexible_lengths_and_memory(options.rounds))
    print("\nLong sequences (one step)\n")
    print(long_sequences())
    print("\nPrograms of fixed shape\n")
    print(programs())


if __name__ == "__main__":
    main()
