"""Other processors than this one: those of smaller vectors, and, with the compiler's help, those of wider ones."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from native.cells_nobody_tuned_for import made
from native.naive import answers, assert_close, batch, expected, on, without_native
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from unspool import Ragged, cells, engine, unroll
from unspool.cells import GatedCell
from unspool.engine import native
from unspool.engine.native import compiler, forms, halves
from unspool.errors import EngineError

pytestmark = without_native

UNEVEN = [4, 0, 7, 1, 7, 2]
# More rows than a thread steps at once.
MANY = [1 + 7 * row % 4 for row in range(29)]
# The code for 512 bits and 32 registers, of whatever instructions this processor has.
WIDE = "-O0 -Wno-psabi -UBYTES -DBYTES=64 -DREGISTERS=32"
EMULATED = f"-mno-avx512f -include {Path(__file__).parent / 'emulated.hpp'}"
FLOAT, DOUBLE = torch.float32, torch.float64


@pytest.fixture(autouse=True)
def _as_another_process_would() -> None:
    compiler._loaded.cache_clear()
    forms._of_cells_alike.clear()


SMALLER = [("portable", name, dtype) for name in ("LSTM", "GRU", "LayerNormLSTM") for dtype in (FLOAT, DOUBLE)]
SMALLER += [("avx2", "LSTM", FLOAT), ("avx2", "GRU", DOUBLE), ("avx2", "LayerNormLSTM", FLOAT)]


@pytest.mark.parametrize(("vectors", "name", "dtype"), SMALLER, ids=str)
def test_smaller_vectors_give_the_same(
    vectors: str, name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    if vectors == "avx2" and compiler.level() == "portable":
        pytest.skip("this processor has no AVX2")
    monkeypatch.setenv("UNSPOOL_VECTORS", vectors)
    torch.manual_seed(0)
    cell = getattr(cells, name)(5, 19).to(dtype)
    inputs, state = batch(cell, UNEVEN, dtype)
    assert engine.choose(cell, inputs) == "native"
    assert_close(answers(on("native"), cell, inputs, state), expected(cell, inputs, state), dtype)


def one_and_many(make: Callable[[], GatedCell]) -> Iterator[tuple[GatedCell, Ragged, Any]]:
    torch.manual_seed(0)
    cell = make()
    for lengths in (UNEVEN, MANY, [9]):
        yield cell, *batch(cell, lengths, FLOAT)


def wide() -> GatedCell:
    return cells.GRU(4, 512)  # whose gates' rows would lie a power of two apart


@pytest.mark.parametrize("make", [lambda: cells.LSTM(70, 67), lambda: made("TwoStages"), wide])
def test_wider_vectors_give_the_same(make: Callable[[], GatedCell], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSPOOL_VECTORS", "portable")
    monkeypatch.setenv("UNSPOOL_CXXFLAGS", WIDE)
    for cell, inputs, state in one_and_many(make):
        assert_close(answers(on("native"), cell, inputs, state), expected(cell, inputs, state), FLOAT)


class Halved(TorchFunctionMode):
    """Products of bfloat16 numbers, summed exactly."""

    def __torch_function__(self, function: Any, types: Any, given: Any = (), options: Any = None) -> Any:
        if function is nn.functional.linear:
            x, weight, *bias = given
            given = (x.bfloat16().to(x.dtype), weight.bfloat16().to(weight.dtype), *bias)
        return function(*given, **(options or {}))


@pytest.mark.parametrize("make", [lambda: cells.LayerNormLSTM(70, 67), lambda: made("TwoStages"), wide])
def test_products_of_bfloat16_numbers(make: Callable[[], GatedCell], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSPOOL_VECTORS", "portable")
    monkeypatch.setenv("UNSPOOL_CXXFLAGS", f"{WIDE} {EMULATED}")
    monkeypatch.setattr(halves, "pay", lambda: True)
    for cell, inputs, state in one_and_many(make):
        with Halved():
            right = expected(cell, inputs, state)
        with torch.autocast("cpu", torch.bfloat16):
            form = native.compiled(cell)
            assert isinstance(form, native.Native), form
            assert form.halves
            got = answers(on("native"), cell, inputs, state)
        # A number that lies between two of bfloat16 may be rounded to either. Gradients are rounded too, but not there.
        assert_off_by(got.values, right.values, 2e-3)
        assert_off_by(got.gradients, right.gradients, 1e-2)


def assert_off_by(got: dict[str, Tensor], right: dict[str, Tensor], most: float) -> None:
    assert got.keys() == right.keys()
    for name, tensor in right.items():
        assert float((got[name] - tensor).norm()) <= most * float(tensor.norm()), name


def test_unknown_vectors_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSPOOL_VECTORS", "avx1024")
    cell = cells.Elman(3, 4)
    with pytest.raises(EngineError) as error:
        unroll(cell, batch(cell, UNEVEN, FLOAT)[0])
    assert str(error.value) == "`UNSPOOL_VECTORS` must be one of avx512, avx2, portable, but is `avx1024`"
