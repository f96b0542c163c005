"""Every path through a few steps, one by one: what CTC's recursions must equal."""

from collections import defaultdict
from itertools import groupby, product
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from unspool import Ragged

BLANK = 1


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    """Repeats merged, then blanks dropped."""
    return tuple(token for token, _ in groupby(path) if token != BLANK)


def paths_of(steps: Tensor) -> dict[tuple[int, ...], list[tuple[Tensor, tuple[int, ...]]]]:
    """For each output the log-probability of every path that says it, and the path. (length, ids) ->"""
    found = defaultdict(list)
    for path in product(range(steps.shape[1]), repeat=len(steps)):
        total = sum((steps[time, token] for time, token in enumerate(path)), steps.new_zeros(()))
        found[collapsed(path)].append((total, path))
    return found


def outputs_of(steps: Tensor) -> dict[tuple[int, ...], float]:
    """The log-probability of each output, the best first."""
    summed = {
        output: float(torch.stack([total for total, _ in paths]).logsumexp(0))
        for output, paths in paths_of(steps).items()
    }
    return dict(sorted(summed.items(), key=lambda each: -each[1]))


@st.composite
def scores(draw: Any, ids: tuple[int, int] = (2, 4), longest: int = 4) -> Ragged:
    """A few sequences of random scores, sharp or flat, some of no step."""
    size, lengths = draw(st.integers(*ids)), draw(st.lists(st.integers(0, longest), max_size=4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    values = torch.randn(sum(lengths), size, dtype=torch.float64, generator=generator) * draw(
        st.sampled_from([0.5, 3.0])
    )
    return Ragged(values, torch.tensor(lengths, dtype=torch.int64), torch.arange(len(lengths)) * 7 + 3)


@st.composite
def cases(draw: Any) -> tuple[Ragged, Ragged]:
    """Scores and targets, some of which are empty, and some too long."""
    given = draw(scores())
    tokens = st.sampled_from([token for token in range(given.values.shape[1]) if token != BLANK])
    targets = [draw(st.lists(tokens, max_size=int(length) + 1)) for length in given.lengths]
    return given, ragged(targets)


def ragged(targets: list[list[int]]) -> Ragged:
    return Ragged(
        torch.tensor([token for target in targets for token in target], dtype=torch.int64),
        torch.tensor([len(target) for target in targets], dtype=torch.int64),
    )
