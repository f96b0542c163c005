"""Music as notes one after another."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unspool.errors import FieldError
from unspool.fields.chords import NEXT, ChordsField
from unspool.fields.notes import NotesField
from unspool.tokens import END, START, UNKNOWN

CHORALES = Path(__file__).parents[4] / "shared" / "data" / "compose" / "jsb-chorales-quarter.json"


@given(st.lists(st.sets(st.integers(21, 108), max_size=5).map(sorted), max_size=8))
def test_music_comes_back(piece: list[list[int]]) -> None:
    field = ChordsField()
    encoded = field.encode(piece)
    assert encoded.dtype == torch.int64
    assert encoded.tolist() == [i for step in piece for i in [*(p - 17 for p in reversed(step)), 3]]
    assert field.decode(encoded) == piece == NotesField().decode(NotesField().encode(piece))
    assert field.steps(encoded) == len(piece)
    again = ChordsField.from_json(json.loads(json.dumps(field.to_json())))
    assert torch.equal(again.encode(json.dumps(piece)), encoded)


def test_ids_are_laid_out_as_those_of_a_text() -> None:
    field = ChordsField(60, 61)
    assert (UNKNOWN, START, END, NEXT) == (0, 1, 2, 3)
    assert field.encode([[60, 61]]).tolist() == [5, 4, 3]
    assert len(field) == 6
    assert len(ChordsField()) == 92


def test_start_end_and_unknown_are_left_out_and_a_step_may_be_unfinished() -> None:
    field = ChordsField(60, 64)
    ids = torch.tensor([START, 8, UNKNOWN, 4, 4, NEXT, NEXT, 6, END])
    assert field.decode(ids) == [[60, 64], [], [62]]
    assert field.steps(ids) == 3
    assert field.decode(torch.tensor([], dtype=torch.int64)) == []


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: ChordsField(60, 64).encode([[], [59]]), "`59` at step 1 must be a pitch from 60 to 64"),
        (
            lambda: ChordsField(60, 64).decode(torch.tensor([9])),
            "`encoded` must hold ids from 0 to 8, but holds 9; is it another field's?",
        ),
        (
            lambda: ChordsField().decode(torch.zeros(2, 3)),
            "`encoded` must be one row of ids, (length,) of whole numbers, but is (2, 3) of torch.float32",
        ),
        (lambda: ChordsField().fit([]), "`values` must hold at least one step of music, but hold none"),
    ],
)
def test_a_mistake_is_named(mistake: object, message: str) -> None:
    with pytest.raises(FieldError) as error:
        mistake()  # type: ignore[operator]
    assert str(error.value).startswith(message)


@pytest.mark.skipif(not CHORALES.is_file(), reason=f"the chorales are not in {CHORALES}")
def test_all_chorales_come_back() -> None:
    field = ChordsField()
    for part in json.loads(CHORALES.read_text()).values():
        for piece in part:
            assert field.decode(field.encode(piece)) == [sorted(set(step)) for step in piece]
