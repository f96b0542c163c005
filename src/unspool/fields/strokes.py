"""A drawing as the moves of a pen."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unspool.arrays import is_reference, resolve
from unspool.errors import FieldError, UnspoolError
from unspool.fields.base import Field
from unspool.fields.scaling import Moments

Strokes: TypeAlias = str | Sequence[Sequence[float]] | NDArray[Any]
"""Points, each (dx, dy, lift); or JSON text of that; or where in a file: see `unspool.arrays.resolve`."""

_SAVED = ("kind", "scale")
_LIFTS, _ENDS = 1, 2


class StrokesField(Field):
    """A drawing as (dx, dy, pen) for each point: offsets over their standard deviation, and what the pen does then.

    A value is `Strokes`: a point's offset from the one before (of the first, a move that draws nothing), and a 1
    where the pen is lifted after the point. Encoded, a pen is 0 where it draws on, 1 where it is lifted, and 2 at the
    last point, where the drawing ends.

    Fields:
        scale: standard deviation of all offsets of the training part, in both directions together; 1 where all are the
            same, 0 before `fit`.

    Example:
        >>> field = StrokesField()
        >>> field.fit([[[0, 2, 0], [2, 0, 1], [0, 2, 1]]])
        >>> field.scale, field.encode("[[2, 0, 1], [0, -1, 1]]")
        (1.0, tensor([[ 2.,  0.,  1.],
                [ 0., -1.,  2.]]))
        >>> field.decode(torch.tensor([[2.0, 0.0, 1.0], [0.0, -1.0, 2.0]]))
        [[2.0, 0.0, 1], [0.0, -1.0, 1]]

    Reference:
        Ha and Eck (2017), for one scale and offsets that keep their mean.
    """

    kind: ClassVar[str] = "strokes"
    shape: ClassVar[Literal["sequence", "vector"]] = "sequence"

    def __init__(self) -> None:
        self.scale = 0.0

    def fit(self, values: Iterable[Strokes]) -> None:
        """Learn the scale, in one pass.

        Raises:
            FieldError: no value, or one that is no drawing.
        """
        moments = Moments()
        for value in values:
            moments.add(whole_strokes(value)[:, :2].reshape(-1, 1))
        if moments.features is None:
            raise FieldError("`values` must hold at least one drawing, but are empty")
        self.scale = float(moments.scale().deviation[0])

    def encode(self, value: Strokes) -> Tensor:
        """-> (points, 3) float32, dx, dy and pen

        Raises:
            FieldError: before `fit`, or what is no drawing.
        """
        self._check_fitted("encode")
        encoded = whole_strokes(value)
        encoded[:, :2] /= self.scale
        encoded[-1, 2] = _ENDS
        return torch.from_numpy(encoded.astype(np.float32))

    def decode(self, encoded: Tensor) -> list[list[float]]:
        """The points, each as [dx, dy, lift], up to the first whose pen is 2. (points, 3) -> list

        Raises:
            FieldError: before `fit`, a tensor of another shape, or a pen that is none.
        """
        self._check_fitted("decode")
        if not isinstance(encoded, Tensor) or encoded.dim() != 2 or encoded.shape[1] != len(self):
            came = tuple(encoded.shape) if isinstance(encoded, Tensor) else repr(encoded)
            raise FieldError(f"`encoded` must be a tensor of shape (points, {len(self)}), but is {came}")
        points: list[list[float]] = []
        for number, (across, down, pen) in enumerate(encoded.tolist()):
            if pen not in (0, _LIFTS, _ENDS):
                raise FieldError(f"the pen of point {number} must be 0, 1 or 2, but is {pen}")
            points.append([across * self.scale, down * self.scale, int(pen != 0)])
            if pen == _ENDS:
                break
        return points

    def __len__(self) -> int:
        """Three numbers a point."""
        return 3

    def to_json(self) -> dict[str, Any]:
        self._check_fitted("save")
        return dict(zip(_SAVED, (self.kind, self.scale), strict=True))

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> StrokesField:
        if set(saved) != set(_SAVED):
            raise FieldError(f"`saved` must have the keys {sorted(_SAVED)}, but has {sorted(map(str, saved))}")
        scale = saved["scale"]
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < math.inf:
            raise FieldError(f"`scale` must be a number above 0, but is {scale!r}")
        field = cls()
        field.scale = float(scale)
        return field

    def __repr__(self) -> str:
        return "StrokesField()"

    def _check_fitted(self, purpose: str) -> None:
        if not self.scale:
            raise FieldError(
                f"`{self}` must be fitted before it can {purpose}; call `field.fit(values)` with the training part's"
            )


def whole_strokes(value: Strokes) -> NDArray[np.float64]:
    """A new array of a drawing's points, (points, 3), each dx, dy and lift.

    Raises:
        FieldError: another shape, no point, a number that is not finite, a lift that is neither 0 nor 1.
        DataError: a place in a file that is not there.
    """
    try:
        points = np.array(_read(value) if isinstance(value, str) else value, dtype=np.float64)
    except UnspoolError:  # of where it is, which says more
        raise
    except (TypeError, ValueError) as error:
        raise FieldError(f"a drawing must be points of three numbers each, but is {_shown(value)}: {error}") from error
    if points.ndim != 2 or points.shape[1] != 3 or not len(points):
        raise FieldError(
            "a drawing must be at least one point of three numbers, dx, dy and lift, "
            f"but has the shape {points.shape}: {_shown(value)}"
        )
    broken = ~np.isfinite(points).all(1) | ~np.isin(points[:, 2], (0, 1))
    if broken.any():
        number = int(broken.argmax())
        raise FieldError(
            f"point {number} of a drawing must be two finite offsets and a lift of 0 or 1, but is "
            f"{points[number].tolist()}"
        )
    return points


def _read(text: str) -> object:
    if is_reference(text):
        return resolve(text)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise FieldError(
            "a drawing must be JSON such as [[3, -1, 0], [0, 4, 1]], or a place in a file such as "
            f"`drawings.npz::points::10:52`, but is {_shown(text)}: {error}"
        ) from error


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}…"
