"""A picture in black and white, as its rows of pixels from top to bottom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from unspool.errors import FieldError
from unspool.fields.base import Field
from unspool.fields.image import arguments, check_first
from unspool.fields.pictures import Picture, Pixels, picture, resized, whole

_ARGUMENTS = ("height", "width", "threshold")


class RowsField(Field):
    """A picture as its rows from top to bottom, a 1 for each white pixel and a 0 for each black one.

        encoded = (grey level, stretched to height × width) >= threshold · 255

    A value is a `Picture`, as of `ImageField`. There is nothing to learn: it encodes before `fit`, too.

    Args:
        height: rows, which are steps.
        width: pixels of a row.
        threshold: from which lightness on a pixel is white, between 0 and 1.

    Raises:
        FieldError: a size that is none, or a threshold that is not between 0 and 1.

    Example:
        >>> import numpy
        >>> field = RowsField(2, 3)
        >>> field.encode(numpy.array([[0, 127, 128], [255, 0, 9]], dtype=numpy.uint8))
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
        >>> field.decode(torch.tensor([[0.0, 0.0, 1.0]]))
        array([[  0,   0, 255],
               [  0,   0,   0]], dtype=uint8)

    Reference:
        Gregor et al. (2015), for digits in black and white. They draw pixels at random by their grey levels; a
        threshold gives the same picture every time.
    """

    kind: ClassVar[str] = "rows"
    shape: ClassVar[Literal["sequence", "vector"]] = "sequence"
    reads_files: ClassVar[bool] = True

    def __init__(self, height: int = 28, width: int = 28, threshold: float = 0.5) -> None:
        self.height, self.width = whole("height", height), whole("width", width)
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 < threshold < 1:
            raise FieldError(f"`threshold` must be a number between 0 and 1, but is {threshold!r}")
        self.threshold = float(threshold)

    @property
    def step_shape(self) -> tuple[int]:
        """(width,)"""
        return (self.width,)

    def fit(self, values: Iterable[Picture]) -> None:
        """Look at the first picture of the training part; nothing is kept of it, and the others are not read.

        Raises:
            FieldError: no value, or a first one that is no picture.
        """
        check_first(self, values, "picture")

    def encode(self, value: Picture) -> Tensor:
        """-> (height, width) float32 of 0 and 1

        Raises:
            FieldError: what is no picture; see `ImageField.encode`.
        """
        pixels = resized(picture(value, 1, "`value`"), self.height, self.width)
        return torch.from_numpy((pixels >= self.threshold * 255).astype(np.float32))

    def decode(self, encoded: Tensor) -> Pixels:
        """A picture, 255 where a number is above a half and 0 elsewhere. (rows, width) -> (height, width) uint8

        Rows that are not there are black.

        Raises:
            FieldError: a tensor of another shape, or more rows than a picture has.
        """
        whole = isinstance(encoded, Tensor) and encoded.dim() == 2
        if not whole or encoded.shape[1] != self.width or len(encoded) > self.height:
            came = tuple(encoded.shape) if isinstance(encoded, Tensor) else repr(encoded)
            raise FieldError(
                f"`encoded` must be a tensor of (rows, {self.width}), at most {self.height} of them, but is {came}"
            )
        pixels: Pixels = np.zeros((self.height, self.width), np.uint8)
        pixels[: len(encoded)][(encoded > 0.5).cpu().numpy()] = 255
        return pixels

    def __len__(self) -> int:
        """The number of pixels of a row."""
        return self.width

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, **{name: getattr(self, name) for name in _ARGUMENTS}}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> RowsField:
        return cls(**arguments(saved, _ARGUMENTS))

    def __repr__(self) -> str:
        return f"RowsField(height={self.height}, width={self.width}, threshold={self.threshold})"
