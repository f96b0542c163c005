"""The synthetic clips: what is said of each can be seen in it, and no digit is in two parts."""

import hashlib
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from unspool.arrays import resolve
from unspool.data import NAMED, load
from unspool.data.motions import ACTIONS, CLIPS, COLUMNS, SHA256, Clip, clips
from unspool.errors import DataError
from unspool.fields import VideoField

ALL = {part: list(clips(part)) for part in CLIPS}
DIGITS = load_digits()
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def sizes_of_steps(clip: Clip) -> tuple[NDArray[np.float64], float]:
    """How far the digit goes from picture to picture, down and right, by the best shift; and the worst error."""
    found, worst = [], 0.0
    for before, after in pairwise(np.pad(clip.frames.astype(float), ((0, 0), (5, 5), (5, 5)))):
        inside = slice(9, -9)  # what a shift of 4 leaves of a picture that may lose 4 pixels at its edges
        errors = {
            (down, right): np.abs(np.roll(before, (down, right), (0, 1)) - after)[inside, inside].mean()
            for down in range(-4, 5)
            for right in range(-4, 5)
        }
        best = min(errors, key=lambda way: (errors[way], abs(way[0]) + abs(way[1])))
        found.append(best)
        worst = max(worst, errors[best])
    return np.array(found, float), worst


def seen(clip: Clip) -> tuple[str, str]:
    """What a viewer makes of a clip: the action and the pace, by how the digit goes from picture to picture."""
    steps, worst = sizes_of_steps(clip)
    assert worst < 2, "one digit moves, and does not change"
    if not steps.any():
        return "stays", ""
    turned = sum(one[1] * two[0] - one[0] * two[1] for one, two in pairwise(steps))
    (down, right), size = steps.mean(0), np.hypot(*steps.T).mean()
    if steps.any(0).all():
        return "clockwise" if turned > 0 else "anticlockwise", "quickly" if size > 2 else "slowly"
    way = ("up" if down < 0 else "down") if down else ("left" if right < 0 else "right")
    return way, "quickly" if size > 1 else "slowly"


def test_what_is_said_of_a_clip_can_be_seen_in_it() -> None:
    for clip in [clip for made in ALL.values() for clip in made[:14]]:
        action, pace = seen(clip)
        assert clip.action == action
        moves = {"stays": "stays"}.get(action) or f"{'turns' if 'clock' in action else 'moves'} {action} {pace}"
        word = WORDS[DIGITS.target[clip.subject]]
        assert clip.text == f"{'an' if word == 'eight' else 'a'} {word} {moves}"


def test_the_digit_is_one_of_scikit_learns() -> None:
    whole = [clip for clip in ALL["train"][:100] if clip.action == "stays"]
    matched = 0
    for clip in whole:
        digit = DIGITS.images[clip.subject].repeat(2, 0).repeat(2, 1)
        picture = np.pad(clip.frames[0].astype(float), 4)
        windows = np.lib.stride_tricks.sliding_window_view(picture, digit.shape)
        shares = [np.corrcoef(window.ravel(), digit.ravel())[0, 1] for row in windows for window in row if window.any()]
        matched += max(shares) > 0.999
    assert matched > len(whole) // 3  # others lose a little of it beyond an edge


def test_parts_have_their_sizes_and_share_no_digit() -> None:
    assert {part: len(made) for part, made in ALL.items()} == CLIPS
    subjects = [{clip.subject for clip in made} for made in ALL.values()]
    assert not any(one & other for one, other in pairwise([*subjects, subjects[0]]))
    for made in ALL.values():
        counts = Counter(clip.action for clip in made)
        assert set(counts) == set(ACTIONS)
        assert max(counts.values()) - min(counts.values()) <= 1
        assert {word for clip in made for word in clip.text.split() if word in WORDS} == set(WORDS)


def test_clips_are_of_different_lengths_that_tell_nothing() -> None:
    lengths: dict[str, list[int]] = {}
    for clip in ALL["train"]:
        assert clip.frames.shape[1:] == (32, 32)
        assert clip.frames.dtype == np.uint8
        lengths.setdefault(clip.action, []).append(len(clip.frames))
    assert all(set(found) == set(range(10, 17)) for found in lengths.values())
    assert all(abs(np.mean(found) - 13) < 0.5 for found in lengths.values())


def test_the_pinned_hash_names_what_is_made() -> None:
    digest = hashlib.sha256()
    for part, made in ALL.items():
        for clip in made:
            digest.update(f"{part} {clip.text} {clip.action} {clip.subject} {clip.frames.shape}\n".encode())
            digest.update(clip.frames.tobytes())
    assert digest.hexdigest() == SHA256, "the generator was changed: so must SHA256 be"


def test_they_are_a_source_whose_rows_refer_to_pictures(cache: Path) -> None:
    tables = load(source="motions")
    assert {part: len(table) for part, table in tables.items()} == CLIPS
    for part, table in tables.items():
        assert table.columns == COLUMNS
        for number in (0, len(table) - 1):
            row, clip = table[number], ALL[part][number]
            assert (row["text"], row["action"], row["subject"]) == (clip.text, clip.action, str(clip.subject))
            assert re.fullmatch(r".*/motions\.npz::frames::\d+:\d+", row["frames"])
            assert str(cache) in row["frames"]
            assert np.array_equal(resolve(row["frames"]), clip.frames)
    assert VideoField(height=32, width=32).encode(row["frames"]).shape == (len(clip.frames), 1, 32, 32)
    ids = [name for table in tables.values() for name in table.column("ids")]
    assert len(set(ids)) == sum(CLIPS.values())
    assert NAMED["motions"].columns == COLUMNS


def test_columns_may_be_called_otherwise_and_must_be_there() -> None:
    table = load(source="motions", columns={"clip": "frames", "what": "action"})["test"]
    assert table.columns == ("clip", "what")
    with pytest.raises(DataError) as error:
        load(source="motions", columns=["frames", "actoin"])
    assert str(error.value) == (
        "`actoin` is no column of `motions`; there are frames, text, action, subject, ids (nearest: `action`)"
    )
