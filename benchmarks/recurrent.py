"""One recurrent layer over ragged batches: ours beside its peers, in turn, in one run.

    python benchmarks/recurrent.py [--cells LSTM GRU] [--shapes H64 words] [--contenders torch-padded jax-scan]
        [--engine NAME] [--bf16] [--memory] [--rounds 15] [--seed 0] [--json FILE]

`ours` is `unspool.unroll` from a new `Ragged` at every step, on the engine of choice, or on `--engine`. Beside it:

* `torch-padded`: torch.nn over the padded rectangle; it knows no lengths and computes the padding.
* `torch-packed`: torch.nn over a packed batch, packed from that rectangle at every step.
* `torch-loop`: the cell's step in a loop over that rectangle, as one writes it in PyTorch for a cell of one's own.
* `rectangles`, `handwritten` and any other of our engines, forced. `eager-loop` is the one named `reference`,
  a loop as well, but over real steps alone, with one product for the inputs of all.
* `onnxruntime`: ONNX's operator over rectangle and lengths, forward only. `pip install onnx onnxruntime`
* `jax-scan`: a compiled scan over the rectangle, its state masked by the lengths. `pip install jax`

A peer that is not installed is skipped, and one that has no such cell has no figure. Every peer has the batch in the
layout it wants before the clock starts. Before anything is timed, its outputs, the gradient of its inputs and that of
its recurrent weights must be ours; in bfloat16, its outputs.

Shapes: `uniform` lengths in [T/4, T] and `full` ones; a batch of one; the lengths of English words in letters and of
sentences in words. A rectangle is as long as the longest sequence drawn. `--shapes` takes whole names or parts of them:
`H64`, `full`, `H64-full`. Input size is hidden size.

`forward` runs without gradients; `training` is forward and backward, from one fixed gradient of the outputs to the
gradients of inputs and all weights. GF/s count the products of real steps only: forward 2 · gates · hidden ·
(input + hidden) a step, a training step three times that. A ratio is the contender's median over ours: 2.00x, and ours
is twice as fast. `--bf16` adds ours and torch-padded under `torch.autocast`, their ratios to ours in float32 too.
`--memory` adds what one training step adds to the memory of a fresh process.
"""

import argparse
import json
import platform
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from peak_memory import added_by, in_a_fresh_process
from recurrent_problem import CELLS, Contender, Problem, check, problem_of
from recurrent_report import Row, report
from recurrent_shapes import PARTS, SHAPES, Shape, chosen
from recurrent_torch import CONTENDERS, engines_of, ours
from timing import medians

from unspool.engine.choice import ENGINES

# Peers that may not be installed: the file of each, and the packages it needs.
INSTALLED_APART = {"onnxruntime": ("recurrent_onnx", ["onnx", "onnxruntime"]), "jax-scan": ("recurrent_jax", ["jax"])}
DEFAULT = ["torch-padded", "torch-packed", "rectangles", "handwritten", *INSTALLED_APART, "torch-loop", "eager-loop"]
SETTLE = 0.03  # seconds of untimed calls before a timed one, in which the threads of the last contender stop spinning


def at_hand(names: list[str]) -> list[str]:
    """The contenders that can run here; says which can't."""
    found = []
    for name in names:
        _, packages = INSTALLED_APART.get(name, ("", []))
        try:
            for package in packages:
                import_module(package)
        except ImportError:
            print(f"{name}: not installed, skipped (pip install {' '.join(packages)})")
        else:
            found.append(name)
    return found


def contender_of(problem: Problem, name: str, dtype: torch.dtype, engine: str | None) -> Contender | None:
    """A contender by its name; None where it has no such cell."""
    if name == "ours":
        return ours(problem, forced=engine, dtype=dtype)
    if dtype == torch.bfloat16:
        return _if_it_runs(CONTENDERS["torch-padded"](problem, dtype=dtype))  # type: ignore[call-arg]
    if name in INSTALLED_APART:
        make: Callable[[Problem], Contender | None] = import_module(INSTALLED_APART[name][0]).contender
        return make(problem)
    return CONTENDERS[name](problem)


def _if_it_runs(contender: Contender | None) -> Contender | None:
    """A contender; None, and says so, where its library does not run on this processor in its numbers."""
    if contender is not None:
        try:
            contender.forward()
        except RuntimeError as error:
            print(f"{contender.column}: does not run on this processor, skipped ({str(error).split('.')[0]})")
            return None
    return contender


