"""CIDEr-D, against its definition written out, and in a bootstrap; whether differences are more than chance."""

import math
import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from unspool.errors import DataError
from unspool.metrics import METRICS, bleu_tokenised_words, cider, confidence, difference, exact_match, word_error_rate
from unspool.metrics.captions import Captions, Rarity, cider_rows

WORDS = ["a", "dog", "runs", "over", "the", "grass", "red", "ball", "two", "children"]


def captions(rows: int, most: int = 4, seed: int = 0) -> tuple[list[str], list[list[str]]]:
    draw = random.Random(seed)

    def text() -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(1, 9)))

    return [text() for _ in range(rows)], [[text() for _ in range(draw.randint(1, most))] for _ in range(rows)]


def by_definition(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """Equations 3 and 4 of the paper with the clipping and the penalty of CIDEr-D, pair by pair and run by run."""

    def grams(text: str, n: int) -> Counter[str]:
        words = text.split()
        return Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))

    found = []
    for said, known in zip(hypotheses, references, strict=True):
        total = 0.0
        for other in known:
            for n in (1, 2, 3, 4):

                def weight(counts: Counter[str], run: str, n: int = n) -> float:
                    rows = sum(any(run in grams(text, n) for text in texts) for texts in references)
                    return counts[run] * math.log(len(references) / max(1, rows))

                left, right = grams(said, n), grams(other, n)
                norms = [math.sqrt(sum(weight(each, run) ** 2 for run in each)) for each in (left, right)]
                if all(norms):
                    shared = sum(min(weight(left, run), weight(right, run)) * weight(right, run) for run in left)
                    apart = len(said.split()) - len(other.split())
                    total += math.exp(-(apart**2) / 72) * shared / math.prod(norms) / 4
        found.append(1000 * total / len(known))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_each_row_has_the_value_of_the_definition(seed: int) -> None:
    rows = captions(7, seed=seed)
    assert cider_rows(*rows)[:, 0] == pytest.approx(by_definition(*rows))
    assert cider(*rows).value == pytest.approx(np.mean(by_definition(*rows)))


def test_a_caption_that_is_all_of_its_references_has_a_thousand() -> None:
    texts = ["a dog runs over grass", "two red cars wait here"]
    assert cider(texts, [[text] * 3 for text in texts]).value == pytest.approx(1000)
    assert cider(texts[::-1], [[text] for text in texts]).value == 0


def test_case_blanks_and_the_last_mark_do_not_matter() -> None:
    hypotheses, references = captions(5)
    loud = [f"  {text.upper().replace(' ', '  ')} ." for text in hypotheses]
    assert cider(loud, references).value == pytest.approx(cider(hypotheses, references).value)


def test_a_word_that_all_pictures_have_counts_nothing() -> None:
    references = [["a dog"], ["a cat"]]
    assert cider(["a", "a"], references).value == 0
    assert cider(["", ""], references).value == 0
    assert cider(["a dog"], [["a dog"]]).value == 0  # of one row


def test_a_word_said_again_and_again_gains_nothing() -> None:
    once, often = (cider_rows([text, "x"], [["red ball"], ["grass"]])[0, 0] for text in ("ball", "ball ball ball"))
    assert often < once


def test_one_text_is_compared_with_many_as_with_each() -> None:
    texts, references = captions(12)
    rarity = Rarity(references)
    alone = [float(Captions([text], rarity).likenesses("a dog runs")[0]) for text in texts]
    assert Captions(texts, rarity).likenesses("a dog runs").tolist() == pytest.approx(alone)
    assert Captions([], rarity).likenesses("a dog").tolist() == []


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError) as error:
        cider(["a"], [["a"], ["b"]])
    assert str(error.value) == "`references` must have an entry for each of the 1 hypotheses, but has 2"


def test_the_interval_keeps_how_rare_words_are_in_the_whole_test_set() -> None:
    hypotheses, references = captions(40)
    values = np.array(by_definition(hypotheses, references))
    generator = np.random.default_rng(7)
    means = [values[generator.integers(40, size=40)].mean() for _ in range(300)]
    interval = confidence(cider, hypotheses, references, samples=300, seed=7)
    assert (interval.low, interval.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])))


def test_bleu_1_is_the_clipped_share_of_words_and_its_penalty() -> None:
    score = bleu_tokenised_words(["The dog the dog.", "a cat"], [["the dog runs fast ."], ["A cat", "one cat"]])
    assert score.value == pytest.approx(100 * 4 / 6)  # dog and the once each, a, cat; as long as the references
    assert bleu_tokenised_words(["a"], [["a b c"]]).value == pytest.approx(100 * math.exp(1 - 3))


@pytest.mark.parametrize("name", ["cider", "bleu_tok_1", "wer", "accuracy"])
def test_a_difference_is_that_of_both_on_the_same_samples(name: str) -> None:
    ours, references = captions(30, most=2)
    theirs = [known[0] if i % 3 else "a" for i, known in enumerate(references)]
    found = difference(METRICS[name], ours, theirs, references, samples=100, seed=4)
    sign = -1 if name == "wer" else 1
    assert found.value == pytest.approx(sign * (found.ours.value - found.theirs.value))
    generator = np.random.default_rng(4)
    if name == "accuracy":
        right = np.array(
            [[said in known for said, known in zip(each, references, strict=True)] for each in (ours, theirs)]
        )
        apart = [100 * np.subtract(*right[:, generator.integers(30, size=30)].mean(1)) for _ in range(100)]
        assert (found.low, found.high) == pytest.approx(tuple(np.percentile(apart, [2.5, 97.5])))
        assert found.better == pytest.approx(100 * np.mean(np.array(apart) > 0))
    assert found.low <= found.value <= found.high


def test_who_is_better_has_nothing_to_do_with_who_is_named_first() -> None:
    ours, references = captions(30, most=1)
    theirs = captions(30, seed=9)[0]
    one, other = (difference(word_error_rate, *pair, references) for pair in ((ours, theirs), (theirs, ours)))
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))


def test_sums_that_only_round_otherwise_are_no_difference() -> None:
    numbers = [[str(number)] for number in range(20)]
    low, high = '{"0.1": -5, "0.9": 5}', '{"0.1": 15, "0.9": 25}'
    chance = np.random.default_rng(0)
    ours, theirs = ([low if each else high for each in chance.permutation(20) < 10] for _ in range(2))
    found = difference(METRICS["coverage_error"], ours, theirs, numbers, samples=200)
    generator, apart = np.random.default_rng(0), []
    for _ in range(200):
        rows = generator.integers(20, size=20)
        values = [
            METRICS["coverage_error"]([said[i] for i in rows], [numbers[i] for i in rows]).value
            for said in (ours, theirs)
        ]
        apart.append(round(values[1] - values[0], 9))
    assert 0 in apart  # else this shows nothing
    assert found.better == pytest.approx(100 * np.mean(np.array(apart) > 0))


def test_equal_answers_do_not_differ() -> None:
    found = difference(exact_match, ["a", "b"], ["a", "b"], [["a"], ["c"]], samples=20)
    assert (found.value, found.low, found.high, found.better) == (0, 0, 0, 0)
