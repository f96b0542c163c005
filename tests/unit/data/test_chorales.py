"""Music by part in one file of JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from unspool.data import load, read
from unspool.errors import DataError

MUSIC: dict[str, Any] = {
    "test": [[[60, -1, 55]]],
    "train": [[[74, 70, 65, 58], [], [74.0, 69.0]], [[60]], []],
    "more": "passed over",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "chorales.json"
    file.write_text(json.dumps(MUSIC))
    return file


def test_a_file_alone_has_the_parts_that_it_holds(file: Path) -> None:
    tables = load(path=file, format="chorales")
    assert {part: list(table) for part, table in tables.items()} == {
        "train": [
            {"notes": [[74, 70, 65, 58], [], [74, 69]], "name": "0"},
            {"notes": [[60]], "name": "1"},
            {"notes": [], "name": "2"},
        ],
        "test": [{"notes": [[60, -1, 55]], "name": "0"}],
    }


def test_columns_rows_and_cuts_are_as_of_any_file(file: Path) -> None:
    tables = load(path=file, format="chorales", columns={"music": "notes", "which": "part"}, rows={"test": {"name": 0}})
    assert list(tables["test"]) == [{"music": [[60, -1, 55]], "which": "test"}]
    cut = load(path=file, format="chorales", split={"by": "name", "valid": 0.5, "test": 0, "salt": "3"})
    assert list(cut) == ["train", "valid", "test"]
    assert len(cut["train"]) + len(cut["valid"]) == 3


def test_parts_may_name_files_and_take_what_is_their_own(file: Path) -> None:
    (file.parent / "more.json").write_text(json.dumps({"train": [[[1]]], "valid": [[[2]]]}))
    parts = {"train": ["chorales.json", "more.json"], "valid": "more.json"}
    tables = load(path=file.parent, format="chorales", columns=["notes"], parts=parts)
    assert list(tables["train"].column("notes"))[1:] == [[[60]], [], [[1]]]
    assert list(tables["valid"]) == [{"notes": [[2]]}]
    with pytest.raises(DataError) as error:
        load(path=file.parent, format="chorales", parts={"train": "more.json", "test": "more.json"})
    assert str(error.value) == f"`test` must have a row in `{file.parent}/more.json`, but has none there"


def test_read_gives_all_with_their_part(file: Path) -> None:
    table = read(file, format="chorales")
    assert list(zip(table.column("name"), table.column("part"), strict=True)) == [
        ("0", "train"),
        ("1", "train"),
        ("2", "train"),
        ("0", "test"),
    ]


FORM = '`{"train": [[[74, 70, 65, 58], [74, 69, 65]], …], "valid": …, "test": …}`'
MISTAKES = {
    "no JSON": ('{"train":\n [[[1, 2]]', f"`FILE`, line 2: a file must be JSON, as {FORM}, but is not: Expecting ',' "),
    "no object": ("[[[1]]]", f"`FILE` must hold lists of music by part, as {FORM}, but holds `[[[1]]]`"),
    "no part": ('{"a": [1]}', f'`FILE` must hold lists of music by part, as {FORM}, but holds `{{"a": [1]}}`'),
    "no list": ('{"train": 3}', f"`train` in `FILE` must be a list of pieces, as {FORM}, but is `3`"),
    "no piece": (
        '{"train": [[], null]}',
        "piece 1 of `train` in `FILE` must be a list of steps, as `[[74, 70, 65], [74, 69]]`, but is `null`",
    ),
    "no step": (
        '{"train": [[[1], 60]]}',
        "step 1 of piece 0 of `train` in `FILE` must be a list of pitches from 0 to 127, or -1 for silence, but is "
        "`60`",
    ),
    **{
        f"no pitch: {pitch}": (
            f'{{"train": [[[{pitch}]]]}}',
            "step 0 of piece 0 of `train` in `FILE` must be a list of pitches from 0 to 127, or -1 for silence, but is "
            f"`[{pitch}]`",
        )
        for pitch in ("128", "-2", "60.5", "true", '"A"', "NaN")
    },
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, case: str) -> None:
    content, message = MISTAKES[case]
    file = tmp_path / "music.json"
    file.write_text(content)
    with pytest.raises(DataError) as error:
        load(path=file, format="chorales")
    assert str(error.value).startswith(message.replace("FILE", str(file)))
