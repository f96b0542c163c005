"""Rows chosen by their values, and values that get other names, of any format and any source."""

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unspool import recipes
from unspool.data import NAMED, Split, load
from unspool.data.named import Named
from unspool.data.sources import rows_stream
from unspool.errors import DataError, RecipeError

ROWS = [
    {"text": "good", "label": "3", "language": "en"},
    {"text": "gut", "label": "3", "language": "de"},
    {"text": "bad", "label": "1", "language": "en"},
    {"text": "so so", "label": "2", "language": "en"},
]
TAKEN: dict[str, Any] = {
    "columns": ["text", "label"],
    "rows": {"train": {"language": "en", "label": [1, 3]}},
    "values": {"label": {"negative": [0, 1], "positive": 3}},
}
FOUND = [{"text": "good", "label": "positive"}, {"text": "bad", "label": "negative"}]


def written(folder: Path, kind: str) -> Path:
    file = folder / f"rows.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist([{**row, "label": int(row["label"])} for row in ROWS]), file)
        return file
    mark = "," if kind.startswith("csv") else "\t"
    texts = [mark.join(row.values()) for row in ROWS]
    if kind == "jsonl":
        texts = [json.dumps({**row, "label": int(row["label"])}) for row in ROWS]
    content = "\n".join(texts if kind == "jsonl" else [mark.join(ROWS[0]), *texts]).encode()
    file.write_bytes(gzip.compress(content) if kind.endswith(".gz") else content)
    return file


def failure(options: dict[str, Any]) -> str:
    with pytest.raises(DataError) as error:
        load(**options)
    return str(error.value)


@pytest.mark.parametrize("kind", ["csv", "tsv", "csv.gz", "jsonl", "parquet"])
def test_rows_are_chosen_and_values_named_in_any_format(tmp_path: Path, kind: str) -> None:
    file = written(tmp_path, kind)
    assert list(load(path=file, **TAKEN)["train"]) == FOUND
    renamed = load(path=file, **TAKEN | {"columns": {"label": "text", "y": "label"}})["train"]
    assert list(renamed) == [{"label": row["text"], "y": row["label"]} for row in FOUND]
    everything = load(path=file, rows=TAKEN["rows"], values=TAKEN["values"])["train"]
    assert list(everything) == [row | {"language": "en"} for row in FOUND]


def test_parallel_files_can_choose_by_one_that_is_not_taken(tmp_path: Path) -> None:
    for column in ROWS[0]:
        (tmp_path / f"train.{column}").write_text("".join(f"{row[column]}\n" for row in ROWS))
    assert list(load(path=tmp_path / "train.{column}", **TAKEN)["train"]) == FOUND


def test_files_without_names_are_chosen_by_columns_that_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("good,3\nbad,1\n")
    options: dict[str, Any] = {"path": file, "columns": ["text", "label"], "header": False}
    assert list(load(**options, rows={"train": {"label": 3}})["train"]) == [{"text": "good", "label": "3"}]
    assert failure(options | {"rows": {"train": {"lable": 3}}}) == (
        f"`lable` is no column of `{file}`; there are text, label (nearest: `label`)"
    )
    (tmp_path / "rows.txt").write_text("one\ntwo\n")
    assert list(load(path=tmp_path / "rows.txt", rows={"all": {"text": "two"}})["train"]) == [{"text": "two"}]


def test_values_are_compared_as_they_are_written_and_null_is_none_of_them(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"x": 1, "y": true}\n{"x": null, "y": true}\n{"x": 1, "y": false}\n')
    assert list(load(path=file, rows={"all": {"x": [1], "y": True}})["train"]) == [{"x": 1, "y": True}]
    named = load(path=file, values={"x": {"one": "1"}, "y": {"no": False}})["train"]
    assert [tuple(row.values()) for row in named] == [("one", "true"), (None, "true"), ("one", "no")]


