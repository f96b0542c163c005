"""A picture, as its pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from unspool.errors import FieldError
from unspool.fields.base import Field
from unspool.fields.pictures import FITS, Fit, Picture, Pixels, picture, planes, resized, whole, whole_channels

_ARGUMENTS = ("height", "width", "channels", "fit")


class ImageField(Field):
    """A picture as its pixels from 0 to 255, at one size. There is nothing to learn: it encodes before `fit`, too.

    A value is a `Picture`: the path of a file that Pillow reads, or an array, (height, width) or (height, width,
    channels) uint8, or where such a one is, as `file.npz::key::row`. A photograph is turned as its camera says.
    What shines through is white. Sizes change with antialiasing; see `unspool.fields.pictures.resized`.

    Args:
        height, width: pixels that every picture is brought to.
        channels: 1, grey, or 3, red, green and blue.
        fit: what becomes of a picture of another shape: "crop" cuts off edges evenly, "pad" adds black ones, "stretch"
            stretches it.

    Raises:
        FieldError: a size that is none, or another number of channels or way to fit.

    Example:
        >>> import numpy
        >>> field = ImageField(2, 2, channels=1)
        >>> field.encode(numpy.array([[9, 10, 20, 9], [9, 30, 40, 9]], dtype=numpy.uint8))
        tensor([[[10, 20],
                 [30, 40]]], dtype=torch.uint8)
    """

    kind: ClassVar[str] = "image"
    shape: ClassVar[Literal["sequence", "vector"]] = "vector"
    reads_files: ClassVar[bool] = True

    def __init__(self, height: int = 64, width: int = 64, channels: int = 3, fit: Fit = "crop") -> None:
        self.height, self.width = whole("height", height), whole("width", width)
        self.channels = whole_channels(channels)
        if fit not in FITS:
            raise FieldError(f"`fit` must be one of {', '.join(FITS)}, but is {fit!r}")
        self._fit: Fit = fit

    @property
    def step_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)"""
        return self.channels, self.height, self.width

    def fit(self, values: Iterable[Picture]) -> None:
        """Look at the first picture of the training part; nothing is kept of it, and the others are not read.

        Raises:
            FieldError: no value, or a first one that is no picture.
        """
        check_first(self, values, "picture")

    def encode(self, value: Picture) -> Tensor:
        """-> (channels, height, width) uint8

        Raises:
            FieldError: a file that is missing, no picture, cut short or a decompression bomb; an array of another shape
                or type; `pillow` not installed.
        """
        image = picture(value, self.channels, "`value`")
        return planes(resized(image, self.height, self.width, self._fit))

    def decode(self, encoded: Tensor) -> Pixels:
        """The pixels. (channels, height, width) uint8 -> (height, width, channels) uint8

        Raises:
            FieldError: a tensor of another shape or type.
        """
        if not isinstance(encoded, Tensor) or encoded.shape != self.step_shape or encoded.dtype != torch.uint8:
            came = f"{encoded.dtype} of {tuple(encoded.shape)}" if isinstance(encoded, Tensor) else repr(encoded)
            raise FieldError(f"`encoded` must be a tensor of {self.step_shape} torch.uint8, but is {came}")
        return encoded.permute(1, 2, 0).contiguous().cpu().numpy()

    def to_json(self) -> dict[str, Any]:
        values = (self.height, self.width, self.channels, self._fit)
        return {"kind": self.kind, **dict(zip(_ARGUMENTS, values, strict=True))}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> ImageField:
        return cls(**arguments(saved, _ARGUMENTS))

    def __repr__(self) -> str:
        return f"ImageField(height={self.height}, width={self.width}, channels={self.channels}, fit={self._fit!r})"


def check_first(field: Field, values: Iterable[Any], noun: str) -> None:
    """Look at the first value, by encoding it.

    Raises:
        FieldError: no value, one value in place of many, or a first one that can't be encoded.
    """
    if isinstance(values, str | PathLike):
        raise FieldError(f"`values` must be many {noun}s, but is one: `{values}`; use `field.fit([path])`")
    for value in values:
        field.encode(value)
        return
    raise FieldError(f"`values` must hold at least one {noun}, but are empty")


def arguments(saved: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """What a field is made with, of what it saved: these names and `kind`.

    Raises:
        FieldError: other keys.
    """
    if set(saved) != {"kind", *names}:
        raise FieldError(f"`saved` must have the keys {sorted(['kind', *names])}, but has {sorted(map(str, saved))}")
    return {name: saved[name] for name in names}
