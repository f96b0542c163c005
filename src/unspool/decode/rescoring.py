"""Outputs that one part of a network proposes, ranked by both of its parts."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from unspool.decode.ctc import ctc_beam_search
from unspool.decode.hypothesis import Hypothesis
from unspool.errors import DecodingError
from unspool.models.encoder import Encoded
from unspool.ragged import Ragged
from unspool.state import select
from unspool.tokens import with_end


class Rescoring(Protocol):
    """A network whose decoder can force outputs: `unspool.models.JointNetwork` is one."""

    def forced_from(self, encoded: Encoded, target: Ragged, /) -> tuple[Any, Any]: ...

    output: Any


@torch.no_grad()
def rescored(
    model: Rescoring,
    encoded: Encoded,
    log_probabilities: Ragged,
    *,
    share: float,
    size: int = 8,
    n_best: int = 1,
    attention: bool = False,
) -> list[list[Hypothesis]]:
    """The best outputs of a network that learned with CTC beside attention, by both.

        score(y) = share · log p_CTC(y | x) + (1 - share) · log p_attention(y, end | x)

    CTC proposes `size` outputs by its beam search, which only moves forward and so loses no part of the input; the
    decoder then says how probable each is as a whole, all at once.

    Args:
        model: in evaluation mode.
        encoded: the sources.
        log_probabilities: (total, ids), what CTC says at each step of them.
        share: of CTC, from 0 to 1.
        size: outputs that are proposed for each source.
        n_best: how many of them are returned.
        attention: whether to keep where each step looked.

    Returns:
        For each source the best ones, best first. `log_probability` is the decoder's, the end included.

    Raises:
        DecodingError: a share that is none; more outputs than are proposed.

    Reference:
        Zhang et al. (2021), WeNet, section 3: attention rescoring; the two scores, Watanabe et al. (2017), equation 12.
    """
    if not 0 <= share <= 1:
        raise DecodingError(f"`share` of CTC must be from 0 to 1, but is {share}")
    if not 1 <= n_best <= size:
        raise DecodingError(f"`n_best` must be from 1 to the {size} outputs that are proposed, but is {n_best}")
    proposed = ctc_beam_search(log_probabilities, size=size, n_best=size)
    rows = torch.tensor([row for row, several in enumerate(proposed) for _ in several], dtype=torch.int64)
    each = [one for several in proposed for one in several]
    if not each:
        return [[] for _ in proposed]
    device, ids = encoded.memory.device, encoded.memory.ids[rows.to(encoded.memory.ids.device)]
    target = Ragged.from_list([one.tokens for one in each], ids).to(device)
    forced, _ = model.forced_from(select(encoded, rows), target)
    told = forced.outputs.map(lambda output: model.output(output).float().log_softmax(1))
    tokens = with_end(target).values.unsqueeze(1)
    attended = told.map(lambda step: step.gather(1, tokens).squeeze(1)).sum().tolist()
    looked: list[Any] = [None] * len(each)
    if attention and forced.weights is not None:
        widths = encoded.memory.lengths[rows].tolist()
        looked = [step[:, :width].cpu() for step, width in zip(forced.weights.split(), widths, strict=True)]
    found: list[list[Hypothesis]] = [[] for _ in proposed]
    for row, one, score, seen in zip(rows.tolist(), each, attended, looked, strict=True):
        both = sum(part * each for part, each in ((share, one.log_probability), (1 - share, score)) if part > 0)
        found[row].append(Hypothesis(one.tokens, score, both, True, seen))
    return [sorted(several, key=lambda one: -one.score)[:n_best] for several in found]
