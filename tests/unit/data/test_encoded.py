"""Encoded columns: what the field gives for each row, from memory-mapped arrays."""

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from unspool.data import Encoded, Order, Table, encode
from unspool.errors import DataError, FieldError, UnspoolError


class Letters:
    """A text as the numbers of its characters, `offset` added."""

    shape = "sequence"

    def __init__(self, offset: int = 0) -> None:
        self.offset, self.calls = offset, 0

    def encode(self, value: Any) -> Tensor:
        self.calls += 1
        if not isinstance(value, str):
            raise FieldError(f"`value` must be a text, but is {value!r}")
        return torch.tensor([ord(each) + self.offset for each in value], dtype=torch.int64)

    def encode_many(self, values: Sequence[Any]) -> list[Tensor]:
        return [self.encode(value) for value in values]

    def to_json(self) -> dict[str, Any]:
        return {"kind": "letters", "offset": self.offset}


class Numbers(Letters):
    """Numbers as a vector, or as a sequence of steps of several features."""

    def __init__(self, shape: str, width: int | None = None) -> None:
        super().__init__()
        self.shape, self.width = shape, width

    def encode(self, value: Any) -> Tensor:
        found = torch.tensor(value, dtype=torch.float32)
        return found if self.width is None else found.reshape(-1, self.width)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "numbers", "shape": self.shape, "width": self.width}


def table_of(**columns: Sequence[Any]) -> Table:
    return Table.from_rows([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])


class Bytes(Letters):
    """What is in a file, or in the files of a folder."""

    reads_files = True

    def encode(self, value: Any) -> Tensor:
        path = Path(value)
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        return torch.tensor([each for file in files for each in file.read_bytes()], dtype=torch.int64)


@pytest.mark.parametrize("name", ["file", "folder"])
def test_a_file_that_is_written_anew_is_encoded_anew(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    file = path if name == "file" else path / "1.png"
    if name == "folder":
        path.mkdir()
        (path / "2.png").write_bytes(b"e")
    end = [] if name == "file" else [ord("e")]
    file.write_bytes(b"abc")
    table = table_of(path=[str(path)] * 2)

    def encoded() -> Encoded:
        return encode(table, {"path": Bytes()})

    first = encoded()
    assert first.batch([1])["path"].values.tolist() == [*b"abc", *end]
    assert encoded().key("path") == first.key("path")
    file.write_bytes(b"de")
    assert encoded().batch([1])["path"].values.tolist() == [*b"de", *end]
    file.write_bytes(b"gh")
    os.utime(file, (1, 1))
    assert encoded().batch([1])["path"].values.tolist() == [*b"gh", *end]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=6), min_size=1, max_size=12), st.data())
def test_a_batch_holds_what_the_field_gives_for_each_row(texts: list[str], draw: st.DataObject) -> None:
    field = Letters()
    encoded = encode(table_of(text=texts), {"text": field})
    rows = draw.draw(st.lists(st.integers(0, len(texts) - 1), max_size=8))
    batch = encoded.batch(np.array(rows, dtype=np.int64))
    assert len(encoded) == len(texts)
    assert encoded.lengths("text").tolist() == [len(text) for text in texts]
    assert encoded.lengths("text").dtype == np.int32
    assert batch.ids.tolist() == batch["text"].ids.tolist() == rows
    assert batch["text"].values.dtype == torch.int64
    assert batch["text"].values.tolist() == [ord(each) for row in rows for each in texts[row]]
    assert batch["text"].lengths.tolist() == [len(texts[row]) for row in rows]


def test_many_rows_are_encoded_piece_by_piece_to_the_same() -> None:
    texts = [f"{i:x}" * (i % 7) for i in range(5000)]
    encoded = encode(table_of(text=texts, again=texts), {"text": Letters(), "again": Letters(3)})
    rows = [4999, 0, 1023, 1024, 1025, 4096]
    for name, offset in (("text", 0), ("again", 3)):
        found = [each.tolist() for each in encoded.batch(rows)[name].split()]
        assert found == [[ord(each) + offset for each in texts[row]] for row in rows]


def test_vectors_and_steps_of_features_keep_their_shape_and_type() -> None:
    table = table_of(point=[[0.5, 1.5], [2.0, 3.0], [4.0, 5.0]], path=[[1.0, 2.0], [], [3.0, 4.0, 5.0, 6.0]])
    batch = encode(table, {"point": Numbers("vector"), "path": Numbers("sequence", 2)}).batch([2, 1, 0])
    assert batch["point"].tolist() == [[4.0, 5.0], [2.0, 3.0], [0.5, 1.5]]
    assert batch["path"].values.tolist() == [[3.0, 4.0], [5.0, 6.0], [1.0, 2.0]]
    assert batch["path"].lengths.tolist() == [2, 0, 1]
    assert batch["path"].values.dtype == torch.float32


def test_columns_of_nothing_but_empty_sequences_work() -> None:
    batch = encode(table_of(text=["", ""]), {"text": Letters()}).batch([1])
    assert batch["text"].lengths.tolist() == [0]
    assert batch["text"].values.dtype == torch.int64


