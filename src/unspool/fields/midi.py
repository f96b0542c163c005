"""MIDI files as steps of pitches, and back."""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from numbers import Real
from os import PathLike, fspath
from typing import Any

from unspool.errors import FieldError

LOWEST, HIGHEST = 0, 127
"""The pitches that MIDI numbers; 60 is the middle C."""

_FINEST = 480  # steps of a beat: the resolution that sequencers agree on
_DRUMS = 9  # the channel whose pitches are instruments
_VELOCITY = 80


def read_midi(path: str | PathLike[str], steps_per_beat: int = 1) -> list[list[int]]:
    """The pitches that sound at each step, from low to high.

    Steps are `1 / steps_per_beat` of a beat apart, the first at the start of the file, the last the last one at which
    anything sounds. A note sounds at a step if it sounds at the very start of it: it began there or before, and ends
    after. One that lies between two starts is not heard. The tempo does not matter. Drums (channel 10) are left out.

    Args:
        path: of a file of type 0 or 1.
        steps_per_beat: how many steps a beat is, at least 1. A beat is what the file says, as a rule a quarter.

    Raises:
        FieldError: a missing or broken file, one whose tracks follow no common beat, or `mido` is not installed.
    """
    check_steps_per_beat(steps_per_beat)
    mido = _mido(path)
    try:
        file = mido.MidiFile(fspath(path))
    except FileNotFoundError as error:
        raise FieldError(f"`{path}` must be a MIDI file, but is not there") from error
    except Exception as error:  # `mido` raises whatever its parser runs into
        raise FieldError(f"`{path}` must be a MIDI file, but can't be read: {type(error).__name__}: {error}") from error
    if file.type not in (0, 1) or file.ticks_per_beat <= 0:
        raise FieldError(
            f"`{path}` must be a MIDI file of type 0 or 1 that counts beats, but is of type {file.type} with "
            f"{file.ticks_per_beat} ticks a beat; save it again as type 1"
        )
    notes = [note for track in file.tracks for note in _notes(track)]
    # Whole numbers all along: a note that ends with a step must not sound at the next.
    spans = [
        (pitch, *(-(-time * steps_per_beat // file.ticks_per_beat) for time in (start, end)))
        for pitch, start, end in notes
    ]
    steps: list[set[int]] = [set() for _ in range(max((end for _, start, end in spans if start < end), default=0))]
    for pitch, start, end in spans:
        for step in range(start, end):
            steps[step].add(pitch)
    return [sorted(step) for step in steps]


def write_midi(
    path: str | PathLike[str], steps: Iterable[Sequence[int]], *, tempo: float = 90, steps_per_beat: int = 1
) -> None:
    """Write steps of pitches as a MIDI file of one track. `read_midi` gives them back, but for silence at the end.

    A pitch that comes in consecutive steps is one note, held.

    Args:
        path: of the file; what is there is overwritten.
        steps: the pitches of each step, from 0 to 127.
        tempo: beats a minute, from 4 to 1000.
        steps_per_beat: how many steps a beat is, from 1 to 480.

    Raises:
        FieldError: a pitch, tempo or number of steps out of range, or `mido` is not installed.
    """
    check_steps_per_beat(steps_per_beat)
    if not 4 <= tempo <= 1000:
        raise FieldError(f"`tempo` must be from 4 to 1000 beats a minute, but is {tempo}")
    pitches = whole_pitches(steps)
    mido = _mido(path)
    ticks = _FINEST // steps_per_beat
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo))])
    sounding: set[int] = set()
    waited = 0
    for step in [*map(set, pitches), set()]:
        for kind, changed in (("note_off", sounding - step), ("note_on", step - sounding)):
            for pitch in sorted(changed):
                track.append(mido.Message(kind, note=pitch, velocity=_VELOCITY, time=waited))
                waited = 0
        sounding, waited = step, waited + ticks
    mido.MidiFile(type=0, ticks_per_beat=ticks * steps_per_beat, tracks=[track]).save(fspath(path))


def whole_pitches(steps: object, lowest: int = LOWEST, highest: int = HIGHEST) -> list[list[int]]:
    """The pitches of each step from low to high, each once, without signs of silence: -1, NaN and None.

    Args:
        steps: a list, tuple or array of steps, each one of numbers.
        lowest, highest: the range that pitches must be in.

    Raises:
        FieldError: something else, or a pitch outside, with its step.
    """
    found = steps.tolist() if hasattr(steps, "tolist") else steps
    if isinstance(found, str | bytes) or not isinstance(found, Iterable):
        raise FieldError(f"music must be a list of steps, each a list of pitches, but is {_shown(steps)}")
    return [sorted(set(_of_step(step, number, lowest, highest))) for number, step in enumerate(found)]


def _of_step(step: object, number: int, lowest: int, highest: int) -> Iterator[int]:
    pitches = step.tolist() if hasattr(step, "tolist") else step
    if not isinstance(pitches, list | tuple | set | frozenset):
        raise FieldError(f"step {number} must be a list of pitches, but is {_shown(step)}; a silent one is []")
    for pitch in pitches:
        if pitch is None or pitch == -1 or pitch != pitch:
            continue
        if isinstance(pitch, bool) or not isinstance(pitch, Real) or not lowest <= float(pitch) <= highest:
            raise FieldError(
                f"`{pitch}` at step {number} must be a pitch from {lowest} to {highest}; transpose the music, "
                "or widen `lowest` and `highest`"
            )
        if float(pitch) != int(float(pitch)):
            raise FieldError(f"`{pitch}` at step {number} must be a whole number, a pitch as MIDI counts them")
        yield int(float(pitch))


def _notes(track: Iterable[Any]) -> Iterator[tuple[int, int, int]]:
    """Pitch, start and end of a track's notes, in ticks; what is not ended ends with the track.

    Of notes in unison each has an end of its own; but the last end before a key is struck anew ends all of them, since
    some were struck again before the key was let go.
    """
    keys: dict[tuple[int, int], list[tuple[int, bool]]] = defaultdict(list)
    now = 0
    for message in track:
        now += message.time
        if message.type in ("note_on", "note_off") and message.channel != _DRUMS:
            begins = message.type == "note_on" and message.velocity > 0
            keys[message.channel, message.note].append((now, begins))
    for (_, pitch), strokes in keys.items():
        started: list[int] = []
        for (time, begins), (_, then) in zip(strokes, [*strokes[1:], (now, True)], strict=True):
            if begins:
                started.append(time)
            elif started and not then:
                yield pitch, started.pop(), time
            elif started:
                yield pitch, started[0], time
                started.clear()
        yield from ((pitch, start, now) for start in started)


def check_steps_per_beat(steps_per_beat: object) -> None:
    whole = isinstance(steps_per_beat, int) and not isinstance(steps_per_beat, bool)
    if not whole or not 1 <= steps_per_beat <= _FINEST:  # type: ignore[operator]
        raise FieldError(f"`steps_per_beat` must be a whole number from 1 to {_FINEST}, but is {steps_per_beat!r}")


def _mido(path: str | PathLike[str]) -> Any:
    try:
        return importlib.import_module("mido")
    except ImportError as error:
        raise FieldError(f"`{path}` needs the package `mido`; pip install 'unspool[music]'") from error


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
