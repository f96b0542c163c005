"""State is a value: select its rows, join two of them, move it, save it, load it.

A state is a tensor whose first dimension is the batch, a `Ragged`, or a tuple, NamedTuple, list or dict of states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils import _pytree

from unspool.errors import StateError
from unspool.lengths import as_rows
from unspool.ragged import Ragged

State = Any
Named = TypeVar("Named")
Leaf = Tensor | Ragged

_NO_LEAF = "`{}` must be a tensor, a `Ragged`, or a tuple, list or dict of them, but is {}"


def exportable(cls: type[Named]) -> type[Named]:
    """Decorate a NamedTuple so that `torch.save` and `torch.export.save` keep it, and what holds it.

    Every `State` of a `GatedCell` is decorated by itself.
    """
    if cls not in _pytree.SUPPORTED_SERIALIZED_TYPES:
        # The only door to it in torch 2.13 bears an underscore.
        _pytree._register_namedtuple(cls, serialized_type_name=f"{cls.__module__}.{cls.__qualname__}")
        torch.serialization.add_safe_globals([cls])
    return cls


def leaves(state: State, name: str = "state") -> Iterator[tuple[str, Leaf]]:
    """Every tensor and `Ragged` of a state, with the way to it: `state.0.hidden`."""
    if isinstance(state, (Tensor, Ragged)):
        yield name, state
    elif isinstance(state, dict):
        for key, part in state.items():
            yield from leaves(part, f"{name}.{key}")
    elif isinstance(state, (tuple, list)):
        fields = getattr(state, "_fields", range(len(state)))
        for field, part in zip(fields, state, strict=True):
            yield from leaves(part, f"{name}.{field}")
    elif state is not None:
        raise StateError(_NO_LEAF.format(name, type(state).__name__))


def map_leaves(function: Callable[..., Any], state: State, *others: State, name: str = "state") -> State:
    """The same structure with `function(leaf, *others' leaves)` in place of every leaf."""
    if isinstance(state, (Tensor, Ragged)):
        return function(state, *others)
    if isinstance(state, dict):
        return {
            key: map_leaves(function, part, *(other[key] for other in others), name=f"{name}.{key}")
            for key, part in state.items()
        }
    if isinstance(state, (tuple, list)):
        fields = getattr(state, "_fields", range(len(state)))
        parts = [
            map_leaves(function, *part, name=f"{name}.{field}")
            for field, *part in zip(fields, state, *others, strict=True)
        ]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    if state is not None:
        raise StateError(_NO_LEAF.format(name, type(state).__name__))
    return None


def check_batch_size(state: State, rows: int) -> None:
    """Raise a `StateError` where a leaf has another batch size."""
    for name, leaf in leaves(state):
        found = leaf.batch_size if isinstance(leaf, Ragged) else leaf.shape[0]
        if found != rows:
            raise StateError(
                f"`state` must have the batch size of `inputs` ({rows}), but `{name}` has {found}; "
                "`unspool.state.select` takes the rows you want"
            )


def described(state: State) -> str:
    """A state's type in words: `LSTMState(hidden, memory)`, `a tuple`."""
    name = type(state).__name__
    return f"{name}({', '.join(state._fields)})" if hasattr(state, "_fields") else f"a {name}"


def select(state: State, rows: Tensor | slice | Sequence[int]) -> State:
    """The state of some of the sequences, in the order named.

    Args:
        rows: (n,) indices, (batch,) bool, or a slice.
    """
    if isinstance(rows, slice):
        return map_leaves(lambda leaf: _slice(leaf, rows), state)
    return map_leaves(lambda leaf: _rows(leaf, rows), state)


def _rows(leaf: Leaf, rows: Tensor | Sequence[int]) -> Leaf:
    if isinstance(leaf, Ragged):
        return leaf.select(rows)
    return leaf.index_select(0, as_rows(rows, leaf.shape[0]).to(leaf.device))


def _slice(leaf: Leaf, rows: slice) -> Leaf:
    return leaf.select(torch.arange(leaf.batch_size)[rows]) if isinstance(leaf, Ragged) else leaf[rows]


def concat(states: Sequence[State]) -> State:
    """The states of several batches as the state of one: strangers' streams, batched together.

    Raises:
        StateError: states of different structures.
    """
    structures = [[(name, type(leaf) is Ragged) for name, leaf in leaves(state)] for state in states]
    for structure, state in zip(structures, states, strict=True):
        if structure != structures[0]:
            raise StateError(
                f"`states` must be of one structure, {[name for name, _ in structures[0]]}, but one is "
                f"{described(state)} of {[name for name, _ in structure]}"
            )
    return map_leaves(
        lambda *parts: Ragged.concat(parts) if isinstance(parts[0], Ragged) else torch.cat(parts),
        states[0],
        *states[1:],
    )


def detach(state: State) -> State:
    """The same state with no history: where truncated back-propagation through time stops."""
    return map_leaves(lambda leaf: leaf.map(Tensor.detach) if isinstance(leaf, Ragged) else leaf.detach(), state)


def to(state: State, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> State:
    """The state on another device or of another dtype; whole numbers keep theirs."""

    def moved(leaf: Leaf) -> Leaf:
        values = leaf.values if isinstance(leaf, Ragged) else leaf
        return leaf.to(device=device, dtype=dtype if values.is_floating_point() else None)

    return map_leaves(moved, state)


def save(state: State, path: str | PathLike[str]) -> None:
    """Write a state to a safetensors file, one entry a leaf, named by the way to it."""
    entries: dict[str, Tensor] = {}
    for name, leaf in leaves(state):
        if name in entries:
            raise StateError(f"`{name}` must name one leaf of the state, but names two; rename a key of its dicts")
        entries |= _entries(name, leaf)
    save_file(
        {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in entries.items()}, path
    )


def load(path: str | PathLike[str], like: State) -> State:
    """Read a state from a file that `save` wrote.

    Args:
        like: any state of the same structure, such as `cell.initial_state(0)`: the structure comes from the code, only
            numbers come from the file. The numbers come on the device of each leaf of `like`.

    Raises:
        StateError: the file holds another structure, or other widths.
    """
    entries = load_file(path)
    named = dict(leaves(like))
    wanted = {entry for name, leaf in named.items() for entry in _entries(name, leaf)}
    if wanted != entries.keys():
        raise StateError(
            f"`{path}` must hold {sorted(wanted)} for this state, but holds {sorted(entries)}; "
            "make `like` with the cell that the state was saved from"
        )
    names = iter(named)
    return map_leaves(lambda leaf: _loaded(next(names), leaf, entries), like)


def _entries(name: str, leaf: Leaf) -> dict[str, Tensor]:
    if isinstance(leaf, Ragged):
        return {f"{name}.values": leaf.values, f"{name}.lengths": leaf.lengths, f"{name}.ids": leaf.ids}
    return {name: leaf}


def _loaded(name: str, leaf: Leaf, entries: dict[str, Tensor]) -> Leaf:
    parts = [entries[entry] for entry in _entries(name, leaf)]
    values = leaf.values if isinstance(leaf, Ragged) else leaf
    if parts[0].shape[1:] != values.shape[1:]:
        raise StateError(
            f"`{name}` must be (batch, {', '.join(map(str, values.shape[1:]))}) for this cell, "
            f"but the file holds {tuple(parts[0].shape)}"
        )
    parts[0] = parts[0].to(values.device)
    return Ragged(*parts) if isinstance(leaf, Ragged) else parts[0]
