"""Series of numbers as tensors and back."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as drawn

from unspool import arrays
from unspool.errors import FieldError
from unspool.fields.series import SeriesField

ROWS = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 80.0]])


@pytest.fixture
def field() -> SeriesField:
    made = SeriesField()
    made.fit([ROWS])
    return made


NUMBERS = st.floats(-1e6, 1e6, width=32)


@given(st.lists(st.integers(0, 5).flatmap(lambda steps: drawn(np.float64, (steps, 3), elements=NUMBERS)), min_size=1))
def test_mean_and_deviation_are_those_of_all_steps_however_they_are_cut(pieces: list[Any]) -> None:
    whole = np.concatenate(pieces)
    if not len(whole):
        return
    field = SeriesField()
    field.fit(pieces)
    deviation = np.where(np.ptp(whole, 0) == 0, 1.0, whole.std(0))
    expected = (whole - whole.mean(0)) / deviation
    # Where numbers are nearly the same, `std` itself loses digits to rounding.
    sure = (np.ptp(whole, 0) == 0) | (whole.std(0) > 1e-6 * np.abs(whole).max())
    found = torch.cat([field.encode(piece) for piece in pieces]).numpy()
    np.testing.assert_allclose(found[:, sure], expected[:, sure], atol=1e-5, rtol=1e-5)


def test_a_feature_that_is_always_the_same_is_only_moved() -> None:
    field = SeriesField()
    field.fit([[[0.1, step] for step in range(7)]] * 3)  # 0.1 seven times over does not sum to 0.7
    assert field.encode([[0.1, 3], [2.1, 3]]).tolist() == [[0.0, 0.0], [2.0, 0.0]]


def test_numbers_come_back(field: SeriesField) -> None:
    np.testing.assert_allclose(field.decode(field.encode(ROWS)), ROWS, rtol=1e-6)


def test_a_list_of_numbers_is_one_feature() -> None:
    field = SeriesField()
    field.fit([[1, 2.5], np.array([4])])
    assert len(field) == 1
    assert field.encode([2.5, 2.5]).tolist() == [[0.0], [0.0]]
    assert field.encode([2.5]).dtype == torch.float32


def test_further_dimensions_are_laid_out_flat() -> None:
    field = SeriesField()
    values = np.random.default_rng(0).standard_normal((5, 2, 3))
    field.fit([values])
    assert len(field) == 6
    np.testing.assert_array_equal(field.encode(values), field.encode(values.reshape(5, 6)))
    np.testing.assert_array_equal(field.encode(values.tolist()), field.encode(values))


@pytest.mark.parametrize("empty", [[], np.zeros((0, 2)), np.zeros(0)])
def test_no_step_is_a_series(field: SeriesField, empty: Any) -> None:
    assert field.encode(empty).shape == (0, 2)
    assert field.encode(empty).dtype == torch.float32


def mfc(rows: Any, order: str = ">") -> bytes:
    flat = np.asarray(rows, dtype=f"{order}f4").reshape(-1)
    return struct.pack(f"{order}i", len(flat)) + flat.tobytes()


CEPSTRA = np.random.default_rng(1).standard_normal((7, 13)).astype(np.float32)


@pytest.mark.parametrize("kind", ["npy", "big endian", "little endian", "row", "rows", "Path"])
def test_a_file_is_what_it_holds(tmp_path: Path, kind: str) -> None:
    def write() -> Any:
        if kind in ("npy", "Path"):
            np.save(tmp_path / "x.npy", CEPSTRA)
            return tmp_path / "x.npy" if kind == "Path" else str(tmp_path / "x.npy")
        if kind in ("row", "rows"):
            np.savez(tmp_path / "x.npz", stacked=[CEPSTRA + 1, CEPSTRA], flat=np.concatenate([CEPSTRA + 1, CEPSTRA]))
            row: tuple[str, int | slice] = ("stacked", 1) if kind == "row" else ("flat", slice(7, 14))
            return arrays.reference(tmp_path / "x.npz", *row)
        (tmp_path / "x.MFC").write_bytes(mfc(CEPSTRA, ">" if kind == "big endian" else "<"))
        return str(tmp_path / "x.MFC")

    field = SeriesField()
    field.fit([CEPSTRA])
    assert torch.equal(field.encode(write()), field.encode(CEPSTRA))


def test_a_saved_field_is_the_same(field: SeriesField) -> None:
    again = SeriesField.from_json(json.loads(json.dumps(field.to_json())))
    assert torch.equal(again.encode(ROWS * 3), field.encode(ROWS * 3))
    assert again.to_json() == field.to_json()


LIST = "must be a number or a list of as many numbers"
MISTAKES: dict[str, tuple[Any, str]] = {
    "not a number": (
        [[1, 2], [3, float("nan")]],
        "step 1 of `value` must be finite, but holds nan",
    ),
    "infinite": ([[float("-inf"), 2]], "step 0 of `value` must be finite, but holds -inf"),
    "infinite as float32": ([[0, 0], [0, 1e39]], "step 1 of `value` must be finite, but holds 1e+39"),
    "a step too wide": (
        [[1, 2], [1, 2, 3]],
        "step 1 of `value` must have 2 numbers as the first, but has 3: [1, 2, 3]",
    ),
    "a step of one number": ([[1, 2], 3], "step 1 of `value` must have 2 numbers as the first, but has 1: 3"),
    "a step that is uneven": ([[1, [2, 3]]], f"step 0 of `value` {LIST}, but is [1, [2, 3]]"),
    "a missing step": ([[1, 2], None], f"step 1 of `value` {LIST}, but is None"),
    "a missing number": ([[1, 2], [3, None]], f"step 1 of `value` {LIST}, but is [3, None]"),
    "a text as a step": ([1, "2"], f"step 1 of `value` {LIST}, but is '2'"),
    "other features": ([[1, 2, 3]], "`value` must have 2 numbers a step as the training part, but has 3"),
    "one feature": ([1, 2, 3], "`value` must have 2 numbers a step as the training part, but has 1"),
    "steps of nothing": ([[], []], "`value` must have at least one number a step, but has none"),
    "one number": (3.5, "`value` must be numbers over time, but is one number, 3.5; put it into a list"),
    "none": (
        None,
        "`value` must be numbers over time, a list or an array of them or the path of a file, but is None (NoneType)",
    ),
    "an array of texts": (np.array(["a"]), "`value` must be an array of real numbers, but of <U1"),
    "complex numbers": (np.array([1j]), "`value` must be an array of real numbers, but of complex128"),
    "another file": (
        "x.csv",
        "`x.csv` must be a file of numbers, `.npy` or `.mfc`, or a row of an array as `file.npz::key::3`",
    ),
    "a missing file": ("none.npy", "`none.npy` can't be read: No such file or directory"),
    "missing features": ("none.mfc", "`none.mfc` can't be read: No such file or directory"),
    "a missing archive": ("none.npz::a::0", "`none.npz` can't be read: No such file or directory"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_with_what_came(field: SeriesField, case: str) -> None:
    value, message = MISTAKES[case]
    with pytest.raises(FieldError) as error:
        field.encode(value)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            mfc(CEPSTRA)[:-4],
            "as its first four bytes say, 91, but holds 360 bytes more, four a number; is it cut short?",
        ),
        (mfc(CEPSTRA) + b"\0", "as its first four bytes say, 91, but holds 365 bytes more"),
        (b"", "as its first four bytes say, 0, but holds 0 bytes more"),
        (b"text, not features\n", "must hold as many numbers as its first four bytes say"),
        (mfc(np.zeros(40)), "must hold 13 numbers a step, but holds 40, which is no multiple of it"),
        (mfc([[float("nan")] * 13]), "must be finite, but holds nan"),
    ],
)
def test_broken_features_are_named_with_their_file(
    field: SeriesField, tmp_path: Path, data: bytes, message: str
) -> None:
    path = tmp_path / "x.mfc"
    path.write_bytes(data)
    with pytest.raises(FieldError) as error:
        field.encode(str(path))
    assert message in str(error.value)
    assert f"`{path}`" in str(error.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "`values` must hold at least one step of a series, but hold none"),
        ([[], []], "`values` must hold at least one step of a series, but hold none"),
        ([[1], [[1, 2]]], "value 1 of `values` must have 1 numbers a step as those before it, but has 2"),
        ([[1], [2, float("nan")]], "step 1 of value 1 of `values` must be finite, but holds nan"),
        ([[1], "x.csv"], "`x.csv` must be a file of numbers"),
    ],
)
def test_a_column_that_cannot_be_fitted_is_named(values: list[Any], message: str) -> None:
    with pytest.raises(FieldError) as error:
        SeriesField().fit(values)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "use", [lambda f: f.encode([1]), lambda f: f.decode(torch.zeros(1, 1)), len, SeriesField.to_json]
)
def test_an_unfitted_field_says_what_to_do(use: Callable[[SeriesField], Any]) -> None:
    assert SeriesField()
    with pytest.raises(FieldError, match=r"`SeriesField\(\)` must be fitted before it can .*field\.fit"):
        use(SeriesField())


@pytest.mark.parametrize("bad", [torch.zeros(2), torch.zeros(1, 3), torch.zeros(1, 1, 2), [[1.0, 2.0]]])
def test_a_tensor_of_another_shape_is_refused(field: SeriesField, bad: Any) -> None:
    with pytest.raises(FieldError, match=r"`encoded` must be a tensor of \(steps, 2\), but is"):
        field.decode(bad)


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": [1.0]},
        {"mean": []},
        {"mean": ["a", "b"]},
        {"mean": [[1.0, 2.0]]},
        {"mean": [1.0, None]},
        {"deviation": [1.0, 0.0]},
        {"deviation": [1.0, float("inf")]},
        {"mean": [], "deviation": []},
        {"speed": 1},
    ],
)
def test_json_that_it_did_not_write_is_refused(field: SeriesField, changes: dict[str, Any]) -> None:
    with pytest.raises(FieldError):
        SeriesField.from_json(field.to_json() | changes)
