"""Scores in MusicXML, as the pitches that sound at each step."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


class Note(NamedTuple):
    """A pitch as MIDI numbers it, and from when to when it sounds, in quarters from the begin."""

    begin: Fraction
    end: Fraction
    pitch: int


def compressed_score(content: bytes) -> bytes:
    """The MusicXML in a compressed file (`.mxl`)."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        name = next(name for name in archive.namelist() if not name.startswith("META-INF/") and "xml" in name)
        return archive.read(name)


def score_parts(content: bytes) -> list[list[Note]]:
    """The notes of each part of a score in MusicXML, in its order; ornaments without a duration are left out.

    Repeats are not played twice. A tie is two notes, the second where the first ends.
    """
    return [list(_notes(part)) for part in ElementTree.fromstring(content).iter("part")]


def sampled(parts: Sequence[Sequence[Note]], step: Fraction = Fraction(1)) -> list[list[int]]:
    """The pitches that sound at 0, 1, 2, … steps, part after part. `step` is in quarters.

    Example:
        >>> high, low = [Note(Fraction(0), Fraction(3, 2), 72)], [Note(Fraction(0), Fraction(1), 60)]
        >>> sampled([high, low]), sampled([high, low], Fraction(1, 2))
        ([[72, 60], [72]], [[72, 60], [72, 60], [72]])
    """
    end = max((note.end for part in parts for note in part), default=Fraction(0))
    steps: list[list[int]] = [[] for _ in range(-int(-end // step))]
    for part in parts:
        for note in part:
            for place in range(-int(-note.begin // step), -int(-note.end // step)):
                steps[place].append(note.pitch)
    return steps


def _notes(part: ElementTree.Element) -> Iterator[Note]:
    """The notes of a part: what sounds together moves the time once, and voices of one staff go back in it."""
    divisions, transposed = 1, 0
    now = furthest = begin = Fraction(0)
    for measure in part.iter("measure"):
        now = furthest
        for each in measure:
            if each.tag == "attributes":
                divisions = int(each.findtext("divisions") or divisions)
                if (transpose := each.find("transpose")) is not None:
                    octaves = int(transpose.findtext("octave-change") or 0)
                    transposed = int(transpose.findtext("chromatic") or 0) + 12 * octaves
            length = Fraction(each.findtext("duration") or 0) / divisions
            if each.tag == "backup":
                now -= length
            elif each.tag == "forward":
                now += length
            elif each.tag == "note" and length:
                begin = begin if each.find("chord") is not None else now
                now = begin + length
                if (pitch := each.find("pitch")) is not None:
                    yield Note(begin, now, _number(pitch) + transposed)
            furthest = max(furthest, now)


def _number(pitch: ElementTree.Element) -> int:
    """C4, the middle of a piano, is 60."""
    octave, alter = int(pitch.findtext("octave") or 0), float(pitch.findtext("alter") or 0)
    return 12 * (octave + 1) + _SEMITONES[pitch.findtext("step") or "C"] + round(alter)
