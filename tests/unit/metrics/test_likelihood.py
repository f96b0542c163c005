"""Perplexity."""

import math

import pytest

from unspool.errors import DataError
from unspool.metrics import LIKELIHOODS, perplexity


def test_the_perplexity_of_equally_probable_tokens_is_their_number() -> None:
    score = perplexity(30 * math.log(17), 30)
    assert score.value == pytest.approx(17)
    assert (score.name, score.better) == ("perplexity", "lower")
    assert score.details == {"nats": 30 * math.log(17), "tokens": 30}
    assert {"perplexity": perplexity} == LIKELIHOODS


def test_certainty_is_one_and_the_impossible_has_no_end() -> None:
    assert perplexity(0.0, 3).value == 1
    assert perplexity(math.inf, 3).value == math.inf
    assert perplexity(1e9, 3).value == math.inf


def test_no_tokens_have_none() -> None:
    with pytest.raises(DataError) as error:
        perplexity(0.0, 0)
    assert str(error.value) == "`tokens` must be above 0 to have a perplexity, but is 0"