def measure(
    kind: str,
    shape: Shape,
    names: list[str],
    *,
    rounds: int = 15,
    seed: int = 0,
    engine: str | None = None,
    bf16: bool = False,
    memory: bool = False,
) -> list[Row]:
    """Ours and the named contenders on one cell and shape; no row where the engine asked for refuses the cell."""
    problem = problem_of(kind, shape, seed)
    contenders = _contenders(problem, names, engine=engine, bf16=bf16)
    if not contenders:
        return []
    for contender in contenders[1:]:
        check(contender, contenders[0])
    engines = {contender.column: engines_of(contender) for contender in contenders}
    peaks = {}
    if memory:
        peaks = {contender.column: peak(kind, shape, contender, engine, seed) for contender in contenders}
    rows = []
    for mode, passes in (("forward", 1), ("training", 3)):
        runs = {contender.column: contender.modes[mode] for contender in contenders if mode in contender.modes}
        seconds = medians(runs, rounds=rounds, settle=SETTLE)
        rows += [
            Row(
                cell=kind,
                shape=shape.name,
                hidden=shape.hidden,
                batch=shape.batch,
                longest=int(problem.lengths.max()),
                steps=len(problem.values),
                lengths=shape.kind,
                contender=contender.name,
                dtype=str(contender.dtype).removeprefix("torch."),
                engine=engines[contender.column][mode],
                mode=mode,
                seconds=seconds[contender.column],
                gf_per_second=passes * problem.flops / seconds[contender.column] / 1e9,
                ratio=seconds[contender.column] / seconds["ours"],
                peak_mb=peaks.get(contender.column) if mode == "training" else None,
            )
            for contender in contenders
            if contender.column in seconds
        ]
    return rows


def _contenders(problem: Problem, names: list[str], *, engine: str | None, bf16: bool) -> list[Contender]:
    """Ours and those of the named ones that have such a cell; none at all where ours has not."""
    wanted = [("ours", torch.float32), *((name, torch.float32) for name in names)]
    if bf16:
        wanted += [(name, torch.bfloat16) for name in ("ours", "torch-padded")]
    found = [contender_of(problem, name, dtype, engine) for name, dtype in wanted]
    return [] if found[0] is None else [contender for contender in found if contender is not None]


def peak(kind: str, shape: Shape, contender: Contender, engine: str | None, seed: int) -> float | None:
    """MB that one training step adds to a process of its own."""
    if contender.training is None:
        return None
    bf16 = contender.dtype == torch.bfloat16
    return in_a_fresh_process(__file__, [kind, asdict(shape), contender.name, bf16, engine, seed])


def added(kind: str, sizes: dict[str, Any], name: str, bf16: bool, engine: str | None, seed: int) -> float:
    shape = Shape(**sizes)

    def training(shape: Shape) -> Callable[[], object]:
        problem = problem_of(kind, shape, seed)
        contender = contender_of(problem, name, torch.bfloat16 if bf16 else torch.float32, engine)
        assert contender is not None
        assert contender.training is not None
        return contender.training

    training(replace(shape, kind="full", longest=1))()  # what a library sets up at its first step is no one's cost
    return added_by(training(shape))


def about(options: argparse.Namespace, names: list[str]) -> dict[str, Any]:
    """What the figures depend on, beside the code."""
    packages = [package for name in names for package in INSTALLED_APART.get(name, ("", []))[1]]
    versions = {package: version(package) for package in ("torch", *packages)}
    machine = {"machine": platform.platform(), "threads": torch.get_num_threads()}
    return {**machine, "versions": versions, "rounds": options.rounds, "seed": options.seed, "engine": options.engine}


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = list(CELLS)
    contenders = list(dict.fromkeys([*DEFAULT, *CONTENDERS, "ours"]))
    parser.add_argument("--cells", nargs="+", default=kinds[:4], choices=kinds)
    names = [shape.name for shape in SHAPES]
    about_names = f"of {', '.join(names)}, or parts of these"
    parser.add_argument("--shapes", nargs="+", default=names, choices=PARTS, metavar="NAME", help=about_names)
    parser.add_argument("--contenders", nargs="+", default=DEFAULT, choices=contenders, help="beside ours")
    parser.add_argument("--engine", choices=list(ENGINES), help="ours on this engine, for the cells that it takes")
    parser.add_argument("--bf16", action="store_true", help="ours and torch-padded in bfloat16 as well")
    parser.add_argument("--memory", action="store_true", help="measure memory as well (Linux)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here, after every cell")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    return parser


def main() -> None:
    options = arguments().parse_args()
    if options.peak:
        print(added(*json.loads(options.peak)))
        return
    names = [name for name in at_hand(options.contenders) if name != "ours"]
    facts = about(options, names)
    print(f"{facts['versions']}, {facts['threads']} threads, medians of {options.rounds}")
    rows: list[Row] = []
    for kind in options.cells:
        of_kind: list[Row] = []
        for shape in chosen(options.shapes):
            asked = {"engine": options.engine, "bf16": options.bf16, "memory": options.memory}
            of_kind += measure(kind, shape, names, rounds=options.rounds, seed=options.seed, **asked)
        print(f"\n{report(of_kind) if of_kind else f'{kind}: engine `{options.engine}` does not take it, skipped'}")
        rows += of_kind
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps({**facts, "rows": [asdict(row) for row in rows]}, indent=1))


if __name__ == "__main__":
    main()
