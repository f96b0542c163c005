"""What a stretch of a recurrence takes in memory while its gradient is computed: tried on a short one."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, finalize

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from unspool.engine.native.memory import fresh_spaces

OPERATION = 1100  # bytes that one recorded operation takes beside its numbers: nodes of the graph, heads of tensors
WASTE = 1.3  # what glibc holds over what is asked for: 1.1 to 1.26 were measured, of 16 MB in blocks of some 100 KB


@dataclass(frozen=True)
class Footprint:
    """Bytes of a stretch by its steps, those of all sequences counted, and by its length in time.

    Fields:
        tape: what lies between the pass forward and the one back, a step.
        peak: the most that lies at any moment of either, a step.
        time: what is recorded beside numbers, for each moment of time.
    """

    tape: float
    peak: float
    time: float

    def of_tape(self, steps: int, times: int) -> float:
        return WASTE * self.tape * steps + self.time * times

    def of_peak(self, steps: int, times: int) -> float:
        return WASTE * self.peak * steps + self.time * times


@dataclass(frozen=True)
class Trial:
    """What a trial of so many steps took."""

    steps: int
    times: int
    tape: int
    peak: int
    operations: int


_known: WeakKeyDictionary[nn.Module, dict[Hashable, Footprint]] = WeakKeyDictionary()


def footprint(cell: nn.Module, key: Hashable, trials: Callable[[], tuple[Trial, Trial]]) -> Footprint:
    """What a cell takes, found out once for a key: from two trials, the second the longer, so that what does not grow
    with time does not count."""
    found = _known.setdefault(cell, {})
    if key not in found:
        short, long = trials()
        steps, times = long.steps - short.steps, long.times - short.times
        tape, peak = (max(getattr(long, what) - getattr(short, what), 0) / steps for what in ("tape", "peak"))
        found[key] = Footprint(tape, peak, OPERATION * (long.operations - short.operations) / times)
    return found[key]


def tried(run: Callable[[], Any], back: Callable[[Any], Any], known: list[Tensor], steps: int, times: int) -> Trial:
    """Run forward and back, once to set up what stays, once to count.

    Args:
        run: forward, gives what `back` needs.
        known: what is there before, so that a view of it is no new memory.
    """
    back(run())
    with fresh_spaces(), _Counting(known) as counting:
        tape = run()
        kept, operations = counting.now, counting.operations
        back(tape)
    return Trial(steps, times, kept, counting.most, operations)


class _Counting(TorchDispatchMode):
    """Within, adds up the memory of all tensors that are made, and takes off that of those that go."""

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = self.operations = 0
        self._alive = {tensor.untyped_storage()._cdata for tensor in known}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        self.operations += 1
        for each in tree_leaves(results):
            if isinstance(each, Tensor) and each.layout == torch.strided:
                self._count(each.untyped_storage())
        return results

    def _count(self, storage: torch.UntypedStorage) -> None:
        name, size = storage._cdata, storage.nbytes()
        if name in self._alive:
            return
        self._alive.add(name)
        self.now += size
        self.most = max(self.most, self.now)
        finalize(storage, self._gone, name, size).atexit = False

    def _gone(self, name: int, size: int) -> None:
        self._alive.discard(name)
        self.now -= size
