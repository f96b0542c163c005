"""Sequences of lines taken apart: the second level of a two-level sequence."""

from __future__ import annotations

import torch
from torch import Tensor

from unspool.ragged import Ragged
from unspool.tokens import END


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
