"""Perplexity, and the nats of a step and of a sequence."""

import math

import pytest

from unspool.errors import DataError
from unspool.metrics import (
    LIKELIHOODS,
    OF_CHARACTERS,
    OF_SEQUENCES,
    bits_per_character,
    nats_per_sequence,
    nats_per_step,
    perplexity,
)


def test_the_perplexity_of_equally_probable_tokens_is_their_number() -> None:
    score = perplexity(30 * math.log(17), 30)
    assert score.value == pytest.approx(17)
    assert (score.name, score.better) == ("perplexity", "lower")
    assert score.details == {"nats": 30 * math.log(17), "tokens": 30}
    nats = {"nats_per_step": nats_per_step, "nats_per_sequence": nats_per_sequence}
    assert {"perplexity": perplexity, **nats, "bits_per_character": bits_per_character} == LIKELIHOODS
    assert LIKELIHOODS.keys() > OF_SEQUENCES | OF_CHARACTERS


def test_bits_per_character_are_those_of_equally_probable_ones() -> None:
    score = bits_per_character(nats=30 * math.log(8), characters=30)
    assert score.value == pytest.approx(3)
    assert (score.name, score.better) == ("bits_per_character", "lower")
    with pytest.raises(DataError, match="`characters` must be above 0, but is 0"):
        bits_per_character(1.0, 0)


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


def test_nats_of_a_sequence_are_those_of_its_steps_together() -> None:
    score = nats_per_sequence(nats=2400.0, sequences=30)
    assert score.value == 80 == 28 * nats_per_step(2400.0, 30 * 28).value
    assert (score.name, score.better, score.signature) == ("nats_per_sequence", "lower", "unit:sequence")
    assert score.details == {"nats": 2400.0, "sequences": 30}
    for none in (0, math.nan):
        with pytest.raises(DataError) as error:
            nats_per_sequence(1.0, none)
        assert str(error.value) == f"`sequences` must be above 0, but is {none}"
