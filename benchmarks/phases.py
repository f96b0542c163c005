"""What a training step spends its time on: products, the update, packing, waiting, and what is outside native code.

    python benchmarks/phases.py [--cells LayerNormLSTM] [--shapes uniform] [--steps 200]

Cells are compiled once more, with clocks in them, which cost about two in a hundred. All times are per step and, but
for the step itself, of a processor: of so many threads together, over their number. Medians of single steps.

    products   of inputs and states with weights, and of steps for the gradients of weights
    update     all else that a step computes, element by element, and what leads there
    laying     rows and columns copied beside each other for the gradients of weights
    packing    weights into panels, once a call
    waiting    for the other threads, within a call and at its end
    outside    Python, autograd and memory

What the products would take at the rate of `roofline.py` is beside them: no engine is faster than that.
"""

import argparse
import ctypes
import os
import statistics
import time
from typing import NamedTuple

import roofline
import torch
from recurrent import contender_of
from recurrent_problem import CELLS, problem_of
from recurrent_shapes import Shape, chosen
from timing import table

from unspool.engine.native.calling import Native

PHASES = ("products", "update", "packing", "laying", "waiting", "rest")  # as phases.hpp has them


class Spent(NamedTuple):
    """Seconds of a training step, and of a processor in each of its phases."""

    step: float
    phases: dict[str, float]


class _Watched:
    """Within, how long native calls take, and the libraries that were called."""

    def __init__(self) -> None:
        self.seconds, self.libraries = 0.0, set[ctypes.CDLL]()
        self._call = Native.call

    def __enter__(self) -> "_Watched":
        def call(native: Native, *told: object) -> None:
            self.libraries.add(native.library)
            start = time.perf_counter()
            self._call(native, *told)  # type: ignore[arg-type]
            self.seconds += time.perf_counter() - start

        Native.call = call  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        Native.call = self._call  # type: ignore[method-assign]

    def taken(self) -> tuple[float, list[float]]:
        """Seconds of calls, and of all threads by phase, since this was asked last."""
        found = [0.0] * len(PHASES)
        for library in self.libraries:
            of_one = (ctypes.c_int64 * len(PHASES))()
            library.unspool_phases(of_one)
            found = [one + ns / 1e9 for one, ns in zip(found, of_one, strict=True)]
        seconds, self.seconds = self.seconds, 0.0
        return seconds, found


def measure(kind: str, shape: Shape, steps: int, seed: int = 0) -> Spent:
    """The medians of so many training steps of one cell and shape, where cells are compiled with `-DPHASES`."""
    ours = contender_of(problem_of(kind, shape, seed), "ours", torch.float32, "native")
    assert ours is not None
    assert ours.training is not None
    threads, whole, found = torch.get_num_threads(), [], []
    with _Watched() as watched:
        for turn in range(steps + steps // 4 + 1):
            start = time.perf_counter()
            gradients = ours.training()
            seconds = time.perf_counter() - start
            del gradients
            native, phases = watched.taken()
            if turn > steps // 4:
                own = {name: each / threads for name, each in zip(PHASES, phases, strict=True)}
                own["waiting"] += native - sum(own.values())
                whole.append(seconds)
                found.append({**own, "outside": seconds - native})
    return Spent(statistics.median(whole), {name: statistics.median(each[name] for each in found) for name in found[0]})


def roof(rounds: int = 5) -> float:
    """GF/s that nothing here goes beyond: of weights in the nearest cache, on all threads."""
    threads = torch.get_num_threads()
    return max(roofline.measure([threads], rounds).values())


def row(kind: str, shape: Shape, spent: Spent, most: float) -> list[str]:
    flops = 3 * problem_of(kind, shape, 0).flops
    told = [f"{1000 * seconds:.2f}" for seconds in (spent.step, spent.phases["products"], flops / most / 1e9)]
    others = ("update", "laying", "packing", "waiting", "rest", "outside")
    rates = [f"{flops / spent.step / 1e9:.0f}", f"{most:.0f}"]
    return [kind, shape.name, *told, *(f"{1000 * spent.phases[name]:.2f}" for name in others), *rates]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=["LayerNormLSTM"])
    parser.add_argument("--shapes", nargs="+", default=["uniform"])
    parser.add_argument("--steps", type=int, default=200)
    asked = parser.parse_args()
    os.environ["UNSPOOL_CXXFLAGS"] = f"{os.environ.get('UNSPOOL_CXXFLAGS', '')} -DPHASES".strip()
    most = roof()
    header = ["cell", "ms of a training step", "step", "products", "at the roof", "update", "laying", "packing"]
    header += ["waiting", "rest", "outside", "GF/s", "roof"]
    shapes = chosen(asked.shapes)
    print(table(header, [row(k, s, measure(k, s, asked.steps), most) for k in asked.cells for s in shapes]))


if __name__ == "__main__":
    main()
