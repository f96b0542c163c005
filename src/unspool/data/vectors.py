"""Vectors of words that others trained: read from a local file, and put where a vocabulary wants them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from unspool.data import vector_files
from unspool.errors import DataError, FieldError
from unspool.fields import TextField

_log = logging.getLogger("unspool.data")
_SHOWN = 5


class WordVectors(NamedTuple):
    """Vectors of some words.

    Fields:
        values: (found, size) float32.
        places: (found,) int64, ascending: which of the words asked for each row belongs to.
        asked: how many words were asked for.
    """

    values: Tensor
    places: Tensor
    asked: int

    @property
    def report(self) -> str:
        """For people: "found 8,123 of 10,000 words"."""
        return f"found {len(self.places):,} of {self.asked:,} words"


def read_vectors(path: str | Path, words: Sequence[str], size: int | None = None) -> WordVectors:
    """The vectors that a file has for some words, read in one pass; memory grows with what is found, not with the file.

    The file is one of

        text    a line a word: the word and its numbers, with blanks between, as of GloVe and of fastText's `.vec`; the
                first line may give the numbers of words and of numbers, as word2vec's; words may have blanks in them
        binary  word2vec's: that first line, then every word, a blank, and its numbers as little-endian float32

    also compressed (`.gz`). Which it is, its content tells. A word that is not there has the vector of its
    lower-cased form; of several vectors of a word the first counts.

    Args:
        path: the file.
        words: different ones or not.
        size: how many numbers a vector must have; any if left out.

    Raises:
        DataError: a file that is missing, cut short, neither of the two, or of another size; a line of another number
            of values than the others; what is no finite number; none of the words in it.

    Reference:
        Mikolov et al. (2013), word2vec; Pennington et al. (2014), GloVe; Bojanowski et al. (2017), fastText.
    """
    file = Path(path)
    exact, lowered = _places(words)
    if not words:
        raise DataError("`words` must name at least one word to look for, but is empty")
    found: dict[int, vector_files.Vector] = {}
    sure: set[int] = set()
    first: list[str] = []
    for word, vector in vector_files.vectors(file, {*exact, *lowered}, size):
        if len(first) < _SHOWN:
            first.append(word.decode(errors="replace"))
        if vector is None:
            continue
        for place in exact.get(word, ()):
            if place not in sure:
                found[place] = vector
                sure.add(place)
        for place in lowered.get(word, ()):
            found.setdefault(place, vector)
    if not found:
        raise DataError(
            f"`{file}` must have a vector of at least one of the {len(words):,} words asked for, as "
            f"{', '.join(words[:_SHOWN])}, but has none; it begins with {', '.join(first) or 'no word'}"
        )
    places = sorted(found)
    values = torch.from_numpy(np.stack([found[place] for place in places]))
    vectors = WordVectors(values, torch.tensor(places), len(words))
    _log.info("%s in `%s`", vectors.report, file)
    return vectors


def embed(field: TextField, path: str | Path, embedding_size: int | None = None) -> Tensor:
    """Weights for the embedding of a field: vectors of its vocabulary from a file, random ones where it has none.

        random ~ N(0, mean square of all numbers found), drawn from torch's generator as other weights are

    Random are also the three reserved ids. Start an embedding with them:

        with torch.no_grad():
            model.encoder.embedding.weight.copy_(embed(field, "glove.6B.100d.txt", 100))

    Args:
        field: fitted; of words or characters.
        path: as of `read_vectors`.
        embedding_size: that of the model; that of the file if left out.

    Returns:
        (len(field), embedding_size) float32

    Raises:
        FieldError: a field of another kind, or not fitted.
        DataError: as of `read_vectors`.
    """
    if not isinstance(field, TextField) or field.unit == "bpe":
        raise FieldError(
            f"`field` must be text in words or characters to have vectors in a file, but is {field!r}; "
            "pieces of bpe are not words"
        )
    words = field.to_json()["vocabulary"]
    vectors = read_vectors(path, words, embedding_size)
    scale = vectors.values.square().mean().sqrt()
    weights = torch.randn(len(field), vectors.values.shape[1]) * scale
    weights[vectors.places + len(field) - len(words)] = vectors.values
    return weights


def _places(words: Sequence[str]) -> tuple[dict[bytes, list[int]], dict[bytes, list[int]]]:
    """Which of the words are written so, and which only if they are lower-cased."""
    exact: dict[bytes, list[int]] = {}
    lowered: dict[bytes, list[int]] = {}
    for place, word in enumerate(words):
        exact.setdefault(word.encode(), []).append(place)
        if word.lower() != word:
            lowered.setdefault(word.lower().encode(), []).append(place)
    return exact, lowered
