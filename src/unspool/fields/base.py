"""What a field is: one column of a table, to tensors and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from torch import Tensor


class Field(ABC):
    """One column of a table as tensors, and back.

    A field of one's own is a subclass that names its `kind` and `shape`, defines the methods that have no body here,
    and is entered as `unspool.fields.KINDS[MyField.kind] = MyField`, so that a saved one can be loaded.

    Class attributes:
        kind: the name under which it is saved, and by which recipes ask for it.
        shape: "sequence" where a value becomes (length, *features), "vector" where all become the same (*features).
        costly: whether of equal texts in a column of sequences one alone is encoded.
        reads_files: whether a text is the path of a file, which may be broken, and takes long to read.
    """

    kind: ClassVar[str]
    shape: ClassVar[Literal["sequence", "vector"]]
    costly: ClassVar[bool] = False
    reads_files: ClassVar[bool] = False

    @abstractmethod
    def fit(self, values: Iterable[Any]) -> None:
        """Learn from the values of the training part, in one pass that does not keep them.

        A field that two columns share is fitted on both: `field.fit(itertools.chain(left, right))`.

        Raises:
            FieldError: no values, or one that is not of this kind.
        """

    @abstractmethod
    def encode(self, value: Any) -> Tensor:
        """One value as a tensor.

        Raises:
            FieldError: a field that was not fitted, or a value that is not of its kind.
        """

    @abstractmethod
    def decode(self, encoded: Tensor) -> Any:
        """The value that a tensor stands for.

        Raises:
            FieldError: a field that was not fitted, or a tensor that none of its values could be.
        """

    def check(self, value: Any) -> None:
        """Read a value as `encode` does, before `fit`, too, of a field that `reads_files`.

        Raises:
            FieldError: a value that can't be read.
        """
        self.encode(value)

    def encode_many(self, values: Sequence[Any]) -> list[Tensor]:
        """Many values at once: what `encode` gives for each, faster where a field knows how."""
        return [self.encode(value) for value in values]

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """All there is to know of a fitted field, as JSON; `kind` names its class.

        Raises:
            FieldError: a field that was not fitted.
        """

    @classmethod
    @abstractmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Field:
        """The field that `to_json` saved. `unspool.fields.load` finds the class.

        Raises:
            FieldError: what `to_json` of this class did not write.
        """
