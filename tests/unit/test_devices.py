"""Batches on a device that is not the CPU: every table lies where the values are.

A GPU is not at hand in every test run. The meta device computes no numbers, but an operation between it and the CPU
is the same mistake as one between a GPU and the CPU, and is caught here.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from unspool import (
    Bidirectional,
    Dropout,
    Padded,
    Ragged,
    Stack,
    TimeConvolution,
    TimePooling,
    Zoneout,
    cells,
    engine,
    randomness,
    unroll,
)
from unspool.state import leaves

CELLS = ["Elman", "GRU", "LSTM", "ProjectedLSTM", "PeepholeLSTM", "MinGRU", "ConvLSTM"]
LENGTHS = [3, 0, 2]


class OneDevice(TorchDispatchMode):
    """Refuses an operation between tensors of two devices; copies from one to the other are what is allowed."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [leaf for leaf in tree_leaves((args, kwargs or {})) if isinstance(leaf, torch.Tensor) and leaf.dim()]
        assert len({tensor.device.type for tensor in tensors}) < 2 or "copy" in str(func), str(func)
        return func(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def _one_device() -> Iterator[None]:
    with OneDevice(), randomness.using(seed=0, step=0):
        yield


def elsewhere(*features: int) -> Ragged:
    return Ragged(torch.empty(sum(LENGTHS), *features, device="meta", requires_grad=True), LENGTHS)


def able() -> list[tuple[str, str]]:
    found = []
    for name in CELLS:
        explained = engine.explain(getattr(cells, name)(3, 4), Ragged(torch.zeros(1, 3), [1]))
        # The native engine is the CPU's own.
        found += [(name, ran) for ran, refusal in explained.items() if refusal is None and ran != "native"]
    return found


@pytest.mark.parametrize(("name", "ran"), able())
def test_engines_keep_to_the_device_of_the_values(name: str, ran: str) -> None:
    cell = getattr(cells, name)(3, 4).to("meta")
    batch = elsewhere(3, 2, 2) if name == "ConvLSTM" else elsewhere(3)
    with engine.using(ran), engine.recording() as recorded:
        outputs, final = unroll(cell, batch)
    outputs.values.sum().backward()
    assert recorded == [ran]
    assert outputs.values.device.type == final[0].device.type == "meta"
    assert outputs.lengths.device.type == "cpu"


def test_states_of_a_stack_begin_where_its_weights_are() -> None:
    stack = Stack(Dropout(0.3), cells.GRU(3, 4)).to("meta")
    assert {leaf.device.type for _, leaf in leaves(stack.initial_state(2))} == {"meta"}
    assert {leaf.device.type for _, leaf in leaves(stack.initial_state(2, device="cpu"))} == {"cpu"}


LAYERS = {
    "Dropout": lambda: Dropout(0.3),
    "Dropout, elementwise": lambda: Dropout(0.3, elementwise=True),
    "Zoneout": lambda: Zoneout(cells.GRU(3, 4), 0.3),
    "Stack": lambda: Stack(cells.LSTM(3, 3), Dropout(0.1)),
    "Bidirectional": lambda: Bidirectional(cells.GRU(3, 4), cells.LSTM(3, 4)),
    "TimeConvolution": lambda: TimeConvolution(3, 4, 3, stride=2),
    "TimePooling": lambda: TimePooling(2),
}


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_keep_to_the_device_of_the_values(name: str, static: bool) -> None:
    layer = LAYERS[name]().to("meta")
    batch: Ragged | Padded = elsewhere(3).to_padded() if static else elsewhere(3)
    result = unroll(layer, batch) if isinstance(layer, cells.Cell) else layer(batch)
    outputs = getattr(result, "outputs", result)
    assert outputs.values.device.type == "meta"


@pytest.mark.parametrize("method", ["last", "sum", "mean", "max", "reversed", "to_padded"])
def test_methods_keep_to_the_device_of_the_values(method: str) -> None:
    found = getattr(elsewhere(3), method)()
    assert (found if isinstance(found, torch.Tensor) else found.values).device.type == "meta"


def test_cutting_choosing_joining_and_packing_keep_to_the_device_of_the_values() -> None:
    batch = elsewhere(3)
    pieces = [batch.steps(0, 1), batch.steps(1, 3), batch.select([1, 0, 2])]
    found = [*pieces, Ragged.join(pieces[:2]), Ragged.concat([batch, batch]), Ragged.from_padded(batch.to_padded())]
    packed = batch.select([0, 2]).to_packed()
    assert (packed.data.device.type, packed.batch_sizes.device.type) == ("meta", "cpu")
    assert all(part.values.device.type == "meta" and part.lengths.device.type == "cpu" for part in found)
