"""Randomness that belongs to the example.

A random mask is a function of (seed, step, example id, layer, position) and nothing else: never of a global
generator, so never of the other examples in the batch, of how a batch is cut into micro-batches, of the number of
devices or workers, or of what ran before. Seed and step come from `using`, ids from the batch, the layer's number
from `number_layers`, the position from the state that the cell carries.

Example:
    >>> import torch, unspool
    >>> stack = unspool.Stack(unspool.cells.GRU(3, 4), unspool.Dropout(0.5))
    >>> batch = unspool.Ragged(torch.ones(5, 3), lengths=[2, 3])
    >>> with using(seed=0, step=7):
    ...     together = unspool.unroll(stack, batch).outputs
    ...     alone = unspool.unroll(stack, batch.select([1])).outputs
    >>> torch.allclose(together.split()[1], alone.values)
    True
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unspool.errors import RandomnessError
from unspool.state import State, exportable

_GOLDEN = -7046029254386353131  # 2^64 / golden ratio, as a signed number: steps of a Weyl sequence
_MIX = (-4658895280553007687, -7723592293110705685)  # the multipliers of SplitMix64 (Steele et al., 2014)
_MIX_32 = (0x7FEB352D, -2073254261)  # the multipliers of lowbias32 (Wellons, 2018)


@dataclass(frozen=True)
class _Source:
    seed: int
    step: int


_source: ContextVar[_Source | None] = ContextVar("unspool randomness", default=None)


@exportable
class Draws(NamedTuple):
    """Where a cell's random numbers come from: the state of a cell that draws.

    Fields:
        key: (batch,) int64, one for each (seed, step, example id, layer); zero where nothing is drawn.
        position: (batch,) int64, the time of the next step in its sequence.
    """

    key: Tensor
    position: Tensor


@contextmanager
def using(*, seed: int, step: int) -> Iterator[None]:
    """Within, random masks are those of this seed and this step of training.

    What is computed again in backward (`torch.utils.checkpoint`) draws again: call `backward` within as well. A new
    thread starts without.

    Args:
        seed: the run's.
        step: the number of the optimiser's step: micro-batches of one step share it.
    """
    token = _source.set(_Source(seed, step))
    try:
        yield
    finally:
        _source.reset(token)


def number_layers(model: nn.Module) -> None:
    """Give every layer of a model that draws its own number, in the order of `named_modules`.

    `Stack`, `Bidirectional` and `Layers` call this for what they hold. A model that holds several of those calls it
    once for all, at the end of its `__init__`: `number_layers(self)`; else their dropout layers draw the same masks.
    """
    drawing = [module for module in model.modules() if isinstance(module, Drawing)]
    for number, module in enumerate(drawing):
        module.layer = number


class Drawing:
    """A layer that draws random numbers. `layer` tells it from the others of its model."""

    layer: int = 0

    def draws_for(self, ids: Tensor, device: torch.device, *, active: bool) -> Draws:
        """The keys of these examples under the seed and step of `using`. (batch,) -> Draws of (batch,)

        Raises:
            RandomnessError: `active`, but outside of `using`.
        """
        position = torch.zeros(ids.shape, dtype=torch.int64, device=device)
        if not active:
            return Draws(torch.zeros_like(position), position)
        source = _source.get()
        if source is None:
            raise RandomnessError(
                f"`{type(self).__name__}` draws from a seed and a step in training, but was given none; put the "
                "step inside `with unspool.randomness.using(seed=0, step=step):`, or call `model.eval()`"
            )
        text = f"{source.seed}/{source.step}/{self.layer}".encode()
        word = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little", signed=True)
        return Draws(_mix(ids * _GOLDEN + word).to(device), position)


def redrawn(state: State, fresh: State) -> State:
    """A state that goes on, but with the draws of another: a mask of this step of training, not of the one before.

    Args:
        state: to go on from.
        fresh: of the same structure, as `initial_state_for` gives it.
    """
    if isinstance(fresh, Draws):
        return fresh
    if isinstance(fresh, dict):
        return {key: redrawn(state[key], part) for key, part in fresh.items()}
    if not isinstance(fresh, (tuple, list)):
        return state
    parts = [redrawn(*pair) for pair in zip(state, fresh, strict=True)]
    return type(fresh)(*parts) if hasattr(fresh, "_fields") else type(fresh)(parts)


def keep(draws: Draws, width: int, rate: float) -> Tensor:
    """Which of `width` features each row keeps when one in `1 / rate` is dropped. Draws of (n,) -> (n, width) bool

    Each row has a 64-bit word from its key and position; each feature of it is one 32-bit hash of that word, so that
    the cost is a few integer operations a number and the result the same on every device.
    """
    words = _mix(draws.key + (draws.position + 1) * _GOLDEN)
    features = torch.arange(width, device=words.device, dtype=torch.int64) * _GOLDEN
    bits = _low(words).unsqueeze(1) ^ _low(_mix(features))
    bits = _mix_32(bits).add_(_low(words >> 32).unsqueeze(1))
    threshold = round(rate * 2**32) - 2**31
    return _mix_32(bits) >= threshold


def uniform(draws: Draws) -> Tensor:
    """One number from 0 to below 1 for each row's key and position. Draws of (n,) -> (n,) float64"""
    words = _mix(draws.key + (draws.position + 1) * _GOLDEN)
    return (words >> 11 & (1 << 53) - 1).double() * 2.0**-53


def _low(words: Tensor) -> Tensor:
    """The low 32 bits of 64. int64 -> int32"""
    return ((words & 0xFFFFFFFF) - ((words & 0x80000000) << 1)).to(torch.int32)


def _mix(words: Tensor) -> Tensor:
    """SplitMix64's finaliser: every bit of the input changes half of the output's. int64 -> int64"""
    words = (words ^ (words >> 30 & (1 << 34) - 1)) * _MIX[0]
    words = (words ^ (words >> 27 & (1 << 37) - 1)) * _MIX[1]
    return words ^ (words >> 31 & (1 << 33) - 1)


def _mix_32(words: Tensor) -> Tensor:
    """The same for 32 bits, in place where it may. int32 -> int32"""
    words = words ^ (words >> 16).bitwise_and_(0xFFFF)
    words.mul_(_MIX_32[0])
    words ^= (words >> 15).bitwise_and_(0x1FFFF)
    words.mul_(_MIX_32[1])
    return words.bitwise_xor_((words >> 16).bitwise_and_(0xFFFF))
