"""One step of an LSTM at a time, as in streaming and decoding: ours, torch.nn.LSTMCell and ONNX Runtime, in turn.

    python benchmarks/step.py [--rounds 15]

Each takes an input and a state and gives a new state, in the form that it likes best: tensors, or arrays of NumPy. A
time is the median of rounds of 200 steps. ONNX Runtime keeps its threads spinning between steps, as it does by itself;
its figure is the better one of one and of as many threads as PyTorch has. It is skipped where it is not installed.
"""

import argparse
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from timing import medians, table
from torch import nn

from unspool import cells

STEPS = 200


def ours(cell: cells.LSTM, rows: int) -> Callable[[], Any]:
    step, state = cell.stepper(rows), cell.initial_state(rows)
    x = torch.randn(rows, cell.input_size)
    return lambda: step(x, state)[1]


def torch_cell(cell: cells.LSTM, rows: int) -> Callable[[], Any]:
    own = nn.LSTMCell(cell.input_size, cell.hidden_size)
    x, state = torch.randn(rows, cell.input_size), (torch.zeros(rows, cell.hidden_size),) * 2
    return lambda: torch.no_grad()(own)(x, state)


def onnx(cell: cells.LSTM, rows: int, threads: int) -> Callable[[], Any]:
    """The operator of one step; which weights it has makes no difference to its time."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    size, width = cell.hidden_size, cell.input_size
    shapes = {"W": (1, 4 * size, width), "R": (1, 4 * size, size), "B": (1, 8 * size)}
    constants = [
        numpy_helper.from_array(np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]

    def described(name: str, *shape: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        [helper.make_node("LSTM", ["x", "W", "R", "B", "", "h", "c"], ["", "hidden", "memory"], hidden_size=size)],
        "step",
        [described("x", 1, rows, width), described("h", 1, rows, size), described("c", 1, rows, size)],
        [described("hidden", 1, rows, size), described("memory", 1, rows, size)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = {"x": np.ones((1, rows, width), np.float32), "h": np.zeros((1, rows, size), np.float32)}
    given["c"] = given["h"]
    return lambda: session.run(["hidden", "memory"], given)


def measure(hidden: int, rows: int, rounds: int, *, steps: int = STEPS) -> dict[str, float]:
    """Seconds of a step, by who takes it. One after the other: threads that spin would slow down whoever is next."""
    torch.manual_seed(0)
    cell = cells.LSTM(hidden, hidden)
    found = {"ours": seconds(ours(cell, rows), rounds, steps)}
    found["torch.nn.LSTMCell"] = seconds(torch_cell(cell, rows), rounds, steps)
    if find_spec("onnx") and find_spec("onnxruntime"):
        threads = {1, torch.get_num_threads()}
        found["onnxruntime"] = min(seconds(onnx(cell, rows, count), rounds, steps) for count in threads)
    return found


def seconds(step: Callable[[], Any], rounds: int, steps: int) -> float:
    def run() -> None:
        for _ in range(steps):
            step()

    return medians({"": run}, rounds=rounds)[""] / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    lines = []
    for hidden in (64, 128, 256, 512):
        for rows in (1, 8):
            found = measure(hidden, rows, options.rounds)
            mine = found["ours"]
            others = [f"{time * 1e6:.1f} {time / mine:.2f}x" for name, time in found.items() if name != "ours"]
            lines.append([f"H{hidden}, rows {rows}", f"{mine * 1e6:.1f}", *others])
    print(f"{torch.get_num_threads()} threads; microseconds a step, and their ratio to ours")
    print(table(["LSTM", *found], lines))


if __name__ == "__main__":
    main()
