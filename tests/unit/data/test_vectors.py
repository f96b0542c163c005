"""Word vectors of others: what was written by hand in every format is read, and what is broken is named."""

import gzip
import logging
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unspool.data import embed, read_vectors
from unspool.errors import DataError, FieldError
from unspool.fields import LabelField, TextField

Rows = list[tuple[str, list[float]]]

ROWS: Rows = [
    (",", [0.25, -1.5, 3.0]),
    ("the", [1.0, 2.0, -0.125]),
    ("Film", [0.5, 0.5, 0.5]),
    ("film", [-1.0, 0.0, 7.0]),
    ("naïve", [1e-3, 2e4, -0.0]),
    ("1999", [4.0, 5.0, 6.0]),
]


def lines(rows: Rows, before: str = "", between: str = " ", after: str = "\n") -> bytes:
    return (before + "".join(between.join([word, *map(repr, numbers)]) + after for word, numbers in rows)).encode()


def header(rows: Rows) -> str:
    return f"{len(rows)} {len(rows[0][1])}\n"


def binary(rows: Rows, after: bytes = b"") -> bytes:
    packed = (f"{word} ".encode() + struct.pack(f"<{len(numbers)}f", *numbers) + after for word, numbers in rows)
    return header(rows).encode() + b"".join(packed)


FORMATS: dict[str, Callable[[Rows], bytes]] = {
    "GloVe's": lines,
    "fastText's": lambda rows: lines(rows, header(rows), after=" \n"),
    "word2vec's text": lambda rows: lines(rows, header(rows)),
    "with tabs": lambda rows: lines(rows, between="\t", after="\r\n"),
    "word2vec's binary": lambda rows: binary(rows, b"\n"),
    "gensim's binary": binary,
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ["vectors.txt", "vectors.bin", "vectors.gz"])
def test_the_content_tells_the_format(tmp_path: Path, format: str, name: str) -> None:
    content = FORMATS[format](ROWS)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    found = read_vectors(tmp_path / name, ["1999", "nowhere", "naïve", "the", "the"])
    assert found.places.tolist() == [0, 2, 3, 4]
    expected = [[4, 5, 6], [1e-3, 2e4, 0], [1, 2, -0.125], [1, 2, -0.125]]
    torch.testing.assert_close(found.values, torch.tensor(expected), rtol=0, atol=0)
    assert found.values.dtype == torch.float32
    assert found.report == "found 4 of 5 words"


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=4)
NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def tables(draw: st.DrawFn) -> Rows:
    width = draw(st.integers(2, 5))
    words = draw(st.lists(WORDS, min_size=3, max_size=6, unique=True))
    return [(word, draw(st.lists(NUMBERS, min_size=width, max_size=width))) for word in words]


@given(tables(), st.sampled_from(sorted(FORMATS)), st.randoms(use_true_random=False))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: Rows, format: str, order: Any
) -> None:
    file = tmp_path_factory.mktemp("drawn") / "vectors"
    file.write_bytes(FORMATS[format](rows))
    asked = order.sample(rows, len(rows))
    found = read_vectors(file, [word for word, _ in asked])
    assert found.places.tolist() == list(range(len(rows)))
    assert found.values.tolist() == [list(map(float, numbers)) for _, numbers in asked]


def test_a_word_may_have_blanks_in_it(tmp_path: Path) -> None:
    rows = [*ROWS, (". . .", [9.0, 8.0, 7.0]), ("at name@domain.com", [1.0, 1.0, 1.0])]
    for before in ("", header(rows)):
        (tmp_path / "vectors.txt").write_bytes(lines(rows, before))
        found = read_vectors(tmp_path / "vectors.txt", [". . .", "at name@domain.com", "at", "."])
        assert found.places.tolist() == [0, 1]
        assert found.values.tolist() == [[9, 8, 7], [1, 1, 1]]


def test_a_word_that_is_not_there_has_the_vector_of_its_lower_case(tmp_path: Path) -> None:
    rows: Rows = [("wolf", [1, 1]), ("Wolf", [2, 2]), ("fox", [3, 3]), ("FOX", [4, 4]), ("été", [5, 5])]
    for order in (rows, rows[::-1]):
        (tmp_path / "vectors.txt").write_bytes(lines(order))
        asked = ["Wolf", "WOLF", "wolf", "Fox", "fox", "Été", "Wolves"]
        found = read_vectors(tmp_path / "vectors.txt", asked)
        assert dict(zip(found.places.tolist(), found.values[:, 0].tolist(), strict=True)) == {
            0: 2, 1: 1, 2: 1, 3: 3, 4: 3, 5: 5,
        }  # fmt: skip


