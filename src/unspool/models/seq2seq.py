"""Encoder–decoders: one sequence in, another out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from unspool.errors import ModelError
from unspool.layers import Dropout
from unspool.models.decoder import Attended, Decoded, Decoder, stepwise
from unspool.models.encoder import Encoded, read_by
from unspool.models.loss import cross_entropy
from unspool.ragged import Ragged
from unspool.randomness import Drawing, Draws, number_layers, uniform
from unspool.state import State
from unspool.tokens import with_end, with_start
from unspool.unrolling import unroll


class EncoderDecoder(Drawing, nn.Module):
    """p(target | source), one target token after another.

    Args:
        encoder: from source ids to a memory.
        embedding: from target ids to what the decoder reads.
        decoder: from the memory, step by step, to outputs.
        output: from outputs to a score for every token of the target's vocabulary.
        dropout: on the outputs, in training.

    `encoder_decoder` puts one together from sizes and names.

    Example:
        >>> model = unspool.models.encoder_decoder(source_size=30, target_size=40, hidden_size=16, dropout=0.0)
        >>> source = Ragged(torch.randint(3, 30, (5,)), lengths=[2, 3])
        >>> target = Ragged(torch.randint(3, 40, (6,)), lengths=[4, 2])
        >>> model(source, target)
        Ragged(values=(8, 40), lengths=[5, 3])
        >>> loss = model.loss(source, target, smoothing=0.1) / (target.lengths + 1).sum()

    Reference:
        Cho et al. (2014); Sutskever et al. (2014); with attention, Bahdanau et al. (2015), Luong et al. (2015).
    """

    def __init__(
        self, encoder: nn.Module, embedding: nn.Embedding, decoder: Decoder, output: nn.Linear, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.encoder, self.embedding, self.decoder, self.output = encoder, embedding, decoder, output
        self.dropout = Dropout(dropout)
        number_layers(self)

    def encode(self, source: Ragged) -> Encoded:
        """Read the sources. source: (total,) ids, and an end token is added to each; or steps of another kind"""
        return read_by(self.encoder, source)

    def start(self, encoded: Encoded) -> tuple[State, Any]:
        """The decoder's state before the first token, and its context: see `Decoder`."""
        return self.decoder.start(encoded)

    def step(self, tokens: Tensor, state: State, context: Any) -> tuple[Decoded, State]:
        """Logits of the next tokens after these. tokens: (rows,) -> `Decoded.output` of (rows, vocabulary)"""
        decoded, state = self.decoder.step(self.embedding(tokens), state, context)
        return Decoded(self.told(decoded, context), decoded.weights), state

    def told(self, decoded: Decoded, context: Any) -> Tensor:
        """The logits of a step from what the decoder gave. -> (rows, vocabulary)"""
        return self.output(decoded.output)  # type: ignore[no-any-return]

    def stepper(self, rows: int) -> Callable[[Tensor, State, Any], tuple[Decoded, State]]:
        """`step` for many steps of that many rows without gradients."""
        inner = self.decoder.stepper(rows)

        @torch.no_grad()
        def step(tokens: Tensor, state: State, context: Any) -> tuple[Decoded, State]:
            decoded, state = inner(self.embedding(tokens), state, context)
            return Decoded(self.told(decoded, context), decoded.weights), state

        return step

    def forward(self, source: Ragged, target: Ragged, *, sampling: float = 0.0) -> Ragged:
        """Teacher forcing: the logits of every target token and of the end, each after the true tokens before it.

        Args:
            source: (total,) ids.
            target: (total,) ids, without start and end.
            sampling: scheduled sampling: the rate at which a step reads the model's own last best token instead of the
                true one, from 0 to 1, drawn anew at each step. Above 0, training goes step by step.

        Returns:
            (total + batch, vocabulary): each sequence one longer than the target.

        Raises:
            ModelError: a rate that is none.
            RandomnessError: in training, or with `sampling`, when run outside of `unspool.randomness.using`.

        Reference:
            Williams & Zipser (1989); scheduled sampling, Bengio et al. (2015).
        """
        return self.forced(source, target, sampling)[0].outputs.map(self.output)

    def forced(self, source: Ragged, target: Ragged, sampling: float = 0.0) -> tuple[Attended, Any]:
        """What `forward` makes logits of: the decoder's outputs after their dropout, and the context."""
        _check_sampling(sampling)
        return self.forced_from(self.encode(source), target, sampling)

    def forced_from(self, encoded: Encoded, target: Ragged, sampling: float = 0.0) -> tuple[Attended, Any]:
        """`forced` for sources that are encoded."""
        _check_sampling(sampling)
        state, context = self.start(encoded)
        inputs = with_start(target)
        if sampling > 0:
            found = self._sampled(inputs, state, context, sampling)
        else:
            found = self.decoder.forced(inputs.map(self.embedding), state, context)
        return found._replace(outputs=unroll(self.dropout, found.outputs).outputs), context

    def _sampled(self, inputs: Ragged, state: State, context: Any, rate: float) -> Attended:
        keys = self.draws_for(inputs.ids, inputs.device, active=True).key
        order = inputs.layout.on(inputs.device, "order")
        time = 0

        def choose(tokens: Tensor, last: Decoded | None, context: Any) -> Tensor:
            nonlocal time
            if last is not None:
                own = keys[order[: len(tokens)]]
                truth = uniform(Draws(own, torch.full_like(own, time))) >= rate
                with torch.no_grad():
                    tokens = torch.where(truth, tokens, self.told(last, context).argmax(1))
            time += 1
            return self.embedding(tokens)  # type: ignore[no-any-return]

        return stepwise(self.decoder, inputs.values, inputs, state, context, choose)

    def loss(self, source: Ragged, target: Ragged, *, smoothing: float = 0.0, sampling: float = 0.0) -> Tensor:
        """Negative log-likelihood of the targets and their ends, summed over all tokens, in nats.

        Divide by `(target.lengths + 1).sum()` for the mean.
        """
        return cross_entropy(self(source, target, sampling=sampling).values, with_end(target).values, smoothing)

    @torch.no_grad()
    def score(self, source: Ragged, target: Ragged, *, ended: bool = True) -> Tensor:
        """log p(target | source) of each sequence, by forcing it. (batch,)

        Args:
            ended: whether the end token counts.
        """
        logits, tokens = self(source, target), with_end(target)
        scores = logits.values.log_softmax(1).gather(1, tokens.values.unsqueeze(1)).squeeze(1)
        scored = logits.with_values(scores)
        total: Tensor = scored.sum()
        return total if ended else total - scored.last()


def _check_sampling(rate: float) -> None:
    if not 0 <= rate <= 1:
        raise ModelError(f"`sampling` must be from 0 to 1, but is {rate}")
