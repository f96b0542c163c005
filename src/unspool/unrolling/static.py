"""Static unrolling: a program of fixed shape, which steps over every column of the rectangle."""

import torch
from torch import Tensor
from torch._higher_order_ops.scan import scan
from torch.utils._pytree import tree_flatten, tree_unflatten

from unspool.cells.base import Cell, empty_like_step
from unspool.padded import Padded
from unspool.state import State, map_leaves, select


def unroll_static(cell: Cell, inputs: Padded, state: State) -> tuple[Padded, State]:
    """Run a cell over a rectangle; a sequence that has ended keeps its state, and puts out zeros.

    While a program is exported with a symbolic number of steps, the loop becomes one `scan` node, so that the program
    runs at other lengths too; otherwise its steps are written out one after another.
    """
    known = cell.over_time(inputs, state)
    if known is not None:
        return known  # type: ignore[return-value]
    values = inputs.masked().values
    from_input = values
    if type(cell).project_input is not Cell.project_input:
        from_input = cell.project_input(values.flatten(0, 1)).unflatten(0, values.shape[:2])
    loop = _scanned if _symbolic(values.shape[1]) else _written_out
    outputs, final = loop(cell, from_input, inputs.mask, state)
    return inputs.with_values(outputs), final


def _symbolic(steps: int) -> bool:
    """Whether a program is being exported whose number of steps may vary. `torch.export` with `strict=True` does not
    tell, so there it always may."""
    return torch.compiler.is_exporting() and (isinstance(steps, torch.SymInt) or torch.compiler.is_dynamo_compiling())


def _step(cell: Cell, x: Tensor, real: Tensor, state: State) -> tuple[Tensor, State]:
    """One column of the rectangle. real: (batch,) bool"""
    output, new = cell.advance(x, state)
    return _where(real, output, torch.zeros_like(output)), map_leaves(lambda a, b: _where(real, a, b), new, state)


def _where(real: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(real.reshape(-1, *[1] * (new.dim() - 1)), new, old)


def _written_out(cell: Cell, from_input: Tensor, mask: Tensor, state: State) -> tuple[Tensor, State]:
    outputs = []
    for x, real in zip(from_input.unbind(1), mask.unbind(1), strict=True):
        output, state = _step(cell, x, real, state)
        outputs.append(output)
    if not outputs:
        none = empty_like_step(cell, from_input.flatten(0, 1), select(state, slice(0, 0)))
        return none.reshape(len(from_input), 0, *none.shape[1:]), state
    return torch.stack(outputs, 1), state


def _scanned(cell: Cell, from_input: Tensor, mask: Tensor, state: State) -> tuple[Tensor, State]:
    """The same steps as one node of an exported program, which runs at any number of them, for inference.

    Of `scan`, in torch 2.13: it takes flat tensors as its carry and refuses one that is an output as well; where the
    carry holds whole numbers its gradient fails an assertion, and chained scans gave wrong gradients. So what comes
    out has no gradient, rather than some of it.
    """
    initial, structure = tree_flatten(state)

    def step(carry: list[Tensor], column: tuple[Tensor, Tensor]) -> tuple[list[Tensor], Tensor]:
        output, new = _step(cell, *column, tree_unflatten(carry, structure))
        return [leaf.clone() for leaf in tree_flatten(new)[0]], output

    columns = (from_input.detach().transpose(0, 1), mask.t())
    with torch.no_grad():
        final, outputs = scan(step, [leaf.detach() for leaf in initial], columns)
    return outputs.detach().transpose(0, 1), tree_unflatten([leaf.detach() for leaf in final], structure)
