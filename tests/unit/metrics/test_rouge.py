"""ROUGE, against its definition written out and against rouge-score called directly."""

import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from unspool.metrics import METRICS, rouge_1, rouge_2, rouge_l

NAMES = ("rouge_1", "rouge_2", "rouge_l")
HYPOTHESES = ["Libraries for sorting lists, quickly!", "nothing of it", "", "the the the cat"]
REFERENCES = [
    ["library that sorts a list", "a quick sorting library for lists"],
    ["something else"],
    ["empty"],
    ["The cat sat on the mat."],
]
SENTENCES = st.lists(st.sampled_from(["a", "to", "be", "or"]), max_size=6)  # too short to be stemmed


def f1(shared: int, hypothesis: int, reference: int) -> float:
    precision, recall = shared / max(hypothesis, 1), shared / max(reference, 1)
    return 2 * precision * recall / (precision + recall) if shared else 0.0


def of_runs(n: int, hypothesis: list[str], reference: list[str]) -> float:
    said, meant = (
        Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1)) for words in (hypothesis, reference)
    )
    return f1((said & meant).total(), said.total(), meant.total())


def of_subsequence(hypothesis: list[str], reference: list[str]) -> float:
    parts = [{each for n in range(7) for each in combinations(words, n)} for words in (hypothesis, reference)]
    return f1(max(len(each) for each in parts[0] & parts[1]), len(hypothesis), len(reference))


@given(st.lists(st.tuples(SENTENCES, SENTENCES), min_size=1, max_size=3))
def test_rouge_is_its_definition(pairs: list[tuple[list[str], list[str]]]) -> None:
    hypotheses, references = [" ".join(said) for said, _ in pairs], [[" ".join(meant)] for _, meant in pairs]
    expected = {
        "rouge_1": [of_runs(1, *pair) for pair in pairs],
        "rouge_2": [of_runs(2, *pair) for pair in pairs],
        "rouge_l": [of_subsequence(*pair) for pair in pairs],
    }
    for name, values in expected.items():
        assert METRICS[name](hypotheses, references).value == pytest.approx(100 * sum(values) / len(pairs), abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_rouge_is_that_of_rouge_score_with_stems_and_the_best_of_several_references(name: str) -> None:
    kind = name.replace("_", "").replace("l", "L")
    scorer = RougeScorer([kind], use_stemmer=True)
    best = [
        max((scorer.score(each, said)[kind] for each in known), key=lambda score: score.fmeasure)
        for said, known in zip(HYPOTHESES, REFERENCES, strict=True)
    ]
    score = METRICS[name](HYPOTHESES, REFERENCES)
    assert score.value == pytest.approx(25 * sum(each.fmeasure for each in best))
    assert score.details == {
        "precision": pytest.approx(25 * sum(each.precision for each in best)),
        "recall": pytest.approx(25 * sum(each.recall for each in best)),
    }
    assert (score.name, score.better) == (name, "higher")
    signature = f"nrefs:var|case:lc|stem:porter|score:f1|average:mean|version:{version('rouge-score')}"
    assert score.signature == signature


def test_rouge_by_hand() -> None:
    # "librari", "sort" and "list" are in both: 3 of 5 and 3 of 5 words; one pair and no longer run keeps its order.
    hypothesis, reference = ["Sorting-library of some lists"], [["the library sorts listed things"]]
    assert rouge_1(hypothesis, reference).value == pytest.approx(60)
    assert rouge_2(hypothesis, reference).value == 0
    assert rouge_l(hypothesis, reference).value == pytest.approx(40)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_said_scores_nothing_and_the_reference_itself_everything(name: str) -> None:
    assert METRICS[name](["", "…"], [["some words"], ["…"]]).value == 0
    assert METRICS[name](["Some words!"], [["some words"]]).value == pytest.approx(100)


def test_nothing_of_rouge_score_is_imported_before_it_is_used() -> None:
    program = "import sys, unspool.metrics; sys.exit('rouge_score' in sys.modules or 'nltk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
