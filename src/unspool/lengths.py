"""What makes lengths and ids fit to describe a batch: the checks that `Ragged` and `Padded` share."""

from collections.abc import Sequence

import torch
from torch import Tensor

from unspool.errors import BatchError

_MANY = 1000  # lengths, of which PyTorch tells sum and minimum sooner than Python
_WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def readable(tensor: Tensor) -> bool:
    """Whether numbers can be read out of a tensor: not while a program is traced, nor on the meta device."""
    return type(tensor) is Tensor and tensor.device.type == "cpu" and not torch.compiler.is_compiling()


def as_lengths(lengths: Tensor | Sequence[int], *, rows: int | None, kind: str) -> Tensor:
    """Lengths as an int64 tensor, checked as far as they can be read. (batch,) -> (batch,)"""
    lengths = as_whole(lengths)
    if lengths.dtype not in _WHOLE:
        raise BatchError(f"`lengths` must be whole numbers, but are {lengths.dtype}; use `lengths.long()`")
    if lengths.dim() != 1:
        raise BatchError(f"`lengths` must be (batch,), but has shape {tuple(lengths.shape)}")
    if rows is not None and lengths.shape[0] != rows:
        raise BatchError(
            f"`lengths` must name one length a row of `values` ({rows}), but names {lengths.shape[0]}; "
            f"`{kind}` takes values of shape (batch, time, *features)"
        )
    lengths = lengths.long()
    if readable(lengths) and _least(lengths) < 0:
        row = int(lengths.argmin())
        raise BatchError(f"`lengths` must not be negative, but row {row} has {int(lengths[row])}; zero is a length")
    return lengths


def total(lengths: Tensor) -> int:
    """The sum of lengths."""
    return sum(lengths.tolist()) if lengths.shape[0] < _MANY else int(lengths.sum())


def _least(lengths: Tensor) -> int:
    """The smallest of lengths, 0 where there are none."""
    return min(lengths.tolist(), default=0) if lengths.shape[0] < _MANY else int(lengths.min())


def as_ids(ids: Tensor | Sequence[int] | None, lengths: Tensor) -> Tensor:
    """Ids as an int64 tensor on the CPU, one a row; 0, 1, 2, … where none are given. (batch,) -> (batch,)"""
    if ids is None:
        return torch.arange(lengths.shape[0], device="cpu")
    ids = as_whole(ids)
    if ids.shape != lengths.shape or ids.dtype not in _WHOLE:
        raise BatchError(
            f"`ids` must be {lengths.shape[0]} whole numbers, one a sequence, "
            f"but has shape {tuple(ids.shape)} of {ids.dtype}"
        )
    traced = type(ids) is not Tensor or ids.device.type == "meta" or torch.compiler.is_compiling()
    return ids.long() if traced else ids.long().cpu()


def as_whole(numbers: Tensor | Sequence[int]) -> Tensor:
    """Numbers as a tensor; none at all as whole ones, which `torch.tensor` would make floating."""
    if isinstance(numbers, Tensor):
        return numbers
    return torch.tensor(list(numbers), dtype=None if len(numbers) else torch.int64, device="cpu")


def check_start(start: int) -> None:
    """Raise a `BatchError` where a stretch of time begins before time does."""
    if start < 0:
        raise BatchError(f"`start` must be at least 0, but is {start}; time is counted from each sequence's beginning")


def as_rows(rows: Tensor | Sequence[int], batch_size: int) -> Tensor:
    """Rows named by index, from the end if negative, or by a mask, as indices on the CPU. -> (n,)"""
    found = as_whole(rows).cpu()
    marks = found.dtype == torch.bool
    if found.dim() != 1 or (marks and len(found) != batch_size) or not (marks or found.dtype in _WHOLE):
        raise BatchError(
            f"`rows` must be indices, or a mask of torch.bool over all {batch_size} rows, "
            f"but has shape {tuple(found.shape)} of {found.dtype}"
        )
    return torch.arange(batch_size, device="cpu")[found if marks else found.long()]
