"""Memory that native calls work in, kept for the next call: fresh memory costs a page fault for every 4 KB, a tenth of
a training step."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class _Spaces(threading.local):
    """What a call needs and no one sees after it."""

    KEPT = 64 * 2**20  # bytes; what is larger comes and goes

    def __init__(self) -> None:
        self.held: dict[tuple[str, torch.dtype], Tensor] = {}
        self.fresh = False

    def of(self, role: str, count: int, dtype: torch.dtype) -> Tensor:
        if count * dtype.itemsize > self.KEPT:
            return torch.empty(count, dtype=dtype, device="cpu")
        held = self.held.get((role, dtype))
        if held is None or len(held) < count:
            with torch.inference_mode(False):
                held = self.held[role, dtype] = torch.empty(count + count // 4, dtype=dtype, device="cpu")
        return held


class _Lease(ctypes.c_char * sys.maxsize):  # type: ignore[misc]
    """A block's memory, as a tensor holds it; its size is that of any, since each size would be a class of its own."""

    block: Tensor
    back: Callable[[Tensor], None]

    def __del__(self) -> None:
        self.back(self.block)


class _Blocks:
    """Outputs, gradients and what lies between: lent to a tensor, and back when nothing holds that any more.

    Without a lock, since a tensor may go at any moment, in any thread: a block is taken by who pops it.
    """

    LEAST, MOST = 2**20, 256 * 2**20  # bytes of a block; of all that are kept

    def __init__(self) -> None:
        self._free: dict[int, tuple[int, Tensor]] = {}  # bytes and block, the longest kept first

    def lend(self, count: int, dtype: torch.dtype) -> Tensor:
        size = count * dtype.itemsize
        block = self._taken(size)
        if block is None:
            with torch.inference_mode(False):
                block = torch.empty(size + size // 4, dtype=torch.uint8, device="cpu")
        lease = _Lease.from_address(block.data_ptr())
        lease.block, lease.back = block, self._back
        return torch.frombuffer(lease, dtype=dtype, count=count)

    def _taken(self, size: int) -> Tensor | None:
        for key, (room, block) in list(self._free.items()):
            if size <= room <= 2 * size and self._free.pop(key, None) is not None:
                return block
        return None

    def _back(self, block: Tensor) -> None:
        if (size := len(block)) > self.MOST:
            return  # rather than all others
        self._free[id(block)] = size, block
        over = sum(room for room, _ in list(self._free.values())) - self.MOST
        for key, (room, _) in list(self._free.items()):
            if over > 0 and self._free.pop(key, None) is not None:
                over -= room


_spaces, _blocks = _Spaces(), _Blocks()


def space(role: str, count: int, dtype: torch.dtype) -> Tensor:
    """At least so many numbers, of anything; the same memory for every call of a thread with this role."""
    return _spaces.of(role, count, dtype)


def kept(like: Tensor, rows: int, width: int) -> Tensor:
    """(rows, width) numbers, of anything, for as long as something holds them; then their memory is used again."""
    count = rows * width
    if _spaces.fresh or not _Blocks.LEAST <= count * like.dtype.itemsize <= _Blocks.MOST:
        return like.new_empty(rows, width)
    return _blocks.lend(count, like.dtype).resize_(rows, width)  # a view would be one for autograd, too


@contextmanager
def fresh_spaces() -> Iterator[None]:
    """Within, no memory is there yet, so that it can be seen how much is made; after, what there was before."""
    before = _spaces.held, _spaces.fresh
    _spaces.held, _spaces.fresh = {}, True
    try:
        yield
    finally:
        _spaces.held, _spaces.fresh = before
