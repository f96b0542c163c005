"""Rows that are files: found by a pattern, in natural order, wherever they lie; and columns that name files."""

import itertools
import os
from pathlib import Path
from typing import Any

import pytest

from unspool.data import load, read
from unspool.errors import DataError

PATTERN = "recordings/{digit}_{speaker}_{take}.wav"
TAKES = (0, 1, 2, 10, 11, 20)


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    folder = tmp_path / "spoken"
    (folder / "recordings").mkdir(parents=True)
    for digit in range(10):
        for take in TAKES:
            (folder / "recordings" / f"{digit}_george_{take}.wav").write_bytes(b"sound")
    (folder / "recordings" / ".0_george_3.wav").write_bytes(b"hidden")
    (folder / "recordings" / "README.md").write_text("no sound")
    return folder


def failure(**options: Any) -> str:
    with pytest.raises(DataError) as error:
        load(**options)
    return str(error.value)


def test_a_file_is_a_row_and_its_name_holds_columns_in_natural_order(spoken: Path) -> None:
    (table,) = load(path=spoken, format="files", parts={"train": PATTERN}).values()
    assert table.columns == ("file", "digit", "speaker", "take")
    assert [(row["digit"], row["take"]) for row in table] == [
        (str(digit), str(take)) for digit in range(10) for take in TAKES
    ]
    assert table[3] == {
        "file": f"{spoken}/recordings/0_george_10.wav",
        "digit": "0",
        "speaker": "george",
        "take": "10",
    }


def test_a_name_that_is_no_text_is_told(spoken: Path) -> None:
    file = os.fsencode(spoken / "recordings") + b"/7_jos\xe9_3.wav"
    Path(os.fsdecode(file)).touch()
    assert failure(path=spoken, format="files", parts={"train": PATTERN}) == (
        f"`{spoken}/recordings/7_jos\\xe9_3.wav` must have a name in UTF-8, but has another; rename it"
    )
    assert len(load(path=spoken, format="files", parts={"train": "recordings/0_*.wav"})["train"]) == len(TAKES)


def test_the_official_split_is_made_by_takes(spoken: Path) -> None:
    tables = load(
        path=spoken,
        format="files",
        columns={"sound": "file", "text": "digit"},
        parts={"train": PATTERN, "test": [PATTERN]},
        rows={"train": {"take": [2, 10, 11, 20]}, "test": {"take": [0, 1]}},
        values={"digit": {"zero": 0}},
        split={"by": "sound", "valid": 0.2, "test": 0},
    )
    assert list(tables) == ["train", "valid", "test"]
    assert len(tables["train"]) + len(tables["valid"]) == 40
    assert list(tables["test"])[:3] == [
        {"sound": f"{spoken}/recordings/{name}.wav", "text": text}
        for name, text in (("0_george_0", "zero"), ("0_george_1", "zero"), ("1_george_0", "1"))
    ]


def test_a_cut_by_file_is_the_same_wherever_the_files_are(spoken: Path) -> None:
    options: dict[str, Any] = {"format": "files", "split": {"by": "file", "valid": 0.3, "test": 0.2}}

    def names(folder: Path) -> dict[str, list[str]]:
        tables = load(path=folder, parts={"train": PATTERN}, **options)
        return {
            part: [os.path.relpath(file, folder) for file in table.column("file")] for part, table in tables.items()
        }

    before = names(spoken)
    assert len(before) == 3
    assert names(spoken.rename(spoken.parent / "moved")) == before


def test_another_content_is_another_table(spoken: Path) -> None:
    options: dict[str, Any] = {"path": spoken, "format": "files", "parts": {"train": PATTERN}}
    first = load(**options)["train"].key
    assert load(**options)["train"].key == first
    file = spoken / "recordings" / "0_george_0.wav"
    file.write_bytes(b"noise")  # of the same size
    os.utime(file, ns=(0, 0))
    second = load(**options)["train"].key
    file.write_bytes(b"another sound")
    os.utime(file, ns=(0, 0))
    assert len({first, second, load(**options)["train"].key}) == 3


