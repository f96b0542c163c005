"""Constraints that are often wanted, and several as one."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

import torch
from torch import Tensor

from unspool.decode.hypothesis import Constraint
from unspool.errors import DecodingError
from unspool.tokens import END, START


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
        found = scores.clone()
        found[hypotheses, runs[hypotheses, places, n - 1]] = -torch.inf
        found[:, END] = scores[:, END]
        return found

    return constrain


def exactly(tokens: Tensor, counts: Tensor, *, max_length: int | Tensor | None = None) -> Constraint:
    """Each of some tokens comes exactly so often: what an act asks for is said, once, and nothing else is.

        forbidden   a token that has come as often as it must
                    the end, while one has not
                    all but these, once there is room for no more

    Args:
        tokens: (k,), their ids.
        counts: (batch, k), how often each must come in each sequence; from 0.
        max_length: as given to `greedy` or `beam_search`, for all sequences or (batch,): then no output ends at the
            limit without them, as long as it has room for all. Left out, one may.

    Raises:
        DecodingError: tokens that are twice there, or start or end; counts of another shape, or below 0.

    Example:
        >>> constrain = exactly(torch.tensor([3, 4]), torch.tensor([[1, 0]]))
        >>> constrain(torch.zeros(2, 5), torch.tensor([[], []], dtype=torch.long), torch.tensor([0, 0]))[0]
        tensor([0., 0., -inf, 0., -inf])
        >>> constrain(torch.zeros(1, 5), torch.tensor([[3]]), torch.tensor([0]))[0]
        tensor([0., 0., 0., -inf, -inf])
    """
    _check(tokens, counts)
    size = len(tokens)

    def constrain(log_probabilities: Tensor, prefixes: Tensor, rows: Tensor) -> Tensor:
        device = log_probabilities.device
        ids, wanted = tokens.to(device), counts.to(device)[rows]
        place = torch.full((log_probabilities.shape[1],), size, device=device)
        place[ids] = torch.arange(size, device=device)
        said = wanted.new_zeros(len(rows), size + 1).scatter_add_(1, place[prefixes], wanted.new_ones(prefixes.shape))
        left = wanted - said[:, :size]
        missing = left.clamp(min=0).sum(1)
        forbidden = torch.zeros_like(log_probabilities, dtype=torch.bool)
        if max_length is not None:
            room = torch.as_tensor(max_length, device=device).expand(len(counts))[rows] - prefixes.shape[1]
            forbidden |= ((missing > 0) & (missing >= room)).unsqueeze(1)
        forbidden[:, ids] = left <= 0
        forbidden[:, END] = missing > 0
        return log_probabilities.masked_fill(forbidden, -torch.inf)

    return constrain


def none_of(outputs: Sequence[Container[str]], read: Callable[[Tensor], str]) -> Constraint:
    """No output ends as one of some texts, but may go on from there.

    It may end, nevertheless, where nothing else may follow; and one that a limit cuts has not ended.

    Args:
        outputs: for each sequence the texts that it may not be.
        read: the text of ids, without start and end, on the CPU. (length,) -> str

    Example:
        >>> constrain = none_of([{"34", "4"}], lambda ids: "".join(map(str, ids.tolist())))
        >>> constrain(torch.zeros(2, 5), torch.tensor([[3, 4], [4, 4]]), torch.tensor([0, 0]))
        tensor([[0., 0., -inf, 0., 0.],
                [0., 0., 0., 0., 0.]])
    """

    def constrain(scores: Tensor, prefixes: Tensor, rows: Tensor) -> Tensor:
        told = zip(prefixes.cpu(), rows.tolist(), strict=True)
        taken = torch.tensor([read(prefix) in outputs[row] for prefix, row in told], device=scores.device)
        others = scores.index_fill(1, torch.tensor([END], device=scores.device), -torch.inf)
        forbidden = taken & (others > -torch.inf).any(1)
        return torch.where(forbidden.unsqueeze(1), others, scores)

    return constrain


def all_of(*constraints: Constraint) -> Constraint:
    """Several constraints as one: each sees what the ones before it left."""

    def constrain(scores: Tensor, prefixes: Tensor, rows: Tensor) -> Tensor:
        for each in constraints:
            scores = each(scores, prefixes, rows)
        return scores

    return constrain


def _check(tokens: Tensor, counts: Tensor) -> None:
    if tokens.dim() != 1 or tokens.is_floating_point() or len(tokens.unique()) < len(tokens):
        raise DecodingError(f"`tokens` must be different ids, (k,) whole numbers, but are {tokens.tolist()}")
    if any(int(token) in (START, END) for token in tokens):
        raise DecodingError(
            f"`tokens` must be neither the start nor the end ({START}, {END}), but are {tokens.tolist()}"
        )
    if counts.dim() != 2 or counts.shape[1] != len(tokens) or counts.is_floating_point():
        raise DecodingError(
            f"`counts` must be whole numbers of shape (batch, {len(tokens)}), but are {tuple(counts.shape)} of "
            f"{counts.dtype}"
        )
    if counts.numel() and int(counts.min()) < 0:
        raise DecodingError(f"`counts` must be from 0, but one is {int(counts.min())}")
