"""The bootstrap, against the loop it stands for and against the binomial."""

import math
import random
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest

from unspool.errors import DataError
from unspool.metrics import FORECASTS, METRICS, OF_NUMBERS, Score, confidence, exact_match

WORDS = ["a", "man", "in", "the", "red", "shirt", "runs", "over", "green", "grass", "while", "dogs", "look", "at"]


OF_TEXTS = METRICS.keys() - {**FORECASTS, **OF_NUMBERS}
SUMMED = sorted(name for name in OF_TEXTS if not name.startswith("distinct"))  # over sequences


def corpus(rows: int, seed: int = 0) -> tuple[list[str], list[list[str]]]:
    draw = random.Random(seed)
    references = [[" ".join(draw.choices(WORDS, k=8)) for _ in range(1 + i % 2)] for i in range(rows)]
    spoilt = [
        " ".join(w if draw.random() < 0.8 else draw.choice(["x", w.upper()]) for w in known[0].split())
        for known in references
    ]
    return [
        known[0] if draw.random() < 0.3 else text for known, text in zip(references, spoilt, strict=True)
    ], references


def rows_for(name: str, rows: int) -> tuple[list[str], list[list[str]]]:
    """Sequences, or where the metric is one of classes: one or two labels, some of them wrong or unheard of."""
    if name not in ("macro_f1", "macro_f1_labels", "micro_f1_labels", "subset_accuracy", "mcc"):
        return corpus(rows)
    draw = random.Random(0)
    meant = [",".join(sorted(draw.sample("abcd", draw.randint(1, 2)))) for _ in range(rows)]
    said = [text if draw.random() < 0.5 else ",".join(draw.sample("abcz", draw.randint(0, 2))) for text in meant]
    return said, [[text] for text in meant]


def inputs_for(name: str, references: list[list[str]]) -> dict[str, list[str]]:
    """An act for each, that asks for the first word and a shirt, where the metric reads inputs."""
    if not getattr(METRICS[name], "reads_inputs", False):
        return {}
    words = [known[0].split() for known in references]
    return {"inputs": [f"inform(first={each[0]};other=shirt)" for each in words]}


@pytest.mark.parametrize("name", [name for name in SUMMED if name != "cider"])  # whose words are rare in the whole set
def test_the_interval_is_that_of_the_metric_called_on_every_sample(name: str) -> None:
    hypotheses, references = rows_for(name, 30)
    metric: Callable[..., Score] = METRICS[name]
    more = inputs_for(name, references)

    def own(left: Sequence[str], right: Sequence[Sequence[str]], *inputs: Sequence[str]) -> Score:
        return metric(left, right, *inputs)  # not known to `confidence`

    fast = confidence(metric, hypotheses, references, samples=40, seed=3, **more)
    slow = confidence(own, hypotheses, references, samples=40, seed=3, **more)
    assert fast.score == slow.score == metric(hypotheses, references, *more.values())
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high), abs=1e-9)
    assert fast.low < fast.score.value < fast.high


def test_the_interval_is_the_percentiles_of_samples_drawn_with_replacement() -> None:
    hypotheses, references = corpus(50)
    generator = np.random.default_rng(5)
    values = []
    for _ in range(200):
        rows = generator.integers(50, size=50)
        values.append(100 * np.mean([hypotheses[i] in references[i] for i in rows]))
    interval = confidence(exact_match, hypotheses, references, samples=200, seed=5)
    assert (interval.low, interval.high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))


def test_the_interval_of_a_share_is_the_binomials() -> None:
    hypotheses, references = ["a"] * 300 + ["b"] * 700, [["a"]] * 1000
    interval = confidence(exact_match, hypotheses, references, samples=4000)
    reach = 1.96 * 100 * math.sqrt(0.3 * 0.7 / 1000)
    assert interval.low == pytest.approx(30 - reach, abs=0.3)
    assert interval.high == pytest.approx(30 + reach, abs=0.3)


def test_the_seed_decides() -> None:
    rows = corpus(40)
    assert confidence(exact_match, *rows, seed=1) == confidence(exact_match, *rows, seed=1)
    assert confidence(METRICS["per"], *rows, seed=1) != confidence(METRICS["per"], *rows, seed=2)


@pytest.mark.parametrize("name", SUMMED)
def test_a_thousand_samples_take_seconds(name: str) -> None:
    started = time.process_time()
    rows = rows_for(name, 300)
    confidence(METRICS[name], *rows, **inputs_for(name, rows[1]))
    assert time.process_time() - started < 5  # measured: below 0.5; calling the metric anew takes half a minute or more


def test_samples_without_anything_to_score_do_not_count() -> None:
    rows = ["a", "b", "", ""], [["a"], ["a"], [""], [""]]
    labels = METRICS["micro_f1_labels"]
    generator, values = np.random.default_rng(0), []
    for _ in range(60):
        chosen = generator.integers(4, size=4)
        if set(chosen) & {0, 1}:
            values.append(labels([rows[0][i] for i in chosen], [rows[1][i] for i in chosen]).value)
    assert 40 < len(values) < 60  # else this shows nothing
    for metric in (labels, partial(labels, separator=","), lambda *given: labels(*given)):
        found = confidence(metric, *rows, samples=60)
        assert (found.low, found.high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))


def test_labels_apart_by_a_sign_of_ones_own_are_counted_once() -> None:
    rows = rows_for("macro_f1_labels", 300)
    apart = [text.replace(",", ";") for text in rows[0]], [[text.replace(",", ";") for text in row] for row in rows[1]]
    for name in ("macro_f1_labels", "micro_f1_labels", "subset_accuracy"):
        started = time.process_time()
        found = confidence(partial(METRICS[name], separator=";"), *apart)
        assert time.process_time() - started < 5
        assert (found.low, found.high) == confidence(METRICS[name], *rows)[1:3]


def test_many_classes_take_little_memory() -> None:
    names = [str(number) for number in range(2000)]
    assert confidence(METRICS["mcc"], names, [[name] for name in names], samples=2).low == pytest.approx(100)


def test_one_sequence_has_no_spread() -> None:
    interval = confidence(exact_match, ["a"], [["a"]], samples=10)
    assert (interval.low, interval.high) == (100, 100)


def test_an_interval_prints_as_one_line() -> None:
    interval = confidence(exact_match, ["a", "b"], [["a"], ["c"]], samples=200)
    assert str(interval) == (
        "accuracy 50.00, 95 % within 0.00 to 100.00 (200 bootstrap samples; higher is better; nrefs:1|unit:sequence)"
    )


@pytest.mark.parametrize("name", sorted(OF_TEXTS - set(SUMMED)))
def test_what_texts_drawn_twice_falsify_has_no_interval(name: str) -> None:
    with pytest.raises(DataError) as error:
        confidence(METRICS[name], ["a b"], [["a"]])
    assert str(error.value) == (
        f"`{name}` has no interval: it counts what is different in all texts together, and samples hold texts twice"
    )


@pytest.mark.parametrize("samples", [0, -1, 2.5])
def test_samples_must_be_drawn(samples: int) -> None:
    with pytest.raises(DataError) as error:
        confidence(exact_match, ["a"], [["a"]], samples=samples)
    assert str(error.value) == f"`samples` must be at least 1, but is {samples}"
