"""Parts: from files of their own, or cut by a hash of a value."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data import Split, load
from unspool.errors import DataError

WORDS = [f"word{i}" for i in range(2000)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "all.csv").write_text("word,n\n" + "".join(f"{word},{n}\n" for word in WORDS for n in (1, 2)))
    (folder / "g.train").write_text("".join(f"{word}\t1\n" for word in WORDS))
    (folder / "g.test").write_text("unseen\t1\n")
    for language in ("de", "en"):
        (folder / f"val.{language}.txt").write_text(f"{language} valid\n")
        for shard in (1, 2):
            (folder / f"train{shard}.{language}.txt").write_text(f"{language} {shard}\n")
    return folder


def test_a_file_alone_is_the_training_part(folder: Path) -> None:
    assert {part: len(table) for part, table in load(path=folder / "all.csv").items()} == {"train": 4000}


def test_a_cut_takes_about_its_shares_and_keeps_equal_values_together(folder: Path) -> None:
    tables = load(path=folder / "all.csv", split=Split(by="word", valid=0.1, test=0.2))
    assert list(tables) == ["train", "valid", "test"]
    words = {part: set(table.column("word")) for part, table in tables.items()}
    assert set.union(*words.values()) == set(WORDS)
    assert sum(map(len, words.values())) == len(WORDS)
    assert len(words["valid"]) == pytest.approx(200, abs=50)
    assert len(words["test"]) == pytest.approx(400, abs=60)
    assert sum(map(len, tables.values())) == 4000


@given(st.text(), st.sampled_from(["", "pepper"]))
def test_the_part_of_a_value_is_the_stated_function_of_its_hash(value: str, salt: str) -> None:
    drawn = int(hashlib.sha256((salt + value).encode()).hexdigest()[:16], 16) / 2**64
    expected = "test" if drawn < 0.3 else "valid" if drawn >= 0.8 else "train"
    assert Split(by="x", valid=0.2, test=0.3, salt=salt).part(value) == expected


@given(st.text())
def test_changing_one_share_moves_nothing_between_the_others(value: str) -> None:
    parts = {Split(by="x", valid=0.2, test=test).part(value) for test in (0.1, 0.3)}
    assert len(parts) == 1 or parts == {"train", "test"}


def test_parts_have_files_of_their_own_and_valid_is_cut_from_training_alone(folder: Path) -> None:
    options: dict[str, Any] = {"parts": {"train": "*.train", "valid": None, "test": "*.test"}, "format": "tsv"}
    tables = load(path=folder, **options, columns=["word", "n"], split={"by": "word", "valid": 0.1, "test": 0})
    assert list(tables) == ["train", "valid", "test"]
    assert list(tables["test"]) == [{"word": "unseen", "n": "1"}]
    assert len(tables["train"]) + len(tables["valid"]) == 2000
    assert len(tables["valid"]) == pytest.approx(200, abs=50)


@pytest.mark.parametrize("columns", [None, ["de", "en"], {"de": "de", "en": "en"}])
def test_parallel_files_are_found_by_pattern(folder: Path, columns: Any) -> None:
    parts = {"train": ["train1.{column}.txt", "train2.{column}.txt"], "valid": "val.{column}.txt"}
    tables = load(path=folder, parts=parts, columns=columns)
    assert list(tables["train"]) == [{"de": "de 1", "en": "en 1"}, {"de": "de 2", "en": "en 2"}]
    assert list(tables["valid"]) == [{"de": "de valid", "en": "en valid"}]
    assert list(load(path=folder / "val.{column}.txt", columns={"source": "en"})["train"]) == [{"source": "en valid"}]


def test_shards_are_one_part_in_the_order_of_their_names(folder: Path) -> None:
    tables = load(path=folder, parts={"train": "train*.de.txt"}, columns=["de"])
    assert list(tables["train"].column("de")) == ["de 1", "de 2"]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "a part that there already is": (
        {"path": "", "parts": {"train": "all.csv", "test": "all.csv"}, "split": {"by": "word"}},
        "`split` must cut no part that there already is, but gives `test` a share; set `test: 0` in it",
    ),
    "a cut by no column": (
        {"path": "all.csv", "split": {"by": "words"}},
        "`words` is no column of `{folder}/all.csv`; there are word, n (nearest: `word`)",
    ),
    "shares that leave nothing": (
        {"path": "all.csv", "split": {"by": "word", "valid": 0.5, "test": 0.5}},
        "`valid` and `test` must be shares from 0 that leave some to train on, but are 0.5 and 0.5",
    ),
    "a pattern that leads elsewhere": (
        {"path": "", "parts": {"train": "/data/all.csv"}},
        "`parts.train` must be within `{folder}`, but is `/data/all.csv`; leave the folder out of it",
    ),
    "a part without a row": (
        {"path": "val.{column}.txt", "split": {"by": "de", "valid": 0.001, "test": 0}},
        "`valid` of Split(by='de', valid=0.001, test=0, salt='') must get at least one row, but gets none of the 1 of "
        "`{folder}/val.de.txt`, `{folder}/val.en.txt`; take a larger share, or another salt",
    ),
    "a pattern that matches nothing": (
        {"path": "", "parts": {"train": "*.trian"}},
        '`parts.train` must match a file in `{folder}`, but "*.trian" matches none; there are all.csv, g.test, '
        "g.train, train1.de.txt, train1.en.txt, train2.de.txt, train2.en.txt, val.de.txt, val.en.txt (nearest: "
        "`g.train`)",
    ),
    "a parallel pattern that matches nothing": (
        {"path": "", "parts": {"train": "tran.{column}"}},
        '`parts.train` must match a file in `{folder}`, but "tran.{column}" matches none; there are all.csv, g.test, '
        "g.train, train1.de.txt, train1.en.txt, train2.de.txt, train2.en.txt, val.de.txt, val.en.txt (nearest: "
        "`g.train`)",
    ),
    "a parallel file that is missing": (
        {"path": "", "parts": {"train": "val.{column}.txt"}, "columns": ["de", "fr"]},
        "`{folder}/val.fr.txt` does not exist; in its folder there are all.csv, g.test, g.train, train1.de.txt, "
        "train1.en.txt, train2.de.txt, train2.en.txt, val.de.txt, val.en.txt (nearest: `val.en.txt`)",
    ),
    "an unknown part": (
        {"path": "", "parts": {"trian": "*.train"}},
        "`trian` is no part; there are train, valid, test (nearest: `train`)",
    ),
    "no training part": (
        {"path": "", "parts": {"test": "*.test"}},
        "`parts` must name the files of `train`, but names only test",
    ),
    "parts in a file": (
        {"path": "all.csv", "parts": {"train": "*.train"}},
        "`path` must be a folder where `parts` names its files, but `{folder}/all.csv` is not",
    ),
    "a folder without parts": (
        {"path": ""},
        "`{folder}` must be a file, but is a folder; name a file, or say with `parts` which of its files to read, "
        'as in `parts: {train: "*.train", test: "*.test"}`',
    ),
    "shards of different columns": (
        {"path": "", "parts": {"train": ["all.csv", "other.csv"]}},
        "`{folder}/other.csv` must have the columns of `{folder}/all.csv`, word, n, but has n, word; name those to "
        "take in `columns`",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named(folder: Path, case: str) -> None:
    options, message = MISTAKES[case]
    if case == "shards of different columns":
        (folder / "other.csv").write_text("n,word\n1,a\n")
    with pytest.raises(DataError) as error:
        load(**options | {"path": folder / options["path"]})
    assert str(error.value) == message.replace("{folder}", str(folder))


def test_data_must_come_from_somewhere() -> None:
    with pytest.raises(DataError) as error:
        load()
    assert str(error.value) == "`source` or `path` must say where examples come from, but neither is given"
    with pytest.raises(DataError) as error:
        load(source="cmudict", parts={"train": "x"})
    assert str(error.value) == (
        "`parts` must name files in a folder `path`, but a source has parts of its own; leave it out"
    )


def test_parallel_files_may_lie_in_folders(folder: Path) -> None:
    for language in ("de", "en"):
        (folder / "sub" / language).mkdir(parents=True)
        (folder / "sub" / f"train.{language}").write_text(f"{language} 1\n")
        (folder / "sub" / language / "test.txt").write_text(f"{language} 2\n")
    parts = {"train": "sub/train.{column}", "test": "sub/{column}/test.txt"}
    tables = load(path=folder, parts=parts, format="lines")
    assert {part: list(table) for part, table in tables.items()} == {
        "train": [{"de": "de 1", "en": "en 1"}],
        "test": [{"de": "de 2", "en": "en 2"}],
    }
