"""The hidden state at each sequence's own end, where a kernel's own end is another."""

import torch
from torch import Tensor

from unspool.ragged import Ragged


def own_ends(outputs: Ragged, initial: Tensor) -> Tensor:
    """The last output of each sequence; the initial state of an empty one. (batch, output_size)"""
    begun = (outputs.layout.on(outputs.device, "lengths") > 0).unsqueeze(1)
    return torch.where(begun, outputs.last(), initial)
