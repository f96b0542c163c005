"""`Encoded`: the columns of a table as fields encode them, in memory-mapped arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import torch
from numpy.typing import NDArray
from torch import Tensor

from unspool import cache
from unspool.data.batch import Batch
from unspool.data.growing import GrowingArray
from unspool.data.stamps import digest
from unspool.data.tables import Table
from unspool.data.workers import Workers
from unspool.errors import DataError, FieldError
from unspool.ragged import Ragged

_PIECE = 1024  # values encoded at a time
_FILES = 64  # the same of values that are files: what is encoded of a clip takes megabytes
_LARGEST = 2**31 - 1


class Encoder(Protocol):
    """What is asked of a field: `unspool.fields.Field` is one."""

    @property
    def shape(self) -> Literal["sequence", "vector"]: ...

    def encode_many(self, values: Sequence[Any], /) -> list[Tensor]: ...

    def encode(self, value: Any, /) -> Tensor: ...

    def to_json(self) -> dict[str, Any]: ...


class Encoded:
    """Columns of a table, each encoded by its field: lengths to make batches from, and the batches.

    Made by `encode`. Nothing is held in memory but what a batch takes.

    Fields:
        columns: the names.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self.columns = tuple(folders)
        self._folders = dict(folders)
        self._values: dict[str, NDArray[Any]] = {}
        self._lengths: dict[str, NDArray[np.int32]] = {}
        self._offsets: dict[str, NDArray[np.int64]] = {}
        self._dtypes: dict[str, torch.dtype] = {}
        for name, folder in folders.items():
            about = json.loads((folder / "about.json").read_text())
            self._dtypes[name] = getattr(torch, about["dtype"])
            self._values[name] = np.load(folder / "values.npy", mmap_mode="r")
            if about["shape"] == "sequence":
                self._lengths[name] = np.load(folder / "lengths.npy", mmap_mode="r")
                self._offsets[name] = np.load(folder / "offsets.npy", mmap_mode="r")
        self._rows = len(next(iter(self._lengths.values()), next(iter(self._values.values()), ())))

    def __len__(self) -> int:
        """The number of examples."""
        return self._rows

    def lengths(self, column: str) -> NDArray[np.int32]:
        """(examples,) the number of steps of each sequence of a column, as a memory map."""
        if column not in self._lengths:
            raise DataError(
                f"`{column}` must be a column of sequences to have lengths, but they are {list(self._lengths)}"
            )
        return self._lengths[column]

    def key(self, column: str) -> str:
        """A name for what a column holds: of the table's rows and the field that encoded them."""
        return self._folders[column].name

    def batch(self, rows: NDArray[np.int64] | Tensor | Sequence[int]) -> Batch:
        """The examples of these rows, in their order; the rows are their ids."""
        wanted = np.asarray(rows, dtype=np.int64)
        if wanted.ndim != 1 or (len(wanted) and not 0 <= wanted.min() <= wanted.max() < len(self)):
            raise DataError(f"`rows` must be numbers from 0 to below {len(self)}, but are {wanted.tolist()}")
        ids = torch.from_numpy(wanted.copy())
        return Batch({name: self._column(name, wanted, ids) for name in self.columns}, ids)

    def _column(self, name: str, rows: NDArray[np.int64], ids: Tensor) -> Ragged | Tensor:
        if name not in self._lengths:
            return self._tensor(name, rows)
        lengths = self._lengths[name][rows].astype(np.int64)
        begins = np.cumsum(lengths) - lengths
        steps = np.arange(int(lengths.sum())) + np.repeat(self._offsets[name][rows] - begins, lengths)
        return Ragged(self._tensor(name, steps), torch.from_numpy(lengths), ids)

    def _tensor(self, name: str, index: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self._values[name][index])).to(self._dtypes[name])

    def __reduce__(self) -> Any:
        return Encoded, (self._folders,)  # another process maps the same files

    def __repr__(self) -> str:
        return f"Encoded({', '.join(self.columns)}: {len(self)} examples)"


def encode(table: Table, fields: Mapping[str, Encoder], folder: str | Path | None = None) -> Encoded:
    """The columns of a table as their fields encode them: once, in bounded memory, then memory-mapped.

    Args:
        table: the rows.
        fields: for each column to encode, its fitted field.
        folder: where to keep the arrays instead of the cache. An array is found again by its field, as `to_json`
            gives it, and the key of the table; where the field reads files, by their sizes and times, too.

    Raises:
        DataError: a column that is not there; vectors or steps of different sizes.
        FieldError: a value that the field refuses, with its row.
    """
    table.check_columns(fields)
    within = Path(folder) if folder is not None else None
    folders = {}
    for name, field in fields.items():
        key = cache.key("encoded", table.key, name, field.to_json(), *_stamps(table, name, field))
        folders[name] = cache.entry("encoded", key, _Writer(table, name, field), within=within)
    return Encoded(folders)


def _stamps(table: Table, column: str, field: Encoder) -> list[str]:
    """What changes when files that a column names are written anew; nothing where it names none."""
    if not getattr(field, "reads_files", False) or pa.types.is_nested(table.schema.field(column).type):
        return []
    return [digest(dict.fromkeys(value for value in table.column(column) if isinstance(value, str)))]


