"""A clip, as pictures over time."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unspool import arrays
from unspool.errors import DataError, FieldError
from unspool.fields.base import Field
from unspool.fields.clips import clip, moments, nearest
from unspool.fields.image import arguments, check_first
from unspool.fields.pictures import Pixels, from_array, picture, planes, referred, resized, whole, whole_channels

if TYPE_CHECKING:
    from PIL import Image

Video: TypeAlias = str | PathLike[str] | NDArray[Any]
"""The path of a video file, of a folder of pictures or of an array in a `.npy` file; or an array, (pictures, height,
width) or (pictures, height, width, channels) uint8; or where in a file such an array is, as `file.npz::key::row`."""

_ARGUMENTS = ("frames", "rate", "height", "width", "channels", "crop")
_DIGITS = re.compile(r"(\d+)")


class VideoField(Field):
    """A clip as pictures over time, their pixels from 0 to 255.

    There is nothing to learn: it encodes before `fit`, too. A value is a `Video`. Of a file, pictures are chosen by the
    times at which they are to be shown, of an array or a folder, in the order of its names (`9.png` before `10.png`),
    by their numbers. At each moment that `frames` or `rate` asks for, the nearest picture is taken, the earlier of two
    that are equally near; so one may come twice.

    Args:
        frames: how many pictures are taken, at equal distances from the first to the last; of 1, the one in the middle.
        rate: or how many of a second, from the first on. Left out both, all are taken.
        height, width: pixels that every picture is stretched to, with antialiasing.
        channels: 1, grey, or 3, red, green and blue.
        crop: top, left, height and width of the part that is looked at, in pixels of the clip; all if left out.

    Raises:
        FieldError: both `frames` and `rate`, or what is no number, size or part.

    Example:
        >>> import numpy
        >>> numbered = numpy.arange(7, dtype=numpy.uint8)[:, None, None] * numpy.ones((8, 8), numpy.uint8)
        >>> steps = VideoField(frames=4, height=2, width=2).encode(numbered)
        >>> steps.shape, steps[:, 0, 0, 0]
        (torch.Size([4, 1, 2, 2]), tensor([0, 2, 4, 6], dtype=torch.uint8))
    """

    kind: ClassVar[str] = "video"
    shape: ClassVar[Literal["sequence", "vector"]] = "sequence"
    reads_files: ClassVar[bool] = True

    def __init__(
        self,
        frames: int | None = None,
        rate: float | None = None,
        height: int = 64,
        width: int = 64,
        channels: int = 1,
        crop: Sequence[int] | None = None,
    ) -> None:
        self.frames = None if frames is None else whole("frames", frames)
        self.rate = None if rate is None else _positive(rate)
        if frames is not None and rate is not None:
            raise FieldError(f"`frames` and `rate` can't both be given, but are {frames} and {rate}; leave one out")
        self.height, self.width = whole("height", height), whole("width", width)
        self.channels = whole_channels(channels)
        self.crop = None if crop is None else _part(crop)

    @property
    def step_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)"""
        return self.channels, self.height, self.width

    def fit(self, values: Iterable[Video]) -> None:
        """Look at the first clip of the training part; nothing is kept of it, and the others are not read.

        Raises:
            FieldError: no value, or a first one that is no clip.
        """
        check_first(self, values, "clip")

    def encode(self, value: Video) -> Tensor:
        """-> (steps, channels, height, width) uint8

        Of a file, no more pictures are held than those that are taken, at the new size, and two besides.

        Raises:
            FieldError: a file that is missing, no video or without pictures, cut short or damaged (see
                `unspool.fields.clips.clip`); a folder without pictures, or with one that can't be read; an array of
                another shape or type, or without a picture; `rate` of what tells no times; pictures that `crop` is
                not in; `av` or `pillow` not installed.
        """
        subject = f"`{fspath(value)}`" if isinstance(value, str | PathLike) else "`value`"
        steps = [
            planes(resized(image, self.height, self.width, box=self._box(image, subject)))
            for image in self._pictures(value, subject)
        ]
        if not steps:
            raise FieldError(f"{subject} must hold at least one picture, but none can be decoded; copy it again")
        return torch.stack(steps)

    def decode(self, encoded: Tensor) -> Pixels:
        """The pixels. (steps, channels, height, width) uint8 -> (steps, height, width, channels) uint8

        Raises:
            FieldError: a tensor of another shape or type.
        """
        fits = isinstance(encoded, Tensor) and encoded.dim() == 4 and encoded.shape[1:] == self.step_shape
        if not fits or encoded.dtype != torch.uint8:
            came = f"{encoded.dtype} of {tuple(encoded.shape)}" if isinstance(encoded, Tensor) else repr(encoded)
            wanted = ", ".join(map(str, self.step_shape))
            raise FieldError(f"`encoded` must be a tensor of (steps, {wanted}) torch.uint8, but is {came}")
        return encoded.permute(0, 2, 3, 1).contiguous().cpu().numpy()

    def to_json(self) -> dict[str, Any]:
        crop = None if self.crop is None else list(self.crop)
        return {"kind": self.kind, **{name: getattr(self, name) for name in _ARGUMENTS}, "crop": crop}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> VideoField:
        return cls(**arguments(saved, _ARGUMENTS))

    def __repr__(self) -> str:
        return f"VideoField({', '.join(f'{name}={getattr(self, name)}' for name in _ARGUMENTS)})"

    def _pictures(self, value: Video, subject: str) -> Iterator[Image.Image]:
        """Those that are chosen, one after another."""
        if not isinstance(value, str | PathLike):
            return self._of_array(value, subject)
        path = fspath(value)
        if arrays.is_reference(path):
            return self._of_array(referred(path), subject)
        if Path(path).is_dir():
            return self._of_folder(Path(path), subject)
        if path.lower().endswith(".npy"):
            return self._of_array(_saved(path), subject)
        found = clip(path, self.channels, self.frames, self.rate)
        return (from_array(pixels, self.channels, subject) for pixels in found)

    def _of_array(self, array: object, subject: str) -> Iterator[Image.Image]:
        if not isinstance(array, np.ndarray):
            raise FieldError(
                f"{subject} must be the path of a video file or of a folder of pictures, or an array, (pictures, "
                f"height, width) or (pictures, height, width, channels) uint8, but is a {type(array).__name__}"
            )
        if array.ndim not in (3, 4) or not array.size or array.dtype != np.uint8:
            raise FieldError(
                f"{subject} must be pixels of at least one picture, (pictures, height, width) or (pictures, height, "
                f"width, channels) uint8 from 0 to 255, but is {array.dtype} of {array.shape}"
            )
        for number in self._chosen(len(array), subject):
            yield from_array(array[number], self.channels, f"picture {number} of {subject}")

    def _of_folder(self, folder: Path, subject: str) -> Iterator[Image.Image]:
        files = [file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")]
        if not files:
            raise FieldError(f"the folder {subject} must hold at least one picture, but holds none")
        files.sort(key=lambda file: _naturally(file.name))
        for number in self._chosen(len(files), f"the folder {subject}"):
            yield picture(files[number], self.channels, subject)

    def _chosen(self, count: int, subject: str) -> Iterator[int]:
        if self.rate is not None:
            raise FieldError(
                f"`rate` needs to know when a picture is shown, which {subject} does not tell; use `frames`"
            )
        return nearest(((i, i) for i in range(count)), moments(0, count - 1, count, self.frames, None))

    def _box(self, image: Image.Image, subject: str) -> tuple[int, int, int, int] | None:
        """Left, top, right and bottom of the part that is looked at."""
        if self.crop is None:
            return None
        top, left, height, width = self.crop
        if top + height > image.height or left + width > image.width:
            raise FieldError(
                f"`crop` must lie within the pictures of {subject}, {image.height} high and {image.width} wide, but is "
                f"{self.crop}: top, left, height, width"
            )
        return left, top, left + width, top + height


def _positive(rate: object) -> float:
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf:
        raise FieldError(f"`rate` must be a number above 0, pictures a second, but is {rate!r}")
    return float(rate)


def _part(crop: Any) -> tuple[int, int, int, int]:
    whole = isinstance(crop, list | tuple) and all(isinstance(x, int) and not isinstance(x, bool) for x in crop)
    if not whole or len(crop) != 4 or min(crop[:2]) < 0 or min(crop[2:]) < 1:
        raise FieldError(f"`crop` must be four whole numbers, top and left, height and width, but is {crop!r}")
    top, left, height, width = crop
    return top, left, height, width


def _saved(path: str) -> NDArray[Any]:
    try:
        return arrays.read(path)
    except DataError as error:
        raise FieldError(str(error)) from error


def _naturally(name: str) -> tuple[list[str | int], str]:
    return [int(piece) if place % 2 else piece for place, piece in enumerate(_DIGITS.split(name))], name
