"""Pointer-generators: encoder–decoders that also copy what they read."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unspool.errors import ModelError
from unspool.models.decoder import Decoded, Decoder
from unspool.models.encoder import Encoded
from unspool.models.seq2seq import EncoderDecoder
from unspool.ragged import Ragged
from unspool.state import State
from unspool.tokens import with_end


class PointerGenerator(EncoderDecoder):
    """p(target | source), each token generated from the vocabulary or copied from the source.

        p(w) = p_gen p_vocabulary(w) + (1 - p_gen) Σ_{i: source_i = w} attention_i,    p_gen = σ(v · output + b)

    Source and target share one vocabulary, and attention is what points. Nothing is fed back: in training the decoder
    runs over all steps at once, and the loss asks for p of the true tokens alone, so that no distribution over source
    steps is spread over the vocabulary.

    Args:
        encoder, embedding, decoder, output, dropout: as of `EncoderDecoder`. The decoder has attention; of several
            heads it is their mean that points.

    `encoder_decoder(…, copying=True)` puts one together from sizes and names.

    Its logits are log-probabilities: see `forward`. The end of a source is pointed at like any other token, and a copy
    of it ends the target. What stands for the unknown is copied as unknown: units of which none is, as byte pairs, lose
    nothing by that.

    Raises:
        ModelError: a decoder without attention.

    Example:
        >>> model = unspool.models.encoder_decoder(30, 30, hidden_size=16, dropout=0.0, copying=True)
        >>> source = Ragged(torch.randint(3, 30, (5,)), lengths=[2, 3])
        >>> torch.allclose(model(source, source).values.exp().sum(1), torch.ones(7))
        True

    Reference:
        See, Liu & Manning (2017), equations 8 and 9. There p_gen reads the summary, the state and the input apart; here
        the output that was made of them. There a text's unknown words get ids of their own.
    """

    def __init__(
        self, encoder: nn.Module, embedding: nn.Embedding, decoder: Decoder, output: nn.Linear, dropout: float = 0.0
    ) -> None:
        super().__init__(encoder, embedding, decoder, output, dropout)
        if decoder.attention is None:
            raise ModelError(
                "`copying` needs attention, which points at what to copy; choose one, or leave `copying` out"
            )
        self.generate = nn.Linear(decoder.output_size, 1)

    def start(self, encoded: Encoded) -> tuple[State, Any]:
        """The decoder's state before the first token, and its context, which holds the source's ids too."""
        if encoded.source is None:
            raise ModelError("`encoded` must hold its `source` to copy from, but holds None; let the encoder give it")
        state, context = super().start(encoded)
        assert context is not None
        return state, context._replace(source=encoded.source.to_padded().values)

    def told(self, decoded: Decoded, context: Any) -> Tensor:
        groups = context.source.shape[0]
        beams = len(decoded.output) // max(groups, 1)
        assert decoded.weights is not None
        return self._mixed(decoded.output, decoded.weights, context.source.repeat_interleave(beams, 0))

    def forward(self, source: Ragged, target: Ragged, *, sampling: float = 0.0) -> Ragged:
        """Teacher forcing: log p of every token of the vocabulary in place of every target token and of the end.

        Args, Raises: as of `EncoderDecoder`.

        Returns:
            (total + batch, vocabulary): each sequence one longer than the target.
        """
        (outputs, weights), context = self.forced(source, target, sampling)
        assert weights is not None
        rows = context.source.index_select(0, outputs.layout.on(outputs.device, "rows"))
        return outputs.with_values(self._mixed(outputs.values, weights.values, rows))

    def loss(self, source: Ragged, target: Ragged, *, smoothing: float = 0.0, sampling: float = 0.0) -> Tensor:
        """Negative log-likelihood of the targets and their ends, summed over all tokens, in nats.

            (1 - smoothing) (-log p(target)) + smoothing · mean over the vocabulary (-log p_gen p_vocabulary(w))

        What smoothing spreads evenly is asked of the generator alone: few words of a vocabulary are in a source.
        """
        (outputs, weights), context = self.forced(source, target, sampling)
        assert weights is not None
        tokens = with_end(target).values.unsqueeze(1)
        rows = context.source.index_select(0, outputs.layout.on(outputs.device, "rows"))
        generated, copied = self._shares(outputs.values)
        told = _float(self.output(outputs.values)).log_softmax(1)
        pointed = _float(weights.values).masked_fill(rows != tokens, 0).sum(1, keepdim=True)
        total = -_either(generated + told.gather(1, tokens), copied, pointed).sum()
        if smoothing:
            total = (1 - smoothing) * total - smoothing * (generated + told.mean(1, keepdim=True)).sum()
        return total

    def _mixed(self, outputs: Tensor, weights: Tensor, source: Tensor) -> Tensor:
        """log p of the whole vocabulary. (rows, output_size), (rows, time), (rows, time) -> (rows, vocabulary)"""
        generated, copied = self._shares(outputs)
        told = _float(self.output(outputs)).log_softmax(1)
        pointed = torch.zeros_like(told).scatter_add(1, source, _float(weights))
        return _either(generated + told, copied, pointed)

    def _shares(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """log p_gen and log (1 - p_gen). (rows, 1) each"""
        score = _float(self.generate(outputs))
        return F.logsigmoid(score), F.logsigmoid(-score)


def _float(values: Tensor) -> Tensor:
    """At least in float32: probabilities are too fine for bfloat16."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _either(generated: Tensor, copied: Tensor, pointed: Tensor) -> Tensor:
    """log(exp(generated) + exp(copied) · pointed), whose gradient is no NaN where nothing is pointed at."""
    least = torch.finfo(pointed.dtype).tiny
    both = torch.logaddexp(generated, copied + pointed.clamp(min=least).log())
    return torch.where(pointed > 0, both, generated)
