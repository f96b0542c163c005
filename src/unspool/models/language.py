"""Language models: how probable a text is, token after token, and what comes next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from unspool.cells import LSTM, Cell
from unspool.errors import ModelError
from unspool.layers import Dropout
from unspool.models.assembly import initialise, recurrent_stack
from unspool.models.decoder import Decoded
from unspool.models.encoder import Encoded
from unspool.models.loss import cross_entropy
from unspool.ragged import Ragged
from unspool.randomness import number_layers
from unspool.state import State
from unspool.tokens import END, START
from unspool.unrolling import Unrolled, unroll


class LanguageModel(nn.Module):
    """p(text), one token after another, of a text that goes on over its lines.

        p(x_1 … x_n) = Π_t softmax(W h_t + b)[x_{t+1}],    h_t = cell(embedding[x_t], h_{t-1})

    A line ends with the end token, which is one like any other here: it is what is read before the first line, and
    what comes after it is the next line. The state goes from stretch to stretch of a text.

    Args:
        embedding: from ids to what the cell reads.
        cell: the recurrence.
        output: from the cell's outputs to a score for every token.
        dropout: on the outputs, in training.

    `language_model` puts one together from sizes and names.

    Example:
        >>> model = unspool.models.language_model(30, hidden_size=16, dropout=0.0)
        >>> text = Ragged(torch.randint(3, 30, (9,)), lengths=[5, 4])
        >>> logits, state = model(text)
        >>> logits, model(text, state).outputs
        (Ragged(values=(9, 30), lengths=[5, 4]), Ragged(values=(9, 30), lengths=[5, 4]))

    Reference:
        Mikolov et al. (2010); with LSTM, and dropout between layers, Zaremba et al. (2014).
    """

    def __init__(self, embedding: nn.Embedding, cell: Cell, output: nn.Linear, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding, self.cell, self.output = embedding, cell, output
        self.dropout = Dropout(dropout)
        number_layers(self)

    def forward(self, tokens: Ragged, state: State | None = None) -> Unrolled:
        """The scores of what comes after each token, and the state after the last.

        Args:
            tokens: (total,) ids.
            state: after what was read before; None: nothing was.

        Returns:
            outputs (total, vocabulary), and the final state.
        """
        return self.after(tokens.map(self.embedding), state)

    def after(self, embedded: Ragged, state: State | None = None) -> Unrolled:
        """`forward` for embedded tokens. (total, embedding_size) -> (total, vocabulary)"""
        outputs, final = unroll(self.cell, embedded, state)
        return Unrolled(unroll(self.dropout, outputs).outputs.map(self.output), final)

    def loss(
        self, embedded: Ragged, targets: Ragged, state: State | None = None, *, smoothing: float = 0.0
    ) -> tuple[Tensor, State]:
        """The negative log-likelihood of the targets, summed, in nats, and the state after the last of them.

        Args:
            embedded: what `embedding` makes of the tokens before each target.
            targets: (total,) ids.
            state: as of `forward`.
            smoothing: of labels, see `cross_entropy`.
        """
        logits, final = self.after(embedded, state)
        return cross_entropy(logits.values, targets.values, smoothing), final

    def encode(self, ids: Tensor) -> Encoded:
        """What `start` begins from, where nothing is read: only which examples are written. ids: (batch,)"""
        nothing = self.embedding.weight.new_zeros(len(ids), 0)
        return Encoded(Ragged(nothing, torch.ones(len(ids), dtype=torch.int64), ids), ())

    def start(self, encoded: Encoded) -> tuple[State, None]:
        """The state before the first token; nothing is looked at."""
        memory = encoded.memory
        none = memory.values.new_zeros(0, self.embedding.embedding_dim)
        return self.cell.initial_state_for(Ragged(none, torch.zeros_like(memory.lengths), memory.ids)), None

    def step(self, tokens: Tensor, state: State, context: None = None) -> tuple[Decoded, State]:
        """Logits of the next tokens after these. tokens: (rows,) -> `Decoded.output` of (rows, vocabulary)"""
        return self._told(*self.cell(self._read(tokens), state))

    def stepper(self, rows: int) -> Callable[[Tensor, State, Any], tuple[Decoded, State]]:
        """`step` for many steps of that many rows without gradients."""
        cell = self.cell.stepper(rows)

        @torch.no_grad()
        def step(tokens: Tensor, state: State, context: Any) -> tuple[Decoded, State]:
            return self._told(*cell(self._read(tokens), state))

        return step

    def _read(self, tokens: Tensor) -> Tensor:
        """A text begins where a line has ended."""
        return self.embedding(tokens.masked_fill(tokens == START, END))  # type: ignore[no-any-return]

    def _told(self, output: Tensor, state: State) -> tuple[Decoded, State]:
        return Decoded(self.output(output), None), state


def language_model(
    size: int,
    *,
    embedding_size: int = 256,
    hidden_size: int = 256,
    num_layers: int = 1,
    cell: Callable[[int, int], Cell] = LSTM,
    dropout: float = 0.1,
    embedding_dropout: float | None = None,
    output_dropout: float | None = None,
    tied_embeddings: bool = False,
) -> LanguageModel:
    """A language model from sizes and names.

    Args:
        size: the number of ids.
        embedding_size: features of a token.
        hidden_size: of each layer.
        num_layers: one over another.
        cell: from sizes to a cell, such as `unspool.cells.GRU`.
        dropout: between layers, in training.
        embedding_dropout: on embedded tokens; `dropout` if left out, as the next one.
        output_dropout: before the output layer.
        tied_embeddings: the output layer's weights are the embedding.

    Raises:
        ModelError: tied embeddings of another width than the layers.

    Reference:
        Tied embeddings, Press & Wolf (2017).
    """
    if tied_embeddings and embedding_size != hidden_size:
        raise ModelError(
            f"`tied_embeddings` needs `embedding_size` to be `hidden_size` ({hidden_size}), but it is {embedding_size}"
        )
    first, last = (dropout if rate is None else rate for rate in (embedding_dropout, output_dropout))
    embedding, output = nn.Embedding(size, embedding_size), nn.Linear(hidden_size, size)
    recurrence = recurrent_stack(embedding_size, hidden_size, num_layers, cell, dropout, first)
    initialise([embedding], output)
    if tied_embeddings:
        output.weight = embedding.weight
    return LanguageModel(embedding, recurrence, output, last)
