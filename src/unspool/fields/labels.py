"""Any of several labels, as zeros and ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from unspool.errors import FieldError
from unspool.fields.base import Field
from unspool.nearest import choices

_SAVED = ("kind", "separator", "given", "names", "counts", "rows")


class LabelsField(Field):
    """Several labels at once, or none: a one for each of the training part's labels that is there, else a zero.

    A value is a text with the labels apart by a separator, or a list of them. An empty one has no label.

    Args:
        separator: what stands between two labels of a text.
        names: for labels that are numbers from 0 on in the data, what each is called; decoded labels have these names.

    Fields:
        names: of the labels, in the order of the vector: as given, or those of the training part by their texts.
        counts: how many rows of the training part had each.
        rows: how many rows there were.

    Example:
        >>> field = LabelsField()
        >>> field.fit(["joy", "joy,love", ""])
        >>> field.names, field.counts, field.encode("love, joy"), field.decode(torch.tensor([0.0, 1.0]))
        (('joy', 'love'), (2, 1), tensor([1., 1.]), ['love'])
    """

    kind: ClassVar[str] = "labels"
    shape: ClassVar[Literal["sequence", "vector"]] = "vector"

    def __init__(self, separator: str = ",", names: Sequence[str] = ()) -> None:
        if not isinstance(separator, str) or not separator:
            raise FieldError(f"`separator` must be at least one character, but is {separator!r}")
        if isinstance(names, str) or len(set(names)) < len(tuple(names)):
            raise FieldError(f"`names` must be a list of different texts, but is {names!r}")
        if wrong := [name for name in names if not isinstance(name, str) or separator in name]:
            raise FieldError(f"`names` must be texts without the `separator` {separator!r}, but one is {wrong[0]!r}")
        self.separator, self.given = separator, tuple(names)
        self.names: tuple[str, ...] = ()
        self.counts: tuple[int, ...] = ()
        self.rows = 0

    def fit(self, values: Iterable[str | Sequence[str]]) -> None:
        """Learn the labels of the training part.

        Raises:
            FieldError: not one label, a number without a name, or a value that is neither a text nor a list of texts.
        """
        counts: Counter[str] = Counter()
        self.rows = 0
        for value in values:
            counts.update(set(self._labels(value)))
            self.rows += 1
        if not counts:
            raise FieldError(f"`values` must hold at least one label, but all {self.rows} are empty")
        self.names = self.given or tuple(sorted(counts))
        self.counts = tuple(counts[name] for name in self.names)

    def encode(self, value: str | Sequence[str]) -> Tensor:
        """Zeros and ones. -> (labels,) float32

        Raises:
            FieldError: before `fit`, or a label that was not in the training part.
        """
        names, found = self._fitted("encode"), self._labels(value)
        for label in found:
            if label not in names:
                raise FieldError(f"`{label}` is no label of the training part; {choices(label, names)}")
        return torch.tensor([float(name in found) for name in names])

    def decode(self, encoded: Tensor) -> list[str]:
        """The labels whose number is above a half, in order. (labels,) -> list

        Raises:
            FieldError: before `fit`, or what has another number of labels.
        """
        names = self._fitted("decode")
        if not isinstance(encoded, Tensor) or encoded.shape != (len(names),):
            raise FieldError(f"`encoded` must be a tensor of shape ({len(names)},), but is {encoded!r}")
        return [name for name, there in zip(names, (encoded > 0.5).tolist(), strict=True) if there]

    def as_text(self, value: str | Sequence[str]) -> str:
        """Labels as one text, by their names and in their order; those that are unknown as they are, at the end."""
        names, found = self._fitted("write labels"), self._labels(value)
        known = [name for name in names if name in found]
        return self.separator.join([*known, *(label for label in dict.fromkeys(found) if label not in names)])

    def __len__(self) -> int:
        """The number of labels."""
        return len(self._fitted("count its labels"))

    def __bool__(self) -> bool:
        return True  # `if field:` must not ask one that was not fitted for its length

    def to_json(self) -> dict[str, Any]:
        values = (self.kind, self.separator, list(self.given), list(self._fitted("save")), list(self.counts), self.rows)
        return dict(zip(_SAVED, values, strict=True))

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> LabelsField:
        if set(saved) != set(_SAVED):
            raise FieldError(f"`saved` must have the keys {sorted(_SAVED)}, but has {sorted(map(str, saved))}")
        names, counts = saved["names"], saved["counts"]
        if not isinstance(names, list) or not isinstance(counts, list) or not len(names) == len(counts) > 0:
            raise FieldError("`names` must be a list of at least one label with their `counts`, but is not")
        field = cls(saved["separator"], saved["given"])
        field.names, field.counts, field.rows = tuple(map(str, names)), tuple(map(int, counts)), int(saved["rows"])
        return field

    def __repr__(self) -> str:
        return "LabelsField()" if self.separator == "," else f"LabelsField({self.separator!r})"

    def _labels(self, value: object) -> list[str]:
        if isinstance(value, str):
            parts: Sequence[object] = [part.strip() for part in value.split(self.separator)]
        elif isinstance(value, list | tuple):
            parts = [part.strip() if isinstance(part, str) else part for part in value]
        elif isinstance(value, int) and not isinstance(value, bool):
            parts = [str(value)]
        else:
            raise FieldError(f"labels must be a text or a list of texts, but are {value!r} ({type(value).__name__})")
        if strangers := [part for part in parts if not isinstance(part, str | int)]:
            raise FieldError(f"a label must be a text, but is {strangers[0]!r} ({type(strangers[0]).__name__})")
        return [self._named(str(part)) for part in parts if str(part)]

    def _named(self, label: str) -> str:
        if self.separator in label:
            raise FieldError(
                f"`{label}` holds `{self.separator}`, which stands between two labels; set another `separator`"
            )
        if not self.given or label in self.given:
            return label
        if label.isdecimal() and int(label) < len(self.given):
            return self.given[int(label)]
        raise FieldError(
            f"`{label}` is neither one of `names` nor the number of one, from 0 to {len(self.given) - 1}; "
            f"{choices(label, self.given)}"
        )

    def _fitted(self, purpose: str) -> tuple[str, ...]:
        if not self.names:
            raise FieldError(
                f"`{self}` must be fitted before it can {purpose}, but has no labels yet; "
                "call `field.fit(values)` with those of the training part"
            )
        return self.names
