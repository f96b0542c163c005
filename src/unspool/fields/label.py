"""One of several classes, as its number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from unspool.errors import FieldError
from unspool.fields.base import Field
from unspool.nearest import choices

_SAVED = ("kind", "names", "counts")


class LabelField(Field):
    """A class as its number: those of the training part, in the order of their texts, from 0 on.

    A class is a text or a whole number, which stands for its text.

    Fields:
        names: the classes' texts, by number.
        counts: how often each came in `fit`.

    Example:
        >>> field = LabelField()
        >>> field.fit(["spam", "ham", "ham"])
        >>> field.names, field.counts
        (('ham', 'spam'), (2, 1))
        >>> field.encode("spam"), field.decode(torch.tensor(0))
        (tensor(1), 'ham')
    """

    kind: ClassVar[str] = "label"
    shape: ClassVar[Literal["sequence", "vector"]] = "vector"

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.counts: tuple[int, ...] = ()

    def fit(self, values: Iterable[str | int]) -> None:
        """Learn the classes of the training part.

        Raises:
            FieldError: fewer than two classes, or a value that is neither a text nor a whole number.
        """
        counts = Counter(_text(value) for value in values)
        if len(counts) < 2:
            raise FieldError(f"`values` must hold at least two classes to tell apart, but hold {sorted(counts)}")
        self.names = tuple(sorted(counts))
        self.counts = tuple(counts[name] for name in self.names)

    def encode(self, value: str | int) -> Tensor:
        """The number of a class. -> () int64

        Raises:
            FieldError: before `fit`, or a class that was not in the training part.
        """
        classes, text = self._fitted("encode"), _text(value)
        if text not in classes:
            raise FieldError(f"`{text}` is no class of the training part; {choices(text, classes)}")
        return torch.tensor(classes.index(text))

    def decode(self, encoded: Tensor) -> str:
        """The class of a number. () -> str

        Raises:
            FieldError: before `fit`, or what is no number of a class.
        """
        classes = self._fitted("decode")
        if not isinstance(encoded, Tensor) or encoded.dim() or encoded.is_floating_point():
            raise FieldError(f"`encoded` must be the number of a class, a tensor of shape (), but is {encoded!r}")
        if not 0 <= (number := int(encoded)) < len(classes):
            raise FieldError(f"`encoded` must be from 0 to {len(classes) - 1}, but is {number}; is it another field's?")
        return classes[number]

    def __len__(self) -> int:
        """The number of classes."""
        return len(self._fitted("count its classes"))

    def __bool__(self) -> bool:
        return True  # `if field:` must not ask one that was not fitted for its length

    def to_json(self) -> dict[str, Any]:
        values = (self.kind, list(self._fitted("save")), list(self.counts))
        return dict(zip(_SAVED, values, strict=True))

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> LabelField:
        if set(saved) != set(_SAVED):
            raise FieldError(f"`saved` must have the keys {sorted(_SAVED)}, but has {sorted(map(str, saved))}")
        classes, counts = saved["names"], saved["counts"]
        whole = isinstance(classes, list) and isinstance(counts, list) and len(counts) == len(classes) >= 2
        if not whole or len(set(map(str, classes))) < len(classes):
            raise FieldError("`names` must be a list of at least two different texts with their `counts`, but is not")
        field = cls()
        field.names, field.counts = tuple(map(str, classes)), tuple(map(int, counts))
        return field

    def __repr__(self) -> str:
        return "LabelField()"

    def _fitted(self, purpose: str) -> tuple[str, ...]:
        if not self.names:
            raise FieldError(
                f"`{self}` must be fitted before it can {purpose}, but has no classes yet; "
                "call `field.fit(values)` with the classes of the training part"
            )
        return self.names


def _text(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, int):
        return str(value)
    raise FieldError(f"a class must be a text that is not blank, or a whole number, but is {value!r}")
