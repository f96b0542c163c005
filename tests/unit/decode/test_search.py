"""Greedy and beam search: what they find is what searches without a batch find, and forcing gives the same numbers."""

from typing import Any

import pytest
import torch
from unit.decode.drawn import (
    END,
    KINDS,
    SOURCES,
    START,
    beam,
    encoded,
    every_output,
    model_of,
    models,
    next_scores,
    ragged,
    score,
)

from unspool import Ragged
from unspool.decode import Hypothesis, beam_search, greedy
from unspool.errors import DecodingError
from unspool.models import encoder_decoder

CLOSE = {"rel": 1e-9, "abs": 1e-9}


def same(got: Hypothesis, expected: Hypothesis) -> None:
    assert got.tokens.tolist() == expected.tokens.tolist()
    assert got.complete == expected.complete
    assert got.log_probability == pytest.approx(expected.log_probability, **CLOSE)
    assert got.score == pytest.approx(expected.score, **CLOSE)
    assert (got.attention is None) == (expected.attention is None)
    if got.attention is not None and expected.attention is not None:
        torch.testing.assert_close(got.attention, expected.attention, rtol=1e-9, atol=1e-11)


@models()
def test_greedy_takes_the_best_token_until_the_end(model: Any) -> None:
    for source, got in zip(SOURCES, greedy(model, encoded(model), max_length=6), strict=True):
        prefix: list[int] = []
        while True:
            scores, _ = next_scores(model, source, prefix)
            scores[START] = -torch.inf
            best = int(scores.argmax())
            if best == END or len(prefix) == 6:
                break
            prefix.append(best)
        assert (got.tokens.tolist(), got.complete) == (prefix, best == END)


@models(40)
def test_a_beam_of_one_is_greedy(model: Any) -> None:
    source = encoded(model)
    for options in ({}, {"min_length": 2}, {"attention": True}):
        found = beam_search(model, source, size=1, max_length=6, **options)
        for (got,), expected in zip(found, greedy(model, source, max_length=6, **options), strict=True):
            same(got, expected)


def test_of_tokens_that_are_equally_probable_the_first_is_taken() -> None:
    model = encoder_decoder(7, 50, embedding_size=4, hidden_size=4, attention="none").eval()
    with torch.no_grad():
        for parameter in model.output.parameters():
            parameter.zero_()
    source = encoded(model)
    for options in ({}, {"min_length": 3}):
        found = beam_search(model, source, size=1, max_length=4, **options)
        for (got,), expected in zip(found, greedy(model, source, max_length=4, **options), strict=True):
            same(got, expected)


@models()
def test_forcing_reproduces_every_log_probability(model: Any) -> None:
    source, sources = encoded(model), ragged(SOURCES)
    found = beam_search(model, source, size=3, n_best=3, max_length=4)
    rows = [[one] for one in greedy(model, source, max_length=4, min_length=1)] + found
    for row, hypotheses in enumerate(rows):
        for one in hypotheses:
            own = sources.select([row % len(SOURCES)])
            target = Ragged(one.tokens, [len(one.tokens)], own.ids)
            assert float(model.score(own, target, ended=one.complete)) == pytest.approx(one.log_probability, **CLOSE)


@models(4)
@pytest.mark.parametrize(("length_penalty", "coverage_penalty"), [(0.0, 0.0), (1.0, 0.0), (0.6, 0.4)])
def test_a_large_beam_is_an_exhaustive_search(model: Any, length_penalty: float, coverage_penalty: float) -> None:
    if model.decoder.attention is None:
        coverage_penalty = 0.0
    sources, penalties = SOURCES[:2], (length_penalty, coverage_penalty)
    found = beam_search(
        model,
        encoded(model, sources),
        size=130,
        n_best=40,
        max_length=3,
        length_penalty=length_penalty,
        coverage_penalty=coverage_penalty,
    )
    for source, got in zip(sources, found, strict=True):
        everything = list(every_output(model, source, 3))
        assert len(everything) == 1 + 3 + 9 + 27
        everything.sort(key=lambda one: -score(one, *penalties))
        assert [tuple(one.tokens.tolist()) for one in got] == [one.tokens for one in everything[:40]]
        for ours, theirs in zip(got, everything, strict=False):
            assert ours.complete
            assert ours.attention is None
            assert ours.score == pytest.approx(score(theirs, *penalties), **CLOSE)
            assert ours.log_probability == pytest.approx(theirs.log_probability, **CLOSE)


@models(8)
@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_beam_is_that_of_a_search_without_a_batch(model: Any, size: int) -> None:
    penalties = (0.7, 0.0 if model.decoder.attention is None else 0.3)
    found = beam_search(
        model,
        encoded(model, SOURCES[:3]),
        size=size,
        n_best=size,
        max_length=5,
        min_length=1,
        length_penalty=penalties[0],
        coverage_penalty=penalties[1],
        attention=True,
    )
    for source, got in zip(SOURCES, found, strict=False):
        expected = {one.tokens: one for one in beam(model, source, size, 5, min_length=1)}
        for ours in got:
            theirs = expected[tuple(ours.tokens.tolist())]
            assert ours.complete == theirs.complete
            assert ours.log_probability == pytest.approx(theirs.log_probability, **CLOSE)
            if theirs.complete:
                assert ours.score == pytest.approx(score(theirs, *penalties), **CLOSE)
        assert len(got) == min(size, len(expected))
        assert [one.score for one in got] == sorted((one.score for one in got), reverse=True)