class _Writer:
    """Writes one column: values.npy, and for sequences lengths.npy and offsets.npy.

    Of a field that is `costly`, texts that are equal, as the paths of pictures with several captions, are encoded once,
    and their rows have one offset.
    """

    def __init__(self, table: Table, column: str, field: Encoder) -> None:
        self.table, self.column, self.field = table, column, field
        self.rows = 0
        self.like: Tensor | None = None
        self.reads = getattr(field, "reads_files", False)
        self.piece = _FILES if self.reads else _PIECE
        self.shares = field.shape == "sequence" and getattr(field, "costly", False)
        self.known: dict[str, tuple[int, int]] = {}  # offset and length, where they are shared

    def __call__(self, folder: Path) -> None:
        sequence = self.field.shape == "sequence"
        with (
            GrowingArray(folder / "values.npy") as values,
            GrowingArray(folder / "lengths.npy") as lengths,
            GrowingArray(folder / "offsets.npy") as offsets,
            Workers(self.field, "encode") as workers,
        ):
            end = 0
            for piece in self.table.column(self.column).pieces():
                for start in range(0, len(piece), self.piece):
                    given = piece[start : start + self.piece]
                    fresh = self._fresh(given)
                    encoded = self._encoded(given, fresh, workers)
                    if encoded:
                        together = torch.cat(encoded) if sequence else torch.stack(encoded)
                        values.append(self._narrowed(together))
                    if sequence:
                        sizes = np.array([len(each) for each in encoded], dtype=np.int32)
                        starts = end + np.cumsum(sizes, dtype=np.int64) - sizes
                        end += int(sizes.sum())
                        if self.shares:
                            starts, sizes = self._shared(given, fresh, starts, sizes)
                        lengths.append(sizes)
                        offsets.append(starts)
        dtype = str(self.like.dtype if self.like is not None else torch.int64).removeprefix("torch.")
        (folder / "about.json").write_text(json.dumps({"shape": self.field.shape, "dtype": dtype}))

    def _fresh(self, given: list[Any]) -> list[int]:
        """The places of what is to be encoded: all, or where equal ones are shared those that never came before."""
        if not self.shares:
            return list(range(len(given)))
        first = {value: place for place, value in reversed(list(enumerate(given)))}
        return sorted(place for value, place in first.items() if value not in self.known)

    def _shared(
        self, given: list[Any], fresh: list[int], starts: NDArray[np.int64], sizes: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Offsets and lengths of all that was given, from those of what is fresh."""
        places = zip(starts.tolist(), sizes.tolist(), strict=True)
        self.known |= zip((given[place] for place in fresh), places, strict=True)
        found = [self.known[value] for value in given]
        return np.array([start for start, _ in found], np.int64), np.array([size for _, size in found], np.int32)

    def _encoded(self, given: list[Any], fresh: list[int], workers: Workers) -> list[Tensor]:
        values = [given[place] for place in fresh]
        if self.reads and not self.shares:
            encoded = workers.each(values, left=len(self.table) - self.rows)
            for place, each in zip(fresh, encoded, strict=True):
                if isinstance(each, FieldError):
                    raise self._at(self.rows + place, each) from each
        else:
            encoded = self._many(values, fresh)
        for place, each in zip(fresh, encoded, strict=True):
            self._check(each, self.rows + place)
        self.rows += len(given)
        return encoded

    def _many(self, values: list[Any], places: list[int]) -> list[Tensor]:
        try:
            return self.field.encode_many(values)
        except FieldError:
            return [self._one(value, self.rows + place) for value, place in zip(values, places, strict=True)]

    def _one(self, value: Any, row: int) -> Tensor:
        try:
            return self.field.encode(value)
        except FieldError as error:
            raise self._at(row, error) from error

    def _at(self, row: int, error: FieldError) -> FieldError:
        return type(error)(f"row {row} of `{self.column}` in {self.table.origin}: {error}")

    def _check(self, each: Tensor, row: int) -> None:
        self.like = each if self.like is None else self.like
        steps = 1 if self.field.shape == "sequence" else 0
        if each.dim() < steps:
            raise DataError(f"row {row} of `{self.column}` must be encoded to (length, *features), but is one number")
        if each.shape[steps:] != self.like.shape[steps:] or each.dtype != self.like.dtype:
            what, features = ("steps", "features") if steps else ("a vector", "size")
            first, this = (f"{tuple(one.shape[steps:])} of {one.dtype}" for one in (self.like, each))
            raise DataError(
                f"row {row} of `{self.column}` must be encoded to {what} of the {features} of row 0, {first}, "
                f"but is {this}"
            )

    def _narrowed(self, values: Tensor) -> NDArray[Any]:
        """Whole numbers in half the space: a vocabulary is smaller than 2^31."""
        array = values.detach().cpu().numpy()
        if array.dtype != np.int64:
            return array
        if array.size and int(abs(array).max()) > _LARGEST:
            raise DataError(
                f"`{self.column}` must be encoded to numbers below 2^31, but one is {int(abs(array).max())}"
            )
        return array.astype(np.int32)
