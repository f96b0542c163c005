"""Music as a piano roll, and as MIDI files."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unspool.errors import FieldError
from unspool.fields.midi import read_midi, write_midi
from unspool.fields.notes import NotesField

mido = pytest.importorskip("mido")

CHORALES = Path(__file__).parents[4] / "shared" / "data" / "compose" / "jsb-chorales-quarter.json"
PIECE = [[48, 60], [48, 60], [], [60], [48, 60, 64]]
pieces = st.lists(st.sets(st.integers(21, 108), max_size=5).map(sorted), max_size=8)


@given(pieces)
def test_music_comes_back_as_a_list_and_as_json(piece: list[list[int]]) -> None:
    field = NotesField()
    roll = field.encode(piece)
    assert roll.shape == (len(piece), 88)
    assert roll.dtype == torch.float32
    assert [(torch.nonzero(row).flatten() + 21).tolist() for row in roll] == piece
    assert field.decode(roll) == piece
    assert torch.equal(field.encode(json.dumps(piece)), roll)
    again = NotesField.from_json(json.loads(json.dumps(field.to_json())))
    assert torch.equal(again.encode(piece), roll)


def test_silence_and_order_and_repetition_do_not_matter() -> None:
    field = NotesField(60, 72, steps_per_beat=2)
    assert field.decode(field.encode([[67.0, 60, -1, 60], [float("nan"), None], []])) == [[60, 67], [], []]
    assert field.decode(field.encode("[[67, 60, -1], [NaN, null], []]")) == [[60, 67], [], []]
    assert field.decode(field.encode(torch.tensor([[67, 60], [-1, 72]]))) == [[60, 67], [72]]
    assert field.decode(field.encode([np.array([67.0, np.nan]), list(np.array([60, -1]))])) == [[67], [60]]
    assert repr(field) == "NotesField(60, 72, steps_per_beat=2)"
    assert (len(field), bool(field)) == (13, True)


def test_what_is_likelier_than_not_is_decoded() -> None:
    assert NotesField(60, 62).decode(torch.tensor([[0.4, 0.6, 0.5]])) == [[61]]


@given(piece=pieces, steps_per_beat=st.sampled_from([1, 2, 4, 7, 480]))
def test_a_written_file_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, piece: list[list[int]], steps_per_beat: int
) -> None:
    path = tmp_path_factory.mktemp("midi") / "piece.mid"
    write_midi(path, piece, steps_per_beat=steps_per_beat)
    while piece and not piece[-1]:
        piece = piece[:-1]
    assert read_midi(path, steps_per_beat) == piece
    field = NotesField(steps_per_beat=steps_per_beat)
    assert field.decode(field.encode(path)) == field.decode(field.encode(f" {path}")) == piece


def test_equal_pitches_of_consecutive_steps_are_one_held_note(tmp_path: Path) -> None:
    write_midi(tmp_path / "piece.mid", PIECE, tempo=120, steps_per_beat=2)
    file = mido.MidiFile(tmp_path / "piece.mid")
    assert file.length == pytest.approx(len(PIECE) * 0.5 / 2)
    assert [message.tempo for message in file.tracks[0] if message.type == "set_tempo"] == [500_000]
    now, heard = 0, []
    for message in file.tracks[0]:
        now += message.time
        if message.type in ("note_on", "note_off"):
            heard.append((message.type, message.note, now / file.ticks_per_beat))
    assert heard == [
        ("note_on", 48, 0),
        ("note_on", 60, 0),
        ("note_off", 48, 1),
        ("note_off", 60, 1),
        ("note_on", 60, 1.5),
        ("note_on", 48, 2),
        ("note_on", 64, 2),
        ("note_off", 48, 2.5),
        ("note_off", 60, 2.5),
        ("note_off", 64, 2.5),
    ]


def saved(path: Path, *tracks: Sequence[tuple[str, int, int, int]], kind: int = 1, ticks: int = 100) -> Path:
    """Messages as (kind, channel, pitch, ticks waited)."""
    made = [mido.MidiTrack([mido.Message(k, channel=c, note=n, time=t) for k, c, n, t in track]) for track in tracks]
    mido.MidiFile(type=kind, ticks_per_beat=ticks, tracks=made).save(path)
    return path


def test_a_note_sounds_at_the_steps_whose_start_it_sounds_at(tmp_path: Path) -> None:
    held = [("note_on", 0, 60, 0), ("note_off", 0, 60, 100), ("note_on", 0, 62, 0), ("note_off", 0, 62, 101)]
    between = [("note_on", 0, 40, 101), ("note_off", 0, 40, 98), ("note_on", 0, 41, 99), ("note_off", 0, 41, 3)]
    drums = [("note_on", 9, 35, 0), ("note_off", 9, 35, 900)]
    path = saved(tmp_path / "a.mid", held, between, drums)
    assert read_midi(path) == [[60], [62], [62], [41]]
    # At halves, so that the note from 101 to 199 sounds at 150.
    assert read_midi(path, 2) == [[60], [60], [62], [40, 62], [62], [], [41]]


def test_voices_in_unison_end_each_by_itself(tmp_path: Path) -> None:
    tenor = [("note_on", 0, 60, 0), ("note_off", 0, 60, 100)]
    alto = [("note_on", 0, 60, 0), ("note_off", 0, 60, 300)]
    assert read_midi(saved(tmp_path / "two.mid", tenor, alto)) == [[60]] * 3
    one = [("note_on", 0, 60, 0), ("note_on", 0, 60, 0), ("note_off", 0, 60, 100), ("note_off", 0, 60, 200)]
    assert read_midi(saved(tmp_path / "one.mid", one)) == [[60]] * 3
    running = [("note_on", 0, 60, 0), ("note_on", 0, 62, 200)]
    assert read_midi(saved(tmp_path / "open.mid", [*running, ("note_off", 0, 62, 100)])) == [[60], [60], [60, 62]]


def test_a_key_that_is_struck_again_before_it_is_let_go_is_silent_afterwards(tmp_path: Path) -> None:
    again = [("note_on", 0, 60, 0), ("note_on", 0, 60, 100), ("note_off", 0, 60, 100)]
    later = [("note_on", 0, 62, 200), ("note_off", 0, 62, 100)]
    assert read_midi(saved(tmp_path / "a.mid", again + later)) == [[60], [60], [], [], [62]]
    once_more = [("note_on", 0, 60, 100), ("note_off", 0, 60, 100)]
    assert read_midi(saved(tmp_path / "b.mid", again + once_more)) == [[60], [60], [], [60]]


def test_a_note_without_velocity_ends_one(tmp_path: Path) -> None:
    track = mido.MidiTrack(
        [mido.Message("note_on", note=60, velocity=9, time=5), mido.Message("note_on", note=60, velocity=0, time=200)]
    )
    mido.MidiFile(ticks_per_beat=100, tracks=[track]).save(tmp_path / "a.mid")
    assert read_midi(tmp_path / "a.mid") == [[], [60], [60]]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mido", None)
    with pytest.raises(FieldError) as error:
        NotesField().encode("piece.mid")
    assert str(error.value) == "`piece.mid` needs the package `mido`; pip install 'unspool[music]'"


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match=r"`.*no\.mid` must be a MIDI file, but is not there"):
        read_midi(tmp_path / "no.mid")
    (tmp_path / "text.mid").write_text("la la la")
    with pytest.raises(FieldError, match=r"`.*text\.mid` must be a MIDI file, but can't be read: "):
        read_midi(tmp_path / "text.mid")
    path = saved(tmp_path / "two.mid", [("note_on", 0, 60, 0)], kind=2)
    with pytest.raises(FieldError, match="must be a MIDI file of type 0 or 1 that counts beats, but is of type 2 with"):
        read_midi(path)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            lambda: NotesField().encode([[60], [60, 110]]),
            "`110` at step 1 must be a pitch from 21 to 108; transpose the music, or widen `lowest` and `highest`",
        ),
        (lambda: NotesField().encode([["c"]]), "`c` at step 0 must be a pitch from 21 to 108"),
        (lambda: NotesField().encode([[True]]), "`True` at step 0 must be a pitch from 21 to 108"),
        (lambda: NotesField().encode([[60.5]]), "`60.5` at step 0 must be a whole number, a pitch as MIDI counts them"),
        (lambda: NotesField().encode([60]), "step 0 must be a list of pitches, but is 60; a silent one is []"),
        (lambda: NotesField().encode(60), "music must be a list of steps, each a list of pitches, but is 60"),
        (
            lambda: NotesField().encode("a b"),
            "music must be a path that ends in .mid or .midi, or JSON such as [[60, 64, 67], []], but is 'a b': Exp",
        ),
        (lambda: NotesField().fit([[], []]), "`values` must hold at least one step of music, but hold none"),
        (lambda: NotesField().decode(torch.zeros(3, 4)), "`encoded` must be a tensor of shape (steps, 88), but is (3,"),
        (lambda: NotesField(60, 50), "`lowest` and `highest` must be pitches from 0 to 127, the lower first, but are"),
        (lambda: NotesField(steps_per_beat=0), "`steps_per_beat` must be a whole number from 1 to 480, but is 0"),
        (
            lambda: NotesField.from_json({"kind": "notes"}),
            "`saved` must have the keys ['highest', 'kind', 'lowest', 's",
        ),
        (lambda: write_midi("a.mid", [], tempo=0), "`tempo` must be from 4 to 1000 beats a minute, but is 0"),
        (lambda: write_midi("a.mid", [[128]]), "`128` at step 0 must be a pitch from 0 to 127"),
    ],
)
def test_a_mistake_is_named(mistake: object, message: str) -> None:
    with pytest.raises(FieldError) as error:
        mistake()  # type: ignore[operator]
    assert str(error.value).startswith(message)


@pytest.mark.skipif(not CHORALES.is_file(), reason=f"the chorales are not in {CHORALES}")
def test_all_chorales_come_back(tmp_path: Path) -> None:
    parts = json.loads(CHORALES.read_text())
    field = NotesField()
    field.fit(parts["train"])
    for piece in (each for part in parts.values() for each in part):
        assert field.decode(field.encode(piece)) == [sorted(set(step)) for step in piece]
    write_midi(tmp_path / "chorale.mid", parts["test"][0])
    assert read_midi(tmp_path / "chorale.mid") == [sorted(step) for step in parts["test"][0]]
