"""Compiled cells under the compiler's sanitisers: nothing is read or written out of bounds, nothing is undefined."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from native.naive import without_native

from unspool.engine.native.compiler import compiler

pytestmark = without_native

FLAGS = "-O0 -fsanitize=address,undefined -fno-sanitize-recover=all"

# Widths that fill no vector, alone and side by side; rows that fill no tile; a layer norm, wide enough that threads
# share a step where there is one row; a matrix of its own; both directions at once. Then rows a line apart, and more of
# them than are stepped at once or lie in a cache.
RUN = """
import torch
from unspool import Ragged, cells, engine, unroll
from unspool.layers import Bidirectional
for make in (lambda: cells.LSTM(3, 19), lambda: cells.LayerNormLSTM(5, 103), lambda: cells.ResetBeforeGRU(1, 33)):
    cell = make()
    for lengths in ([], [0], [1], [4, 0, 7, 1, 7, 2], [3] * 29):
        inputs = Ragged(torch.randn(sum(lengths), cell.input_size), lengths)
        values = inputs.values.requires_grad_()
        with engine.using("native"):
            outputs, final = unroll(cell, inputs)
        (outputs.values.sum() + sum(leaf.sum() for leaf in final)).backward()
        with torch.no_grad(), engine.using("native"):
            unroll(cell, inputs)
            both = Bidirectional(cell, make())
        with engine.using("native"):
            both(inputs).outputs.values.sum().backward()
inputs = Ragged(torch.randn(432, 3), [6] * 72)
with engine.using("native"):
    unroll(cells.LSTM(3, 128), inputs).outputs.values.sum().backward()
    Bidirectional(cells.LayerNormLSTM(3, 128), cells.LayerNormLSTM(3, 128))(inputs).outputs.values.sum().backward()
    with engine.recomputing():
        unroll(cells.LSTM(3, 128), inputs).outputs.values.sum().backward()
print("all clean")
"""


def library(name: str) -> str | None:
    """The path of one of the compiler's own libraries, None if it has none."""
    path = compiler()
    if path is None:
        return None
    found = subprocess.run(
        [path, f"-print-file-name={name}"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return found if Path(found).is_absolute() and Path(found).exists() else None


def test_no_byte_out_of_bounds_and_nothing_undefined() -> None:
    loaded = [library("libasan.so"), library("libubsan.so")]
    if None in loaded:
        pytest.skip("the compiler has no libasan")
    environment = {
        **os.environ,
        "UNSPOOL_CXXFLAGS": FLAGS,
        "LD_PRELOAD": ":".join(map(str, loaded)),
        "ASAN_OPTIONS": "detect_leaks=0",  # Python's own, at its end
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "OMP_NUM_THREADS": "2",
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == "all clean\n"
