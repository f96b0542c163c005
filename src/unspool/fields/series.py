"""Numbers over time, scaled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unspool import arrays
from unspool.errors import DataError, FieldError
from unspool.fields.base import Field
from unspool.fields.scaling import Moments, Rows, Scale

Series = str | Path | Sequence[Any] | NDArray[Any]

_SAVED, _LAST = ("kind", "mean", "deviation"), "last"
_MFC = 13  # numbers of a step in a feature file of Sphinx, whose header does not tell
_LARGEST = float(np.finfo(np.float32).max)


class SeriesField(Field):
    """One or several numbers a step, each less the training part's mean, over its standard deviation.

    A value is one of

        [1.0, 2.5, 2.0]              one feature a step
        [[1, 0], [2, 7], [2, 5]]     several, as many each step; also an array, (steps,) or (steps, ...)
        "a.npy"                      a file with such an array
        "a.mfc"                      Sphinx's features: how many numbers, an int32, then they as float32, 13 a step
        "a.npz::key::3"              a row of an array in an archive, or rows as "10:52"; see `unspool.arrays`

    Further dimensions of a step are laid out flat. No step at all is a series.

    Args:
        last: how many steps are taken of a value, the last ones; None: all.

    Example:
        >>> field = SeriesField()
        >>> field.fit([[[1, 10], [3, 10]], [[5, 10]]])
        >>> field.encode([[3, 11]]), len(field)
        (tensor([[0., 1.]]), 2)
        >>> field.decode(torch.zeros(1, 2))
        array([[ 3., 10.]])
    """

    kind: ClassVar[str] = "series"
    shape: ClassVar[Literal["sequence", "vector"]] = "sequence"
    reads_files: ClassVar[bool] = True

    def __init__(self, last: int | None = None) -> None:
        if last is not None and (not isinstance(last, int) or isinstance(last, bool) or last < 1):
            raise FieldError(f"`last` must be a whole number of steps, at least 1, but is {last!r}")
        self.last = last
        self._scale: Scale | None = None

    def fit(self, values: Iterable[Series]) -> None:
        """Learn how many features there are, the mean and the deviation of each, in one pass.

        Raises:
            FieldError: no step in any value; one that is no series, or has another number of features.
        """
        moments = Moments()
        for number, value in enumerate(values):
            subject = _subject(value, f"value {number} of `values`")
            rows = self._taken(value, subject)
            _check_features(rows, moments.features, subject, "those before it")
            moments.add(rows)
        if moments.features is None:
            raise FieldError("`values` must hold at least one step of a series, but hold none")
        self._scale = moments.scale()

    def encode(self, value: Series) -> Tensor:
        """-> (steps, features) float32

        Raises:
            FieldError: before `fit`; what is no series, has another number of features, or a number that is not finite.
        """
        scale, subject = self._fitted("encode"), _subject(value, "`value`")
        rows = self._taken(value, subject)
        _check_features(rows, len(self), subject, "the training part")
        return scale.encode(rows if len(rows) else np.zeros((0, len(self))))

    def check(self, value: Series) -> None:
        self._taken(value, _subject(value, "`value`"))

    def decode(self, encoded: Tensor) -> Rows:
        """(steps, features) -> the numbers, (steps, features) float64

        Raises:
            FieldError: before `fit`, or a tensor of another shape.
        """
        return self._fitted("decode").decode(encoded)

    @property
    def step_shape(self) -> tuple[int]:
        """(features,)"""
        return (len(self),)

    def __len__(self) -> int:
        """The number of features."""
        return len(self._fitted("count its features").mean)

    def __bool__(self) -> bool:
        return True  # `if field:` must not ask one that was not fitted for its length

    def to_json(self) -> dict[str, Any]:
        last = {} if self.last is None else {_LAST: self.last}
        return {"kind": self.kind, **self._fitted("save").to_json(), **last}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> SeriesField:
        if set(saved) - {_LAST} != set(_SAVED):
            raise FieldError(f"`saved` must have the keys {sorted(_SAVED)}, but has {sorted(map(str, saved))}")
        field = cls(saved.get(_LAST))
        field._scale = Scale.from_json(saved["mean"], saved["deviation"])
        return field

    def __repr__(self) -> str:
        return "SeriesField()" if self.last is None else f"SeriesField(last={self.last})"

    def _taken(self, value: Series, subject: str) -> Rows:
        rows = _rows(value, subject)
        return rows if self.last is None else rows[-self.last :]

    def _fitted(self, purpose: str) -> Scale:
        if self._scale is None:
            raise FieldError(
                f"`{self}` must be fitted before it can {purpose}; call `field.fit(values)` with the training part's"
            )
        return self._scale


def _subject(value: object, otherwise: str) -> str:
    return f"`{value}`" if isinstance(value, str | Path) else otherwise


def _check_features(rows: Rows, features: int | None, subject: str, whose: str) -> None:
    if len(rows) and features not in (None, rows.shape[1]):
        raise FieldError(f"{subject} must have {features} numbers a step as {whose}, but has {rows.shape[1]}")


def _rows(value: Series, subject: str) -> Rows:
    """The numbers of a value, (steps, features)."""
    array = _from_file(str(value), subject) if isinstance(value, str | Path) else _from_numbers(value, subject)
    if array.dtype.kind not in "biuf":
        raise FieldError(f"{subject} must be an array of real numbers, but of {array.dtype}")
    if not array.ndim:
        raise FieldError(f"{subject} must be numbers over time, but is one number, {array}; put it into a list")
    rows = array.reshape(len(array), int(np.prod(array.shape[1:]))).astype(np.float64)
    if len(rows) and not rows.shape[1]:
        raise FieldError(f"{subject} must have at least one number a step, but has none")
    bad = ~(np.abs(rows) <= _LARGEST)
    if bad.any():
        step = int(bad.any(1).argmax())
        raise FieldError(f"step {step} of {subject} must be finite, but holds {rows[step][bad[step]][0]}")
    return rows


def _from_numbers(value: Any, subject: str) -> NDArray[Any]:
    """The array of nested lists; NumPy would not say which step is wrong."""
    try:
        array: NDArray[Any] = np.asarray(value)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind in "biuf" or isinstance(value, np.ndarray):
        return array
    if not isinstance(value, Sequence):
        raise FieldError(
            f"{subject} must be numbers over time, a list or an array of them or the path of a file, "
            f"but is {value!r} ({type(value).__name__})"
        )
    first: NDArray[Any] | None = None
    for number, each in enumerate(value):
        try:
            step = np.asarray(each)
        except ValueError:
            step = np.array(None)
        if step.dtype.kind not in "biuf":
            raise FieldError(
                f"step {number} of {subject} must be a number or a list of as many numbers, but is {each!r}"
            )
        first = step if first is None else first
        if step.shape != first.shape:
            raise FieldError(
                f"step {number} of {subject} must have {first.size} numbers as the first, but has {step.size}: {each!r}"
            )
    raise FieldError(f"{subject} must be numbers over time, but NumPy makes {array.dtype} of it")


def _from_file(path: str, subject: str) -> NDArray[Any]:
    suffix = Path(path).suffix.lower()
    try:
        if arrays.is_reference(path):
            return arrays.resolve(path)
        if suffix == ".npy":
            return arrays.read(path)
    except DataError as error:
        raise FieldError(str(error)) from error
    if suffix == ".mfc":
        return _sphinx(path)
    raise FieldError(
        f"{subject} must be a file of numbers, `.npy` or `.mfc`, or a row of an array as `file.npz::key::3`"
    )


def _sphinx(path: str) -> NDArray[Any]:
    """(steps, 13), of either byte order: the one in which the count fits the file, as Sphinx itself does it."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FieldError(f"`{path}` can't be read: {error.strerror}") from error
    there, left = divmod(len(data) - 4, 4)
    counts = {order: int.from_bytes(data[:4], "big" if order == ">" else "little", signed=True) for order in "><"}
    order = next((order for order, count in counts.items() if count == there), None)
    if order is None or left:
        raise FieldError(
            f"`{path}` must hold as many numbers as its first four bytes say, {counts['>']:,}, "
            f"but holds {max(len(data) - 4, 0):,} bytes more, four a number; is it cut short?"
        )
    if there % _MFC:
        raise FieldError(f"`{path}` must hold {_MFC} numbers a step, but holds {there:,}, which is no multiple of it")
    return np.frombuffer(data, f"{order}f4", offset=4).reshape(-1, _MFC)
