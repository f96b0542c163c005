"""What every engine must give: the plainest loop there is, in float64, gradients by autograd; and how to compare."""

import copy
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from unspool import Ragged, engine, unroll
from unspool.cells import GatedCell
from unspool.engine.choice import ENGINES

without_native = pytest.mark.skipif("native" not in ENGINES, reason="there is no engine `native` in this version")
# torch warns of the variance of each row where there is no row at all.
rowless_variance = pytest.mark.filterwarnings(r"ignore:(var|std)\(\). degrees of freedom is <= 0:UserWarning")
# What an engine declines it may say, once.
declining_aloud = pytest.mark.filterwarnings("ignore:.*runs on a slower engine")
NATIVE = pytest.param("native", marks=without_native)

# By dtype, of values and of gradients: ‖ours - theirs‖ / ‖theirs‖, tensor by tensor.
TOLERANCES = {torch.float64: (1e-12, 1e-12), torch.float32: (1e-5, 1e-4)}
# A tensor that is zero but for rounding is measured by the largest of its kind: by this share of it.
FLOOR = 1e-3

Run = Callable[[GatedCell, Ragged, Any], tuple[Tensor, Any]]


@dataclass(frozen=True)
class Answers:
    """All that a run gives, by name: `outputs`, `final.hidden`; gradients of `inputs`, `state.hidden`, parameters."""

    values: dict[str, Tensor]
    gradients: dict[str, Tensor]


def loop(cell: GatedCell, inputs: Ragged, state: Any) -> tuple[Tensor, Any]:
    """One sequence after another, one step after another."""
    outputs, ends, start = [], [], 0
    for index, length in enumerate(inputs.lengths.tolist()):
        row = type(state)(*(leaf[index : index + 1] for leaf in state))
        for step in range(start, start + length):
            output, row = cell(inputs.values[step : step + 1], row)
            outputs.append(output)
        ends.append(row)
        start += length
    final = type(state)(*(torch.cat(leaves) for leaves in zip(*ends, strict=True))) if ends else state
    return torch.cat(outputs) if outputs else inputs.values.new_zeros(0, cell.output_size), final


def on(name: str) -> Run:
    """`unroll` on the engine of that name, which did run, and no other."""

    def run(cell: GatedCell, inputs: Ragged, state: Any) -> tuple[Tensor, Any]:
        with engine.using(name), engine.recording() as ran:
            outputs, final = unroll(cell, inputs, state)
        assert ran == [name]
        assert torch.equal(outputs.lengths, inputs.lengths)
        return outputs.values, final

    return run


def batch(cell: GatedCell, lengths: list[int], dtype: torch.dtype) -> tuple[Ragged, Any]:
    """Random sequences of these lengths, and a random state to start from."""
    random = torch.Generator().manual_seed(len(lengths))
    # float32 numbers whatever the dtype, so that the same batch exists in both.
    values = torch.randn(sum(lengths), cell.input_size, generator=random).to(dtype)
    leaves = (torch.randn(len(lengths), cell.widths[f], generator=random) / 2 for f in cell.State._fields)
    return Ragged(values, lengths), cell.State(*(leaf.to(dtype) for leaf in leaves))


def upstream(cell: GatedCell, inputs: Ragged) -> dict[str, Tensor]:
    """A random gradient for each result."""
    random = torch.Generator().manual_seed(7)
    shapes = {"outputs": (inputs.layout.total, cell.output_size)}
    shapes |= {f"final.{f}": (inputs.batch_size, cell.widths[f]) for f in cell.State._fields}
    return {name: torch.randn(shape, generator=random).to(inputs.values.dtype) for name, shape in shapes.items()}


def answers(
    run: Run,
    cell: GatedCell,
    inputs: Ragged,
    state: Any,
    given: Mapping[str, Tensor] | None = None,
    *,
    wanted: Collection[str] = ("inputs", "state"),
) -> Answers:
    """What a run gives, and the gradients of all that wants one.

    Args:
        given: upstream gradients by result; a result that is left out gets none. All of `upstream` if left out.
        wanted: what needs gradients, next to the parameters that require them.
    """
    given = upstream(cell, inputs) if given is None else given
    values = inputs.values.detach().requires_grad_("inputs" in wanted)
    state = type(state)(*(leaf.detach().requires_grad_("state" in wanted) for leaf in state))
    torch.manual_seed(1)
    outputs, final = run(cell, inputs.with_values(values), state)
    found = {"outputs": outputs, **{f"final.{name}": leaf for name, leaf in final._asdict().items()}}
    of = {"inputs": values, **{f"state.{name}": leaf for name, leaf in state._asdict().items()}}
    of |= dict(cell.named_parameters())
    gradients = gradients_of(found, {name: tensor for name, tensor in of.items() if tensor.requires_grad}, given)
    return Answers({name: tensor.detach() for name, tensor in found.items()}, gradients)


def gradients_of(
    found: Mapping[str, Tensor], of: Mapping[str, Tensor], given: Mapping[str, Tensor], *, keep: bool = False
) -> dict[str, Tensor]:
    """The gradients of each of `of`; zeros where none flows."""
    flowing = [name for name in given if found[name].requires_grad]
    if not flowing or not of:
        return {name: torch.zeros_like(tensor) for name, tensor in of.items()}
    gradients = torch.autograd.grad(
        [found[name] for name in flowing],
        list(of.values()),
        [given[name] for name in flowing],
        allow_unused=True,
        materialize_grads=True,
        retain_graph=keep,
    )
    return dict(zip(of, gradients, strict=True))


def expected(
    cell: GatedCell, inputs: Ragged, state: Any, given: Mapping[str, Tensor] | None = None, **options: Any
) -> Answers:
    """The answers of `loop` over a copy of everything in float64."""
    given = upstream(cell, inputs) if given is None else given
    doubled = {name: gradient.double() for name, gradient in given.items()}
    state = type(state)(*(leaf.double() for leaf in state))
    return answers(loop, copy.deepcopy(cell).double(), inputs.to(torch.float64), state, doubled, **options)


def assert_close(got: Answers, right: Answers, dtype: torch.dtype) -> None:
    """Values and gradients, tensor by tensor, to the tolerances of the dtype."""
    for kind, tolerance in zip(("values", "gradients"), TOLERANCES[dtype], strict=True):
        ours, theirs = getattr(got, kind), getattr(right, kind)
        assert ours.keys() == theirs.keys()
        floor = FLOOR * max((float(tensor.norm()) for tensor in theirs.values()), default=0.0)
        for name, tensor in theirs.items():
            assert ours[name].dtype == dtype, f"{kind} of {name}"
            assert ours[name].shape == tensor.shape, f"{kind} of {name}"
            error = float((ours[name].double() - tensor).norm())
            allowed = tolerance * max(float(tensor.norm()), floor)
            assert error <= allowed, f"{kind} of {name}: off by {error:.2e}, of {float(tensor.norm()):.2e}"


def assert_identical(got: Answers, other: Answers) -> None:
    """Bit by bit."""
    for kind in ("values", "gradients"):
        ours, theirs = getattr(got, kind), getattr(other, kind)
        assert ours.keys() == theirs.keys()
        for name, tensor in theirs.items():
            assert torch.equal(ours[name], tensor), f"{kind} of {name}"
