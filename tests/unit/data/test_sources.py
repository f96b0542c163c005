"""What files hold, read to rows; and what is said of files that hold something else."""

import gzip
import json
import os
import pickle
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unspool.data import Table, read
from unspool.errors import DataError

ROWS = [{"word": "a", "phones": "AH"}, {"word": 'bé, "x"', "phones": "B IY"}, {"word": "", "phones": "…"}]


def written(path: Path, content: str | bytes) -> Path:
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


CONTENTS = {
    "csv": 'word,phones\na,AH\n"bé, ""x""",B IY\n"",…\n',
    "tsv": 'word\tphones\na\tAH\nbé, "x"\tB IY\n\t…\n',
    "jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
}


@pytest.mark.parametrize("compressed", ["", ".gz"])
@pytest.mark.parametrize("kind", CONTENTS)
def test_rows_are_those_of_the_file(tmp_path: Path, kind: str, compressed: str) -> None:
    table = read(written(tmp_path / f"words.{kind}{compressed}", CONTENTS[kind]))
    assert list(table) == ROWS
    assert table.columns == ("word", "phones")


@pytest.mark.parametrize("kind", CONTENTS)
def test_line_ends_marks_of_byte_order_and_blank_lines_are_no_content(tmp_path: Path, kind: str) -> None:
    content = "\ufeff" + CONTENTS[kind].replace("\n", "\r\n\r\n").removesuffix("\r\n\r\n")
    assert list(read(written(tmp_path / f"words.{kind}", content))) == ROWS


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    rows = [{"id": 1, "vector": [0.5, 1.0]}, {"id": 2, "vector": [2.0]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    assert list(read(tmp_path / "rows.parquet")) == rows
    assert list(read(tmp_path / "rows.parquet", columns={"x": "vector"})) == [{"x": row["vector"]} for row in rows]


def test_parallel_files_are_columns_and_blank_lines_are_empty_texts(tmp_path: Path) -> None:
    files = {
        "de": written(tmp_path / "a.de.gz", "Hallo Welt\n\nDrei\u2028halb\r\n"),
        "en": written(tmp_path / "a.en", "Hello world\n\nThree"),
    }
    rows = [
        {"de": "Hallo Welt", "en": "Hello world"},
        {"de": "", "en": ""},
        {"de": "Drei\u2028halb", "en": "Three"},
    ]
    assert list(read(files)) == rows
    assert list(read(written(tmp_path / "a.txt", "one\n\ntwo\n")).column("text")) == ["one", "", "two"]
    assert list(read(tmp_path / "a.en", format="lines", columns=["said"]).column("said")) == [
        "Hello world",
        "",
        "Three",
    ]


def test_columns_name_those_of_a_file_without_header(tmp_path: Path) -> None:
    file = written(tmp_path / "words.train", "a\tAH\nbe\tB IY\n")
    assert read(file, format="tsv", columns=["word", "phones"])[0] == {"word": "a", "phones": "AH"}


@pytest.mark.parametrize("kind", CONTENTS)
def test_columns_choose_and_rename(tmp_path: Path, kind: str) -> None:
    file = written(tmp_path / f"words.{kind}", CONTENTS[kind])
    assert list(read(file, columns=["phones"])) == [{"phones": row["phones"]} for row in ROWS]
    assert list(read(file, columns={"output": "phones"})) == [{"output": row["phones"]} for row in ROWS]
    assert read(file, columns=["phones", "word"]).columns == ("phones", "word")


def test_a_first_row_can_be_said_to_be_a_row_or_a_header(tmp_path: Path) -> None:
    file = written(tmp_path / "words.csv", "word,phones\na,AH\n")
    assert len(read(file, columns=["word", "phones"], header=False)) == 2
    assert len(read(file, columns=["word", "phones"])) == 1


def test_quoted_values_may_hold_line_ends(tmp_path: Path) -> None:
    file = written(tmp_path / "notes.csv", 'text,n\n"two\nlines",1\nplain,2\n')
    assert list(read(file)) == [{"text": "two\nlines", "n": "1"}, {"text": "plain", "n": "2"}]


def test_json_values_keep_their_types_also_where_they_widen_late(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"n": None, "x": i, "list": [1]} for i in range(5000)]
    rows += [{"n": "late", "x": 0.5, "list": []}, {"n": None, "x": 7, "list": None}]
    table = read(written(tmp_path / "rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows)))
    assert list(table) == rows
    assert table[5000] == rows[5000]
    assert table[-1] == rows[-1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.fixed_dictionaries({"a": st.text(), "b": st.text(min_size=1)}), min_size=1, max_size=6))
def test_json_lines_give_back_any_text(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    file = (
        tmp_path / f"{uuid.uuid4()}.jsonl"
    )  # a new name each time: clocks of files tick too slowly to tell them apart
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    assert list(read(written(file, lines))) == rows


def test_a_table_is_read_once_and_again_when_the_file_changes(tmp_path: Path, cache: Path) -> None:
    file = written(tmp_path / "words.csv", CONTENTS["csv"])
    first = read(file)
    file_of_table = next((cache / "tables").rglob("*.arrow"))
    before = file_of_table.stat().st_mtime_ns
    assert read(file).key == first.key
    assert file_of_table.stat().st_mtime_ns == before
    written(file, CONTENTS["csv"] + "new,NUW\n")
    assert len(read(file)) == 4
    assert read(file).key != first.key
    assert read(file, columns=["word"]).key != read(file).key


def test_rows_are_read_at_random_across_pieces(tmp_path: Path) -> None:
    file = written(tmp_path / "many.txt", "".join(f"line {i}\n" for i in range(10_000)))
    table = read(file)
    assert [table[i]["text"] for i in (0, 4095, 4096, 9999, -1)] == [
        "line 0",
        "line 4095",
        "line 4096",
        "line 9999",
        "line 9999",
    ]
    with pytest.raises(IndexError):
        table[10_000]


Mistake = tuple[str, str | bytes | None, dict[str, Any], str]

MISTAKES: dict[str, Mistake] = {
    "a missing file": (
        "wrods.csv",
        None,
        {},
        "`{file}` does not exist; in its folder there are words.csv, words.tsv (nearest: `words.csv`)",
    ),
    "a missing folder": ("no/words.csv", None, {}, "`{file}` does not exist, nor does its folder `{folder}`"),
    "an unknown suffix": (
        "words.cvs",
        "a,b\n",
        {},
        "`{file}` must end in .csv, .tsv, .tab, .jsonl, .ndjson, .parquet, .txt (or one of these and .gz) to tell its "
        "format; otherwise say `format`, one of csv, tsv, jsonl, parquet, lines, trees, babi, "
        "emoji, acts, sphinx, arrays, strokes, mnist, chorales, prices, files",
    ),
    "an unknown format": (
        "words.csv",
        "a,b\n",
        {"format": "json"},
        "`json` is no format; there are csv, tsv, jsonl, parquet, lines, trees, babi, "
        "emoji, acts, sphinx, arrays, strokes and 4 more (nearest: `jsonl`)",
    ),
    "an empty file": ("empty.csv", "", {}, "`{file}` must hold at least one row, but is empty"),
    "an empty compressed file": ("empty.jsonl.gz", "", {}, "`{file}` must hold at least one row, but is empty"),
    "a header alone": ("bare.csv", "word,phones\n", {}, "`{file}` must hold at least one row, but is empty"),
    "blank lines alone": ("blank.tsv", "\n\n", {}, "`{file}` must hold at least one row, but is empty"),
    "a missing column of csv": (
        "words.csv",
        "word,phones\na,AH\n",
        {"columns": {"x": "phnoes"}},
        "`phnoes` is no column of `{file}`; there are word, phones (nearest: `phones`)",
    ),
    "one wrong name of a list": (
        "words.csv",
        "word,phones\na,AH\n",
        {"columns": ["word", "phons"]},
        "`phons` is no column of `{file}`, whose line 1 looks like a header; there are word, phones (nearest: "
        "`phones`); say `header: false` if it is none",
    ),
    "a missing key of json": (
        "words.jsonl",
        '{"word": "a", "phones": "AH"}\n\n{"word": "b", "phone": "B"}\n',
        {},
        "`{file}`, line 3: `phones` is no key of this object; there are word, phone (nearest: `phone`)",
    ),
    "a key too many": (
        "words.jsonl",
        '{"word": "a"}\n{"word": "b", "n": 1}\n',
        {},
        "`{file}`, line 2: objects must have the keys of the first, word, but this one has `n` as well; name those to "
        "take in `columns`",
    ),
    "a column that changes its kind": (
        "words.jsonl",
        '{"n": null}\n{"n": 1}\n{"n": "two"}\n',
        {},
        "`{file}`, line 3: `n` must be a number, as on the lines before, but is a text",
    ),
    "a broken line of json": (
        "words.jsonl",
        '{"word": "a"}\n{"word": "b"\n',
        {},
        "`{file}`, line 2: a line must be a JSON object, but is not: Expecting ',' delimiter at column 13",
    ),
    "a line that is no object": (
        "words.jsonl",
        '["a"]\n',
        {},
        '`{file}`, line 1: a line must be a JSON object, as {{"text": "…"}}, but is a list',
    ),
    "bytes that are not UTF-8": (
        "words.csv",
        "word\nb\u00e9\nbad: \u00e9\n".encode("latin-1").replace(b"b\xe9", b"be"),
        {},
        "`{file}`, line 3: a line must be UTF-8, but has the byte 0xe9 at column 6; save the file as UTF-8",
    ),
    "bytes that are not UTF-8, compressed": (
        "lines.txt.gz",
        b"fine\n\xff\n",
        {},
        "`{file}`, line 2: a line must be UTF-8, but has the byte 0xff at column 1; save the file as UTF-8",
    ),
    "gzip under another name": (
        "words.txt",
        gzip.compress(b"text\n"),
        {},
        "`{file}`, line 1: a line must be UTF-8, but has the byte 0x8b at column 2; it is gzip, so its name must end "
        "in .gz",
    ),
    "a ragged row": (
        "words.csv",
        'word,phones\n"two\nlines",AH\nb\n',
        {},
        "`{file}`, line 4: a row must have a value for each of the 2 columns word, phones, but has 1",
    ),
    "a ragged row without a header": (
        "words.tsv",
        "a\tAH\tmore\n",
        {"columns": ["word", "phones"]},
        "`{file}`, line 1: a row must have a value for each of the 2 columns word, phones, but has 3",
    ),
    "a quote that is not closed": (
        "words.csv",
        'word,phones\na,"AH\nb,B\n',
        {},
        "`{file}`, line 2: not CSV: the row that begins here is not closed or too long (unexpected end of data); a "
        "quote within quotes is written twice",
    ),
    "a quote within a value": (
        "words.csv",
        'word,phones\na,"A"H\n',
        {},
        "`{file}`, line 2: not CSV: ',' expected after '\"'; a quote within quotes is written twice",
    ),
    "a header that names a column twice": (
        "words.csv",
        "word,word\na,b\n",
        {},
        "`{file}`, line 1: a header must name different columns, but is word, word",
    ),
    "no header and no names": (
        "words.csv",
        "a,b\n",
        {"header": False},
        "`columns` must be a list that names all columns where `header` is false",
    ),
    "several names for lines": (
        "a.txt",
        "a\n",
        {"columns": ["de", "en"]},
        "`columns` must name one column for a file of lines, but names de, en; for parallel files give one a column, "
        'or a pattern as "train.{{column}}.gz"',
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, cache: Path, case: str) -> None:
    name, content, options, message = MISTAKES[case]
    file = tmp_path / name
    if content is None:
        written(tmp_path / "words.csv", "word\na\n")
        written(tmp_path / "words.tsv", "word\na\n")
    else:
        written(file, content)
    with pytest.raises(DataError) as error:
        read(file, **options)
    assert str(error.value) == message.format(file=file, folder=file.parent)
    assert not [each for each in cache.rglob("*") if each.is_file()]  # nothing half-written is left


def failure(read_it: Callable[[], Table]) -> str:
    with pytest.raises(DataError) as error:
        read_it()
    return str(error.value)


def test_unequal_numbers_of_lines_are_named(tmp_path: Path) -> None:
    files = {"de": written(tmp_path / "a.de", "eins\nzwei\n"), "en": written(tmp_path / "a.en", "one\ntwo\nthree\n")}
    assert failure(lambda: read(files)) == (
        f"parallel files must have equally many lines, but `{files['de']}` ends after line 2 and "
        f"`{files['en']}` goes on"
    )


@pytest.mark.parametrize("format", ["jsonl", "tsv", "csv", "lines"])
def test_a_truncated_gzip_file_is_named(tmp_path: Path, cache: Path, format: str) -> None:
    content = "".join(json.dumps({"n": os.urandom(20).hex()}) + "\n" for _ in range(3000)).encode()
    if format == "csv":
        content = content.replace(b'"', b"")
    file = tmp_path / "rows.gz"
    file.write_bytes(gzip.compress(content)[:20_000])
    options: dict[str, Any] = {"columns": ["n"], "header": False} if format in ("tsv", "csv") else {}
    message = failure(lambda: read(file, format=format, **options))
    assert message.startswith(f"`{file}` must be a whole gzip file, but ends in the middle of line ")
    assert message.endswith("; fetch or copy it again")
    assert 100 < int(message.split("line ")[1].split(";")[0]) < 3000
    assert not [each for each in cache.rglob("*") if each.is_file()]


def test_files_that_are_not_what_their_names_say(tmp_path: Path) -> None:
    file = tmp_path / "plain.txt.gz"
    file.write_text("plain\n")
    assert failure(lambda: read(file)) == (
        f"`{file}` must be a gzip file, since its name ends in .gz, but is broken at line 1 (Not a gzipped file "
        "(b'pl')); fetch or copy it again, or rename it if it is not compressed"
    )
    broken = written(tmp_path / "rows.parquet", "no parquet")
    assert failure(lambda: read(broken)).startswith(f"`{broken}` must be a Parquet file, but can't be read: ")
    pq.write_table(pa.table({"word": ["a"]}), tmp_path / "rows.parquet")
    assert failure(lambda: read(broken, columns=["wrd"])) == (f"`wrd` is no column of `{broken}`; there is only `word`")
    assert failure(lambda: read(tmp_path)) == (
        f"`{tmp_path}` must be a file, but is a folder; name a file, or say with `parts` which of its files to read, "
        'as in `parts: {train: "*.train", test: "*.test"}`'
    )


def test_values_that_no_table_can_keep_are_named(tmp_path: Path) -> None:
    file = written(tmp_path / "odd.jsonl", '{"text": "fine"}\n{"text": "\\ud800"}\n')
    assert failure(lambda: read(file)).startswith(f"`{file}`, lines 1 to 2: a value can't be kept: ")
    mixed = written(tmp_path / "mixed.jsonl", '{"x": [1]}\n{"x": ["a"]}\n')
    assert failure(lambda: read(mixed)).startswith(f"`{mixed}`, lines 1 to 2: a value can't be kept: ")
    late = written(tmp_path / "late.jsonl", '{"x": [1]}\n' * 4096 + '{"x": ["a"]}\n')
    assert failure(lambda: read(late)).startswith(f"a column of `{late}` must hold values of one type, but does not: ")


def test_a_column_that_a_table_lacks_is_named_with_the_nearest() -> None:
    table = Table.from_rows([{"word": "a", "phones": "AH"}])
    assert failure(lambda: table.column("wrod")) == (  # type: ignore[arg-type, return-value]
        "`wrod` is no column of memory; there are word, phones (nearest: `word`)"
    )
    assert failure(lambda: Table.from_rows([{"a": 1}, {"b": 1}])) == (
        "`rows` must have the same columns, but row 0 has ['a'] and row 1 ['b']"
    )


def test_a_table_says_where_its_file_is_now_and_not_where_an_equal_one_was(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "rows.tsv", tmp_path / "b" / "rows.tsv"
    for path in (first, second):
        path.parent.mkdir()
        path.write_text("word\tphones\na\tAH\nb\tB IY\n")
        os.utime(path, (1, 1))
    tables = [read(path) for path in (first, second)]
    for table, path in zip(tables, (first, second), strict=True):
        assert str(path) in table.origin
        assert str(path) in pickle.loads(pickle.dumps(table)).origin
