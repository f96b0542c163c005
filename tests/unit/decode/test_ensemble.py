"""Several networks that write together: the mean of their probabilities, token by token."""

import math
from itertools import chain
from typing import Any

import pytest
import torch
from torch import Tensor
from unit.decode.drawn import END, SOURCES, START, VOCABULARY, encoded, model_of, next_scores, ragged

from unspool.decode import beam_search, greedy, sample
from unspool.errors import ModelError
from unspool.models import Ensemble, encoder_decoder


def several() -> list[Any]:
    """Networks that share nothing but what they read and write: one without attention, one that feeds back."""
    return [model_of(1, "none", False), model_of(2, "additive", True), model_of(3, "multihead", False)]


def mean(models: list[Any], source: list[int], prefix: list[int]) -> list[float]:
    """log of the mean of p(next | prefix, source), network by network and from the beginning."""
    found = [next_scores(model, source, prefix)[0].tolist() for model in models]
    return [math.log(sum(math.exp(each[token]) for each in found) / len(found)) for token in range(VOCABULARY)]


def everything(models: list[Any], source: list[int], longest: int) -> list[tuple[float, list[int]]]:
    """Every output with its log-probability, the most probable first."""
    waiting: list[tuple[float, list[int]]] = [(0.0, [])]
    ended = []
    while waiting:
        total, prefix = waiting.pop()
        scores = mean(models, source, prefix)
        ended.append((total + scores[END], prefix))
        if len(prefix) < longest:
            waiting += [(total + scores[t], [*prefix, t]) for t in range(VOCABULARY) if t not in (START, END)]
    return sorted(ended, key=lambda one: -one[0])


def test_a_large_beam_finds_what_is_most_probable_by_the_mean() -> None:
    models = several()
    ensemble = Ensemble(models).eval()
    for source, found in zip(
        SOURCES, beam_search(ensemble, encoded(ensemble), size=60, n_best=20, max_length=2), strict=True
    ):
        best = everything(models, source, 2)[: len(found)]
        assert len(found) == 1 + 3 + 9
        assert [one.tokens.tolist() for one in found] == [prefix for _, prefix in best]
        assert [one.log_probability for one in found] == pytest.approx([total for total, _ in best])


def test_beams_that_part_and_sources_that_end_early_keep_each_network_in_step() -> None:
    models = several()
    ensemble = Ensemble(models).eval()
    for source, found in zip(
        SOURCES, beam_search(ensemble, encoded(ensemble), size=3, n_best=3, max_length=5), strict=True
    ):
        for one in found:
            prefix, total = [], 0.0
            for token in [*one.tokens.tolist(), *([END] if one.complete else [])]:
                total += mean(models, source, prefix)[token]
                prefix.append(token)
            assert one.log_probability == pytest.approx(total)


def test_greedy_takes_the_best_by_the_mean_which_is_no_network_s_own() -> None:
    models = several()
    ensemble = Ensemble(models).eval()
    together = [one.tokens.tolist() for one in greedy(ensemble, encoded(ensemble), max_length=4)]
    alone = [[one.tokens.tolist() for one in greedy(each, encoded(each), max_length=4)] for each in models]
    assert together not in alone
    for source, tokens in zip(SOURCES, together, strict=True):
        for place, token in enumerate(tokens):
            scores = mean(models, source, tokens[:place])
            scores[START] = -math.inf
            assert token == scores.index(max(scores))


def test_of_one_network_it_is_that_network() -> None:
    model = model_of(5)
    ensemble = Ensemble([model]).eval()
    for options in ({}, {"attention": True}):
        ours = beam_search(ensemble, encoded(ensemble), size=3, n_best=3, max_length=4, **options)
        theirs = beam_search(model, encoded(model), size=3, n_best=3, max_length=4, **options)
        for got, wanted in zip(chain(*ours), chain(*theirs), strict=True):
            assert got.tokens.tolist() == wanted.tokens.tolist()
            assert got.log_probability == pytest.approx(wanted.log_probability)
            assert (got.attention is None) == (wanted.attention is None)
            if got.attention is not None and wanted.attention is not None:
                torch.testing.assert_close(got.attention, wanted.attention)


def looked(models: list[Any]) -> Tensor | None:
    ensemble = Ensemble(models).eval()
    return greedy(ensemble, encoded(ensemble), max_length=2, attention=True)[0].attention


def test_where_they_looked_is_the_mean_of_all_unless_one_has_no_attention() -> None:
    first, second = model_of(1), model_of(2)
    both = looked([first, second])
    assert both is not None
    states = [model.start(encoded(model, SOURCES[:1])) for model in (first, second)]
    weights = [
        model.step(torch.tensor([START]), *state)[0].weights[0]
        for model, state in zip((first, second), states, strict=True)
    ]
    torch.testing.assert_close(both[0], (weights[0] + weights[1]) / 2)
    assert looked([first, model_of(3, "none", False)]) is None
    assert looked([model_of(3, "none", False), first]) is None


def test_one_that_copies_and_never_generates_a_token_leaves_it_to_the_others() -> None:
    sizes = {"embedding_size": 4, "hidden_size": 3, "attention": "general"}
    copying = encoder_decoder(7, 7, copying=True, tied_embeddings=True, shared_embeddings=True, **sizes).eval()
    ensemble = Ensemble([copying, encoder_decoder(7, 7, **sizes).eval()]).eval()
    source = ragged(SOURCES)
    with torch.no_grad():
        drawn = sample(ensemble, ensemble.encode(source), max_length=5, seed=0)
        found = beam_search(ensemble, ensemble.encode(source), size=2, max_length=5)
    assert len(drawn) == len(found) == len(SOURCES)
    assert all(math.isfinite(one.log_probability) for (one,) in found)


def test_networks_that_can_t_write_together_are_refused() -> None:
    with pytest.raises(ModelError, match="`models` must be at least one"):
        Ensemble([])
    other = encoder_decoder(7, 9, hidden_size=4).double().eval()
    ensemble = Ensemble([model_of(1), other]).eval()
    with pytest.raises(ModelError, match=r"one vocabulary of outputs, but have \[5, 9\] tokens"):
        greedy(ensemble, encoded(ensemble), max_length=2)
