"""Outputs that CTC proposes, ranked by it and by the decoder."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unspool import Ragged, models
from unspool.decode import ctc_beam_search, ctc_score, rescored
from unspool.errors import DecodingError
from unspool.models import Front, JointNetwork, StepsOf


def made(seed: int = 0) -> tuple[JointNetwork, Ragged]:
    torch.manual_seed(seed)
    model = models.encoder_decoder(
        StepsOf((2,)), 7, embedding_size=4, hidden_size=6, attention="general", ctc=0.3, dropout=0.0, front=Front()
    )
    assert isinstance(model, JointNetwork)
    with torch.no_grad():
        for each in model.parameters():
            each += 0.5 * torch.randn_like(each)
    return model.eval(), Ragged(torch.randn(15, 2), torch.tensor([6, 1, 8]))


class Impossible(nn.Module):
    """An output layer that allows the first id alone."""

    def forward(self, outputs: Tensor) -> Tensor:
        return torch.full((len(outputs), 7), -torch.inf).index_fill(1, torch.tensor([0]), 0.0)


def told(model: JointNetwork, source: Ragged) -> Any:
    with torch.no_grad():
        encoded = model.encode(source)
        return encoded, model.spelled(encoded).map(lambda step: step.log_softmax(1))


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_the_best_is_that_of_both_scores_over_what_ctc_proposes(share: float) -> None:
    model, source = made()
    encoded, logs = told(model, source)
    found = rescored(model, encoded, logs, share=share, size=6, n_best=6)
    proposed = ctc_beam_search(logs, size=6, n_best=6)
    for row, several in enumerate(found):
        assert sorted(one.tokens.tolist() for one in several) == sorted(one.tokens.tolist() for one in proposed[row])
        assert [one.score for one in several] == sorted((one.score for one in several), reverse=True)
        for one in several:
            target = Ragged(one.tokens, torch.tensor([len(one.tokens)]))
            alone = model.score(source.select([row]), target)
            spelled = ctc_score(logs.select([row]), target)
            assert one.log_probability == pytest.approx(float(alone), rel=1e-4)
            assert one.score == pytest.approx(float(share * spelled + (1 - share) * alone), rel=1e-4)


def test_of_ctc_alone_it_is_ctc_s_best_and_some_are_returned() -> None:
    model, source = made(1)
    encoded, logs = told(model, source)
    found = rescored(model, encoded, logs, share=1.0, size=8, n_best=2)
    best = ctc_beam_search(logs, size=8)
    assert [several[0].tokens.tolist() for several in found] == [one[0].tokens.tolist() for one in best]
    assert all(len(several) == 2 for several in found)


def test_where_each_step_looked_is_kept() -> None:
    model, source = made()
    encoded, logs = told(model, source)
    assert rescored(model, encoded, logs, share=0.5)[0][0].attention is None
    for row, (one,) in enumerate(rescored(model, encoded, logs, share=0.5, attention=True)):
        assert one.attention is not None
        assert one.attention.shape == (len(one.tokens) + 1, int(source.lengths[row]))
        torch.testing.assert_close(one.attention.sum(1), torch.ones(len(one.tokens) + 1))


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_between_nothing_and_all(share: float) -> None:
    model, source = made()
    with pytest.raises(DecodingError, match="`share` of CTC must be from 0 to 1"):
        rescored(model, *told(model, source), share=share)


@pytest.mark.parametrize("n_best", [0, 3])
def test_no_more_than_what_is_proposed_are_returned(n_best: int) -> None:
    model, source = made()
    with pytest.raises(DecodingError, match=f"must be from 1 to the 2 outputs that are proposed, but is {n_best}"):
        rescored(model, *told(model, source), share=0.5, size=2, n_best=n_best)


def test_what_has_no_share_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    model, source = made()
    encoded, logs = told(model, source)
    expected = [(one.tokens.tolist(), one.score) for (one,) in rescored(model, encoded, logs, share=1.0)]
    model.output = Impossible()
    assert [(one.tokens.tolist(), one.score) for (one,) in rescored(model, encoded, logs, share=1.0)] == expected


def test_a_batch_of_none_gives_none() -> None:
    model, source = made()
    assert rescored(model, *told(model, source.select([])), share=0.5) == []
