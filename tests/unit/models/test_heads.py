"""Vectors made into classes, labels and numbers."""

import pytest
import torch
from torch.nn import functional as F

from unspool.models import ClassHead, LabelsHead, NumberHead
from unspool.models.heads import best_thresholds, calibrated


def test_the_loss_of_classes_is_a_sum_over_examples_by_the_weights_of_their_classes() -> None:
    torch.manual_seed(0)
    head, target = ClassHead(5, 3), torch.tensor([0, 2, 1, 2])
    scores = head(torch.randn(4, 5))
    weights, found = torch.tensor([1.0, 10.0, 0.5]), -scores.log_softmax(1)
    torch.testing.assert_close(head.loss(scores, target), found[torch.arange(4), target].sum())
    weighed = (weights[target] * found[torch.arange(4), target]).sum()
    torch.testing.assert_close(head.loss(scores, target, weights=weights), weighed)
    assert head.weight(target, weights) == 1.0 + 0.5 + 10.0 + 0.5
    assert head.weight(target) == 4.0
    smoothed = 0.7 * found[torch.arange(4), target].sum() + 0.3 * found.mean(1).sum()
    torch.testing.assert_close(head.loss(scores, target, smoothing=0.3), smoothed)


def test_the_loss_of_labels_is_that_of_each_by_itself() -> None:
    torch.manual_seed(0)
    head, target = LabelsHead(5, 3), torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    scores = head(torch.randn(2, 5))
    p = scores.sigmoid()
    by_hand = -(target * p.log() + (1 - target) * (1 - p).log())
    torch.testing.assert_close(head.loss(scores, target), by_hand.sum())
    weights = torch.tensor([1.0, 3.0, 2.0])
    torch.testing.assert_close(
        head.loss(scores, target, weights=weights), (by_hand * (1 + target * (weights - 1))).sum()
    )


def test_the_loss_of_numbers_is_half_the_squared_error() -> None:
    scores = torch.tensor([[1.0], [3.0]])
    assert float(NumberHead(2, 1).loss(scores, torch.tensor([0.0, 5.0]))) == 0.5 * (1 + 4)


def test_calibration_finds_the_temperature_that_scores_were_scaled_by() -> None:
    torch.manual_seed(0)
    right = 2 * torch.randn(20_000, 4)
    target = torch.multinomial(right.softmax(1), 1).squeeze(1)
    for scale in (0.25, 1.0, 3.0):
        assert calibrated(right * scale, target) == pytest.approx(scale, rel=0.05)
    losses = [F.cross_entropy(right * 3 / t, target) for t in (2.7, calibrated(right * 3, target), 3.3)]
    assert losses[1] == min(losses)


def test_a_temperature_changes_probabilities_and_no_ranks() -> None:
    torch.manual_seed(0)
    head, scores = ClassHead(2, 3), torch.randn(6, 3)
    head.temperature.fill_(4.0)
    calm = head.log_probabilities(scores)
    torch.testing.assert_close(calm.exp().sum(1), torch.ones(6))
    assert torch.equal(calm.argmax(1), scores.argmax(1))
    assert (calm.max(1).values < scores.log_softmax(1).max(1).values).all()
    assert "temperature" in head.state_dict()


def test_a_threshold_is_the_one_of_the_highest_f1() -> None:
    from sklearn.metrics import f1_score

    torch.manual_seed(0)
    scores = torch.randn(200, 4).double()
    rate = torch.tensor([-3.0, 0.0, 2.0, -1.0])
    target = (torch.rand(200, 4).double() < (scores + rate).sigmoid()).float()
    found = best_thresholds(scores, target)
    for label in range(4):
        probability = scores[:, label].sigmoid()
        tried = [f1_score(target[:, label], probability >= each) for each in [*probability.tolist(), 0.0, 1.1]]
        reached = f1_score(target[:, label], probability >= found[label])
        assert reached == pytest.approx(max(tried))


def test_a_threshold_does_not_cut_between_equal_probabilities() -> None:
    scores, target = torch.tensor([[2.0], [2.0], [-1.0]]), torch.tensor([[1.0], [0.0], [0.0]])
    (found,) = best_thresholds(scores, target).tolist()
    assert torch.tensor(-1.0).sigmoid() < found < torch.tensor(2.0).sigmoid()


def test_a_label_that_no_example_has_keeps_one_half() -> None:
    assert best_thresholds(torch.randn(5, 2), torch.tensor([[0.0, 1.0]] * 5))[0] == 0.5
