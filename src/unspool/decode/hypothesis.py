"""What decoding gives, and what it asks of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from unspool.errors import DecodingError
from unspool.models.decoder import Decoded
from unspool.models.encoder import Encoded
from unspool.state import State
from unspool.tokens import END, START, UNKNOWN

Constraint = Callable[[Tensor, Tensor, Tensor], Tensor]
"""`constrain(log_probabilities, prefixes, rows)`: what may come next.

Args:
    log_probabilities: (n, vocabulary), of the next token.
    prefixes: (n, steps), the tokens so far.
    rows: (n,), which sequence of the batch each is for.

Returns:
    (n, vocabulary): `-inf` where a token may not follow; other changes steer the search.
"""


def without_unknown(log_probabilities: Tensor, prefixes: Tensor, rows: Tensor) -> Tensor:
    """A `Constraint`: no token is the unknown one, which says nothing to whoever reads."""
    return log_probabilities.index_fill(1, log_probabilities.new_tensor([UNKNOWN], dtype=torch.int64), -torch.inf)


class Decodable(Protocol):
    """A model that decoding can run: `start`, and `step` over rows that stand in groups, one group a sequence."""

    def start(self, encoded: Encoded) -> tuple[State, Any]: ...

    def step(self, tokens: Tensor, state: State, context: Any) -> tuple[Decoded, State]: ...


def stepping(model: Decodable, rows: int) -> Callable[[Tensor, State, Any], tuple[Decoded, State]]:
    """The model's `step` for many steps of up to so many rows: its `stepper`, where it has one."""
    make = getattr(model, "stepper", None)
    return model.step if make is None else make(rows)


class Hypothesis(NamedTuple):
    """A decoded sequence.

    Fields:
        tokens: (length,) ids, without start and end.
        log_probability: log p(tokens, end | source) in nats, as forcing gives it; without the end where not `complete`.
        score: what hypotheses were ranked by; the log-probability where nothing was normalised.
        complete: whether the model ended it; else the limit on length did.
        attention: (length, time), where each token's step looked, with one row more for the end where `complete`; as
            wide as the encoded source, which has an end of its own; on the CPU. None if not asked for.
    """

    tokens: Tensor
    log_probability: float
    score: float
    complete: bool
    attention: Tensor | None = None


def limits(max_length: int | Tensor, batch_size: int) -> Tensor:
    """The most tokens of each sequence. (batch,)"""
    tensor = torch.as_tensor(max_length).cpu()
    if tensor.is_floating_point() or tensor.dim() > 1 or (tensor.dim() == 1 and len(tensor) != batch_size):
        raise DecodingError(
            f"`max_length` must be a whole number, or one for each of the {batch_size} sequences, but is {max_length}"
        )
    if tensor.numel() and int(tensor.min()) < 0:
        raise DecodingError(f"`max_length` must be at least 0, but is {int(tensor.min())}")
    return tensor.expand(batch_size).clone()


def next_log_probabilities(
    logits: Tensor, prefixes: Tensor, rows: Tensor, constrain: Constraint | None, *, may_end: bool
) -> tuple[Tensor, Tensor]:
    """The model's log-probabilities of the next tokens, and the same with `-inf` where one may not come.

    The first are what scores are made of, so that forcing reproduces them whatever was forbidden.
    """
    plain = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(1)
    allowed = plain.clone()
    allowed[:, START] = -torch.inf
    if not may_end:
        allowed[:, END] = -torch.inf
    if constrain is not None:
        allowed = constrain(allowed, prefixes, rows)
        if allowed.shape != plain.shape:
            raise DecodingError(
                f"`constrain` must return log-probabilities of shape {tuple(plain.shape)}, but gave "
                f"{tuple(allowed.shape)}"
            )
    dead = (allowed == -torch.inf).all(1)
    if constrain is not None and bool(dead.any()):
        row = int(rows[dead.nonzero()[0, 0]])
        raise DecodingError(
            f"`constrain` must leave at least one token, but forbids all for sequence {row} after "
            f"{prefixes[dead.nonzero()[0, 0]].tolist()}; allow the end token ({END})"
        )
    return plain, allowed