def test_a_column_is_encoded_once_for_a_field_and_a_table() -> None:
    table, field = table_of(text=["ab", "c"]), Letters()
    encode(table, {"text": field})
    calls = field.calls
    encode(table_of(text=["ab", "c"]), {"text": field})
    assert field.calls == calls
    assert encode(table, {"text": Letters(1)}).batch([0])["text"].values.tolist() == [98, 99]
    assert encode(table_of(text=["ab", "d"]), {"text": field}).batch([1])["text"].values.tolist() == [100]


def test_arrays_are_memory_maps_and_go_to_another_process_as_paths(tmp_path: Path, cache: Path) -> None:
    encoded = encode(table_of(text=["ab", "c"]), {"text": Letters()}, tmp_path / "run")
    assert isinstance(encoded.lengths("text"), np.memmap)
    assert not cache.exists()
    content = pickle.dumps(encoded)
    assert len(content) < 1000
    copy: Encoded = pickle.loads(content)
    assert copy.batch([1])["text"].values.tolist() == [99]


def test_encoded_lengths_make_an_order() -> None:
    encoded = encode(table_of(text=["a" * (i % 5) for i in range(50)]), {"text": Letters()})
    seen = [encoded.batch(rows).ids for rows in Order(encoded.lengths("text"), tokens=12, seed=0).epoch(0)]
    assert torch.cat(seen).sort().values.tolist() == list(range(50))


MISTAKES = {
    "a value that the field refuses": (
        lambda: encode(table_of(text=[*["a"] * 1500, None]), {"text": Letters()}),
        FieldError,
        "row 1500 of `text` in memory: `value` must be a text, but is None",
    ),
    "a missing column": (
        lambda: encode(table_of(text=["a"]), {"txt": Letters()}),
        DataError,
        "`txt` is no column of memory; there is only `text`",
    ),
    "vectors of different sizes": (
        lambda: encode(table_of(point=[[0.5], [1.0, 2.0]]), {"point": Numbers("vector")}),
        DataError,
        "row 1 of `point` must be encoded to a vector of the size of row 0, (1,) of torch.float32, but is (2,) of "
        "torch.float32",
    ),
    "a number for a sequence": (
        lambda: encode(table_of(n=[0.5]), {"n": Numbers("sequence")}),
        DataError,
        "row 0 of `n` must be encoded to (length, *features), but is one number",
    ),
    "numbers too large": (
        lambda: encode(table_of(text=["a"]), {"text": Letters(2**31)}),
        DataError,
        "`text` must be encoded to numbers below 2^31, but one is 2147483745",
    ),
    "a row that is none": (
        lambda: encode(table_of(text=["a", "b"]), {"text": Letters()}).batch([2]),
        DataError,
        "`rows` must be numbers from 0 to below 2, but are [2]",
    ),
    "lengths of vectors": (
        lambda: encode(table_of(n=[0.5], text=["a"]), {"n": Numbers("vector"), "text": Letters()}).lengths("n"),
        DataError,
        "`n` must be a column of sequences to have lengths, but they are ['text']",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_and_leaves_nothing(case: str, cache: Path) -> None:
    mistake, kind, message = MISTAKES[case]
    with pytest.raises(UnspoolError) as error:
        mistake()
    assert type(error.value) is kind
    assert str(error.value) == message
    assert not list(cache.rglob(".*"))


class Costly(Letters):
    costly = True


def test_where_encoding_is_costly_equal_texts_are_encoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unspool.data.encoded._PIECE", 4)
    texts = ["ab", "ab", "", "cde", "ab", "", "f", "cde", "cde", "ab", "ghi"]
    plain, costly = Letters(), Costly()
    table = table_of(text=texts)
    expected, found = (encode(table, {"text": each}, tmp_path / type(each).__name__) for each in (plain, costly))
    assert (plain.calls, costly.calls) == (len(texts), len(set(texts)))
    rows = [9, 0, 5, 3, 10, 3]
    assert torch.equal(found.batch(rows)["text"].values, expected.batch(rows)["text"].values)  # type: ignore[union-attr]
    assert found.lengths("text").tolist() == expected.lengths("text").tolist()
    (kept,) = (tmp_path / "Costly").rglob("values.npy")
    assert len(np.load(kept)) == len("abcdefghi")


def test_a_costly_value_that_is_refused_is_named_by_its_own_row(tmp_path: Path) -> None:
    table = table_of(text=["a", "a", "b", None])
    with pytest.raises(FieldError, match=r"^row 3 of `text` in .*: `value` must be a text, but is None$"):
        encode(table, {"text": Costly()}, tmp_path)


def test_tables_of_arrays_that_differ_somewhere_have_keys_of_their_own() -> None:
    ours, theirs = np.zeros(5000, np.float32), np.zeros(5000, np.float32)
    theirs[2500] = 1e-9
    keys = {Table.from_rows([{"x": each}]).key for each in (ours, theirs, ours.copy())}
    assert len(keys) == 2
