"""How much of a translation's pieces are in its references: BLEU and chrF, by sacrebleu.

Post (2018), "A call for clarity in reporting BLEU scores": a figure without its signature can't be compared. So the
signature is in every `Score` here.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from unspool.acts import words
from unspool.metrics.score import Score, check

_MARKS = (".", "?", "!")
_CHRF = CHRF()


def bleu(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """BLEU as it is reported today: cased, on detokenised text, which sacrebleu tokenises itself as `13a`.

    Args:
        hypotheses: plain text, as a person would write it, not tokenised.
        references: one or several for each hypothesis, plain text too; rows may have different numbers.

    Returns:
        From 0 to 100, over the whole corpus. `signature` is sacrebleu's own, such as
        `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0`. `details`: precisions, brevity_penalty,
        hypothesis_length and reference_length in tokens.

    Raises:
        DataError: no hypotheses, or not as many rows of references.

    Reference:
        Papineni et al. (2002), as in Post (2018).

    Example:
        >>> print(bleu(["the cat sat on the mat"], [["the cat sat on a mat"]]))  # doctest: +ELLIPSIS
        bleu 53.73 (higher is better; nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:...)
    """
    return _bleu("bleu", bleu_counter(), hypotheses, references)


def bleu_lowercased(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """BLEU without regard to case, for figures beside those of papers that report "lower-cased, tokenised" BLEU.

    What is done, to hypotheses and references alike: `str.lower`; then sacrebleu's `13a` tokenisation, the rules of
    NIST's mteval-v13a (ASCII signs apart from words, except apostrophes, a period or comma within a number, and
    hyphens that do not follow a digit); then BLEU as in `bleu`. The signature, in `Score.signature`, says `case:lc` and
    `tok:13a`. On the command line it is `sacrebleu --lowercase --tokenize 13a`, with detokenised text.

    Papers of before 2018 ran Moses' `tokenizer.perl` and `multi-bleu.perl` instead, which cut elsewhere, as at
    apostrophes, and do not smooth: a figure of theirs is near this one, but not the same measure.

    Args, Returns, Raises: as `bleu`.

    Example:
        >>> round(bleu_lowercased(["A cat sat on the mat."], [["a Cat sat on the mat."]]).value, 2)
        100.0
    """
    return _bleu("bleu_lc", bleu_counter(lowercase=True), hypotheses, references)


def bleu_tokenised(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """BLEU of tokens as the data have them, lower-cased, for figures beside those of RNNLG (Wen et al., 2015).

    Texts are taken apart by `unspool.acts.words`, which leaves a tokenised text as it is, and a mark at their very end
    (`.`, `?`, `!`) is dropped; then BLEU-4 over the corpus: clipped counts of all sentences summed, the nearest
    reference's length (the shorter of two), nothing smoothed. The references of the published figures are what is said
    for all acts of the part that differ in values alone, filled with an act's own: `unspool.acts.references`.

    Two things that RNNLG does are not done here: it writes some 80 words in another way (`televisions` as
    `television -s`, which matters for its tv domain), and it counts the five best sentences for an act as five
    hypotheses.

    Args, Raises: as `bleu`; a tokenised text is taken as well as a plain one.

    Returns:
        From 0 to 100, over the whole corpus; 0 where no run of four tokens is right. `signature` and `details`: as of
        `bleu`.

    Example:
        >>> round(bleu_tokenised(["The red door cafe is nice."], [["the red door cafe is nice"]]).value, 2)
        100.0
    """
    check(hypotheses, references)
    return _bleu("bleu_tok", tokenised_counter(), *tokenised(hypotheses, references))


def bleu_tokenised_single(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """`bleu_tokenised` with the first reference of each row alone, whatever others there are.

    Example:
        >>> bleu_tokenised_single(["chow is very nice"], [["chow is good", "chow is very nice"]]).value
        0.0
    """
    check(hypotheses, references)
    return _bleu("bleu_tok_single", tokenised_counter(), *tokenised(hypotheses, references, 1))


def bleu_tokenised_words(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """BLEU-1 beside `bleu_tokenised`: of single words alone, which says what is named rather than how.

    Example:
        >>> round(bleu_tokenised_words(["runs a dog."], [["A dog runs ."]]).value, 2)
        100.0
    """
    check(hypotheses, references)
    return _bleu("bleu_tok_1", tokenised_counter(1), *tokenised(hypotheses, references))


def chrf(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    """chrF2: how many of their runs of 1 to 6 characters two texts share; recall counts twice. No tokens needed.

    Args, Raises: as `bleu`.

    Returns:
        From 0 to 100, over the whole corpus; with sacrebleu's signature. `details` is empty.

    Reference:
        Popović (2015), sacrebleu's implementation with its defaults.

    Example:
        >>> round(chrf(["the cat sat"], [["the cat sat"]]).value, 2)
        100.0
    """
    check(hypotheses, references)
    counter = chrf_counter()
    result = counter.corpus_score(hypotheses, streams(references))
    return Score(float(result.score), "chrf", "higher", {}, str(counter.get_signature()))


def text_chrf(text: str, reference: str) -> float:
    """`chrf` of a single text, from 0 to 100; of equal ones 100, where there is nothing in them, too.

    Example:
        >>> text_chrf("a red apple", "a red apple"), text_chrf("cow", "a red apple")
        (100.0, 0.0)
    """
    if text == reference:
        return 100.0
    return float(_CHRF.sentence_score(text, [reference]).score)


def chrf_among(texts: Sequence[str]) -> NDArray[np.float64]:
    """`text_chrf` of each of several texts to each of them as its reference, all at once. -> (texts, references)

    What two texts share of each order, Σ over n-grams of the smaller count, is a product of zeros and ones for each
    count that there is, min(a, b) = Σ over k from 1 on of [a ≥ k] · [b ≥ k]: no pair is counted by itself.

    Example:
        >>> chrf_among(["a red apple", "cow"]).tolist()
        [[100.0, 0.0], [0.0, 100.0]]
    """
    plain = ["".join(text.split()) for text in texts]
    precision, recall, orders = np.zeros((3, len(texts), len(texts)))
    for order in range(1, _CHRF.char_order + 1):
        counts = _gram_counts(plain, order)
        shared = np.zeros_like(precision)
        for least in range(1, int(counts.max(initial=0)) + 1):
            there = (counts >= least).astype(np.float32)
            shared += there @ there.T
        totals = counts.sum(1, keepdims=True)
        both = (totals > 0) & (totals > 0).T
        precision += np.divide(shared, totals, where=both, out=np.zeros_like(shared))
        recall += np.divide(shared, totals.T, where=both, out=np.zeros_like(shared))
        orders += both
    precision, recall = precision / np.maximum(orders, 1), recall / np.maximum(orders, 1)
    weight = _CHRF.beta**2
    below = weight * precision + recall
    found = 100 * (1 + weight) * np.divide(precision * recall, below, where=below > 0, out=np.zeros_like(below))
    same = np.array([[one == other for other in texts] for one in texts], dtype=bool).reshape(found.shape)
    return np.where(same, 100.0, found)


def _gram_counts(texts: Sequence[str], order: int) -> NDArray[np.int32]:
    """How often each run of so many characters is in each text. (texts, runs)"""
    places: dict[str, int] = {}
    found = [
        [places.setdefault(text[start : start + order], len(places)) for start in range(len(text) - order + 1)]
        for text in texts
    ]
    counts = np.zeros((len(texts), len(places)), np.int32)
    for row, runs in enumerate(found):
        np.add.at(counts[row], runs, 1)
    return counts


def bleu_counter(*, lowercase: bool = False) -> BLEU:
    return BLEU(lowercase=lowercase, tokenize="13a")


def tokenised_counter(longest: int = 4) -> BLEU:
    # Without `force` sacrebleu warns of tokenised text.
    return BLEU(lowercase=True, tokenize="none", smooth_method="none", max_ngram_order=longest, force=True)


def chrf_counter() -> CHRF:
    return CHRF()


def tokenised(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], most: int | None = None
) -> tuple[list[str], list[list[str]]]:
    """Texts taken apart, each without a mark at its end, and so many references at most."""

    def plain(texts: Sequence[str]) -> list[str]:
        rows = (words(text) for text in texts)
        return [" ".join(row[:-1] if row and row[-1] in _MARKS else row) for row in rows]

    return plain(hypotheses), [plain(known[:most]) for known in references]


def streams(references: Sequence[Sequence[str]]) -> list[list[str]]:
    """References as sacrebleu takes them: all the first ones, all the second ones, …, and None where there is none."""
    # sacrebleu's types leave out the None that its documentation allows.
    return cast(list[list[str]], [list(stream) for stream in zip_longest(*references)])


def _bleu(name: str, counter: BLEU, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Score:
    check(hypotheses, references)
    result = counter.corpus_score(hypotheses, streams(references))
    details: dict[str, Any] = {
        "precisions": [float(each) for each in result.precisions],
        "brevity_penalty": float(result.bp),
        "hypothesis_length": int(result.sys_len),
        "reference_length": int(result.ref_len),
    }
    return Score(float(result.score), name, "higher", details, str(counter.get_signature()))
