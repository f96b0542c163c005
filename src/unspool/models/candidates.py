"""Sequence → one of its own candidates: columns read, and which of the answers offered fits them best."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.errors import DataError
from unspool.layers import Dropout
from unspool.models.lines import lines_of
from unspool.models.pooling import log_softmax
from unspool.models.reader import Columns, LineVectors, Reader
from unspool.ragged import Ragged
from unspool.randomness import number_layers
from unspool.tokens import with_end
from unspool.unrolling import unroll


class EncoderWithCandidates(nn.Module):
    """Columns read into one vector v, and how well each of an example's candidates c fits it.

        score = c · (W v + b)

    An example has as many candidates as it likes, each a text of its own, so that one that training never saw can win.

    Args:
        reader: from columns to a vector.
        column: the name of the column of candidates, a line each.
        candidates: from that column to a vector for each line.
        dropout: on the vector that was read, in training.

    `encoder_with_candidates` puts one together from sizes and names.

    Reference:
        Lowe et al. (2015), section 4.3, the dual encoder: a bilinear form of what is read and what may follow.
    """

    def __init__(self, reader: Reader, column: str, candidates: LineVectors, dropout: float = 0.0) -> None:
        super().__init__()
        self.reader, self.column, self.candidates, self.dropout = reader, column, candidates, Dropout(dropout)
        self.match = nn.Linear(reader.output_size, candidates.output_size)
        number_layers(self)

    def token_embedding(self, column: str) -> nn.Module | None:
        """What makes vectors of a column's ids, be it read or that of candidates; None where it has none."""
        return self.candidates.encoder.embedding if column == self.column else self.reader.token_embedding(column)

    def forward(self, columns: Columns, ids: Tensor) -> Ragged:
        """Scores of all candidates, example after example. -> (candidates in all,), as many steps as candidates

        Args:
            columns: by name, that of the candidates among them; a `Batch` is such.
            ids: (batch,) which examples these are, for dropout.
        """
        offered = columns[self.column]
        assert isinstance(offered, Ragged)
        vector = self.reader(columns).vector
        one_step = Ragged(vector, torch.ones(len(vector), dtype=torch.int64), ids)
        wanted = self.match(unroll(self.dropout, one_step).outputs.values)
        vectors = self.candidates(offered)
        rows = vectors.layout.on(vectors.device, "rows")
        scores: Ragged = vectors.map(lambda each: (each * wanted.index_select(0, rows)).sum(1))
        return scores

    def loss(self, scores: Ragged, right: Tensor, smoothing: float = 0.0) -> Tensor:
        """Negative log-likelihood of the right candidates among those of their example, in nats, summed.

        Args:
            scores: as `forward` gives them.
            right: (batch,) the place of the right one among the example's candidates.
            smoothing: share of the probability that is spread evenly over them.
        """
        found = log_softmax(scores)
        chosen = found.values.index_select(0, (scores.layout.offsets[:-1] + right).to(scores.device))
        if not smoothing:
            return -chosen.sum()
        return -(1 - smoothing) * chosen.sum() - smoothing * found.mean().sum()


def right_places(offered: Ragged, answers: Ragged) -> Tensor:
    """Which of its candidates each example's answer is: the first of those that say the same.

    Args:
        offered: (total,) ids with an end token between candidates.
        answers: (total,) ids in the same vocabulary.

    Returns:
        (batch,) places from 0 on.

    Raises:
        DataError: an answer that is not among its candidates; the message says of which example.

    Example:
        >>> offered = Ragged(torch.tensor([5, 2, 6, 7, 2, 8]), lengths=[6])  # 5 or 6 7 or 8
        >>> right_places(offered, Ragged(torch.tensor([6, 7]), lengths=[2]))
        tensor([1])
    """
    lines, counts = lines_of(with_end(offered.to("cpu")))
    each, answered = iter(lines.split()), with_end(answers.to("cpu")).split()
    found = []
    for row, (answer, count) in enumerate(zip(answered, counts.tolist(), strict=True)):
        candidates = [next(each) for _ in range(count)]
        place = next((i for i, candidate in enumerate(candidates) if torch.equal(candidate, answer)), None)
        if place is None:
            raise DataError(
                f"an answer must be one of its candidates, but that of row {int(answers.ids[row])} is none of its "
                f"{count}; each candidate is a line of its own"
            )
        found.append(place)
    return torch.tensor(found, dtype=torch.int64)
