"""CTC: the loss is the sum over all paths, targets that can't be said leave no trace, the network, messages."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.sequences import assert_same
from torch import Tensor, nn
from unit.models.paths import BLANK, cases, paths_of, ragged

from unspool import Bidirectional, Layers, Ragged, cells, randomness
from unspool.errors import ModelError
from unspool.fields import TextField
from unspool.models import Encoder
from unspool.models.ctc import CTCNetwork, ctc_loss, unreachable

drawn = settings(max_examples=40, deadline=None, derandomize=True)
SCORES = Ragged(torch.linspace(-1, 2, 36, dtype=torch.float64).sin().reshape(9, 4), [4, 0, 2, 3])
TARGET = ragged([[3, 3], [], [2, 2], [0, 3, 2]])  # the third needs three steps


def summed(scores: Ragged, target: Ragged, smoothing: float) -> Tensor:
    """The loss, path by path."""
    total = scores.values.sum() * 0
    for steps, tokens in zip(scores.map(lambda step: step.log_softmax(1)).split(), target.split(), strict=True):
        paths = paths_of(steps).get(tuple(tokens.tolist()))
        if paths is not None:
            total = total - (1 - smoothing) * torch.stack([each for each, _ in paths]).logsumexp(0)
            total = total - smoothing * steps.mean(1).sum()
    return total


@drawn
@given(cases(), st.sampled_from([0.0, 0.3]))
def test_the_loss_and_its_gradient_sum_over_every_path(case: tuple[Ragged, Ragged], smoothing: float) -> None:
    scores, target = case
    values = scores.values.requires_grad_()
    got, expected = (f(scores.with_values(values), target, smoothing) for f in (ctc_loss, summed))
    assert_same([got], [expected])
    assert_same(torch.autograd.grad(got, values), torch.autograd.grad(expected, values))


@drawn
@given(cases())
def test_a_target_is_unreachable_where_no_path_says_it(case: tuple[Ragged, Ragged]) -> None:
    scores, target = case
    expected = [
        tuple(tokens.tolist()) not in paths_of(steps)
        for steps, tokens in zip(scores.split(), target.split(), strict=True)
    ]
    assert unreachable(scores.lengths, target).tolist() == expected


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradcheck(smoothing: float) -> None:
    values = SCORES.values.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: ctc_loss(SCORES.with_values(v), TARGET, smoothing), values)


def test_targets_that_can_not_be_said_leave_no_trace() -> None:
    values = SCORES.values.clone().requires_grad_()
    ctc_loss(SCORES.with_values(values), TARGET, 0.1).backward()
    *_, unsaid, said = values.grad.split(SCORES.lengths.tolist())
    assert not unsaid.any()
    assert said.all()
    kept = [0, 1, 3]
    assert torch.equal(ctc_loss(SCORES, TARGET), ctc_loss(SCORES.select(kept), TARGET.select(kept)))


@pytest.mark.parametrize(
    ("lengths", "targets"),
    [([], []), ([0, 0], [[], []]), ([0], [[3]]), ([1, 2], [[3, 2], [3, 3]]), ([2, 0], [[], [2]])],
)
def test_where_there_is_little_to_say_loss_and_gradient_are_finite(
    lengths: list[int], targets: list[list[int]]
) -> None:
    values = torch.randn(sum(lengths), 4).requires_grad_()
    loss = ctc_loss(Ragged(values, lengths), ragged(targets), 0.1)
    loss.backward()
    assert loss.shape == ()
    assert loss.isfinite()
    assert values.grad is not None
    assert values.grad.isfinite().all()


def test_a_batch_of_one_is_its_row() -> None:
    values = SCORES.values.clone().requires_grad_()
    scores = SCORES.with_values(values)
    alone = [ctc_loss(scores.select([row]), TARGET.select([row])) for row in range(4)]
    together = ctc_loss(scores, TARGET)
    assert_same([sum(alone)], [together])
    assert torch.equal(torch.autograd.grad(sum(alone), values)[0], torch.autograd.grad(together, values)[0])


def test_half_precision_is_summed_in_full() -> None:
    scores = SCORES.to(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = ctc_loss(scores, TARGET)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, ctc_loss(scores.to(torch.float32), TARGET))


def test_no_text_has_the_blank_in_it() -> None:
    for options in ({}, {"lines": True}, {"unit": "bpe", "size": 270}):
        field = TextField(**options)  # type: ignore[arg-type]
        field.fit(["one\ntwo", "three"])
        assert BLANK not in field.encode("three\none <s> ß")


def built(dropout: float = 0.0) -> Any:
    torch.manual_seed(0)
    layers = Layers(Bidirectional(cells.GRU(3, 2), cells.GRU(3, 2)))
    return CTCNetwork(Encoder(nn.Embedding(7, 3), layers), nn.Linear(4, 4), dropout).double()


SOURCE = Ragged(torch.tensor([3, 5, 4, 6, 3, 3]), [3, 0, 2, 1], torch.tensor([8, 1, 5, 2]))


def test_the_network_scores_each_step_of_its_memory() -> None:
    model = built()
    memory = model.encode(SOURCE).memory
    assert_same([model(SOURCE).values], [model.output(memory.values)])
    assert_same([model.loss(SOURCE, TARGET, smoothing=0.1)], [summed(model(SOURCE), TARGET, 0.1)])


def test_dropout_is_the_examples_own() -> None:
    model = built(dropout=0.4)
    with randomness.using(seed=0, step=3):
        together = model(SOURCE).split()
        alone = [model(SOURCE.select([i])).values for i in range(4)]
    assert_same(alone, together)
    assert not torch.allclose(model.eval()(SOURCE).values, torch.cat(alone))


def test_it_learns_what_to_say() -> None:
    model, target = built(), ragged([[3, 3], [], [2, 0], [3]])
    optimiser = torch.optim.Adam(model.parameters(), 0.1)
    losses = []
    for _ in range(100):
        optimiser.zero_grad()
        loss = model.loss(SOURCE, target)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]


def _loss(scores: Ragged = SCORES, target: Ragged = TARGET, smoothing: float = 0.0) -> Tensor:
    return ctc_loss(scores, target, smoothing)


MISTAKES: dict[str, tuple[Any, str]] = {
    "smoothing": (lambda: _loss(smoothing=1.0), "`smoothing` must be from 0 to below 1, but is 1.0"),
    "one score": (
        lambda: _loss(Ragged(torch.zeros(2, 1), [2])),
        "`scores` must be (total, ids) with the blank (1) among the ids, but has shape (2, 1)",
    ),
    "targets": (
        lambda: _loss(target=ragged([[3]])),
        "`target` must have one sequence for each of the 4 of the input, but has 1",
    ),
    "the blank": (
        lambda: _loss(target=ragged([[3], [], [2, 1], []])),
        "`target` must hold ids from 0 to 3 without the blank (1), but sequence 2 has 1",
    ),
    "too large": (
        lambda: _loss(target=ragged([[], [4], [], []])),
        "`target` must hold ids from 0 to 3 without the blank (1), but sequence 1 has 4",
    ),
    "no ids": (
        lambda: _loss(target=Ragged(torch.zeros(2), [1, 1, 0, 0])),
        "`target` must be (total,) ids of torch.int64, but is (2,) of torch.float32",
    ),
    "no blank": (
        lambda: CTCNetwork(built().encoder, nn.Linear(4, 1)),
        "`output` must score the blank (1), but has 1 ids",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_does_not_fit_is_named(case: str) -> None:
    make, message = MISTAKES[case]
    with pytest.raises(ModelError) as error:
        make()
    assert str(error.value) == message
