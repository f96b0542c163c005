"""A long text read at several places at once: everything once, in order, from any cursor on."""

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unspool import Ragged
from unspool.data import Cursor, Streams
from unspool.errors import DataError


@settings(deadline=None, derandomize=True)
@given(length=st.integers(2, 60), streams=st.integers(1, 9), steps=st.integers(1, 20))
def test_every_step_but_the_first_is_told_once_from_the_one_before_it(length: int, streams: int, steps: int) -> None:
    found = Streams(torch.arange(length), streams=streams, steps=steps)
    pieces = list(found.epoch())
    inputs, targets = (Ragged.join([piece[name] for piece in pieces]) for name in ("inputs", "targets"))
    assert targets.values.tolist() == list(range(1, length))
    assert torch.equal(inputs.values + 1, targets.values)
    assert int(targets.lengths.max() - targets.lengths.min()) <= 1
    assert (len(pieces), found.targets, sum(len(piece["targets"].values) for piece in pieces)) == (
        len(found), length - 1, length - 1
    )  # fmt: skip
    assert max(piece["inputs"].max_length for piece in pieces) <= steps
    assert [bool(piece["begins"].all()) for piece in pieces] == [True] + [False] * (len(pieces) - 1)
    assert not any(piece["begins"].any() for piece in pieces[1:])


def test_it_goes_on_from_any_cursor_also_through_json(tmp_path: Path) -> None:
    np.save(tmp_path / "text.npy", np.arange(50, dtype=np.int32))
    streams = Streams(np.load(tmp_path / "text.npy", mmap_mode="r"), streams=3, steps=7)
    assert (len(streams), streams.batches_in(4)) == (3, 3)
    whole = list(islice(streams.from_cursor(), 8))
    assert [tuple(cursor) for cursor, _ in whole] == [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    for number, (cursor, _) in enumerate(whole[:-1]):
        after, piece = next(streams.from_cursor(json.loads(json.dumps(cursor))))
        assert after == whole[number + 1][0]
        for name in ("inputs", "targets"):
            assert torch.equal(piece[name].values, whole[number + 1][1][name].values)
            assert piece[name].ids.tolist() == [0, 1, 2]


def test_a_piece_is_a_batch_that_can_be_cut_and_a_step_may_have_features() -> None:
    streams = Streams(torch.randn(21, 2), streams=4, steps=3)
    first, second = streams.piece(0).split(2)
    assert (first.ids.tolist(), second.ids.tolist()) == ([0, 1], [2, 3])
    assert first["inputs"].values.shape == (6, 2)
    assert second["begins"].tolist() == [True, True]


def test_what_can_be_no_streams_is_named() -> None:
    with pytest.raises(DataError) as error:
        Streams(torch.arange(1), streams=1, steps=1)
    assert str(error.value) == "`text` must have at least 2 steps, one to read and one to tell, but has 1"
    with pytest.raises(DataError, match=r"^`streams` must be at least 1, but is 0$"):
        Streams(torch.arange(9), streams=0, steps=1)
    with pytest.raises(DataError, match=r"^`steps` must be at least 1, but is -1$"):
        Streams(torch.arange(9), streams=1, steps=-1)
    with pytest.raises(DataError, match=r"^`cursor` must be a place in this order, but is \(0, 5\)"):
        next(Streams(torch.arange(9), streams=2, steps=1).from_cursor(Cursor(0, 5)))
    assert Streams(torch.arange(3), streams=9, steps=5).streams == 2
