"""Sequences made into one vector, and into a class."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unspool import Ragged, randomness
from unspool.cells import GRU, LSTM
from unspool.errors import ModelError
from unspool.layers import Bidirectional, Dropout, Layers
from unspool.models import (
    AttentionPooling,
    Classifier,
    Encoded,
    Encoder,
    JoinedPooling,
    LastPooling,
    MaxPooling,
    MeanPooling,
    calibrated,
    classifier,
)
from unspool.models.pooling import POOLINGS, softmax
from unspool.tokens import END

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


@pytest.mark.parametrize("pooling", [*POOLINGS, ["last", "max", "attention"]], ids=str)
@pytest.mark.parametrize("cell", [LSTM, GRU])
def test_a_text_alone_or_in_company_is_told_the_same(pooling: str, cell: type) -> None:
    torch.manual_seed(0)
    model = classifier(9, 3, embedding_size=4, hidden_size=5, num_layers=2, cell=cell, pooling=pooling).eval()
    source = Ragged(torch.randint(3, 9, (sum(LENGTHS),)), LENGTHS)
    together = model(source).logits
    assert together.shape == (4, 3)
    for row in range(4):
        torch.testing.assert_close(model(source.select([row])).logits[0], together[row])


def test_the_end_is_read() -> None:
    torch.manual_seed(0)
    model = classifier(9, 3, embedding_size=4, hidden_size=5, pooling="attention", dropout=0.0)
    logits, weights = model(Ragged(torch.tensor([4, 5]), [2]))
    by_hand = model.pooling(model.encoder(Ragged(torch.tensor([4, 5, END]), [3])))
    assert weights.lengths.tolist() == [3]
    torch.testing.assert_close(logits, model.output(by_hand.vector))


def test_the_loss_is_a_sum_over_examples_by_the_weights_of_their_classes() -> None:
    torch.manual_seed(0)
    model = classifier(9, 3, embedding_size=4, hidden_size=5, dropout=0.0)
    source, target = Ragged(torch.randint(3, 9, (sum(LENGTHS),)), LENGTHS), torch.tensor([0, 2, 1, 2])
    weights, found = torch.tensor([1.0, 10.0, 0.5]), -model(source).logits.log_softmax(1)
    torch.testing.assert_close(model.loss(source, target), found[torch.arange(4), target].sum())
    torch.testing.assert_close(
        model.loss(source, target, class_weights=weights), (weights[target] * found[torch.arange(4), target]).sum()
    )
    smoothed = 0.7 * found[torch.arange(4), target].sum() + 0.3 * found.mean(1).sum()
    torch.testing.assert_close(model.loss(source, target, smoothing=0.3), smoothed)


def test_dropout_is_drawn_for_the_example_and_not_for_its_place() -> None:
    torch.manual_seed(0)
    model = classifier(9, 3, embedding_size=8, hidden_size=8, dropout=0.5).train()
    source = Ragged(torch.randint(3, 9, (sum(LENGTHS),)), LENGTHS, ids=[7, 8, 9, 10])
    with randomness.using(seed=1, step=2):
        together, turned = model(source).logits, model(source.select([3, 1, 0, 2])).logits
    torch.testing.assert_close(turned, together[[3, 1, 0, 2]])
    assert not torch.allclose(together, model.eval()(source).logits)


def test_calibration_finds_the_temperature_that_logits_were_scaled_by() -> None:
    torch.manual_seed(0)
    right = 2 * torch.randn(20_000, 4)
    target = torch.multinomial(right.softmax(1), 1).squeeze(1)
    for scale in (0.25, 1.0, 3.0):
        assert calibrated(right * scale, target) == pytest.approx(scale, rel=0.05)
    losses = [F.cross_entropy(right * 3 / t, target) for t in (2.7, calibrated(right * 3, target), 3.3)]
    assert losses[1] == min(losses)


def test_a_temperature_changes_probabilities_and_no_ranks() -> None:
    torch.manual_seed(0)
    model = classifier(9, 3, embedding_size=4, hidden_size=5)
    logits = torch.randn(6, 3)
    model.temperature.fill_(4.0)
    calm = model.log_probabilities(logits)
    torch.testing.assert_close(calm.exp().sum(1), torch.ones(6))
    assert torch.equal(calm.argmax(1), logits.argmax(1))
    assert (calm.max(1).values < logits.log_softmax(1).max(1).values).all()
    assert "temperature" in model.state_dict()


@pytest.mark.parametrize("pooling", ["mode", [], ["max", "mode"]])
def test_a_pooling_that_is_none_is_refused(pooling: object) -> None:
    with pytest.raises(ModelError, match="`pooling` must be one or more of last, mean, max, attention"):
        classifier(9, 3, pooling=pooling)  # type: ignore[arg-type]


def test_a_classifier_is_made_of_its_parts() -> None:
    layers = Layers(GRU(4, 6))
    model = Classifier(Encoder(nn.Embedding(9, 4), layers), MeanPooling(6), nn.Linear(6, 2))
    assert model(Ragged(torch.tensor([3]), [1])).logits.shape == (1, 2)
