"""Pictures in black and white as rows of pixels, and back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from unspool.errors import FieldError
from unspool.fields.rows import RowsField

GREYS = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)


@pytest.mark.parametrize("threshold", [0.1, 0.2, 0.5, 0.9])
def test_a_pixel_is_white_from_the_threshold_on(tmp_path: Path, threshold: float) -> None:
    Image.fromarray(GREYS).save(tmp_path / "a.png")
    expected = [[float(grey / 255 >= threshold) for grey in row] for row in GREYS.tolist()]
    for value in (GREYS, tmp_path / "a.png"):
        encoded = RowsField(threshold=threshold).encode(value)
        assert encoded.dtype == torch.float32
        assert encoded.tolist() == expected


def test_a_picture_of_another_size_is_stretched_before_it_is_cut_in_two() -> None:
    small = Image.fromarray(GREYS).resize((5, 9), Image.Resampling.BILINEAR)
    expected = (np.asarray(small) >= 127.5).astype(np.float32)
    assert RowsField(9, 5).encode(GREYS).tolist() == expected.tolist()


def test_colours_become_grey_first() -> None:
    red = np.full((2, 2, 3), (255, 0, 0), np.uint8)  # 0.299 of white
    assert RowsField(2, 2, 0.29).encode(red).tolist() == [[1, 1], [1, 1]]
    assert RowsField(2, 2, 0.31).encode(red).tolist() == [[0, 0], [0, 0]]


def test_a_drawing_comes_back_in_black_and_white() -> None:
    field = RowsField()
    decoded = field.decode(field.encode(GREYS))
    assert (decoded.dtype, decoded.tolist()) == (np.uint8, np.where(GREYS >= 128, 255, 0).tolist())
    assert torch.equal(field.encode(decoded), field.encode(GREYS))


def test_chances_are_cut_at_a_half_and_missing_rows_are_black() -> None:
    field = RowsField(3, 2)
    assert field.decode(torch.tensor([[0.4, 0.6], [0.9, 0.5]])).tolist() == [[0, 255], [255, 0], [0, 0]]
    assert field.decode(torch.zeros(0, 2)).tolist() == [[0, 0]] * 3


def test_a_saved_field_is_the_same() -> None:
    field = RowsField(9, 5, 0.25)
    again = RowsField.from_json(json.loads(json.dumps(field.to_json())))
    assert torch.equal(again.encode(GREYS), field.encode(GREYS))
    assert (again.to_json(), repr(again), again.step_shape, len(again)) == (field.to_json(), repr(field), (5,), 5)
    assert field.to_json() == {"kind": "rows", "height": 9, "width": 5, "threshold": 0.25}


def test_only_the_first_picture_is_looked_at() -> None:
    RowsField().fit([GREYS, "none.png"])
    with pytest.raises(FieldError, match=r"`none\.png` can't be read: No such file or directory"):
        RowsField().fit(["none.png", GREYS])
    with pytest.raises(FieldError, match="`values` must hold at least one picture, but are empty"):
        RowsField().fit([])


@pytest.mark.parametrize("bad", [torch.zeros(28), torch.zeros(28, 27), torch.zeros(29, 28), [[0.0] * 28]])
def test_a_tensor_of_another_shape_is_refused(bad: Any) -> None:
    with pytest.raises(FieldError, match=r"`encoded` must be a tensor of \(rows, 28\), at most 28 of them, but is"):
        RowsField().decode(bad)


@pytest.mark.parametrize("threshold", [0, 1, 128, True, "0.5", float("nan")])
def test_a_threshold_outside_of_0_to_1_is_refused(threshold: Any) -> None:
    with pytest.raises(FieldError, match="`threshold` must be a number between 0 and 1, but is"):
        RowsField(threshold=threshold)
    with pytest.raises(FieldError, match="`saved` must have the keys"):
        RowsField.from_json({"kind": "rows", "threshold": 0.5})
