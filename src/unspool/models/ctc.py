"""Connectionist temporal classification: targets without ends, said by a shorter or longer input in their order."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unspool.errors import ModelError
from unspool.layers import Dropout
from unspool.models.encoder import Encoded, read_by
from unspool.ragged import Ragged
from unspool.randomness import number_layers
from unspool.tokens import START
from unspool.unrolling import unroll

BLANK = START
"""The id of the step that says nothing. No target holds a start token, so any vocabulary serves as it is."""


class CTCNetwork(nn.Module):
    """An encoder and a score for every token at each of its steps; no decoder, no alignment to learn from.

    A path gives each step a token or the blank (`BLANK`); repeats merged and blanks dropped, it is an output:

        p(target | source) = Σ over paths that collapse to the target  Π_t p_t(path_t)

    Steps are independent given the source, so that outputs need no search (`ctc_greedy`), or a short one
    (`ctc_beam_search`). An output has no end token.

    Args:
        encoder: from a source to an `Encoded`, whose memory may have fewer steps than the source.
        output: from its features to a score for every id, the blank's among them.
        dropout: on the memory, in training.

    Raises:
        ModelError: an output without an id for the blank.

    Example:
        >>> from unspool.models import Encoder
        >>> encoder = Encoder(torch.nn.Embedding(9, 4), unspool.Layers(unspool.Bidirectional(GRU(4, 3), GRU(4, 3))))
        >>> model = CTCNetwork(encoder, torch.nn.Linear(6, 5))
        >>> model(Ragged(torch.tensor([5, 3, 8]), lengths=[2, 1]))
        Ragged(values=(5, 5), lengths=[3, 2])

    Reference:
        Graves et al. (2006), equations 2 and 3.
    """

    def __init__(self, encoder: nn.Module, output: nn.Linear, dropout: float = 0.0) -> None:
        super().__init__()
        if output.out_features <= BLANK:
            raise ModelError(f"`output` must score the blank ({BLANK}), but has {output.out_features} ids")
        self.encoder, self.output = encoder, output
        self.dropout = Dropout(dropout)
        number_layers(self)

    def encode(self, source: Any) -> Encoded:
        """Read the sources; an end token is added to each of ids."""
        return read_by(self.encoder, source)

    def forward(self, source: Any) -> Ragged:
        """The scores at each step of the memory. -> (total of its steps, ids)"""
        memory = self.encode(source).memory
        return unroll(self.dropout, memory).outputs.map(self.output)  # type: ignore[no-any-return]

    def loss(self, source: Any, target: Ragged, *, smoothing: float = 0.0) -> Tensor:
        """Negative log-likelihood of the targets, summed, in nats: see `ctc_loss`. target: (total,) ids"""
        return ctc_loss(self(source), target, smoothing)


def ctc_loss(scores: Ragged, target: Ragged, smoothing: float = 0.0) -> Tensor:
    """Negative log-likelihood of targets over all paths that say them, summed, in nats.

        (1 - smoothing) · (-log p(target)) + smoothing · Σ_t mean over ids (-log p_t)

    A target that its steps can't say counts zero, and its gradient is zero: `unreachable` tells which, so that the
    weight can leave them out. Computed in float32 at least, also under autocast.

    Args:
        scores: (total, ids), before the softmax.
        target: (total of the targets,) ids, none of them the blank.
        smoothing: share of each step's probability spread evenly over all ids, from 0 to below 1.

    Raises:
        ModelError: scores and targets that do not fit, or a `smoothing` out of range.

    Example:
        >>> scores = Ragged(torch.zeros(3, 4), lengths=[2, 1])
        >>> ctc_loss(scores, Ragged(torch.tensor([3, 3, 2]), lengths=[1, 2]))  # 3 of 16 paths; the second can't be said
        tensor(1.6740)

    Reference:
        Graves et al. (2006), section 4.1; smoothing of a step, Szegedy et al. (2016), section 7.
    """
    if not 0 <= smoothing < 1:
        raise ModelError(f"`smoothing` must be from 0 to below 1, but is {smoothing}")
    check_fit(scores, target)
    possible = ~unreachable(scores.lengths, target)
    log_probabilities = scores.select(possible).map(_log_softmax)
    loss = negative_log_likelihoods(log_probabilities, target.select(possible)).sum()
    if smoothing == 0:
        return loss
    return (1 - smoothing) * loss - smoothing * log_probabilities.values.mean(1).sum()


def negative_log_likelihoods(log_probabilities: Ragged, target: Ragged) -> Tensor:
    """-log p(target) of each sequence; for targets that can be reached.

    Pads inside, the steps but not the targets. Its gradient is right for what a log-softmax gave and for nothing else.

    Args:
        log_probabilities: (total, ids), of float32 or float64.
        target: (total of the targets,) ids.

    Returns:
        (batch,); zero where there is neither a step nor a token.
    """
    if not len(log_probabilities.values):  # which `F.ctc_loss` refuses
        return log_probabilities.values.sum() + log_probabilities.values.new_zeros(log_probabilities.batch_size)
    return F.ctc_loss(
        log_probabilities.to_padded().values.transpose(0, 1),
        target.values.to(log_probabilities.device),
        log_probabilities.lengths,
        target.lengths,
        blank=BLANK,
        reduction="none",
    )


def unreachable(lengths: Tensor, target: Ragged) -> Tensor:
    """Which targets need more steps than there are: one a token, and a blank between equal neighbours. (batch,) bool

    Args:
        lengths: (batch,) steps of the scores, which may be fewer than the source's.
        target: (total,) ids.

    Raises:
        ModelError: another number of sequences.

    Example:
        >>> target = Ragged(torch.tensor([3, 4, 3, 3]), lengths=[2, 2, 0])
        >>> unreachable(torch.tensor([2, 2, 0]), target)
        tensor([False,  True, False])
    """
    if lengths.shape != target.lengths.shape:
        raise ModelError(
            f"`target` must have one sequence for each of the {lengths.numel()} of the input, but has "
            f"{target.batch_size}"
        )
    return fewest_steps(target) > lengths.cpu()


def fewest_steps(target: Ragged) -> Tensor:
    """The steps that each target needs. (total,) ids -> (batch,)"""
    values, layout = target.values.cpu(), target.layout
    same = (values[1:] == values[:-1]) & (layout.rows[1:] == layout.rows[:-1])
    return target.lengths + torch.bincount(layout.rows[1:][same], minlength=target.batch_size)


def check_fit(scores: Ragged, target: Ragged) -> None:
    """Raise a `ModelError` where targets hold what no step has a score for."""
    if scores.values.dim() != 2 or scores.values.shape[1] <= BLANK:
        raise ModelError(
            f"`scores` must be (total, ids) with the blank ({BLANK}) among the ids, but has shape "
            f"{tuple(scores.values.shape)}"
        )
    values, size = target.values.cpu(), scores.values.shape[1]
    if values.dim() != 1 or values.dtype != torch.int64:
        raise ModelError(
            f"`target` must be (total,) ids of torch.int64, but is {tuple(values.shape)} of {values.dtype}"
        )
    wrong = (values < 0) | (values >= size) | (values == BLANK)
    if bool(wrong.any()):
        place = int(wrong.nonzero()[0, 0])
        raise ModelError(
            f"`target` must hold ids from 0 to {size - 1} without the blank ({BLANK}), but sequence "
            f"{int(target.layout.rows[place])} has {int(values[place])}"
        )


def _log_softmax(scores: Tensor) -> Tensor:
    return scores.to(torch.promote_types(scores.dtype, torch.float32)).log_softmax(1)
