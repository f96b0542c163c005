"""The laws for layers that are no cells: both directions, and layers that change time."""

from typing import Any

import pytest
import torch
from laws.roster import LAYERS, WIDTH, noisy
from laws.sequences import assert_same, batch_of, floating, lengths_drawn

from unspool import Padded, Ragged, Unrolled
from unspool.state import select

every_layer = pytest.mark.parametrize("name", LAYERS)


def made(name: str) -> Any:
    torch.manual_seed(0)
    return noisy(LAYERS[name]().double())


def answers(layer: Any, inputs: Ragged | Padded) -> tuple[Ragged, list[torch.Tensor], list[torch.Tensor]]:
    """Outputs without padding, final states, and all gradients of a random sum of outputs."""
    values = inputs.values.detach().requires_grad_()
    result = layer(inputs.with_values(values))
    outputs, final = result if isinstance(result, Unrolled) else (result, ())
    flat = outputs if isinstance(outputs, Ragged) else Ragged.from_padded(outputs)
    torch.manual_seed(1)
    loss = (flat.values * torch.randn_like(flat.values)).sum()
    gradients = torch.autograd.grad(loss, [values, *layer.parameters()], allow_unused=True, materialize_grads=True)
    if isinstance(inputs, Padded):
        gradients = (Ragged.from_padded(inputs.with_values(gradients[0])).values, *gradients[1:])
    return flat.map(torch.Tensor.detach), [leaf.detach() for leaf in floating(final)], list(gradients)


@every_layer
@lengths_drawn()
def test_static_equals_dynamic(name: str, lengths: list[int]) -> None:
    layer, inputs = made(name), batch_of(lengths, (WIDTH,))
    padded = inputs.to_padded(float("nan"), max_length=inputs.max_length + 2)
    static, dynamic = answers(layer, padded), answers(layer, inputs)
    assert torch.equal(static[0].lengths, dynamic[0].lengths)
    assert_same([static[0].values, *static[1], *static[2]], [dynamic[0].values, *dynamic[1], *dynamic[2]])


@every_layer
@lengths_drawn()
def test_permuting_a_batch_permutes_its_results_and_a_row_alone_is_the_same(name: str, lengths: list[int]) -> None:
    layer, inputs = made(name), batch_of(lengths, (WIDTH,))
    outputs, final, _ = answers(layer, inputs)
    for rows in (torch.randperm(len(lengths)), *torch.arange(len(lengths)).split(1)):
        moved, moved_final, _ = answers(layer, inputs.select(rows))
        assert torch.equal(moved.ids, outputs.select(rows).ids)
        assert_same([moved.values, *moved_final], [outputs.select(rows).values, *select(final, rows)])


@every_layer
def test_gradcheck_passes(name: str) -> None:
    layer, inputs = made(name), batch_of([2, 0, 5, 1], (WIDTH,))

    def outputs(values: torch.Tensor, *_: Any) -> Any:
        result = layer(inputs.with_values(values))
        return (result.outputs if isinstance(result, Unrolled) else result).values

    assert torch.autograd.gradcheck(outputs, (inputs.values.requires_grad_(), *layer.parameters()), fast_mode=True)
