"""Products of bfloat16 numbers, summed in float: whether the processor has them, and whether they are worth it."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

from unspool.engine.native import compiler

WORTH = 1.1  # times as fast as products of floats


def there() -> bool:
    """Whether the processor has such products, in vectors of 512 bits."""
    return compiler.level() == "avx512" and _told("avx512_bf16")


def _told(feature: str) -> bool:
    """Whether Linux tells of a feature of the processor."""
    try:
        return feature in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def gain() -> float:
    """How many times as fast as products of floats they are here; 0 where there are none, or nothing compiles.

    Measured, once a process, since having the instruction does not tell: on an Intel Emerald Rapids they are half as
    fast (`unspool doctor` says how it is here).
    """
    if not there():
        return 0.0
    return _measured() if _taken is None else _taken


_taken: float | None = None


def take(gain: float | None) -> None:
    """Take what another process measured for what is measured here, so that both compute the same; None: measure."""
    global _taken
    _taken = gain


@functools.cache
def _measured() -> float:
    try:
        library = compiler.load((Path(__file__).parent / "halves.cpp").read_text(), "float", halves=True)
    except compiler.NoCompiler:
        return 0.0
    library.unspool_gain.restype = ctypes.c_double
    return float(library.unspool_gain())


def pay() -> bool:
    """Whether they are faster than products of floats: if not, these are taken, which are the more exact."""
    return gain() >= WORTH


def pay_in_torch() -> bool:
    """Whether PyTorch's products are faster in bfloat16: its kernels know a processor's tiles (AMX) as well."""
    return pay() or _told("amx_bf16")
