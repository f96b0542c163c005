"""BLEU and chrF, against sacrebleu called directly and figures worked out by hand."""

import math
from collections import Counter

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from unspool.metrics import METRICS, bleu, bleu_lowercased, bleu_tokenised, bleu_tokenised_single, chrf

HYPOTHESES = ["The cat sat on the mat.", "There's a man, aged 3.5, in the T-shirt!", "Dogs run quickly over grass"]
REFERENCES = [
    ["The cat is on the mat.", "There was a cat on the mat."],
    ["There's a man, aged 3.5, in a T-shirt.", "A man of 3.5 wears a T-shirt."],
    ["Two dogs run over the grass.", "dogs run quickly over grass"],
]
FIRST = [[known[0]] for known in REFERENCES]


def transposed(references: list[list[str]]) -> list[list[str]]:
    return [list(stream) for stream in zip(*references, strict=True)]


@pytest.mark.parametrize("references", [FIRST, REFERENCES], ids=["one", "two"])
def test_bleu_is_sacrebleus_default(references: list[list[str]]) -> None:
    score = bleu(HYPOTHESES, references)
    expected = sacrebleu.corpus_bleu(HYPOTHESES, transposed(references))
    assert score.value == pytest.approx(expected.score, abs=1e-12)
    assert score.details == {
        "precisions": pytest.approx(expected.precisions),
        "brevity_penalty": pytest.approx(expected.bp),
        "hypothesis_length": expected.sys_len,
        "reference_length": expected.ref_len,
    }
    version = sacrebleu.__version__
    assert score.signature == f"nrefs:{len(references[0])}|case:mixed|eff:no|tok:13a|smooth:exp|version:{version}"
    assert (score.name, score.better) == ("bleu", "higher")


def test_bleu_by_hand() -> None:
    # Of "a b c d e x": 5 of 6 tokens, 4 of 5 pairs, 3 of 4 and 2 of 3 runs; 6 tokens against 7.
    score = bleu(["a b c d e x"], [["a b c d e f g"]])
    assert score.value == pytest.approx(100 * math.exp(1 - 7 / 6) * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25)


def test_lowercased_bleu_is_bleu_of_lower_case() -> None:
    score = bleu_lowercased(HYPOTHESES, REFERENCES)
    expected = sacrebleu.corpus_bleu(
        [text.lower() for text in HYPOTHESES],
        [[text.lower() for text in stream] for stream in transposed(REFERENCES)],
        tokenize="13a",
    )
    assert score.value == pytest.approx(expected.score, abs=1e-12)
    assert score.value > bleu(HYPOTHESES, REFERENCES).value
    assert "case:lc" in score.signature
    assert "tok:13a" in score.signature
    assert score.name == "bleu_lc"


def test_tokens_are_cut_as_documented() -> None:
    # 13a cuts ASCII signs off, but not apostrophes, points within numbers, or hyphens after letters.
    text, cut = "Don't pay 3.5 for a T-shirt, he said (twice).", "don't pay 3.5 for a t-shirt , he said ( twice ) ."
    assert bleu_lowercased([text], [[cut]]).value == pytest.approx(100)
    assert bleu_lowercased([text], [[text]]).details["hypothesis_length"] == len(cut.split())


def by_definition(hypotheses: list[str], references: list[list[str]]) -> float:
    """BLEU-4 over a corpus of tokens, from Papineni et al. (2002)."""
    right, there = [0] * 4, [0] * 4
    long = wanted = 0
    for hypothesis, known in zip(hypotheses, references, strict=True):
        tokens, others = hypothesis.split(), [each.split() for each in known]
        long += len(tokens)
        wanted += min((abs(len(each) - len(tokens)), len(each)) for each in others)[1]
        for size in range(1, 5):
            counts, *limits = (
                Counter(tuple(words[at : at + size]) for at in range(len(words) - size + 1))
                for words in (tokens, *others)
            )
            right[size - 1] += sum(min(n, max(limit[run] for limit in limits)) for run, n in counts.items())
            there[size - 1] += sum(counts.values())
    precision = math.prod(one / all_ for one, all_ in zip(right, there, strict=True)) ** 0.25
    return 100 * precision * min(1, math.exp(1 - wanted / long))


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_tokenised_bleu_is_the_definition_over_tokens_as_they_are(data: st.DataObject) -> None:
    texts = st.lists(st.sampled_from(["a", "b", "-s", "SLOT_NAME", "9.5", ","]), min_size=1, max_size=9).map(" ".join)
    rows = data.draw(st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=3)), max_size=5))
    same = "the kids menu is 9.5 dollar -s"
    hypotheses = [same, *(text for text, _ in rows)]
    references = [[same], *(known for _, known in rows)]
    assert bleu_tokenised(hypotheses, references).value == pytest.approx(by_definition(hypotheses, references))
    single = [known[:1] for known in references]
    assert bleu_tokenised_single(hypotheses, references).value == pytest.approx(by_definition(hypotheses, single))


def test_tokenised_bleu_takes_texts_apart_and_leaves_the_last_mark_out() -> None:
    plain, apart = "Do you like Joe's, for 9.50 euro?", "do you like joe 's , for 9.50 euro"
    assert bleu_tokenised([plain], [[apart]]).value == bleu_tokenised([apart], [[plain]]).value == pytest.approx(100)
    assert bleu_tokenised([plain], [[apart]]).details["hypothesis_length"] == len(apart.split())
    assert bleu_tokenised(["? a b c d"], [["? a b c d"]]).details["hypothesis_length"] == 5
    assert "tok:none|smooth:none" in bleu_tokenised([plain], [[plain]]).signature
    assert bleu_tokenised(["a b c"], [["a b c"]]).value == 0  # no run of four
    assert "case:lc" in bleu_tokenised([plain], [[plain]]).signature


@pytest.mark.parametrize("references", [FIRST, REFERENCES], ids=["one", "two"])
def test_chrf_is_sacrebleus_default(references: list[list[str]]) -> None:
    score = chrf(HYPOTHESES, references)
    assert score.value == pytest.approx(sacrebleu.corpus_chrf(HYPOTHESES, transposed(references)).score, abs=1e-12)
    assert score.signature.startswith(f"nrefs:{len(references[0])}|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")
    assert (score.name, score.better) == ("chrf", "higher")


@pytest.mark.parametrize("metric", ["bleu", "bleu_lc", "bleu_tok", "chrf"])
def test_rows_may_have_different_numbers_of_references(metric: str) -> None:
    ragged = [REFERENCES[0], FIRST[1], REFERENCES[2]]
    repeated = [REFERENCES[0], FIRST[1] * 2, REFERENCES[2]]  # a reference twice changes nothing
    score = METRICS[metric](HYPOTHESES, ragged)
    assert score.value == pytest.approx(METRICS[metric](HYPOTHESES, repeated).value, abs=1e-12)
    assert score.signature.startswith("nrefs:var|")


@pytest.mark.parametrize("metric", ["bleu", "bleu_lc", "bleu_tok", "chrf"])
def test_nothing_said_scores_nothing_and_the_reference_itself_everything(metric: str) -> None:
    assert METRICS[metric]([""] * 3, REFERENCES).value == 0
    assert METRICS[metric]([known[0] for known in FIRST], REFERENCES).value == pytest.approx(100)
