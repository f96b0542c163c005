"""Prefix beam search for CTC: the prefixes that run side by side, and what each step makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unspool.models.ctc import BLANK

Numbers = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


class Frame(NamedTuple):
    """One time of all sequences that have it.

    Fields:
        steps: (running, ids), log-probabilities.
        tokens: (running, n), the best tokens, the best first.
        gains: (running, n), their log-probabilities, `-inf` where pruned.
    """

    steps: Numbers
    tokens: Whole
    gains: Numbers


def frames_of(steps: Tensor, running: list[int], size: int, prune: float) -> list[Frame]:
    """Steps in the order of time, each with the tokens that may follow a prefix."""
    # Each better continuation of a prefix keeps a place of the beam from a worse one, by itself or by what it merges
    # with; only the repeated token may share its probability between two and keep none.
    most = min(steps.shape[1] - 1, size + 1)
    gains, tokens = steps.index_fill(1, torch.tensor([BLANK]), -torch.inf).topk(most)
    gains = gains.where(gains >= steps.max(1, keepdim=True).values - prune, -torch.inf)
    found = []
    for step, token, gain in zip(steps.split(running), tokens.split(running), gains.split(running), strict=True):
        kept = int((gain > -torch.inf).sum(1).max())
        found.append(Frame(step.numpy(), token[:, :kept].numpy(), gain[:, :kept].numpy()))
    return found


class Trie:
    """Prefixes as numbers, one number a prefix; the first so many are the empty prefixes of the sequences."""

    def __init__(self, sequences: int) -> None:
        self._before: list[tuple[int, int]] = [(-1, BLANK)] * sequences
        self._numbers: dict[tuple[int, int], int] = {}

    def longer(self, node: int, token: int) -> int:
        """The prefix `node` and a token after it."""
        number = self._numbers.setdefault((node, token), len(self._before))
        if number == len(self._before):
            self._before.append((node, token))
        return number

    def tokens(self, node: int) -> list[int]:
        found = []
        while (before := self._before[node])[0] >= 0:
            found.append(before[1])
            node = before[0]
        return found[::-1]


class Beams(NamedTuple):
    """The prefixes that run, (sequences, size) each, the best first, in the order from the longest sequence.

    Fields:
        node: the prefix in the trie; -1 where there are fewer prefixes than beams.
        parent: the prefix without its last token; -2 where there is none.
        last: its last token, or the blank.
        ends_blank, ends_token: log-probability of its paths that end in a blank, and in its last token.
    """

    node: Whole
    parent: Whole
    last: Whole
    ends_blank: Numbers
    ends_token: Numbers

    def map(self, function: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Beams:
        return Beams(*(function(field) for field in self))

    @staticmethod
    def first(sequences: int, size: int) -> Beams:
        shape = (sequences, size)
        nothing = (-1, -2, BLANK, -np.inf, -np.inf)
        beams = Beams(*(np.full(shape, value) for value in nothing))
        beams.node[:, 0], beams.ends_blank[:, 0] = np.arange(sequences), 0.0
        return beams

    def advance(self, frame: Frame, trie: Trie) -> None:
        """Let the sequences that have this step take it, in place."""
        node, parent, last, ends_blank, ends_token = self.map(lambda field: field[: len(frame.steps)])
        total = np.logaddexp(ends_blank, ends_token)
        again = np.take_along_axis(frame.steps, last, 1)
        repeats = frame.tokens[:, None] == last[:, :, None]  # said again, a token is new only after a blank
        grown = np.where(repeats, ends_blank[:, :, None], total[:, :, None]) + frame.gains[:, None]
        stay_blank, stay_token = total + frame.steps[:, [BLANK]], ends_token + again
        # A prefix that grows into another of the beam adds to it, and is no prefix of its own.
        row, child, mother = (parent[:, :, None] == node[:, None]).nonzero()
        token = last[row, child]
        given = np.where(last[row, mother] == token, ends_blank[row, mother], total[row, mother]) + again[row, child]
        stay_token[row, child] = np.logaddexp(stay_token[row, child], given)
        pair, place = (frame.tokens[row] == token[:, None]).nonzero()
        grown[row[pair], mother[pair], place] = -np.inf

        stays = Beams(node, parent, last, stay_blank, stay_token)
        for field, new in zip(self, stays.best(grown, frame.tokens, trie), strict=True):
            field[: len(new)] = new

    def best(self, grown: Numbers, tokens: Whole, trie: Trie) -> Beams:
        """The most probable of these prefixes and of what grows out of them, as many as there are now.

        Args:
            grown: (sequences, size, n), log-probability of each prefix with one of the tokens after it.
            tokens: (sequences, n)
            trie: where they are numbered.
        """
        size, width = grown.shape[1:]
        ranks = np.concatenate(
            [np.logaddexp(self.ends_blank, self.ends_token), grown.reshape(len(grown), size * width)], 1
        )
        # A stable order, and the same candidates first whatever `width` is: neighbours in the batch change nothing.
        chosen = np.argsort(-ranks, axis=1, kind="stable")[:, :size]
        rank = np.take_along_axis(ranks, chosen, 1)
        grows = chosen >= size  # of what is impossible only what stays, which comes first: no prefix is there twice
        origin = np.where(grows, (chosen - size) // max(width, 1), chosen)
        node, parent, last, ends_blank, ends_token = self.map(lambda field: np.take_along_axis(field, origin, 1))
        row, slot = grows.nonzero()
        parent[row, slot] = node[row, slot]
        last[row, slot] = tokens[row, (chosen[row, slot] - size) % max(width, 1)]
        longer = map(trie.longer, parent[row, slot].tolist(), last[row, slot].tolist())
        node[row, slot] = np.fromiter(longer, dtype=np.int64, count=len(row))
        ends_blank[grows], ends_token[grows] = -np.inf, rank[grows]
        return Beams(node, parent, last, ends_blank, ends_token)