def test_of_several_vectors_of_a_word_the_first_counts(tmp_path: Path) -> None:
    rows: Rows = [("a", [1, 1]), ("b", [2, 2]), ("a", [3, 3]), ("b", [4, 4])]
    for content in (lines(rows), binary(rows)):
        (tmp_path / "vectors").write_bytes(content)
        assert read_vectors(tmp_path / "vectors", ["b", "a", "A"]).values[:, 0].tolist() == [2, 1, 1]


@pytest.mark.parametrize("format", ["GloVe's", "word2vec's binary"])
def test_memory_grows_with_what_is_asked_for_alone(tmp_path: Path, format: str) -> None:
    numbers = [0.5] * 100
    (tmp_path / "vectors").write_bytes(FORMATS[format]([(f"word{i}", numbers) for i in range(30_000)]))
    assert (tmp_path / "vectors").stat().st_size > 12_000_000
    tracemalloc.start()
    try:
        assert len(read_vectors(tmp_path / "vectors", ["word7", "word29999"]).places) == 2
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_how_many_were_found_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "vectors.txt").write_bytes(lines(ROWS))
    with caplog.at_level(logging.INFO, "unspool.data"):
        read_vectors(tmp_path / "vectors.txt", ["the", *(f"no{i}" for i in range(1999))])
    assert caplog.messages == [f"found 1 of 2,000 words in `{tmp_path}/vectors.txt`"]


SOUND = lines(ROWS)
MISTAKES: dict[str, tuple[bytes, str]] = {
    "a line too short": (
        SOUND + b"dog 1.0 2.0\n",
        ", line 7: a word must have 3 numbers, but `dog` has 2",
    ),
    "a line too long": (
        lines(ROWS, header(ROWS)) + b"dog 1.0 2.0 3.0 4.0\n",
        ", line 8: a word must have 3 numbers, but `dog` has 4",
    ),
    "the first line too long": (
        b"dog 1.0 2.0 3.0 4.0\n" + SOUND,
        ", line 1: a word must have 3 numbers, but `dog` has 4",
    ),
    "no number": (
        b"dog 1.0 x2 3.0\n" + SOUND.replace(b"2.0", b"two"),
        ", line 3: a vector must be finite numbers, but has `two`",
    ),
    "not finite": (
        SOUND.replace(b"-0.125", b"nan"),
        ", line 2: a vector must be finite numbers, but has `nan`",
    ),
    "not finite in binary": (
        binary([(word, [float("inf"), *numbers]) for word, numbers in ROWS]),
        ", vector 2: a vector must be finite numbers, but that of `the` is not",
    ),
    "text cut short": (
        lines(ROWS[:4], header(ROWS)),
        " must hold the 6 vectors that its first line names, but ends after 4; fetch or copy it again",
    ),
    "binary cut short": (
        binary(ROWS)[:-1],
        " must hold the 6 vectors of 3 numbers that its first line names, but ends in number 6; fetch or copy it again",
    ),
    "binary cut at a vector's end": (
        header(ROWS).encode() + binary(ROWS[:2]).partition(b"\n")[2],
        " must hold the 6 vectors of 3 numbers that its first line names, but ends in number 3; fetch or copy it again",
    ),
    "a first line alone": (
        b"6 3\n",
        " must hold the 6 vectors that its first line names, but ends after 0; fetch or copy it again",
    ),
    "no width": (b"6 0\n", ", line 1: a vector must have a number, but the file says that they have none"),
    "nothing": (b"", " must hold a word and its numbers a line, but its first lines have no numbers"),
    "a list of words": (b"a\nb\nc\n", " must hold a word and its numbers a line, but its first lines have no numbers"),
    "no word of ours": (
        lines([("le", [1.0]), ("la", [2.0])]),
        " must have a vector of at least one of the 2 words asked for, as the, Film, but has none; "
        "it begins with le, la",
    ),
    "a model of fastText": (
        (793712314).to_bytes(4, "little") + bytes(100),
        " must be text or word2vec's binary, but is fastText's own; take its `.vec` file",
    ),
    "one endless line": (
        SOUND + b"x" * (1 << 21),
        ", line 7: a line must be a word and its numbers, but is longer than 1,048,576 bytes",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named(tmp_path: Path, case: str) -> None:
    content, message = MISTAKES[case]
    file = tmp_path / "vectors.txt"
    file.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_vectors(file, ["the", "Film"])
    assert str(error.value) == f"`{file}`{message}"


@pytest.mark.parametrize("content", [gzip.compress(binary(ROWS))[:-20], b"no gzip at all"], ids=["cut", "none"])
def test_a_broken_gzip_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "vectors.gz").write_bytes(content)
    with pytest.raises(DataError) as error:
        read_vectors(tmp_path / "vectors.gz", ["the"])
    assert str(error.value).startswith(
        f"`{tmp_path}/vectors.gz` must be a whole gzip file, since its name ends in .gz, but is broken ("
    )


def test_a_file_that_is_not_there_and_words_that_are_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "vectors.txt").write_bytes(SOUND)
    with pytest.raises(DataError) as error:
        read_vectors(tmp_path / "vector.txt", ["the"])
    assert str(error.value) == f"`{tmp_path}/vector.txt` does not exist; in its folder there is only `vectors.txt`"
    with pytest.raises(DataError) as error:
        read_vectors(tmp_path / "vectors.txt", [])
    assert str(error.value) == "`words` must name at least one word to look for, but is empty"


