"""Scores in MusicXML: what sounds at each step."""

import io
import zipfile
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.scores import Note, compressed_score, sampled, score_parts


def note(step: str, octave: int, length: int, more: str = "", alter: str = "") -> str:
    alter = alter and f"<alter>{alter}</alter>"
    return f"<note>{more}<pitch><step>{step}</step>{alter}<octave>{octave}</octave></pitch>{time(length)}</note>"


def time(length: int) -> str:
    return f"<duration>{length}</duration>"


def score(*parts: str) -> bytes:
    inside = "".join(f'<part id="P{number}">{part}</part>' for number, part in enumerate(parts))
    return f"<?xml version='1.0'?><score-partwise>{inside}</score-partwise>".encode()


FOUR = "<attributes><divisions>4</divisions></attributes>"
HIGH = (
    f"<measure>{FOUR}{note('C', 5, 4)}</measure>"
    f"<measure>{note('B', 4, 2, alter='-1')}{note('A', 4, 6)}<note><rest/>{time(4)}</note></measure>"
    f"<measure><attributes><divisions>2</divisions></attributes>{note('F', 4, 2, alter='1')}</measure>"
)


def test_notes_follow_each_other_in_the_time_of_their_divisions() -> None:
    (notes,) = score_parts(score(HIGH))
    quarters = [(0, 1, 72), (1, "3/2", 70), ("3/2", 3, 69), (4, 5, 66)]
    assert notes == [Note(Fraction(begin), Fraction(end), pitch) for begin, end, pitch in quarters]
    assert sampled([notes]) == [[72], [70], [69], [], [66]]
    assert sampled([notes], Fraction(1, 2)) == [[72], [72], [70], [69], [69], [69], [], [], [66], [66]]


def test_chords_ornaments_and_voices_that_go_back_are_in_their_place() -> None:
    ornament = "<note><grace/><pitch><step>D</step><octave>5</octave></pitch></note>"
    both = (
        f"<measure>{FOUR}{ornament}{note('C', 5, 8)}{note('E', 5, 8, '<chord/>')}<backup>{time(8)}</backup>"
        f"<forward>{time(4)}</forward>{note('G', 3, 4)}<backup>{time(4)}</backup></measure>"
        f"<measure>{note('C', 4, 4)}</measure>"
    )
    assert sampled(score_parts(score(both))) == [[72, 76], [72, 76, 55], [60]]


def test_parts_stand_one_after_another_and_may_be_transposed() -> None:
    transpose = "<transpose><chromatic>-2</chromatic><octave-change>-1</octave-change></transpose>"
    low = f"<measure><attributes><divisions>1</divisions>{transpose}</attributes>{note('C', 4, 2)}</measure>"
    assert sampled(score_parts(score(HIGH, low)))[:3] == [[72, 46], [70, 46], [69]]
    assert sampled([]) == []


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9), st.integers(0, 127)), max_size=8), st.integers(1, 5))
def test_a_step_has_what_sounds_at_its_time(rows: list[tuple[int, int, int]], quarter: int) -> None:
    notes = [Note(Fraction(begin, 4), Fraction(begin + length, 4), pitch) for begin, length, pitch in rows]
    step = Fraction(quarter, 4)
    steps = sampled([notes], step)
    for place, pitches in enumerate([*steps, []]):
        assert pitches == [note.pitch for note in notes if note.begin <= place * step < note.end]


@pytest.mark.parametrize("name", ["bwv1.xml", "score.musicxml"])
def test_a_compressed_score_is_unpacked(name: str) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
        archive.writestr(name, score(HIGH))
    assert compressed_score(content.getvalue()) == score(HIGH)
