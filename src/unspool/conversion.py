"""Between `Ragged` and the other ways to hold sequences: rectangles, `PackedSequence`, nested tensors."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unspool.errors import BatchError
from unspool.layout import Layout
from unspool.lengths import as_lengths
from unspool.padded import Padded


def from_padded(
    values: Tensor | Padded,
    lengths: Tensor | Sequence[int] | None,
    mask: Tensor | None,
    ids: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """A rectangle's real steps: values, lengths, ids."""
    if isinstance(values, Padded) and not (lengths is mask is ids is None):
        raise BatchError(
            "`from_padded` takes `lengths`, `mask` and `ids` of a tensor, but got one of them beside a `Padded`, "
            "which has its own; leave them out, or pass `batch.values`"
        )
    if not isinstance(values, Padded):
        if (lengths is None) == (mask is None):
            raise BatchError(f"`from_padded` takes either `lengths` or `mask`, but got {_both_or_none(lengths)}")
        found = (
            _prefixes(mask, values)
            if lengths is None
            else as_lengths(lengths, rows=len(values), kind="Ragged.from_padded")
        )
        values = Padded(values, found.cpu(), ids)  # type: ignore[arg-type]
    layout = Layout(values.lengths.cpu())
    index = (layout.rows * values.max_length + layout.steps).to(values.device)
    return values.values.flatten(0, 1).index_select(0, index), layout.lengths, values.ids


def _both_or_none(lengths: object) -> str:
    return "neither" if lengths is None else "both"


def _prefixes(mask: Tensor | None, values: Tensor) -> Tensor:
    """The lengths that a mask of these values spells. (batch, time) bool -> (batch,)"""
    assert mask is not None
    if mask.dtype != torch.bool or mask.shape != values.shape[:2]:
        raise BatchError(
            f"`mask` must be {tuple(values.shape[:2])} of torch.bool, as the rectangle, "
            f"but has shape {tuple(mask.shape)} of {mask.dtype}"
        )
    lengths = mask.sum(1)
    holes = (mask != (torch.arange(mask.shape[1], device=mask.device) < lengths.unsqueeze(1))).any(1)
    if bool(holes.any()):
        row = int(holes.nonzero()[0])
        hole = int((~mask[row]).nonzero()[0])
        real = int(mask[row].nonzero()[-1])
        raise BatchError(
            f"`mask` must be True up to each length and False from there on, but row {row} is False at step {hole} "
            f"and True at step {real}; move the real steps to the front"
        )
    return lengths


def to_padded(values: Tensor, layout: Layout, ids: Tensor, value: float, max_length: int | None) -> Padded:
    """The rectangle that holds a ragged batch."""
    time = layout.max_length if max_length is None else max_length
    if time < layout.max_length:
        raise BatchError(
            f"`max_length` must be at least the longest length ({layout.max_length}), but is {time}; "
            "cut the sequences with `steps(0, max_length)`"
        )
    index = (layout.rows * time + layout.steps).to(values.device)
    rectangle = values.new_full((layout.batch_size * time, *values.shape[1:]), value)
    rectangle = rectangle.index_copy(0, index, values)
    return Padded(rectangle.unflatten(0, (layout.batch_size, time)), layout.lengths, ids)


def from_packed(packed: PackedSequence) -> tuple[Tensor, Tensor]:
    """A packed batch's values, sequence after sequence, and their lengths."""
    running = packed.batch_sizes
    rank = torch.arange(int(running[0])) if packed.unsorted_indices is None else packed.unsorted_indices.cpu()
    lengths = (running.unsqueeze(0) > rank.unsqueeze(1)).sum(1)
    layout = Layout(lengths)
    index = (running.cumsum(0) - running)[layout.steps] + rank[layout.rows]
    return packed.data.index_select(0, index.to(packed.data.device)), lengths


def to_packed(values: Tensor, layout: Layout) -> PackedSequence:
    """A ragged batch as a `PackedSequence`."""
    if layout.batch_size == 0:
        raise BatchError("`PackedSequence` holds at least one sequence, but the batch holds none")
    if int(layout.lengths.min()) == 0:
        raise BatchError(
            "`PackedSequence` holds no empty sequence, but the lengths are "
            f"{layout.lengths.tolist()}; drop the empty ones first: `batch.select(batch.lengths > 0)`"
        )
    device = values.device
    return PackedSequence(
        values.index_select(0, layout.on(device, "time_major")),
        torch.tensor(layout.running),
        layout.on(device, "order"),
        layout.on(device, "rank"),
    )


def from_nested(nested: Any) -> tuple[Tensor, Tensor]:
    """A nested tensor's values, sequence after sequence, and their lengths."""
    if not nested.is_nested:
        raise BatchError(f"`nested` must be a nested tensor, but is a plain one of shape {tuple(nested.shape)}")
    jagged = nested.layout == torch.jagged
    if jagged and nested._ragged_idx != 1:
        raise BatchError(f"`nested` must be ragged in time, its second dimension, but is in {nested._ragged_idx}")
    if not jagged or nested.lengths() is not None:
        parts = nested.unbind()
        return torch.cat(parts), torch.tensor([len(part) for part in parts])
    return nested.values(), nested.offsets().diff().cpu()


def to_nested(values: Tensor, layout: Layout) -> Tensor:
    """A ragged batch as a jagged nested tensor, which pads to the *total* length unless told the longest."""
    return torch.nested.nested_tensor_from_jagged(
        values,
        layout.on(values.device, "offsets"),
        min_seqlen=int(layout.lengths.min()) if layout.batch_size else 0,
        max_seqlen=layout.max_length,
    )
