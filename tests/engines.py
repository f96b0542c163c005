"""Which engines run which cells on a CPU, by the names of their classes: known here, so that collecting tests compiles
nothing, and checked where every engine is asked (`parity/test_oracles.py`)."""

from unspool.engine.choice import ENGINES
from unspool.engine.native.compiler import compiler

_KERNELS = {"packed", "rectangles"}
_OWN = {
    "Elman": {*_KERNELS, "handwritten"},
    "GRU": {*_KERNELS, "handwritten"},
    "LSTM": _KERNELS,
    "ProjectedLSTM": _KERNELS,
    "MinGRU": {"scan"},
    "MinLSTM": {"scan"},
}


def engines_of(cell: str) -> list[str]:
    """The engines of a cell's class, in the order of `ENGINES`."""
    native = {"native"} if cell != "ConvLSTM" and compiler() is not None else set()
    found = {"reference", *native, *_OWN.get(cell, ())}
    return [name for name in ENGINES if name in found]
