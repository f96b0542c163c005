"""Vector → sequence of steps that are no tokens: chords, rows of pixels, strokes of a pen."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unspool.layers import Dropout
from unspool.models.decoder import Decoder
from unspool.models.emissions import Emission
from unspool.models.encoder import Encoded
from unspool.models.reader import Columns
from unspool.models.vec2seq import VectorEncoder
from unspool.ragged import Ragged
from unspool.randomness import Drawing, number_layers
from unspool.state import State
from unspool.unrolling import unroll


class StepWriter(Drawing, nn.Module):
    """p(steps | columns), one step after another, each told by an `Emission`.

        p(x_1 … x_T | columns) = Π_t p(x_t | x_1 … x_{t-1}, columns)

    Before the first step the decoder reads zeros.

    Args:
        encoder: from columns, or from none, to a vector.
        entry: from a step as the emission feeds it back to what the decoder reads.
        decoder: from the vector, step by step, to outputs.
        emission: from an output to the distribution of a step.
        dropout: on the outputs, in training.

    `step_writer` puts one together from sizes and names.

    Example:
        >>> from unspool.models import BernoulliEmission, OneOf, step_writer
        >>> model = step_writer({"digit": OneOf(10)}, lambda size: BernoulliEmission(size, 8), hidden_size=16).eval()
        >>> rows = Ragged(torch.randint(2, (7, 8)).float(), lengths=[4, 3])
        >>> model({"digit": torch.tensor([3, 1])}, rows)
        Ragged(values=(7, 8), lengths=[4, 3])

    Reference:
        Graves (2013), sections 2 and 4.
    """

    def __init__(
        self, encoder: VectorEncoder, entry: nn.Linear, decoder: Decoder, emission: Emission, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.encoder, self.entry, self.decoder, self.emission = encoder, entry, decoder, emission
        self.dropout = Dropout(dropout)
        number_layers(self)

    def encode(self, source: Columns, ids: Tensor) -> Encoded:
        """Read the columns. ids: (batch,) which examples these are"""
        return self.encoder(source, ids)  # type: ignore[no-any-return]

    def start(self, encoded: Encoded) -> tuple[State, Any]:
        """The state before the first step, and the context: see `Decoder`."""
        return self.decoder.start(encoded)

    def read(self, fed: Tensor) -> Tensor:
        """What the decoder reads of steps. (rows, step_size) -> (rows, embedding_size)"""
        entered: Tensor = self.entry(fed)
        return entered

    def forward(self, source: Columns, target: Ragged) -> Ragged:
        """Teacher forcing: the parameters of each step's distribution, given the true steps before it.

        Args:
            source: columns, by name.
            target: (total, features), steps as their field encodes them.

        Returns:
            (total, parameters of the emission)
        """
        state, context = self.start(self.encode(source, target.ids))
        fed = self.emission.fed(target.values)
        before = torch.cat([fed.new_zeros(1, fed.shape[1]), fed[:-1]]) if len(fed) else fed
        first = target.layout.on(target.device, "steps") == 0
        inputs = target.with_values(self.read(before.masked_fill(first.unsqueeze(1), 0)))
        outputs = self.decoder.forced(inputs, state, context).outputs
        return unroll(self.dropout, outputs).outputs.map(self.emission)  # type: ignore[no-any-return]

    def loss(self, source: Columns, target: Ragged, *, smoothing: float = 0.0) -> Tensor:
        """Negative log-likelihood of all steps, summed, in nats. `smoothing` is of labels, and means nothing here."""
        return self.emission.loss(self(source, target).values, target.values)
