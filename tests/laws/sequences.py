"""Batches drawn for the laws, and the plain loop that every unroll must equal."""

from typing import Any

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from unspool import Cell, Padded, Ragged, unroll
from unspool.state import concat, leaves, map_leaves, select

EXACT = {"rtol": 1e-9, "atol": 1e-11}  # float64 to rounding


def lengths_drawn(examples: int = 3) -> Any:
    """A test's `lengths`: drawn, and always none, zeros alone, one alone, and ties, a zero and either order."""

    def decorate(test: Any) -> Any:
        test = given(lengths=st.lists(st.integers(0, 5), max_size=5))(test)
        for special in ([], [0, 0], [1], [3, 3, 0, 1, 5]):
            test = example(lengths=special)(test)
        return settings(max_examples=examples, deadline=None, derandomize=True)(test)

    return decorate


def batch_of(lengths: list[int], features: tuple[int, ...], dtype: torch.dtype = torch.float64) -> Ragged:
    """Random sequences of these lengths, with ids that are not their places."""
    torch.manual_seed(len(lengths))
    values = torch.randn(sum(lengths), *features, dtype=dtype)
    return Ragged(values, lengths, torch.arange(len(lengths)) * 7 + 3)


def random_state(cell: Cell, inputs: Ragged) -> Any:
    """The state that these inputs start from, its zeros replaced by noise."""
    return map_leaves(
        lambda leaf: torch.randn_like(leaf) / 2 if leaf.is_floating_point() else leaf, cell.initial_state_for(inputs)
    )


def stepwise(cell: Cell, inputs: Ragged, state: Any) -> tuple[Ragged, Any]:
    """Sequence by sequence and step by step: what all unrolls stand for."""
    outputs, final = [], []
    for row, sequence in enumerate(inputs.split()):
        own = select(state, [row])
        for x in sequence.unsqueeze(1).unbind():
            output, own = cell(x, own)
            outputs.append(output)
        final.append(own)
    return inputs.with_values(torch.cat(outputs)), concat(final)


def floating(state: Any) -> list[Tensor]:
    return [leaf for _, leaf in leaves(state) if leaf.is_floating_point()]


def answers(cell: Any, inputs: Ragged | Padded, state: Any, run: Any = unroll) -> tuple[list[Tensor], list[Tensor]]:
    """Everything a run gives: outputs (flat, without padding) and final states; and all gradients of a random sum."""
    values = inputs.values.detach().requires_grad_()
    inputs = inputs.with_values(values)
    state = map_leaves(lambda leaf: leaf.detach().clone().requires_grad_(leaf.is_floating_point()), state)
    outputs, final = run(cell, inputs, state)
    flat = outputs if isinstance(outputs, Ragged) else Ragged.from_padded(outputs)
    found = [flat.values, *floating(final)]
    torch.manual_seed(1)
    loss = sum((part * torch.randn(part.shape, dtype=torch.float64).to(part.dtype)).sum() for part in found)
    of = [values, *floating(state), *cell.parameters()]
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        return found, []
    gradients = torch.autograd.grad(loss, of, allow_unused=True, materialize_grads=True)
    if isinstance(inputs, Padded):
        gradients = (Ragged.from_padded(inputs.with_values(gradients[0])).values, *gradients[1:])
    return [part.detach() for part in found], list(gradients)


def assert_same(got: Any, expected: Any, **tolerance: float) -> None:
    """Values and gradients, tensor by tensor."""
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, **(tolerance or EXACT))
