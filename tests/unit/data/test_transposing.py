"""Music in other keys."""

from __future__ import annotations

import pytest

from unspool.data import Table, load
from unspool.data.transposing import transposed
from unspool.errors import DataError


def music(*pieces: object) -> Table:
    return Table.from_rows([{"notes": piece, "name": str(number)} for number, piece in enumerate(pieces)])


def test_every_piece_stands_in_its_keys_next_to_itself() -> None:
    tables = {"train": music([[60, 64], [-1, 62]], [[40], []]), "valid": music([[50]])}
    found = transposed(tables, column="notes", semitones=2)
    assert found["valid"] is tables["valid"]
    rows = list(found["train"])
    assert [row["name"] for row in rows] == ["0"] * 5 + ["1"] * 5
    for name, piece in (("0", [[60, 64], [-1, 62]]), ("1", [[40], []])):
        shifted = [row["notes"] for row in rows if row["name"] == name]
        for shift, told in zip((0, 1, 2, -1, -2), shifted, strict=True):
            assert told == [[each + shift if each >= 0 else each for each in step] for step in piece]


def test_a_key_beyond_the_pitches_of_midi_is_left_out() -> None:
    rows = list(transposed({"train": music([[126, 1]])}, column="notes", semitones=3)["train"])
    assert [row["notes"][0] for row in rows] == [[126, 1], [127, 2], [125, 0]]


def test_another_number_of_semitones_is_another_table() -> None:
    tables = {"train": music([[60]])}
    assert [len(transposed(tables, column="notes", semitones=count)["train"]) for count in (1, 2, 1)] == [3, 5, 3]


@pytest.mark.parametrize("piece", ["60 64", [60, 64], [[60.5]]])
def test_what_is_no_music_is_named(piece: object) -> None:
    with pytest.raises(DataError, match=r"^row 0 of `notes` in .* must be a list of steps of pitches to be transposed"):
        transposed({"train": music(piece)}, column="notes", semitones=1)


@pytest.mark.parametrize("semitones", [0, 13])
def test_more_than_an_octave_is_refused(semitones: int) -> None:
    with pytest.raises(DataError, match=f"`semitones` must be from 1 to 12, but is {semitones}"):
        transposed({"train": music([[60]])}, column="notes", semitones=semitones)


def test_load_transposes_the_training_part_alone(tmp_path) -> None:
    file = tmp_path / "music.json"
    file.write_text('{"train": [[[60], [62]]], "valid": [[[60]]], "test": [[[61]]]}')
    found = load(path=file, format="chorales", columns=["notes"], transpose={"column": "notes", "semitones": 1})
    assert {part: len(table) for part, table in found.items()} == {"train": 3, "valid": 1, "test": 1}
