"""The recurrent layers of torch.nn as ours, and ours as those, weight for weight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from unspool.cells import GRU, LSTM, Cell, Elman, GatedCell, ProjectedLSTM
from unspool.errors import CellError
from unspool.layers.directions import Bidirectional, Layers
from unspool.layers.dropout import Dropout
from unspool.layers.stack import Stack

Recurrent = Cell | Bidirectional | Layers


def from_torch(module: nn.RNNBase) -> Recurrent:
    """A recurrent layer of torch.nn, weight for weight: the same answers, without its padding.

    Args:
        module: an `nn.LSTM`, `nn.GRU` or `nn.RNN`, of any number of layers and directions.

    Returns:
        A cell for one layer, a `Stack` for several, a `Bidirectional` or `Layers` of them for two directions. Dropout
        between layers becomes `Dropout(rate, elementwise=True)`.

    Raises:
        CellError: another module.

    Example:
        >>> torch_layer = torch.nn.LSTM(3, 4, num_layers=2)
        >>> from_torch(torch_layer)
        Stack(
          (cells): ModuleList(
            (0): LSTM(3, 4)
            (1): LSTM(4, 4)
          )
        )
    """
    if not isinstance(module, (nn.LSTM, nn.GRU, nn.RNN)):
        raise CellError(f"`module` must be an `nn.LSTM`, `nn.GRU` or `nn.RNN`, but is {type(module).__name__}")
    layers: list[nn.Module] = []
    for layer in range(module.num_layers):
        if layer and module.dropout:
            layers.append(Dropout(module.dropout, elementwise=True))
        ahead = _cell(module, f"l{layer}")
        layers.append(Bidirectional(ahead, _cell(module, f"l{layer}_reverse")) if module.bidirectional else ahead)
    if len(layers) == 1:
        found: Recurrent = layers[0]  # type: ignore[assignment]
    else:
        found = Layers(*layers) if module.bidirectional else Stack(*layers)  # type: ignore[arg-type]
    return found.train(module.training)


def _cell(module: nn.RNNBase, name: str) -> Cell:
    size, hidden_size, bias = getattr(module, f"weight_ih_{name}").shape[1], module.hidden_size, module.bias
    if isinstance(module, nn.LSTM) and module.proj_size:
        cell: GatedCell = ProjectedLSTM(size, hidden_size, projection_size=module.proj_size, bias=bias)
    elif isinstance(module, nn.LSTM):
        cell = LSTM(size, hidden_size, bias=bias)
    elif isinstance(module, nn.GRU):
        cell = GRU(size, hidden_size, bias=bias)
    else:
        cell = Elman(size, hidden_size, nonlinearity=str(module.nonlinearity), bias=bias)
    weight: Any = module.weight_ih_l0
    cell.to(device=weight.device, dtype=weight.dtype)
    for ours, theirs in _paired(cell, module, name):
        _copy(theirs, ours)
    return cell


def _paired(cell: GatedCell, module: nn.RNNBase, name: str) -> Iterator[tuple[Tensor, Tensor]]:
    """The weights of a cell and of one layer and direction of a module, side by side."""
    names: dict[str, Tensor | None] = {"weight_ih": cell.weight_input, "weight_hh": cell.weight_hidden}
    names |= {"bias_ih": cell.bias_input, "bias_hh": cell.bias_hidden}
    if isinstance(cell, ProjectedLSTM):
        names["weight_hr"] = cell.projection.weight
    for theirs, ours in names.items():
        if ours is not None:
            yield ours, getattr(module, f"{theirs}_{name}")


@torch.no_grad()
def _copy(source: Tensor, target: Tensor) -> None:
    target.copy_(source)


_KINDS: dict[type, Any] = {LSTM: nn.LSTM, ProjectedLSTM: nn.LSTM, GRU: nn.GRU, Elman: nn.RNN}


def to_torch(module: Recurrent) -> nn.RNNBase:
    """What `from_torch` undoes: a layer of torch.nn, `batch_first`, that computes the same.

    Args:
        module: an `LSTM`, `ProjectedLSTM`, `GRU` or `Elman`; a `Stack` of equal ones; a `Bidirectional`; or `Layers` of
            those, with one elementwise `Dropout` rate between all of them or none.

    Raises:
        CellError: anything that torch.nn has no layer for.
    """
    layers, rate = _taken_apart(module)
    first, options = layers[0][0], _options(layers[0][0])
    width = first.output_size * len(layers[0])
    for number, layer in enumerate(layers):
        for cell in layer:
            size = width if number else first.input_size
            if type(cell) is not type(first) or _options(cell) != options or cell.input_size != size:
                raise CellError(
                    f"`module` must be of equal cells to become a layer of torch.nn, but holds {cell} beside {first}"
                )
    found: nn.RNNBase = _KINDS[type(first)](
        first.input_size,
        batch_first=True,
        num_layers=len(layers),
        bidirectional=len(layers[0]) == 2,
        dropout=rate,
        **options,
    )
    found.to(device=first.weight_input.device, dtype=first.weight_input.dtype)
    for number, layer in enumerate(layers):
        for cell, name in zip(layer, (f"l{number}", f"l{number}_reverse"), strict=False):
            for ours, theirs in _paired(cell, found, name):
                _copy(ours, theirs)
    return found.train(module.training)


def _options(cell: GatedCell) -> dict[str, Any]:
    """What a layer of torch.nn must be told to be like this cell."""
    options: dict[str, Any] = {"hidden_size": cell.hidden_size, "bias": cell.bias}
    if isinstance(cell, ProjectedLSTM):
        options["proj_size"] = cell.output_size
    if isinstance(cell, Elman):
        options["nonlinearity"] = cell.nonlinearity
    return options


def _taken_apart(module: nn.Module) -> tuple[list[list[GatedCell]], float]:
    """The cells of every layer, one or two, and the rate of dropout between the layers."""
    parts = [module]
    if isinstance(module, (Stack, Layers)):
        parts = list(module.cells if isinstance(module, Stack) else module.layers)
    between = [part for part in parts if isinstance(part, Dropout)]
    layers = [part for part in parts if not isinstance(part, Dropout)]
    if between and (
        parts[1::2] != between
        or len(layers) != len(between) + 1
        or {(part.rate, part.elementwise) for part in between} != {(between[0].rate, True)}
    ):
        raise CellError(
            "`module` must drop out elementwise, at one rate between all layers or at none, "
            "to become a layer of torch.nn"
        )
    cells = [[p.forward_cell, p.backward_cell] if isinstance(p, Bidirectional) else [p] for p in layers]
    for cell in (cell for layer in cells for cell in layer):
        if type(cell) not in _KINDS:
            raise CellError(
                "`module` must be of LSTM, ProjectedLSTM, GRU or Elman cells to become a layer of torch.nn, "
                f"but holds a {type(cell).__name__}"
            )
    if len({len(layer) for layer in cells}) != 1:
        raise CellError("`module` must be of one or of two directions in all layers, to become a layer of torch.nn")
    return cells, between[0].rate if between else 0.0  # type: ignore[return-value]
