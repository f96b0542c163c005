"""What all metrics share: the register, the score, what they refuse."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from unspool import metrics
from unspool.errors import DataError, UnspoolError
from unspool.metrics import FORECASTS, METRICS, OF_NUMBERS, Score

BY_CLASS = ("macro_f1", "macro_f1_labels", "micro_f1_labels", "subset_accuracy", "mcc")  # of one reference a row
OF_TEXTS = [name for name in METRICS if name not in {**FORECASTS, **OF_NUMBERS}]


def scored(name: str, hypotheses: Any, references: Any) -> Score:
    """A metric's score; one that reads inputs is given an act for each hypothesis."""
    metric: Callable[..., Score] = METRICS[name]
    more = [["inform(name=a)"] * len(hypotheses)] if getattr(metric, "reads_inputs", False) else []
    return metric(hypotheses, references, *more)


def flat(details: Any) -> list[Any]:
    """All that is in lists and mappings."""
    if isinstance(details, dict | list):
        within = details.values() if isinstance(details, dict) else details
        return [each for value in within for each in flat(value)]
    return [details]


def test_the_register_names_every_metric() -> None:
    assert {
        "bleu": metrics.bleu,
        "bleu_lc": metrics.bleu_lowercased,
        "bleu_tok": metrics.bleu_tokenised,
        "bleu_tok_single": metrics.bleu_tokenised_single,
        "bleu_tok_1": metrics.bleu_tokenised_words,
        "cider": metrics.cider,
        "chrf": metrics.chrf,
        "rouge_1": metrics.rouge_1,
        "rouge_2": metrics.rouge_2,
        "rouge_l": metrics.rouge_l,
        "wer": metrics.word_error_rate,
        "per": metrics.token_error_rate,
        "spoken_wer": metrics.spoken_word_error_rate,
        "cer": metrics.character_error_rate,
        "accuracy": metrics.exact_match,
        "word_accuracy": metrics.word_accuracy,
        "macro_f1": metrics.macro_f1,
        "macro_f1_labels": metrics.macro_f1_labels,
        "micro_f1_labels": metrics.micro_f1_labels,
        "subset_accuracy": metrics.subset_accuracy,
        "mcc": metrics.mcc,
        "pinball": metrics.pinball,
        "coverage_error": metrics.coverage_error,
        "distinct_1": metrics.distinct_1,
        "distinct_2": metrics.distinct_2,
        "slot_error": metrics.slot_error,
        "mae": metrics.mean_absolute_error,
        "rmse": metrics.root_mean_squared_error,
    } == METRICS


@pytest.mark.parametrize("name", OF_TEXTS)
def test_a_score_is_plain_numbers_under_the_name_of_its_metric(name: str) -> None:
    score = scored(name, ["a b c d e", "f"], [["a b c d e"], ["f"] if name in BY_CLASS else ["g", "f"]])
    assert score.name == name
    assert type(score.value) is float
    assert all(type(each) in (int, float) for each in flat(score.details))
    assert pickle.loads(pickle.dumps(score)) == score


@pytest.mark.parametrize("name", OF_TEXTS)
def test_a_score_prints_as_one_line(name: str) -> None:
    score = scored(name, ["a b c d", "f"], [["a b c d"], ["g"]])
    direction = "lower" if name in ("wer", "per", "spoken_wer", "cer", "slot_error") else "higher"
    assert str(score) == f"{name} {score.value:.2f} ({direction} is better; {score.signature})"
    assert "\n" not in str(score)


@pytest.mark.parametrize("name", OF_TEXTS)
def test_tuples_are_sequences_too(name: str) -> None:
    known = ("a b",) if name in BY_CLASS else ("a b", "c")
    assert scored(name, ("a b",), (known,)) == scored(name, ["a b"], [list(known)])


MISTAKES: dict[str, tuple[Any, Any, str]] = {
    "nothing": ([], [], "`hypotheses` must hold at least one sequence to score, but is empty"),
    "too few references": (
        ["a", "b"],
        [["a"]],
        "`references` must have an entry for each of the 2 hypotheses, but has 1",
    ),
    "too many references": (
        ["a"],
        [["a"]] * 3,
        "`references` must have an entry for each of the 1 hypotheses, but has 3",
    ),
    "flat references": (
        ["a", "b"],
        ["a", "b"],
        "`references` must be a list of references for each hypothesis, but row 0 is 'a' (str); "
        "use `[[reference] for reference in references]`",
    ),
    "a row without references": (
        ["a", "b"],
        [["a"], []],
        "`references` must hold at least one for each hypothesis, but row 1 has none",
    ),
    "a missing reference": (["a"], [["a", None]], "`references` must be strings, but row 0 has None (NoneType)"),
    "a missing hypothesis": (["a", None], [["a"]] * 2, "`hypotheses` must be strings, but row 1 is None (NoneType)"),
    "one string": ("ab", [["a"]] * 2, "`hypotheses` must be a list with an entry for each sequence, but is a str"),
    "an iterator": (
        ["a"],
        iter([["a"]]),
        "`references` must be a list with an entry for each sequence, but is a list_iterator",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
@pytest.mark.parametrize("name", [*METRICS, "confidence"])
def test_every_metric_names_what_it_cannot_score(name: str, case: str) -> None:
    def interval(hypotheses: Any, references: Any) -> Any:
        return metrics.confidence(metrics.exact_match, hypotheses, references)

    metric: Callable[[Any, Any], Any] = METRICS.get(name, interval)
    hypotheses, references, message = MISTAKES[case]
    with pytest.raises(DataError) as error:
        metric(hypotheses, references)
    assert str(error.value) == message
    assert isinstance(error.value, UnspoolError)


def test_a_score_holds_what_it_is_given() -> None:
    score = Score(12.345, "per", "lower", {"edits": 1}, "nrefs:1")
    assert str(score) == f"{score}" == "per 12.35 (lower is better; nrefs:1)"
