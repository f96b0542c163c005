"""The plain network: one output at each step of the input."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.errors import ModelError
from unspool.layers import Dropout, Layers
from unspool.layout import Layout
from unspool.models.loss import cross_entropy
from unspool.ragged import Ragged
from unspool.randomness import number_layers
from unspool.tokens import END, START, UNKNOWN, with_end
from unspool.unrolling import unroll


class PlainNetwork(nn.Module):
    """Recurrent layers and an output at each of their steps: what there was before encoder–decoders.

    Where outputs may be longer than inputs, each input is followed by end tokens up to `bound`, so that there are steps
    enough; an output ends at its first end token. No output knows which others were chosen.

    Args:
        embedding: from ids to features.
        layers: the recurrent layers.
        output: from their outputs to a score for every token.
        bound: the fewest steps: one more than the longest output to be told. 0 where outputs are as long as inputs.
        dropout: on the outputs, in training.

    Example:
        >>> model = unspool.models.plain_network(source_size=30, target_size=40, bound=6, hidden_size=16, dropout=0.0)
        >>> model(Ragged(torch.randint(3, 30, (10,)), lengths=[8, 2]))
        Ragged(values=(15, 40), lengths=[9, 6])
    """

    def __init__(
        self, embedding: nn.Embedding, layers: Layers, output: nn.Linear, bound: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if bound < 0:
            raise ModelError(f"`bound` must be at least 0 steps, but is {bound}")
        self.embedding, self.layers, self.output, self.bound = embedding, layers, output, bound
        self.dropout = Dropout(dropout)
        number_layers(self)

    def forward(self, source: Ragged) -> Ragged:
        """The logits at each step. source: (total,) ids -> (total of the lengthened steps, vocabulary)"""
        outputs, _ = self.layers(_lengthened(source, self.bound).map(self.embedding))
        return unroll(self.dropout, outputs).outputs.map(self.output)  # type: ignore[no-any-return]

    def loss(self, source: Ragged, target: Ragged, *, smoothing: float = 0.0) -> Tensor:
        """Negative log-likelihood of the targets and their ends, summed, in nats.

        What a target has beyond the steps that there are can't be told, and does not count.
        """
        logits, tokens = self(source), with_end(target)
        steps, wanted = logits.layout, tokens.layout
        shared = Layout(torch.minimum(steps.lengths, wanted.lengths))
        told = steps.offsets[:-1][shared.rows] + shared.steps
        aim = wanted.offsets[:-1][shared.rows] + shared.steps
        device = logits.device
        return cross_entropy(
            logits.values.index_select(0, told.to(device)), tokens.values.index_select(0, aim.to(device)), smoothing
        )

    @torch.no_grad()
    def best(self, source: Ragged) -> list[tuple[Tensor, float, bool]]:
        """For each source the best token of each step up to the first end: ids, log-probability, whether it ended."""
        found = []
        for logits in self(source).split():
            scores = logits.log_softmax(1)
            scores[:, [UNKNOWN, START]] = -torch.inf
            best, tokens = scores.max(1)
            ends = (tokens == END).nonzero().flatten()
            length = int(ends[0]) if len(ends) else len(tokens)
            found.append((tokens[:length].cpu(), float(best[: length + 1].sum()), bool(len(ends))))
        return found


def _lengthened(source: Ragged, bound: int) -> Ragged:
    """Each sequence with one end token after it, and more of them up to `bound` steps."""
    lengths = (source.lengths + 1).clamp(min=bound)
    layout = Layout(lengths)
    index = layout.offsets[:-1][source.layout.rows] + source.layout.steps
    values = source.values.new_full((layout.total,), END)
    values[index.to(values.device)] = source.values
    return Ragged(values, lengths, source.ids)