@pytest.mark.parametrize(
    ("pattern", "columns", "found"),
    [
        ("*/{name}.png", ("name",), [("1",), ("2",), ("10",), ("dog-1",)]),
        ("{label}/{label}-{number}.png", ("label", "number"), [("dog", "1")]),
        ("{label}/?.png", ("label",), [("cat",), ("cat",)]),
        ("{a}{b}/1*.png", ("a", "b"), [("c", "at"), ("c", "at")]),
        ("[x]/{name}.png", ("name",), [("3",)]),
        ("dog/{first}{rest}.png", ("first", "rest"), [("d", "og-1")]),
    ],
)
def test_a_path_may_be_the_pattern(tmp_path: Path, pattern: str, columns: Any, found: Any) -> None:
    for name in ("cat/10.png", "cat/2.png", "cat/1.png", "dog/dog-1.png", "[x]/3.png", ".git/4.png", "cat/.5.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if not name.startswith("[x]") or "[x]" in pattern:
            (tmp_path / name).touch()
    (table,) = (
        load(path=tmp_path / pattern, format="files").values()
        if "[x]" not in pattern
        else load(path=tmp_path, format="files", parts={"train": pattern}).values()
    )
    assert table.columns == ("file", *columns)
    assert [tuple(row.values())[1:] for row in table] == found


MISTAKES: dict[str, tuple[str, str]] = {
    "nothing fits": (
        "recordings/{digit}-{take}.wav",
        '`parts.train` must match a file in `{folder}`, but "recordings/{{digit}}-{{take}}.wav" matches none; '
        "there are recordings/0_george_0.wav, recordings/0_george_1.wav, ",
    ),
    "a column": ("{column}.wav", '`{{column}}` stands for parallel files of lines, so "{{column}}.wav" must call'),
    "a file": ("{file}.wav", '`file` is the column of the files themselves, so "{{file}}.wav" must call another'),
    "no name": ("{1}.wav", '`{{1}}` in "{{1}}.wav" must hold a name of letters, digits and _, as `{{digit}}`'),
    "one brace": ("{a.wav", 'braces of a pattern must stand in pairs, as `{{digit}}`, but those of "{{a.wav" do not'),
    "the root": (
        "/a/{b}.wav",
        'a pattern must be as seen from the folder `path`, but "/a/{{b}}.wav" begins at the root',
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_wrong_pattern_is_one_clear_message(spoken: Path, case: str) -> None:
    pattern, message = MISTAKES[case]
    found = failure(path=spoken, format="files", parts={"train": pattern})
    assert found.startswith(message.format(folder=spoken))


def test_a_folder_alone_and_other_options_are_refused(spoken: Path) -> None:
    assert failure(path=spoken, format="files") == (
        f"`path` must hold a pattern where rows are files, as `{spoken}/{{label}}/{{name}}.png`, or be a folder with "
        f'`parts` that do, as in `parts: {{train: "train/{{label}}/*.png"}}`, but is `{spoken}`'
    )
    assert failure(path=spoken / "other" / "{a}.wav", format="files") == (
        f"`path` must be in a folder that exists, but `{spoken}/other` does not"
    )
    assert failure(path=spoken / "a.wav", format="files", parts={"train": "{a}.wav"}) == (
        f"`path` must be a folder where `parts` names its files, but `{spoken}/a.wav` is not"
    )
    assert failure(path=spoken, format="files", parts={"tset": "{a}.wav"}) == (
        "`tset` is no part; there are train, valid, test (nearest: `test`)"
    )
    assert failure(path=spoken, format="files", parts={"test": "{a}.wav"}) == (
        "`parts` must name the files of `train`, but names only test"
    )
    assert failure(path=spoken, format="files", parts={"train": PATTERN}, columns=["file", "dgit"]) == (
        f'`dgit` is no column of "{PATTERN}"; there are file, digit, speaker, take (nearest: `digit`)'
    )
    with pytest.raises(DataError) as error:
        read(spoken / "recordings" / "0_george_0.wav", format="files")
    assert str(error.value) == (
        "`format` files is of a folder that `load` reads, not of one file, but `path` is "
        f"`{spoken}/recordings/0_george_0.wav`"
    )


@pytest.fixture
def captioned(tmp_path: Path) -> Path:
    folder = tmp_path / "flickr"
    (folder / "images").mkdir(parents=True)
    rows = [(f"{number}.jpg", f"caption {each}, of {number}") for number in range(40) for each in range(2)]
    (folder / "captions.txt").write_text("image,caption\n" + "".join(f'{name},"{text}"\n' for name, text in rows))
    for number in range(40):
        (folder / "images" / f"{number}.jpg").write_bytes(b"picture")
    return folder


def captions(folder: Path, **more: Any) -> dict[str, Any]:
    options = {"columns": {"picture": "image", "text": "caption"}, "files": {"picture": "images"}}
    return {"path": folder / "captions.txt", "format": "csv", **options, **more}


def test_a_column_that_names_files_gets_their_paths(captioned: Path) -> None:
    tables = load(**captions(captioned, split={"by": "picture", "valid": 0.2, "test": 0.2}))
    assert {part: table.columns for part, table in tables.items()} == dict.fromkeys(tables, ("picture", "text"))
    pictures = {part: list(table.column("picture")) for part, table in tables.items()}
    assert sorted(itertools.chain(*pictures.values())) == sorted(
        f"{captioned}/images/{number}.jpg" for number in range(40) for _ in range(2)
    )
    assert not set(pictures["train"]) & set(pictures["test"])
    moved = captioned.rename(captioned.parent / "moved")
    again = load(**captions(moved, split={"by": "picture", "valid": 0.2, "test": 0.2}))
    assert [Path(each).name for each in again["test"].column("picture")] == [
        Path(each).name for each in pictures["test"]
    ]


def test_absolute_names_and_empty_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "rows.jsonl").write_text(f'{{"image": "{tmp_path}/a.png"}}\n{{"image": null}}\n{{"image": "a.png"}}\n')
    (table,) = load(path=tmp_path / "rows.jsonl", files={"image": ""}).values()
    assert list(table.column("image")) == [f"{tmp_path}/a.png", None, f"{tmp_path}/a.png"]


def test_a_picture_of_a_clip_that_is_written_anew_makes_another_table(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "1.png").write_bytes(b"light")
    (tmp_path / "rows.jsonl").write_text('{"frames": "clip"}\n')

    def key() -> str:
        (table,) = load(path=tmp_path / "rows.jsonl", files={"frames": ""}).values()
        return table.key

    first = key()
    assert key() == first
    (tmp_path / "clip" / "1.png").write_bytes(b"dark")
    assert key() != first


def test_missing_files_are_named_and_counted_even_where_the_table_is_in_the_cache(captioned: Path) -> None:
    load(**captions(captioned))
    for number in (3, 5, 7, 11):
        (captioned / "images" / f"{number}.jpg").unlink()
    assert failure(**captions(captioned)) == (
        f"`picture` of `{captioned}/captions.txt` must name files in `{captioned}/images`, but 4 of 40 are not there: "
        "3.jpg, 5.jpg, 7.jpg and 1 more"
    )
    assert failure(**captions(captioned, files={"image": "images"})) == (
        f"`image` of `files` is no column of `{captioned}/captions.txt` that is taken; there are picture, text "
        "(nearest: `picture`)"
    )


def test_columns_of_something_else_do_not_name_files(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"image": 3}\n')
    assert failure(path=tmp_path / "rows.jsonl", files={"image": ""}) == (
        f"`image` of `files` must be a column of names of files, but `{tmp_path}/rows.jsonl` has 3 in it"
    )
    assert failure(source="cmudict", files={"word": ""}) == (
        "`files` must be in a folder `path`, but a source says where its own are; leave it out"
    )