def test_a_part_goes_before_all_for_the_columns_it_names(tmp_path: Path) -> None:
    written(tmp_path, "csv")
    parts = dict.fromkeys(("train", "valid", "test"), "rows.csv")
    rows = {"all": {"language": "en"}, "valid": {"language": "de"}, "test": {"label": 1}}
    tables = load(path=tmp_path, parts=parts, columns=["text"], rows=rows)
    assert {part: list(table.column("text")) for part, table in tables.items()} == {
        "train": ["good", "bad", "so so"],
        "valid": ["gut"],
        "test": ["bad"],
    }


def test_the_rows_that_are_left_are_cut_as_they_would_be_alone(tmp_path: Path) -> None:
    lines = [f"word{i},{i % 2}\n" for i in range(2000)]
    for name, kept in (("all.csv", lines), ("even.csv", lines[::2])):
        (tmp_path / name).write_text("word,odd\n" + "".join(kept))
    split = Split(by="word", valid=0.1, test=0.1)
    chosen = load(path=tmp_path / "all.csv", columns=["word"], rows={"train": {"odd": 0}}, split=split)
    alone = load(path=tmp_path / "even.csv", columns=["word"], split=split)
    assert {part: list(table) for part, table in chosen.items()} == {part: list(table) for part, table in alone.items()}


def test_many_rows_stay_in_order_and_are_read_a_piece_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "many.csv"
    file.write_text("n,odd\n" + "".join(f"{n},{n % 2}\n" for n in range(20_000)))
    table = load(path=file, columns=["n"], rows={"all": {"odd": 1}})["train"]
    assert list(table.column("n")) == [str(n) for n in range(1, 20_000, 2)]
    assert max(len(piece) for piece in table.column("n").pieces()) <= 4096


def key(**options: Any) -> str:
    return load(**options)["train"].key


def test_what_is_chosen_is_part_of_the_key_and_how_it_is_written_is_not(tmp_path: Path, cache: Path) -> None:
    file = written(tmp_path, "csv")
    same = [
        key(path=file, **TAKEN),
        key(path=file, **TAKEN | {"rows": {"train": {"label": ["3", "1", 3], "language": ["en"]}}}),
        key(path=file, **TAKEN | {"rows": {"all": {"label": [3, 1], "language": "en"}}}),
        key(path=file, **TAKEN | {"values": {"label": {"positive": [3], "negative": ["1", "0"]}}}),
    ]
    assert len(set(same)) == 1
    assert len(list((cache / "tables").iterdir())) == 1
    others = [
        key(path=file, columns=["text", "label"]),
        key(path=file, columns=["text", "label"], rows=TAKEN["rows"]),
        key(path=file, columns=["text", "label"], values=TAKEN["values"]),
        key(path=file, **TAKEN | {"rows": {"train": {"label": [1, 3]}}}),
        key(path=file, **TAKEN | {"values": {"label": {"negative": 1, "good": 3}}}),
    ]
    assert len({*same, *others}) == 6
    assert key(path=file, columns=["text"], rows={"all": {}}, values={}) == key(path=file, columns=["text"])


def test_how_many_rows_are_left_out_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "rows.jsonl"  # where 1 is followed by 2.5, the file is read twice
    file.write_text('{"x": 1, "y": 1}\n' * 5000 + '{"x": 2.5, "y": 2}\n{"x": 2.5, "y": 1}\n')
    with caplog.at_level(logging.INFO, "unspool.data"):
        for _ in range(2):
            load(path=file, rows={"all": {"y": 1}})
    assert [record.getMessage() for record in caplog.records] == [f"left out 1 of 5002 rows of `{file}`"]


