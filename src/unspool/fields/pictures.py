"""Pictures, from files or from memory, in grey or in colour and at the size that is asked for."""

from __future__ import annotations

import importlib
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unspool import arrays
from unspool.errors import DataError, FieldError, MissingPackageError

if TYPE_CHECKING:
    from PIL import Image

Picture: TypeAlias = str | PathLike[str] | NDArray[Any]
"""The path of a picture; or an array, (height, width) or (height, width, channels) uint8; or where in a file such an
array is, as `file.npz::key::row`."""
Fit: TypeAlias = Literal["crop", "pad", "stretch"]
Pixels: TypeAlias = NDArray[np.uint8]

FITS = ("crop", "pad", "stretch")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_SIXTEEN = 65535


def picture(value: Picture, channels: int, subject: str) -> Image.Image:
    """A picture upright and whole, in grey (`channels` 1) or in red, green and blue (3), with 8 bits each.

    What shines through is white; 16 bits are scaled to 8; of an animation the first picture counts. Profiles of colours
    are not looked at.

    Args:
        value: as `Picture` says; what kind of file it is is told by what it holds.
        channels: 1 or 3.
        subject: what a message calls a value that is no file.

    Raises:
        FieldError: a file that is missing, empty, no picture, cut short or a decompression bomb (Pillow's limit, twice
            `Image.MAX_IMAGE_PIXELS`); an array of another shape or type; no pixel; `pillow` not installed.
    """
    if not isinstance(value, str | PathLike):
        return from_array(value, channels, subject)
    path, subject = fspath(value), f"`{fspath(value)}`"
    if arrays.is_reference(path):
        return from_array(referred(path), channels, subject)
    imaging = package("PIL.Image", subject)
    transposing = package("PIL.ImageOps", subject)
    try:
        with open(path, "rb") as stream:
            try:
                return _converted(transposing.exif_transpose(imaging.open(stream)), channels, subject)
            except FieldError:
                raise
            except Exception as error:  # Pillow's readers raise whatever their parsing happens to raise
                raise _unreadable(error, subject, empty=not stream.seek(0, 2)) from error
    except OSError as error:
        raise FieldError(f"{subject} can't be read: {error.strerror or error}") from error


def from_array(array: object, channels: int, subject: str) -> Image.Image:
    """The picture of an array, (height, width) or (height, width, 1, 3 or 4) uint8.

    Raises:
        FieldError: another shape or type, or no pixel.
    """
    imaging = package("PIL.Image", subject)
    if not isinstance(array, np.ndarray):
        raise FieldError(
            f"{subject} must be the path of a picture, or an array of one, (height, width) or (height, width, "
            f"channels) uint8, but is {_shown(array)}"
        )
    depth = 1 if array.ndim == 2 else array.shape[2] if array.ndim == 3 else 0
    if array.dtype != np.uint8 or depth not in _MODES or not array.size:
        raise FieldError(
            f"{subject} must be pixels of a picture, (height, width) or (height, width, 1, 3 or 4) uint8 from 0 to "
            f"255, but is {array.dtype} of {array.shape}"
        )
    pixels = np.ascontiguousarray(array[:, :, 0] if array.ndim == 3 and depth == 1 else array)
    return _converted(imaging.fromarray(pixels, _MODES[depth]), channels, subject)


def referred(text: str) -> NDArray[Any]:
    """What a reference stands for, as `arrays.resolve` gives it.

    Raises:
        FieldError: whatever is wrong with it.
    """
    try:
        return arrays.resolve(text)
    except DataError as error:
        raise FieldError(str(error)) from error


