"""Sequences made into one vector."""

import pytest
import torch
from torch import nn

from unspool import Ragged
from unspool.cells import GRU, LSTM
from unspool.layers import Bidirectional, Dropout, Layers
from unspool.models import (
    AttentionPooling,
    Encoded,
    Encoder,
    JoinedPooling,
    LastPooling,
    MaxPooling,
    MeanPooling,
)
from unspool.models.pooling import softmax

LENGTHS = [3, 0, 1, 5]


def encoded(*layers: nn.Module) -> Encoded:
    torch.manual_seed(0)
    encoder = Encoder(nn.Embedding(9, 4), Layers(*(layers or (Bidirectional(LSTM(4, 3), LSTM(4, 3)),)))).eval()
    return encoder(Ragged(torch.randint(9, (sum(LENGTHS),)), LENGTHS))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("pooling", "of_one"), [(MeanPooling(6), lambda row: row.mean(0)), (MaxPooling(6), lambda row: row.max(0).values)]
)
def test_a_pooling_is_that_of_each_sequence_by_itself(pooling: nn.Module, of_one: object) -> None:
    given = encoded()
    vector = pooling(given).vector
    for row, sequence in enumerate(given.memory.split()):
        torch.testing.assert_close(vector[row], of_one(sequence) if len(sequence) else torch.zeros(6))  # type: ignore[operator]


def test_the_last_states_are_those_of_both_ends_of_the_last_layer() -> None:
    given = encoded(GRU(4, 5), Bidirectional(LSTM(5, 3), LSTM(5, 3)), Dropout(0.5))
    vector = LastPooling(6)(given).vector
    for row, sequence in enumerate(given.memory.split()):
        ends = torch.cat([sequence[-1, :3], sequence[0, 3:]]) if len(sequence) else torch.zeros(6)
        torch.testing.assert_close(vector[row], ends)


def test_attention_weighs_the_steps_of_each_sequence() -> None:
    given, pooling = encoded(), AttentionPooling(6)
    vector, weights = pooling(given)
    for row, (sequence, weight) in enumerate(zip(given.memory.split(), weights.split(), strict=True)):
        scores = pooling.score(torch.tanh(pooling.hidden(sequence))).squeeze(1)
        torch.testing.assert_close(weight, scores.softmax(0))
        torch.testing.assert_close(vector[row], weight @ sequence)


def test_a_softmax_of_large_scores_stays_finite_and_flows_back() -> None:
    scores = torch.tensor([1e4, 1e4, -1e4, 5.0], requires_grad=True)
    weights = softmax(Ragged(scores, [3, 0, 1])).values
    assert weights.tolist() == [0.5, 0.5, 0.0, 1.0]
    weights[0].backward()
    assert scores.grad is not None
    assert scores.grad.tolist() == [0.25, -0.25, 0.0, 0.0]


def test_several_poolings_lie_side_by_side() -> None:
    given = encoded()
    parts = [LastPooling(6), AttentionPooling(6), MaxPooling(6)]
    joined = JoinedPooling(parts)
    assert joined.output_size == 18
    found = joined(given)
    torch.testing.assert_close(found.vector, torch.cat([part(given).vector for part in parts], 1))
    assert torch.equal(found.weights.values, parts[1](given).weights.values)
