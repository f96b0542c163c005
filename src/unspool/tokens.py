"""Where sequences of tokens begin and end."""

import torch

from unspool.layout import Layout
from unspool.ragged import Ragged

UNKNOWN, START, END = 0, 1, 2
"""The ids `<unk>`, `<s>` and `</s>` that every vocabulary keeps; its own entries come after them."""


def with_start(tokens: Ragged) -> Ragged:
    """The sequences after a start token: what a decoder reads. (total,) -> (total + batch,)"""
    return _longer(tokens, START, first=True)


def with_end(tokens: Ragged) -> Ragged:
    """The sequences before an end token: what a decoder should give. (total,) -> (total + batch,)"""
    return _longer(tokens, END, first=False)


def _longer(tokens: Ragged, token: int, *, first: bool) -> Ragged:
    lengths = tokens.lengths + 1
    layout = Layout(lengths)
    ends = layout.offsets[:-1] if first else layout.offsets[1:] - 1
    real = torch.ones(layout.total, dtype=torch.bool)
    real[ends] = False
    values = tokens.values.new_full((layout.total,), token)
    values[real.to(values.device)] = tokens.values
    return Ragged(values, lengths, tokens.ids)