def fitted(texts: list[str], unit: Any = "words", **options: Any) -> TextField:
    field = TextField(unit, **options)
    field.fit(texts)
    return field


def test_an_embedding_has_the_vectors_of_its_words_in_their_rows(tmp_path: Path) -> None:
    (tmp_path / "vectors.txt").write_bytes(lines(ROWS))
    field = fitted(["the film", "the Film Noir", "the 1999 film"])
    weights = embed(field, tmp_path / "vectors.txt")
    assert weights.shape == (len(field), 3)
    for word, numbers in ROWS:
        row = field.encode(word).item()
        assert row < 3 or weights[row].tolist() == pytest.approx(numbers)
    assert weights[field.encode("Film")].tolist() == [[0.5, 0.5, 0.5]]
    embedding = torch.nn.Embedding(len(field), 3)
    with torch.no_grad():
        embedding.weight.copy_(weights)
    assert embedding(field.encode("the 1999")).tolist() == [[1, 2, -0.125], [4, 5, 6]]


def test_absent_words_are_random_of_the_same_scale_and_drawn_as_weights_are(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(0, 0.3, (200, 50))
    (tmp_path / "vectors.txt").write_bytes(lines([(f"in{i}", row.tolist()) for i, row in enumerate(numbers)]))
    field = fitted([" ".join(f"in{i} out{i}" for i in range(200))])
    torch.manual_seed(3)
    weights = embed(field, tmp_path / "vectors.txt", 50)
    known = torch.cat([field.encode(f"in{i}") for i in range(200)])
    absent = torch.ones(len(field), dtype=torch.bool)
    absent[known] = False
    assert absent.sum() == 203
    assert absent[:3].all()
    scale = weights[known].square().mean().sqrt()
    assert weights[absent].square().mean().sqrt() == pytest.approx(scale.item(), rel=0.05)
    assert weights[absent].mean().abs() < 0.01
    assert len(weights[absent].unique(dim=0)) == 203
    torch.manual_seed(3)
    assert torch.equal(embed(field, tmp_path / "vectors.txt"), weights)
    torch.manual_seed(4)
    again = embed(field, tmp_path / "vectors.txt")
    assert torch.equal(again[known], weights[known])
    assert not torch.equal(again, weights)


def test_characters_have_vectors_too(tmp_path: Path) -> None:
    (tmp_path / "vectors.txt").write_bytes(lines([("a", [1.0, 2.0]), ("é", [3.0, 4.0])]))
    field = fitted(["été à la"], "characters")
    assert embed(field, tmp_path / "vectors.txt")[field.encode("éa")].tolist() == [[3, 4], [1, 2]]


@pytest.mark.parametrize("format", FORMATS)
def test_another_size_is_refused_before_the_file_is_read(tmp_path: Path, format: str) -> None:
    rows: Rows = [*ROWS * 40, ("the", [float("nan")] * 3)]
    (tmp_path / "vectors").write_bytes(FORMATS[format](rows)[: -6 if "binary" in format else None])
    with pytest.raises(DataError) as error:
        embed(fitted(["the film"]), tmp_path / "vectors", 100)
    assert str(error.value) == (
        f"`{tmp_path}/vectors` must have vectors of 100 numbers, but they have 3; set the size to 3"
    )


def test_fields_without_words_are_refused(tmp_path: Path) -> None:
    label: Any = LabelField()
    for field, shown in ((fitted(["the film"], "bpe", size=300), "TextField('bpe', size=300)"), (label, repr(label))):
        with pytest.raises(FieldError) as error:
            embed(field, tmp_path / "vectors.txt")
        assert str(error.value) == (
            f"`field` must be text in words or characters to have vectors in a file, but is {shown}; "
            "pieces of bpe are not words"
        )
    with pytest.raises(FieldError, match="must be fitted"):
        embed(TextField("words"), tmp_path / "vectors.txt")
