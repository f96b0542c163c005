"""A number, scaled."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from unspool.errors import FieldError
from unspool.fields.base import Field

_SAVED = ("kind", "mean", "deviation")


class NumberField(Field):
    """A number less the training part's mean, over its standard deviation.

    A value is a number or the text of one.

    Fields:
        mean, deviation: of the training part; the deviation is 1 where all numbers are the same.

    Example:
        >>> field = NumberField()
        >>> field.fit([1, 3, "5"])
        >>> field.mean, field.encode(3), field.decode(torch.tensor(0.0))
        (3.0, tensor(0.), 3.0)
    """

    kind: ClassVar[str] = "number"
    shape: ClassVar[Literal["sequence", "vector"]] = "vector"

    def __init__(self) -> None:
        self.mean, self.deviation = 0.0, 0.0

    def fit(self, values: Iterable[float | str]) -> None:
        """Learn mean and deviation, in one pass (Welford, 1962).

        Raises:
            FieldError: no value, or one that is no finite number.
        """
        count, mean, squares = 0, 0.0, 0.0
        for value in values:
            number = _number(value)
            count += 1
            before = number - mean
            mean += before / count
            squares += before * (number - mean)
        if not count:
            raise FieldError("`values` must hold at least one number, but are empty")
        self.mean, self.deviation = mean, math.sqrt(squares / count) or 1.0

    def encode(self, value: float | str) -> Tensor:
        """-> () float32

        Raises:
            FieldError: before `fit`, or what is no finite number.
        """
        self._check_fitted("encode")
        return torch.tensor((_number(value) - self.mean) / self.deviation)

    def decode(self, encoded: Tensor) -> float:
        """() -> the number

        Raises:
            FieldError: before `fit`, or a tensor of another shape.
        """
        self._check_fitted("decode")
        if not isinstance(encoded, Tensor) or encoded.numel() != 1:
            raise FieldError(f"`encoded` must be one number, but is {encoded!r}")
        return float(encoded) * self.deviation + self.mean

    def __len__(self) -> int:
        """One number."""
        return 1

    def to_json(self) -> dict[str, Any]:
        self._check_fitted("save")
        return dict(zip(_SAVED, (self.kind, self.mean, self.deviation), strict=True))

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> NumberField:
        if set(saved) != set(_SAVED):
            raise FieldError(f"`saved` must have the keys {sorted(_SAVED)}, but has {sorted(map(str, saved))}")
        field = cls()
        field.mean, field.deviation = _number(saved["mean"]), _number(saved["deviation"])
        if field.deviation <= 0:
            raise FieldError(f"`deviation` must be above 0, but is {field.deviation}")
        return field

    def __repr__(self) -> str:
        return "NumberField()"

    def _check_fitted(self, purpose: str) -> None:
        if not self.deviation:
            raise FieldError(
                f"`{self}` must be fitted before it can {purpose}; call `field.fit(values)` with the training part's"
            )


def _number(value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise FieldError(f"a number must be finite, but is {value!r} ({type(value).__name__})")
    return number
