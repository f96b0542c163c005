"""Constraints that are often wanted, and several as one."""

from __future__ import annotations

import torch
from torch import Tensor

from unspool.decode.hypothesis import Constraint
from unspool.errors import DecodingError


def no_repeated_ngrams(n: int) -> Constraint:
    """No run of `n` tokens comes twice in a sequence. The end may always come.

    Args:
        n: 1 to forbid every token that was there, 2 every pair, and so on.

    Raises:
        DecodingError: an `n` below 1.

    Reference:
        Paulus, Xiong & Socher (2018), section 2.5, of trigrams.

    Example:
        >>> scores = no_repeated_ngrams(2)(torch.zeros(1, 6), torch.tensor([[4, 5, 3, 4]]), torch.tensor([0]))
        >>> scores  # 4 5 was there
        tensor([[0., 0., 0., 0., 0., -inf]])
    """
    if n < 1:
        raise DecodingError(f"`n` must be at least 1, but is {n}")

    def constrain(scores: Tensor, prefixes: Tensor, rows: Tensor) -> Tensor:
        if prefixes.shape[1] < n:
            return scores
        runs = prefixes.unfold(1, n, 1)
        begun = prefixes[:, prefixes.shape[1] - n + 1 :].unsqueeze(1)
        hypotheses, places = (runs[:, :, : n - 1] == begun).all(2).nonzero(as_tuple=True)
        scores = scores.clone()
        scores[hypotheses, runs[hypotheses, places, n - 1]] = -torch.inf
        return scores

    return constrain


def all_of(*constraints: Constraint) -> Constraint:
    """Several constraints as one: each sees what the ones before it left."""

    def constrain(scores: Tensor, prefixes: Tensor, rows: Tensor) -> Tensor:
        for each in constraints:
            scores = each(scores, prefixes, rows)
        return scores

    return constrain