def test_a_named_source_is_chosen_by_columns_that_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def streams(columns: Any) -> dict[str, Any]:
        rows = [tuple(row[column] for column in columns) for row in ROWS]
        return {"train": rows_stream(["toy", list(columns)], lambda: rows, columns, "`toy`")}

    monkeypatch.setitem(NAMED, "toy", Named(tuple(ROWS[0]), streams, None, "a toy"))
    assert list(load(source="toy", **TAKEN)["train"]) == FOUND
    assert failure({"source": "toy", "columns": ["text"], "rows": {"all": {"langauge": "en"}}}) == (
        "`langauge` is no column of `toy`; there are text, label, language (nearest: `language`)"
    )


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "a column that is none": (
        {"rows": {"all": {"lable": 3}}},
        "`lable` is no column of `{file}`; there are text, label, language (nearest: `label`)",
    ),
    "a column that is none, beside those taken": (
        {"columns": ["text"], "rows": {"all": {"lable": 3}}},
        "`lable` is no column of `{file}`, whose line 1 looks like a header; there are text, label, language (nearest: "
        "`label`); say `header: false` if it is none",
    ),
    "values of a column that is none": (
        {"values": {"lable": {"positive": 3}}},
        "`lable` is no column of `{file}`; there are text, label, language (nearest: `label`)",
    ),
    "values of a column that is not taken": (
        {"columns": ["text", "label"], "values": {"lable": {"positive": 3}}},
        "`values` must be of columns that are taken, but has `lable`; there are text, label (nearest: `label`)",
    ),
    "a value that no row has": (
        {"rows": {"train": {"label": [5, 6], "language": "en"}}},
        "`rows` must leave a row of `train`, but `label` of `{file}` is never 5 or 6; there are 3, 1, 2 (nearest: `3`)",
    ),
    "values that no row has together": (
        {"rows": {"train": {"label": [1, 2], "language": "de"}}},
        "`rows` must leave a row of `train`, but none of the 4 of `{file}` has `label` 1 or 2 and `language` de "
        "at once",
    ),
    "no value": (
        {"rows": {"train": {"label": []}}},
        "`rows` and `values` must name a value for each of their columns, but one has an empty list",
    ),
    "a part that is none": (
        {"rows": {"trian": {"label": 1}}},
        "`trian` is no part to choose rows of; there are all, train, valid, test (nearest: `train`)",
    ),
    "a part without files": (
        {"rows": {"valid": {"label": 1}}, "split": {"by": "text"}},
        "`rows` must be of parts with files of their own, train, but has `valid`; what `split` cuts are rows of "
        "`train`",
    ),
    "a value with two names": (
        {"values": {"label": {"low": [1, 2], "high": [2, 3]}}},
        "`values` must give a value one name, but calls `2` of `label` low and high",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named(tmp_path: Path, cache: Path, case: str) -> None:
    options, message = MISTAKES[case]
    file = written(tmp_path, "csv")
    assert failure({"path": file} | options) == message.replace("{file}", str(file))
    assert not [each for each in cache.rglob("*") if each.is_file()]


RECIPE = """\
data:
  path: rows.csv
  columns: [text, label]
  rows: {train: {language: en, label: [1, 3]}}
  values: {label: {negative: [0, 1], positive: 3}}
inputs: {text: {}}
outputs: {label: {}}
train: {epochs: 1}
"""


def test_a_recipe_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "csv")
    (tmp_path / "my.yaml").write_text(RECIPE)
    recipe = recipes.load("my.yaml")
    assert list(load(**recipe.data.arguments())["train"]) == FOUND
    (tmp_path / "again.yaml").write_text(recipe.to_yaml())
    assert recipes.load("again.yaml").data == recipe.data
    assert recipes.load(json.loads(recipe.model_dump_json())) == recipe
    with pytest.raises(RecipeError) as error:
        recipes.load("my.yaml", ["data.rows.train.label=[]"])
    assert str(error.value) == (
        "override `data.rows.train.label=[]`: `data.rows.train.label` must be a value, or a list of at least one, but "
        "is []"
    )
    with pytest.raises(RecipeError) as error:
        recipes.load("my.yaml", ["data.rows={tset: {label: 1}}"])
    assert str(error.value).endswith("`data.rows.tset` is no key; did you mean `data.rows.test`?")
