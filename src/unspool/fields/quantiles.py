"""A number of which quantiles are told."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from torch import Tensor

from unspool.errors import FieldError
from unspool.fields.base import Field
from unspool.fields.number import NumberField

LEVELS = (0.1, 0.5, 0.9)
_SAVED = ("kind", "levels", "mean", "deviation")


class QuantilesField(Field):
    """A number, scaled as by `NumberField`, of which a model tells quantiles: below that of level 0.9 lie 90 of 100.

    What is told is a text, a JSON object from levels to numbers, from the lowest to the highest.

    Args:
        levels: above 0 and below 1, rising.

    Example:
        >>> field = QuantilesField([0.1, 0.9])
        >>> field.fit([1, 3, 5])
        >>> field.encode(3), field.decode(torch.tensor([-1.0, 0.0]))
        (tensor(0.), '{"0.1": 1.36701, "0.9": 3.0}')

    Raises:
        FieldError: levels of another kind or order.
    """

    kind: ClassVar[str] = "quantiles"
    shape: ClassVar[Literal["sequence", "vector"]] = "vector"

    def __init__(self, levels: Sequence[float] = LEVELS) -> None:
        given = [] if isinstance(levels, str) or not isinstance(levels, Iterable) else list(levels)
        self.levels = tuple(map(float, given)) if all(isinstance(each, float | int) for each in given) else ()
        rising = all(low < high for low, high in itertools.pairwise((0, *self.levels, 1)))
        if not self.levels or not rising:
            raise FieldError(f"`levels` must be numbers that rise between 0 and 1, but are {levels!r}")
        self._number = NumberField()

    def fit(self, values: Iterable[float | str]) -> None:
        """Learn mean and deviation, in one pass.

        Raises:
            FieldError: no value, or one that is no finite number.
        """
        self._number.fit(values)

    def encode(self, value: float | str) -> Tensor:
        """-> () float32

        Raises:
            FieldError: before `fit`, or what is no finite number.
        """
        self._check_fitted("encode")
        return self._number.encode(value)

    def decode(self, encoded: Tensor) -> str:
        """(levels,) -> the quantiles, as JSON

        Raises:
            FieldError: before `fit`, or a tensor of another shape.
        """
        self._check_fitted("decode")
        if not isinstance(encoded, Tensor) or encoded.shape != (len(self.levels),):
            came = tuple(encoded.shape) if isinstance(encoded, Tensor) else f"a {type(encoded).__name__}"
            raise FieldError(f"`encoded` must be a tensor of ({len(self.levels)},), but is {came}")
        numbers = encoded.detach().cpu().double() * self._number.deviation + self._number.mean
        return as_text(self.levels, numbers.tolist(), self._number.deviation)

    def to_json(self) -> dict[str, Any]:
        self._check_fitted("save")
        return {**self._number.to_json(), "kind": self.kind, "levels": list(self.levels)}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> QuantilesField:
        if set(saved) != set(_SAVED):
            raise FieldError(f"`saved` must have the keys {sorted(_SAVED)}, but has {sorted(map(str, saved))}")
        field = cls(saved["levels"])
        field._number = NumberField.from_json({name: saved[name] for name in ("kind", "mean", "deviation")})
        return field

    def __len__(self) -> int:
        """The number of quantiles."""
        return len(self.levels)

    def __repr__(self) -> str:
        return f"QuantilesField({list(self.levels)})"

    def _check_fitted(self, purpose: str) -> None:
        if not self._number.deviation:
            raise FieldError(
                f"`{self}` must be fitted before it can {purpose}; call `field.fit(values)` with the training part's"
            )


def as_text(levels: Sequence[float], numbers: Sequence[float], deviation: float) -> str:
    """Quantiles as JSON, as metrics and `unspool predict` have them.

    Args:
        deviation: of the numbers of the training part, six digits of which are told.
    """
    places = 5 - math.floor(math.log10(deviation))
    return json.dumps({str(level): round(number, places) for level, number in zip(levels, numbers, strict=True)})
