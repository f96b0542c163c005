"""The one caption that fits all pictures best."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from unspool.baselines.examples import check
from unspool.metrics.captions import Captions, Rarity
from unspool.metrics.overlap import tokenised

_DIGITS = 9  # in which equals are equal, however sums round
_ROWS = 5000  # of the training part; time grows with their square


def typical(questions: Sequence[str], answers: Sequence[str], asked: Sequence[str]) -> list[str]:
    """The answer of the training part that scores best as the answer to all its questions, by CIDEr, to everything.

        max over answers a of the mean over questions of the mean over their answers r of CIDEr-D(a, r)

    of up to 5,000 training rows, spread evenly. What `majority` is meant to be where hardly two answers are equal; an
    answer gains by being equal to itself, which is little among many.

    Args:
        questions: of the training part; rows with the same one are several answers to it.
        answers: texts. Of those equally good it is the first by alphabet.
        asked: as many answers come back.

    Raises:
        DataError: no training rows, not as many answers as questions, or no strings.

    Example:
        >>> typical(["1", "1", "2", "3"], ["a dog runs", "a dog runs off", "a dog sleeps", "one cat"], ["4"])
        ['a dog runs off']
    """
    check(questions, answers, asked)
    places = range(0, len(questions), -(-len(questions) // _ROWS))
    rows: dict[str, list[int]] = defaultdict(list)
    for number, place in enumerate(places):
        rows[questions[place]].append(number)
    texts = [answers[place] for place in places]
    _, (plain,) = tokenised([], [texts])
    shares = np.zeros(len(texts))
    for group in rows.values():
        shares[group] = 1 / (len(group) * len(rows))
    captions = Captions(plain, Rarity([[plain[number] for number in group] for group in rows.values()]))
    values = {
        text: round(float(shares @ captions.likenesses(one)), _DIGITS) for text, one in zip(texts, plain, strict=True)
    }
    return [min(values, key=lambda text: (-values[text], text))] * len(asked)
