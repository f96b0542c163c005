"""The beginning of what is to be summarised."""

import re
from collections.abc import Callable, Sequence

from unspool.baselines.examples import check
from unspool.metrics import rouge_l

MOST_WORDS = 30
_ROWS = 1000  # training rows on which the cut is chosen
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n")

Cut = Callable[[str], str]


def lead(questions: Sequence[str], answers: Sequence[str], asked: Sequence[str]) -> list[str]:
    """The first sentence, or the first k words: whichever is nearest to the answers of the training part.

        max over {first sentence, first 1, 2, …, 30 words} of ROUGE-L(cut of the questions, answers)

    on up to 1,000 training rows, spread evenly. A sentence ends where a period, a question or an exclamation mark
    comes before a blank, or where a line ends.

    Args:
        questions: texts of the training part.
        answers: their summaries.
        asked: texts; each is cut by itself.

    Raises:
        DataError: no training rows, not as many answers as questions, or no strings.

    Reference:
        Lead-k is the baseline of Nallapati et al. (2017) and See et al. (2017) and hard to beat in news.

    Example:
        >>> lead(["a b c. d e", "f g h i j"], ["a b", "f g"], ["k l m n"])
        ['k l']
    """
    check(questions, answers, asked)
    cut = chosen(questions, answers)
    return [cut(text) for text in asked]


def chosen(questions: Sequence[str], answers: Sequence[str]) -> Cut:
    """The cut that `lead` makes; the shortest of those equally near."""
    places = range(0, len(questions), -(-len(questions) // _ROWS))
    texts, wanted = [questions[i] for i in places], [[answers[i]] for i in places]
    cuts: list[Cut] = [*(first_words(k) for k in range(1, MOST_WORDS + 1)), first_sentence]
    return max(cuts, key=lambda cut: rouge_l([cut(text) for text in texts], wanted).value)


def first_sentence(text: str) -> str:
    """What comes before the end of the first sentence, its runs of blanks as one."""
    return " ".join(_SENTENCE_END.split(text.strip(), maxsplit=1)[0].split())


def first_words(count: int) -> Cut:
    """A function that gives so many words from the beginning of a text."""
    return lambda text: " ".join(text.split()[:count])
