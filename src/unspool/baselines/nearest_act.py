"""The most typical sentence of the dialogue act that is most alike."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from unspool import acts
from unspool.baselines.examples import check
from unspool.baselines.nearest import nearest
from unspool.errors import DataError, FieldError

_LONGEST = 4  # words of a run, as of BLEU's


def nearest_act(questions: Sequence[str], answers: Sequence[str], asked: Sequence[str]) -> list[str]:
    """What is typically said for the nearest act of the training part, with the values that are asked for.

        typical = for each `acts.shape` of the questions, of its delexicalised texts the one that shares the most runs
                  of 1 to 4 words with the others: argmax Σ 2 |shared runs| / (runs of one + runs of the other)
        acts.fill(act, nearest(shapes, typical, [acts.shape(act)]))

    Args:
        questions: acts of the training part, as `unspool.acts.parse` reads them.
        answers: a sentence for each, delexicalised or not. Of those equally typical it is the first by alphabet, so
            that the order of rows does not matter.
        asked: acts; each is answered by itself, with its own values.

    Raises:
        DataError: no training rows, not as many answers as questions, no strings, or a text that is no act.

    Reference:
        The nearest-neighbour generator of RNNLG (Wen et al., 2015) draws five sentences of the nearest act at random
        instead.

    Example:
        >>> nearest_act(["inform(name=chow;food=thai)", "bye()"], ["chow has thai food", "bye"], ["inform(name=nopa)"])
        ['nopa has SLOT_FOOD food']
    """
    check(questions, answers, asked)
    said: dict[str, Counter[str]] = defaultdict(Counter)
    try:
        for act, text in zip(questions, answers, strict=True):
            said[acts.shape(act)][acts.delexicalise(act, text)] += 1
        shapes = [acts.shape(act) for act in asked]
    except FieldError as error:
        raise DataError(f"`questions` and `asked` must be dialogue acts: {error}") from error
    known = sorted(said)
    found = nearest(known, [_typical(said[shape]) for shape in known], shapes)
    return [acts.fill(act, text) for act, text in zip(asked, found, strict=True)]


def _typical(texts: Counter[str]) -> str:
    runs = {text: _runs(text) for text in texts}

    def shared(text: str) -> float:
        return sum(times * _overlap(runs[text], runs[other]) for other, times in texts.items())

    return min(texts, key=lambda text: (-shared(text), text))


def _overlap(one: Counter[tuple[str, ...]], other: Counter[tuple[str, ...]]) -> float:
    return 2 * (one & other).total() / (one.total() + other.total())


def _runs(text: str) -> Counter[tuple[str, ...]]:
    """Runs of words, the beginning and the end among them."""
    words = ["<s>", *text.split(), "</s>"]
    return Counter(
        tuple(words[at : at + length]) for length in range(1, _LONGEST + 1) for at in range(len(words) - length + 1)
    )
