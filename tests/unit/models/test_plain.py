"""The plain network: losses where targets outrun the steps, best outputs, messages. Its numbers: tests/parity."""

from typing import Any

import pytest
import torch
from laws.roster import noisy
from laws.sequences import assert_same
from torch import Tensor

from unspool import Ragged, cells, randomness
from unspool.errors import ModelError
from unspool.models import plain_network

SOURCE = Ragged(torch.tensor([3, 5, 4, 6, 3]), [2, 0, 3], torch.tensor([8, 1, 5]))
TARGET = Ragged(torch.tensor([3, 4, 5, 3, 4, 4, 5]), [1, 6, 0], SOURCE.ids)


def built(bound: int = 4, dropout: float = 0.0) -> Any:
    torch.manual_seed(0)
    return noisy(
        plain_network(7, 6, bound=bound, embedding_size=3, hidden_size=3, cell=cells.GRU, dropout=dropout).double()
    )


@pytest.mark.parametrize("bound", [0, 1, 4, 9])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_counts_each_step_that_has_a_token_to_tell(bound: int, smoothing: float) -> None:
    model = built(bound)
    expected: Tensor | float = 0.0
    for rows, tokens in zip(model(SOURCE).split(), TARGET.split(), strict=True):
        for row, token in zip(rows.log_softmax(1), [*tokens.tolist(), 2], strict=False):  # the shorter one's length
            expected = expected - (1 - smoothing) * row[token] - smoothing * row.mean()
    got = model.loss(SOURCE, TARGET, smoothing=smoothing)
    assert_same([got], [expected])
    parameters = list(model.parameters())
    assert_same(torch.autograd.grad(got, parameters), torch.autograd.grad(expected, parameters))


def test_the_best_output_is_each_steps_best_token_up_to_the_first_end() -> None:
    ended = set()
    for seed in range(20):
        model = built()
        torch.manual_seed(seed)
        with torch.no_grad():
            model.output.bias += 2 * torch.randn(6, dtype=torch.float64)
        for rows, (tokens, log_probability, complete) in zip(model(SOURCE).split(), model.best(SOURCE), strict=True):
            read, total = [], 0.0
            for row in rows.log_softmax(1).tolist():
                token = max((i for i in range(6) if i > 1), key=lambda i: row[i])
                total += row[token]
                if token == 2:
                    break
                read.append(token)
            assert tokens.tolist() == read
            assert complete == (len(read) < len(rows))
            assert log_probability == pytest.approx(total, rel=1e-9)
            ended.add(complete)
    assert ended == {True, False}


def test_dropout_is_the_examples_own() -> None:
    model = built(dropout=0.4)
    with randomness.using(seed=0, step=3):
        together = model(SOURCE).split()
        alone = [model(SOURCE.select([i])).values for i in range(3)]
    assert_same(alone, together)
    assert not torch.allclose(model.eval()(SOURCE).values, torch.cat(alone))


def test_a_batch_of_none_gives_nothing() -> None:
    nothing = SOURCE.select([])
    assert built()(nothing).values.shape == (0, 6)
    assert float(built().loss(nothing, nothing).detach()) == 0
    assert built().best(nothing) == []


def test_a_bound_below_zero_is_refused() -> None:
    with pytest.raises(ModelError) as caught:
        plain_network(7, 6, bound=-1)
    assert str(caught.value) == "`bound` must be at least 0 steps, but is -1"
