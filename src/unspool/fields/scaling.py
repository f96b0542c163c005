"""Numbers over time, less the training part's mean and over its standard deviation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unspool.errors import FieldError

Rows = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scale:
    """What is taken from each feature, and what it is divided by.

    Fields:
        mean: (features,)
        deviation: (features,), above 0; 1 where a feature is always the same.

    Example:
        >>> moments = Moments()
        >>> moments.add(np.array([[1.0, 7.0], [3.0, 7.0]]))
        >>> moments.scale().encode(np.array([[4.0, 8.0]]))
        tensor([[2., 1.]])
    """

    mean: Rows
    deviation: Rows

    def encode(self, rows: Rows) -> Tensor:
        """(steps, features) -> (steps, features) float32"""
        return torch.from_numpy(((rows - self.mean) / self.deviation).astype(np.float32))

    def decode(self, encoded: Tensor) -> Rows:
        """(steps, features) -> (steps, features) float64

        Raises:
            FieldError: what is no tensor of this shape.
        """
        features = len(self.mean)
        if not isinstance(encoded, Tensor) or encoded.dim() != 2 or encoded.shape[1] != features:
            came = tuple(encoded.shape) if isinstance(encoded, Tensor) else f"a {type(encoded).__name__}"
            raise FieldError(f"`encoded` must be a tensor of (steps, {features}), but is {came}")
        rows: Rows = encoded.detach().cpu().double().numpy() * self.deviation + self.mean
        return rows

    def to_json(self) -> dict[str, list[float]]:
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_json(cls, mean: Any, deviation: Any) -> Scale:
        """
        Raises:
            FieldError: what is no two lists of as many finite numbers, the deviations above 0.
        """
        try:
            scale = cls(np.array(mean, dtype=np.float64), np.array(deviation, dtype=np.float64))
        except (TypeError, ValueError) as error:
            raise FieldError(f"`mean` and `deviation` must be lists of numbers, but {error}") from error
        same = scale.mean.ndim == scale.deviation.ndim == 1 and len(scale.mean) == len(scale.deviation) > 0
        if not same or not np.isfinite([scale.mean, scale.deviation]).all() or scale.deviation.min() <= 0:
            raise FieldError(
                "`mean` and `deviation` must be lists of as many finite numbers, deviations above 0, "
                f"but are {mean} and {deviation}"
            )
        return scale


class Moments:
    """Mean and standard deviation of each feature, of pieces that need not be kept.

    Reference:
        Chan, Golub and LeVeque (1979), equations 1.5a and b. What is added up are differences from the first row, so
        that a feature which is always the same has a deviation of exactly 0, however its numbers round.
    """

    def __init__(self) -> None:
        self._count = 0
        self._first: Rows | None = None
        self._mean: Rows = np.zeros(0)
        self._squares: Rows = np.zeros(0)

    def add(self, rows: Rows) -> None:
        """Args: rows: (steps, features), of as many features each time."""
        if not len(rows):
            return
        if self._first is None:
            self._first, self._mean, self._squares = rows[0].copy(), np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
        rows = rows - self._first
        mean, count = rows.mean(0), self._count + len(rows)
        ahead = mean - self._mean
        self._squares += ((rows - mean) ** 2).sum(0) + ahead**2 * (self._count * len(rows) / count)
        self._mean += ahead * (len(rows) / count)
        self._count = count

    @property
    def features(self) -> int | None:
        """How many there are; None before the first row."""
        return None if self._first is None else len(self._first)

    def scale(self) -> Scale:
        """That of all rows added; of at least one."""
        assert self._first is not None
        deviation = np.sqrt(self._squares / self._count)
        return Scale(self._first + self._mean, np.where(deviation == 0, 1.0, deviation))
