"""Sampling: the model's own distribution, cut where asked, drawn from the example's own numbers."""

from typing import Any

import pytest
import torch
from unit.decode.drawn import END, SOURCES, START, encoded, model_of, models, next_scores, ragged

from unspool import Ragged
from unspool.decode import greedy, sample
from unspool.errors import DecodingError


def tokens(found: Any) -> list[tuple[list[int], bool]]:
    return [(one.tokens.tolist(), one.complete) for one in found]


@models()
def test_what_leaves_the_best_token_alone_is_greedy(model: Any) -> None:
    source = encoded(model)
    expected = greedy(model, source, max_length=6)
    for options in ({"temperature": 1e-5}, {"temperature": 1e-45}, {"top_k": 1}, {"top_p": 1e-9}):
        for got, best in zip(sample(model, source, max_length=6, **options), expected, strict=True):
            assert got.tokens.tolist() == best.tokens.tolist()
            assert got.log_probability == pytest.approx(best.log_probability, rel=1e-9)
            assert got.score == got.log_probability


def test_no_temperature_is_too_low_in_single_precision() -> None:
    model = model_of(0).float()
    source = encoded(model)
    for got, best in zip(
        sample(model, source, max_length=6, temperature=1e-46), greedy(model, source, max_length=6), strict=True
    ):
        assert got.tokens.tolist() == best.tokens.tolist()


@models()
def test_what_is_drawn_depends_on_the_example_alone_and_on_the_seed(model: Any) -> None:
    options = {"max_length": 8, "temperature": 2.0}
    together = tokens(sample(model, encoded(model), **options))
    assert tokens(sample(model, encoded(model, SOURCES[::-1]), **options)) == together[::-1]
    assert [tokens(sample(model, encoded(model, [source]), **options))[0] for source in SOURCES] == together
    assert tokens(sample(model, encoded(model), **options)) == together
    others = [tokens(sample(model, encoded(model), seed=seed, **options)) for seed in range(1, 5)]
    assert any(other != together for other in others)


def counts(model: Any, draws: int, **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """How often each token came first and, after token 3, second, over examples that differ in nothing but their id."""
    source = Ragged(torch.tensor([4, 5]).repeat(draws), [2] * draws)
    with torch.no_grad():
        found = sample(model, model.encode(source), max_length=2, **options)
    pairs = [[*one.tokens.tolist(), END, END][:2] for one in found]
    first = torch.bincount(torch.tensor([pair[0] for pair in pairs]), minlength=5)
    second = torch.bincount(torch.tensor([pair[1] for pair in pairs if pair[0] == 3]), minlength=5)
    return first.double(), second.double()


def assert_drawn_from(found: torch.Tensor, probabilities: torch.Tensor) -> None:
    """The chi-square statistic lies below its 99.9th percentile for up to four degrees of freedom."""
    assert not found[probabilities == 0].any()
    possible = probabilities > 0
    expected = found.sum() * probabilities[possible]
    assert float(((found[possible] - expected).square() / expected).sum()) < 18.5


@pytest.mark.parametrize("temperature", [0.7, 1.0, 3.0])
def test_20_000_draws_follow_the_models_distribution(temperature: float) -> None:
    model = model_of(2, ends=-0.5)
    first, second = counts(model, 20_000, temperature=temperature)
    for found, prefix in ((first, []), (second, [3])):
        scores, _ = next_scores(model, [4, 5], prefix)
        scores[START] = -torch.inf
        assert found.sum() > 500
        assert_drawn_from(found, (scores / temperature).softmax(0))


@pytest.mark.parametrize(("top_k", "top_p"), [(2, None), (None, 0.8), (3, 0.9)])
def test_draws_come_from_the_most_probable_tokens_asked_for(top_k: int | None, top_p: float | None) -> None:
    model = model_of(2)
    found, _ = counts(model, 5_000, top_k=top_k, top_p=top_p, temperature=2.0)
    scores, _ = next_scores(model, [4, 5], [])
    scores[START] = -torch.inf
    probabilities = (scores / 2).softmax(0).tolist()
    kept, mass = [], 0.0
    for token in sorted(range(5), key=lambda token: -probabilities[token]):
        if (top_k is None or len(kept) < top_k) and (top_p is None or mass < top_p):
            kept.append(token)
        mass += probabilities[token]
    assert 1 < len(kept) < 4
    wanted = torch.tensor([each if i in kept else 0.0 for i, each in enumerate(probabilities)])
    assert_drawn_from(found, wanted / wanted.sum())


def test_a_log_probability_is_the_models_own_whatever_was_cut() -> None:
    model = model_of(1)
    source = ragged(SOURCES)
    found = sample(model, encoded(model), max_length=4, temperature=5.0, top_k=3, attention=True)
    for i, one in enumerate(found):
        target = Ragged(one.tokens, [len(one.tokens)])
        expected = model.score(source.select([i]), target, ended=one.complete)
        assert one.log_probability == pytest.approx(float(expected), rel=1e-9)
        assert one.attention is not None
        assert one.attention.shape == (len(one.tokens) + one.complete, len(SOURCES[i]) + 1)


def test_limits_hold_and_a_batch_of_none_gives_none() -> None:
    model = model_of(1, ends=2.0)
    found = sample(model, encoded(model), max_length=torch.tensor([3, 2, 5, 0]), min_length=2)
    assert [min(len(one.tokens), 2) for one in found] == [2, 2, 2, 0]
    assert sample(model, encoded(model, []), max_length=3) == []


@pytest.mark.parametrize("way", [greedy, sample])
def test_what_may_have_no_token_looked_nowhere(way: Any) -> None:
    model = model_of(1, ends=-9.0)
    found = way(model, encoded(model), max_length=torch.tensor([0, 2, 0, 1]), attention=True)
    for one, source in zip(found, SOURCES, strict=True):
        assert one.attention.shape == (len(one.tokens) + one.complete, len(source) + 1)
    assert [len(one.attention) for one in found] == [0, 2, 0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "`temperature` must be above 0 and finite, but is 0.0; `greedy` takes the best token"),
        (
            {"temperature": float("inf")},
            "`temperature` must be above 0 and finite, but is inf; `greedy` takes the best token",
        ),
        ({"top_k": 0}, "`top_k` must be at least 1, but is 0"),
        ({"top_p": 0.0}, "`top_p` must be above 0 and at most 1, but is 0.0"),
        ({"top_p": 1.1}, "`top_p` must be above 0 and at most 1, but is 1.1"),
        ({"max_length": -3}, "`max_length` must be at least 0, but is -3"),
    ],
)
def test_what_can_give_no_sequence_is_refused(options: dict[str, Any], message: str) -> None:
    model = model_of(0)
    with pytest.raises(DecodingError) as caught:
        sample(model, encoded(model), **{"max_length": 3, **options})
    assert str(caught.value) == message