def resized(
    image: Image.Image,
    height: int,
    width: int,
    fit: Fit = "stretch",
    box: tuple[int, int, int, int] | None = None,
) -> Pixels:
    """Its pixels at another size, antialiased: weights fall off linearly over what a new pixel covers.

    Args:
        image: in grey or in colour.
        height, width: the size.
        fit: of a picture of another shape, "crop" cuts off edges evenly, "pad" adds black ones, "stretch" stretches it.
        box: left, top, right and bottom of what is cut out first; all if left out.

    Returns:
        (height, width) of a grey one, (height, width, 3) of another.
    """
    bilinear = package("PIL.Image", "`image`").Resampling.BILINEAR
    size = (width, height)
    image = image if box is None else image.crop(box)
    across, down = image.size
    if fit == "stretch":
        return np.array(image.resize(size, bilinear))
    if fit == "crop":
        scale = max(width / across, height / down)
        left, top = max(across - width / scale, 0) / 2, max(down - height / scale, 0) / 2
        return np.array(image.resize(size, bilinear, (left, top, across - left, down - top)))
    scale = min(width / across, height / down)
    inside = image.resize((max(round(across * scale), 1), max(round(down * scale), 1)), bilinear)
    left, top = (width - inside.width) // 2, (height - inside.height) // 2
    padded = np.zeros((height, width) if image.mode == "L" else (height, width, 3), np.uint8)
    padded[top : top + inside.height, left : left + inside.width] = np.asarray(inside)
    return padded


def planes(pixels: Pixels) -> Tensor:
    """(height, width) or (height, width, channels) -> (channels, height, width) uint8"""
    whole = torch.from_numpy(pixels)
    return whole[None] if whole.dim() == 2 else whole.permute(2, 0, 1).contiguous()


def whole(name: str, value: object) -> int:
    """A number of pixels or pictures.

    Raises:
        FieldError: what is no whole number of at least 1.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise FieldError(f"`{name}` must be a whole number of at least 1, but is {value!r}")
    return value


def whole_channels(channels: object) -> int:
    """1 or 3.

    Raises:
        FieldError: another number.
    """
    if not isinstance(channels, int) or isinstance(channels, bool) or channels not in (1, 3):
        raise FieldError(f"`channels` must be 1, grey, or 3, red, green and blue, but is {channels!r}")
    return channels


def package(module: str, subject: str, name: str = "pillow", extra: str = "images") -> Any:
    """A module of a package that need not be installed.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingPackageError(f"{subject} needs the package `{name}`; pip install 'unspool[{extra}]'") from error


def _converted(image: Image.Image, channels: int, subject: str) -> Image.Image:
    imaging = package("PIL.Image", subject)
    if image.mode[0] in "IF":
        image = imaging.fromarray(_eight_bits(image, subject))
    if image.has_transparency_data:
        # Pillow takes grey whose alpha is multiplied in only by this detour.
        image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        image = imaging.alpha_composite(imaging.new("RGBA", image.size, "white"), image)
    if not all(image.size):
        raise FieldError(f"{subject} must have at least one pixel, but is {image.width} wide and {image.height} high")
    return image.convert(_MODES[channels])


def _eight_bits(image: Image.Image, subject: str) -> Pixels:
    """Pillow itself would cut numbers off at 255."""
    numbers = np.asarray(image)
    largest = 1 if image.mode == "F" else _SIXTEEN
    if not ((numbers >= 0) & (numbers <= largest)).all():
        raise FieldError(
            f"{subject} must hold grey levels from 0 to {largest} as pixels of its type, {numbers.dtype}, do, "
            f"but they go from {numbers.min()} to {numbers.max()}; save it with 8 or 16 bits"
        )
    return np.rint(numbers * (255 / largest)).astype(np.uint8)


def _unreadable(error: Exception, subject: str, *, empty: bool) -> FieldError:
    if empty:
        return FieldError(f"{subject} must be a picture, but is empty; copy it again")
    if type(error).__name__ == "UnidentifiedImageError":
        return FieldError(f"{subject} must be a picture that Pillow can read, but it knows no such kind of file")
    if type(error).__name__.startswith("DecompressionBomb"):
        return FieldError(f"{subject} is too large a picture: {error}")
    said = str(error) or type(error).__name__
    return FieldError(f"{subject} can't be read as a picture; is it cut short? Pillow says: {said}")


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    return f"{text if len(text) <= 60 else text[:57] + '…'} ({type(value).__name__})"
