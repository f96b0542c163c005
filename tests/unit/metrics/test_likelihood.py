"""Perplexity, and the nats of a step."""

import math

import pytest

from unspool.errors import DataError
from unspool.metrics import LIKELIHOODS, nats_per_step, perplexity


def test_the_perplexity_of_equally_probable_tokens_is_their_number() -> None:
    score = perplexity(30 * math.log(17), 30)
    assert score.value == pytest.approx(17)
    assert (score.name, score.better) == ("perplexity", "lower")
    assert score.details == {"nats": 30 * math.log(17), "tokens": 30}
    assert {"perplexity": perplexity, "nats_per_step": nats_per_step} == LIKELIHOODS


def test_certainty_is_one_and_the_impossible_has_no_end() -> None:
    assert perplexity(0.0, 3).value == 1
    assert perplexity(math.inf, 3).value == math.inf
    assert perplexity(1e9, 3).value == math.inf


def test_no_tokens_have_none() -> None:
    with pytest.raises(DataError) as error:
        perplexity(0.0, 0)
    assert str(error.value) == "`tokens` must be above 0 to have a perplexity, but is 0"


def test_nats_of_a_step_are_their_mean_and_the_logarithm_of_perplexity() -> None:
    score = nats_per_step(30 * math.log(17), 30)
    assert score.value == pytest.approx(math.log(17)) == math.log(perplexity(30 * math.log(17), 30).value)
    assert (score.name, score.better, score.signature) == ("nats_per_step", "lower", "unit:step")
    assert score.details == {"nats": 30 * math.log(17), "steps": 30}
    assert nats_per_step(-5.0, 2).value == -2.5  # densities, as of strokes, may be above 1


def test_no_steps_have_none() -> None:
    for steps in (0, -1.0, math.nan):
        with pytest.raises(DataError) as error:
            nats_per_step(0.0, steps)
        assert str(error.value) == f"`steps` must be above 0, but is {steps}"
