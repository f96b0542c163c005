"""Sequences of lines taken apart: the second level of a two-level sequence."""

from __future__ import annotations

import torch
from torch import Tensor

from unspool.layout import Layout
from unspool.ragged import Ragged
from unspool.tokens import END

_FACTOR = 0x5851F42D4C957F2D  # of Knuth's MMIX generator: odd, its bits well mixed


def lines_of(tokens: Ragged) -> tuple[Ragged, Tensor]:
    """The lines of each sequence, one after another, and how many each sequence has.

    Args:
        tokens: (total,) ids; an end token closes each line, and so ends every sequence.

    Returns:
        All lines with their ends, in order, as one batch whose ids are those of their sequences; and (batch,) counts.

    Example:
        >>> lines, counts = lines_of(Ragged(torch.tensor([5, 6, 2, 7, 2, 2]), lengths=[5, 1]))
        >>> lines.lengths, counts
        (tensor([3, 2, 1]), tensor([2, 1]))
    """
    last = (tokens.values == END).nonzero().flatten().cpu()
    lengths = torch.diff(last, prepend=torch.full((1,), -1))
    rows = tokens.layout.on(torch.device("cpu"), "rows")[last]
    counts = torch.bincount(rows, minlength=tokens.batch_size)
    return Ragged(tokens.values, lengths, tokens.ids[rows]), counts


def distinct(lines: Ragged) -> tuple[Ragged, Tensor]:
    """Every line once, and which of them each is: so that what many stories say is read once.

    A line's id becomes a hash of its tokens, and so its random masks belong to what it says, whoever says it. In a
    batch of questions about stories a quarter to a half of the lines is left.

    Args:
        lines: (total,) ids.

    Returns:
        The lines that differ, and for each of `lines` (count,) the place of its like among them.

    Example:
        >>> found, place = distinct(Ragged(torch.tensor([5, 6, 7, 5, 6]), lengths=[2, 1, 2]))
        >>> found.batch_size, [found.split()[i].tolist() for i in place]
        (2, [[5, 6], [7], [5, 6]])
    """
    keys = _hashes(lines)
    ids, place = keys.unique(return_inverse=True)
    first = torch.full((len(ids),), len(keys)).scatter_reduce(0, place, torch.arange(len(keys)), "amin")
    found = lines.select(first)
    if not _same(lines, found, place):  # two lines of one hash, which hardly ever happens
        return Ragged(lines.values, lines.lengths, keys), torch.arange(len(keys))
    return Ragged(found.values, found.lengths, ids), place


def _hashes(lines: Ragged) -> Tensor:
    """(count,) a polynomial in a large odd number, modulo 2^64."""
    tokens, layout = lines.values.cpu(), lines.layout
    powers = torch.full((layout.max_length + 1,), _FACTOR).cumprod(0)
    terms = (tokens + 1) * powers[layout.steps]
    return powers[lines.lengths].index_add(0, layout.rows, terms)


def _same(lines: Ragged, found: Ragged, place: Tensor) -> bool:
    if not torch.equal(found.lengths[place], lines.lengths):
        return False
    layout: Layout = lines.layout
    like = found.layout.offsets[place][layout.rows] + layout.steps
    return torch.equal(found.values[like.to(found.device)], lines.values)
