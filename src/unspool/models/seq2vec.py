"""Sequence → vector: columns read, one answer of a fixed size told."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from unspool.layers import Dropout
from unspool.models.heads import Head
from unspool.models.reader import Columns, Reader
from unspool.ragged import Ragged
from unspool.randomness import number_layers
from unspool.unrolling import unroll


class Told(NamedTuple):
    """What an `EncoderWithHead` gives.

    Fields:
        scores: (batch, output_size), what the head makes of the vector.
        weights: (total,) how much each step of the first column that is weighed counted, its end among them, or None.
    """

    scores: Tensor
    weights: Ragged | None


class EncoderWithHead(nn.Module):
    """Sequences and other columns read into one vector, and a head that tells a class, labels or numbers from it.

    Args:
        reader: from columns to a vector.
        head: from the vector to scores.
        dropout: on the vector, in training.

    `encoder_with_head` puts one together from sizes and names.

    Example:
        >>> from unspool.models import ClassHead, LabelReader, Reader
        >>> model = EncoderWithHead(Reader({"colour": LabelReader(5, 8)}), ClassHead(8, 3))
        >>> model({"colour": torch.tensor([4, 0])}, ids=torch.tensor([0, 1])).scores.shape
        torch.Size([2, 3])
    """

    def __init__(self, reader: Reader, head: Head, dropout: float = 0.0) -> None:
        super().__init__()
        self.reader, self.head, self.dropout = reader, head, Dropout(dropout)
        number_layers(self)

    def forward(self, columns: Columns, ids: Tensor) -> Told:
        """The head's scores.

        Args:
            columns: by name; a `Batch` is such.
            ids: (batch,) which examples these are, for dropout.
        """
        read = self.reader(columns)
        one_step = Ragged(read.vector, torch.ones(len(read.vector), dtype=torch.int64), ids)
        return Told(self.head(unroll(self.dropout, one_step).outputs.values), read.weights)
