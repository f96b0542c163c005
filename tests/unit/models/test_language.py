"""A language model: its stretches, its steps and its loss are those of PyTorch's layers."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unspool import Ragged, cells, models
from unspool.errors import ModelError
from unspool.randomness import using
from unspool.tokens import END, START

IDS, WIDTH = 11, 8


def made(**sizes: object) -> models.LanguageModel:
    torch.manual_seed(0)
    given = {"embedding_size": WIDTH, "hidden_size": WIDTH, "num_layers": 2, "dropout": 0.0, **sizes}
    return models.language_model(IDS, **given).double()  # type: ignore[arg-type]


def in_torch(model: models.LanguageModel) -> nn.LSTM:
    """PyTorch's LSTM with the weights of the model's layers."""
    lstm = nn.LSTM(WIDTH, WIDTH, 2).double()
    theirs = dict(lstm.named_parameters())
    layers = [cell for cell in model.cell.modules() if isinstance(cell, cells.LSTM)]
    for number, layer in enumerate(layers):
        for ours, name in (("input", "ih"), ("hidden", "hh")):
            for kind in ("weight", "bias"):
                theirs[f"{kind}_{name}_l{number}"].data = getattr(layer, f"{kind}_{ours}").data
    return lstm


def test_scores_are_those_of_torch_and_the_state_goes_on() -> None:
    model = made()
    text = torch.randint(3, IDS, (20,))
    with torch.no_grad():
        outputs, _ = in_torch(model)(model.embedding(text))
        expected = F.linear(outputs, model.output.weight, model.output.bias)
        whole, _ = model(Ragged(text, [20]))
        state, parts = None, []
        for part in text.split([7, 0, 12, 1]):
            logits, state = model(Ragged(part, [len(part)]), state)
            parts.append(logits.values)
    torch.testing.assert_close(whole.values, expected)
    torch.testing.assert_close(torch.cat(parts), expected)


def test_steps_are_those_of_stretches() -> None:
    model = made(cell=cells.GRU)
    text = torch.randint(3, IDS, (2, 6))
    ids = torch.arange(2)
    with torch.no_grad():
        expected, _ = model(Ragged(text.flatten(), [6, 6]))
        for step in (model.step, model.stepper(2)):
            state, context = model.start(model.encode(ids))
            found = []
            for tokens in text.T:
                decoded, state = step(tokens, state, context)
                found.append(decoded.output)
            torch.testing.assert_close(torch.stack(found, 1).flatten(0, 1), expected.values)


def test_a_text_begins_where_a_line_has_ended() -> None:
    model = made()
    state, _ = model.start(model.encode(torch.arange(1)))
    with torch.no_grad():
        first, after = (model.step(torch.tensor([token]), state)[0].output for token in (START, END))
    assert torch.equal(first, after)


def test_the_loss_is_the_sum_over_targets_and_is_smoothed() -> None:
    model = made()
    text = Ragged(torch.randint(3, IDS, (9,)), [4, 5])
    targets = Ragged(torch.randint(3, IDS, (9,)), [4, 5])
    logits, _ = model(text)
    for smoothing in (0.0, 0.1):
        loss, _ = model.loss(text.map(model.embedding), targets, smoothing=smoothing)
        logs = logits.values.log_softmax(1)
        told = logs.gather(1, targets.values.unsqueeze(1)).sum()
        expected = -(1 - smoothing) * told - smoothing * logs.mean(1).sum()
        torch.testing.assert_close(loss, expected)


def test_dropout_is_drawn_in_training_alone() -> None:
    model = made(dropout=0.5)
    text = Ragged(torch.randint(3, IDS, (9,)), [4, 5])
    with using(seed=0, step=0):
        one, _ = model(text)
    with using(seed=0, step=1):
        other, _ = model(text)
    assert not torch.equal(one.values, other.values)
    model.eval()
    assert torch.equal(model(text)[0].values, model(text)[0].values)


def test_tied_embeddings_are_one_tensor_of_fitting_width() -> None:
    model = made(tied_embeddings=True)
    assert model.output.weight is model.embedding.weight
    with pytest.raises(ModelError, match=r"`tied_embeddings` needs `embedding_size` to be `hidden_size` \(8\)"):
        made(tied_embeddings=True, embedding_size=4)
