"""Sentiment treebanks: every phrase a row, and what is said of a line that is no tree."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data import load, read
from unspool.data.trees import _parsed
from unspool.errors import DataError

TREES = r"""(3 (2 It) (4 (4 works) (2 .)))

(1 (2 -LRB-) (0 (1 1\/2\*) (2 -RRB-)))
"""
ROWS = [
    ("It works .", "3", "sentence"),
    ("It", "2", "phrase"),
    ("works .", "4", "phrase"),
    ("works", "4", "phrase"),
    (".", "2", "phrase"),
    ("( 1/2* )", "1", "sentence"),
    ("(", "2", "phrase"),
    ("1/2* )", "0", "phrase"),
    ("1/2*", "1", "phrase"),
    (")", "2", "phrase"),
]
TREEBANK = Path(__file__).parents[4] / "shared" / "data" / "sentiment" / "trees_fiveclass"


@pytest.mark.parametrize("name", ["trees.txt", "trees.gz"])
def test_every_phrase_is_a_row_and_the_sentence_comes_first(tmp_path: Path, name: str) -> None:
    content = TREES.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    table = read(tmp_path / name, format="trees")
    assert table.columns == ("text", "label", "span")
    assert [tuple(row.values()) for row in table] == ROWS


def test_columns_choose_and_rename(tmp_path: Path) -> None:
    (tmp_path / "trees.txt").write_text("(3 (2 It) (4 works))\r\n")
    table = read(tmp_path / "trees.txt", format="trees", columns={"how": "label", "said": "text"})
    assert next(iter(table)) == {"how": "3", "said": "It works"}
    with pytest.raises(DataError) as error:
        read(tmp_path / "trees.txt", format="trees", columns=["txt"])
    assert str(error.value) == (
        f"`txt` is no column of `{tmp_path}/trees.txt`; there are text, label, span (nearest: `text`)"
    )


def test_a_word_may_hold_a_blank_that_does_not_break(tmp_path: Path) -> None:
    (tmp_path / "trees.txt").write_text("(2 8\u00a01\\/2)\n(2 a\u2028b)\n", encoding="utf-8")
    assert list(read(tmp_path / "trees.txt", format="trees").column("text")) == ["8\u00a01/2", "a\u2028b"]


def test_a_tree_may_be_as_deep_as_it_likes(tmp_path: Path) -> None:
    depth = 20_000
    (tmp_path / "deep.txt").write_text("(2 " * depth + "down" + ")" * depth)
    assert len(read(tmp_path / "deep.txt", format="trees")) == depth


Tree = tuple[str, Any]
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="() \t\r\n\\-"), min_size=1)
LEAVES = st.tuples(st.sampled_from("01234"), WORDS)
DRAWN = st.recursive(LEAVES, lambda inner: st.tuples(st.sampled_from("01234"), st.lists(inner, min_size=1, max_size=3)))


def written(tree: Tree) -> list[str]:
    label, inside = tree
    within = [inside] if isinstance(inside, str) else [piece for child in inside for piece in written(child)]
    return ["(", label, *within, ")"]


def words_of(tree: Tree) -> list[str]:
    return [tree[1]] if isinstance(tree[1], str) else [word for child in tree[1] for word in words_of(child)]


def phrases_of(tree: Tree) -> list[tuple[str, list[str]]]:
    parts = [] if isinstance(tree[1], str) else [phrase for child in tree[1] for phrase in phrases_of(child)]
    return [(tree[0], words_of(tree)), *parts]


@given(DRAWN)
def test_the_phrases_are_those_that_recursion_finds(tree: Tree) -> None:
    words, phrases = _parsed(written(tree))
    assert [(label, words[begin:end]) for label, begin, end in phrases] == phrases_of(tree)


MISTAKES = {
    "(3 (2 It) (4 works)": "every bracket must be closed, but 1 of 3 are not",
    "(3 (2 It": "every bracket must be closed, but 2 of 2 are not",
    "(2 It) (4 works)": "a line must hold one tree, but goes on after it with `(`; put it on its own line",
    "(2 It))": "a line must hold one tree, but goes on after it with `)`; put it on its own line",
    "It works": "a line must be a tree, as `(3 (2 It) (4 works))`, but begins with `It`",
    "(5 It)": "a label must follow each opening bracket, one of 0, 1, 2, 3, 4, but is `5`",
    "(3 (It) (4 works))": "a label must follow each opening bracket, one of 0, 1, 2, 3, 4, but is `It`",
    "((2 It))": "a label must follow each opening bracket, one of 0, 1, 2, 3, 4, but is missing",
    "(": "a label must follow each opening bracket, one of 0, 1, 2, 3, 4, but is missing",
    "(3 (2) (4 works))": "a phrase must have a word, as `(2 film)`, but `(2)` has none",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, cache: Path, line: str) -> None:
    file = tmp_path / "trees.txt"
    file.write_text(f"(2 fine)\n\n{line}\n(2 fine)\n")
    with pytest.raises(DataError) as error:
        read(file, format="trees")
    assert str(error.value) == f"`{file}`, line 3: {MISTAKES[line]}"
    assert not [each for each in cache.rglob("*") if each.is_file()]


@pytest.mark.skipif(not TREEBANK.is_dir(), reason=f"the Stanford Sentiment Treebank is not in {TREEBANK}")
def test_the_binary_task_has_its_sentences_and_phrases() -> None:
    tables = load(
        path=TREEBANK,
        format="trees",
        columns=["text", "label"],
        parts={"train": "train.txt", "valid": "dev.txt", "test": "test.txt"},
        rows={"all": {"label": [0, 1, 3, 4]}, "valid": {"span": "sentence"}, "test": {"span": "sentence"}},
        values={"label": {"negative": [0, 1], "positive": [3, 4]}},
    )
    # The first release, in test.tsv beside these trees, has 1821 sentences in its test part.
    assert {part: len(table) for part, table in tables.items()} == {"train": 98_565, "valid": 872, "test": 1818}
    assert {tuple(table.columns) for table in tables.values()} == {("text", "label")}
    counts = {label: list(tables["valid"].column("label")).count(label) for label in ("negative", "positive")}
    assert counts == {"negative": 428, "positive": 444}
