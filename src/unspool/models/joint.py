"""Encoder–decoders whose encoder says the target as well, step by step."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from unspool.models.ctc import ctc_loss
from unspool.models.decoder import Decoder
from unspool.models.encoder import Encoded
from unspool.models.loss import cross_entropy
from unspool.models.seq2seq import EncoderDecoder
from unspool.ragged import Ragged
from unspool.tokens import with_end


class JointNetwork(EncoderDecoder):
    """An encoder–decoder that learns with CTC beside: attention then soon moves from left to right, as speech does.

        loss = (1 - share) · attention's / its tokens + share · CTC's / the tokens

    Two terms of one objective. Outputs are those of the decoder.

    Args:
        encoder, embedding, decoder, output, dropout: as of `EncoderDecoder`.
        spelling: from a step of the memory to a score for every token, the blank's among them: see `CTCNetwork`.
        share: of the loss that is CTC's, from 0 to below 1.

    `encoder_decoder(…, ctc=0.3)` puts one together from sizes and names.

    Reference:
        Kim, Hori & Watanabe (2017), equation 10.
    """

    def __init__(
        self,
        encoder: nn.Module,
        embedding: nn.Embedding,
        decoder: Decoder,
        output: nn.Linear,
        spelling: nn.Linear,
        share: float,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(encoder, embedding, decoder, output, dropout)
        self.spelling, self.share = spelling, share

    def losses(
        self, source: Any, target: Ragged, *, smoothing: float = 0.0, sampling: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """The decoder's loss, as `loss` gives it, and CTC's, each summed, in nats."""
        encoded = self.encode(source)
        found, _ = self.forced_from(encoded, target, sampling)
        attended = cross_entropy(found.outputs.map(self.output).values, with_end(target).values, smoothing)
        return attended, ctc_loss(self.spelled(encoded), target)

    def spelled(self, encoded: Encoded) -> Ragged:
        """What the encoder says at each step. -> (total, ids) scores"""
        return encoded.memory.map(self.spelling)
