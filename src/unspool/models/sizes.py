"""What is in a column that a network reads, as far as the network's shape depends on it."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias


class SequenceOf(NamedTuple):
    """A sequence of ids.

    Fields:
        size: how many ids there are.
        vocabulary: a name that columns have in common whose ids mean the same, or None.
    """

    size: int
    vocabulary: str | None = None


class LinesOf(NamedTuple):
    """Lines of ids, an end token after each but the last: a sequence of sequences. Fields: as of `SequenceOf`."""

    size: int
    vocabulary: str | None = None


class OneOf(NamedTuple):
    """The number of a class.

    Fields:
        size: how many classes there are.
    """

    size: int


class FeaturesOf(NamedTuple):
    """A vector of features.

    Fields:
        size: how many there are.
    """

    size: int


class StepsOf(NamedTuple):
    """A sequence of vectors or pictures.

    Fields:
        shape: of a step: (features,), or (channels, height, width).
    """

    shape: tuple[int, ...]


class RegionsOf(NamedTuple):
    """The regions of a picture, each as a vector: steps in no order of time.

    Fields:
        shape: of a region: (features,).
    """

    shape: tuple[int, ...]


class PictureOf(NamedTuple):
    """A picture.

    Fields:
        shape: (channels, height, width).
    """

    shape: tuple[int, int, int]


ColumnSize: TypeAlias = "SequenceOf | LinesOf | OneOf | FeaturesOf | StepsOf | PictureOf"