@models()
def test_what_a_source_gets_does_not_depend_on_its_batch(model: Any) -> None:
    limits = torch.tensor([4, 2, 6, 0])
    options = {"max_length": limits, "attention": True}
    together = [[one] for one in greedy(model, encoded(model), **options)]
    together += beam_search(model, encoded(model), size=3, n_best=2, length_penalty=1.0, **options)
    for row, source in enumerate(SOURCES):
        alone, options = encoded(model, [source]), {"max_length": int(limits[row]), "attention": True}
        same(greedy(model, alone, **options)[0], together[row][0])
        found = beam_search(model, alone, size=3, n_best=2, length_penalty=1.0, **options)[0]
        for got, expected in zip(found, together[len(SOURCES) + row], strict=True):
            same(got, expected)


@models()
def test_lengths_keep_their_limits(model: Any) -> None:
    source, limits = encoded(model), torch.tensor([5, 0, 3, 2])
    for found in (
        greedy(model, source, max_length=limits, min_length=2),
        [one for (one,) in beam_search(model, source, size=3, max_length=limits, min_length=2)],
    ):
        for one, limit in zip(found, limits.tolist(), strict=True):
            assert len(one.tokens) <= limit
            assert len(one.tokens) >= min(2, limit)
            assert one.complete or len(one.tokens) == limit
            assert START not in one.tokens
            assert END not in one.tokens
    for one in greedy(model, source, max_length=0):
        assert one.tokens.tolist() == []
        assert one.complete == (one.log_probability != 0)


@pytest.mark.parametrize(("attention", "feeding"), KINDS[1:])
@pytest.mark.parametrize("ends", [-9.0, 0.0, 6.0])
def test_attention_has_one_row_a_step_which_sums_to_one_over_the_source(
    attention: str, feeding: bool, ends: float
) -> None:
    model = model_of(0, attention, feeding, ends)
    found = [[one] for one in greedy(model, encoded(model), max_length=4, attention=True)]
    found += beam_search(model, encoded(model), size=3, n_best=3, max_length=4, attention=True)
    for row, hypotheses in enumerate(found):
        source = SOURCES[row % len(SOURCES)]
        for one in hypotheses:
            assert one.attention is not None
            assert one.attention.shape == (len(one.tokens) + one.complete, len(source) + 1)  # the source's end too
            torch.testing.assert_close(one.attention.sum(1), torch.ones(len(one.attention), dtype=torch.float64))
            _, looked = next_scores(model, source, one.tokens.tolist())
            assert looked is not None
            torch.testing.assert_close(one.attention, looked[: len(one.attention)])
            if ends:
                assert one.complete == (ends > 0)


def test_a_model_without_attention_has_none_to_keep() -> None:
    model = model_of(0, "none", False)
    assert greedy(model, encoded(model), max_length=3, attention=True)[0].attention is None
    assert beam_search(model, encoded(model), size=2, max_length=3, attention=True)[0][0].attention is None


def test_a_batch_of_none_gives_none() -> None:
    model = model_of(0)
    assert greedy(model, encoded(model, []), max_length=3) == []
    assert beam_search(model, encoded(model, []), size=3, max_length=3) == []


def test_a_nan_in_one_source_leaves_the_others_alone() -> None:
    model = model_of(3)
    expected = [greedy(model, encoded(model), max_length=4), beam_search(model, encoded(model), size=3, max_length=4)]
    with torch.no_grad():
        model.encoder.embedding.weight[5] = float("nan")  # which the third source alone reads
    got = [greedy(model, encoded(model), max_length=4), beam_search(model, encoded(model), size=3, max_length=4)]
    for row in (0, 1, 3):
        same(got[0][row], expected[0][row])
        same(got[1][row][0], expected[1][row][0])
    assert got[0][2].log_probability != got[0][2].log_probability
    assert len(got[1][2]) == 1


def refused(run: Any) -> str:
    with pytest.raises(DecodingError) as caught:
        run()
    return str(caught.value)


def test_what_can_give_no_sequence_is_refused() -> None:
    model = model_of(0)
    source = encoded(model)
    assert refused(lambda: beam_search(model, source, size=2, n_best=3, max_length=3)) == (
        "`n_best` must be from 1 to the beam's `size`, but they are 3 and 2"
    )
    assert refused(lambda: beam_search(model, source, size=0, max_length=3)) == (
        "`n_best` must be from 1 to the beam's `size`, but they are 1 and 0"
    )
    assert refused(lambda: greedy(model, source, max_length=-1)) == "`max_length` must be at least 0, but is -1"
    assert refused(lambda: greedy(model, source, max_length=torch.tensor([1, -2, 3, 4]))) == (
        "`max_length` must be at least 0, but is -2"
    )
    assert refused(lambda: greedy(model, source, max_length=2.5)) == (
        "`max_length` must be a whole number, or one for each of the 4 sequences, but is 2.5"
    )
    assert refused(lambda: beam_search(model, source, size=2, max_length=torch.tensor([1, 2]))) == (
        "`max_length` must be a whole number, or one for each of the 4 sequences, but is tensor([1, 2])"
    )
    blind = model_of(0, "none", False)
    assert refused(lambda: beam_search(blind, encoded(blind), size=2, max_length=3, coverage_penalty=0.1)) == (
        "`coverage_penalty` needs a model with attention, but this one has none; leave it out"
    )
