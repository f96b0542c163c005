"""Kneser–Ney: against its definition, written out word by word with counters."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unspool import Ragged
from unspool.baselines import KneserNey
from unspool.errors import DataError
from unspool.tokens import END, START

SIZE = 9
SEQUENCES = st.lists(st.lists(st.sampled_from([0, 3, 4, 5, 6, 7]), max_size=6), min_size=1, max_size=12)
Gram = tuple[int, ...]


def ragged(sequences: list[list[int]]) -> Ragged:
    return Ragged.from_list([torch.tensor(each, dtype=torch.int64) for each in sequences])


class Definition:
    """Chen and Goodman's model, one probability at a time. A context is cut at the start of its sequence."""

    def __init__(self, sequences: list[list[int]], order: int) -> None:
        self.order = order
        raw: dict[int, Counter[Gram]] = {n: Counter() for n in range(1, order + 1)}
        for sequence in sequences:
            tokens = [START, *sequence, END]
            for n in range(1, order + 1):
                raw[n].update(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))
        self.counts: dict[int, dict[Gram, int]] = {order: dict(raw[order])}
        for n in range(1, order):
            self.counts[n] = {
                gram: count if gram[0] == START else len({longer[0] for longer in raw[n + 1] if longer[1:] == gram})
                for gram, count in raw[n].items()
            }
        self.counts[1].pop((START,), None)

    def discount(self, n: int, count: int) -> float:
        numbers = Counter(self.counts[n].values())
        if numbers[1] and numbers[2] and numbers[3]:
            y = numbers[1] / (numbers[1] + 2 * numbers[2])
            found = [i - (i + 1) * y * numbers[i + 1] / numbers[i] for i in (1, 2, 3)]
            if all(0 < each <= i for i, each in enumerate(found, 1)):
                return found[min(count, 3) - 1]
        return 0.5 * min(count, 3)

    def probability(self, context: Gram, token: int) -> float:
        n = len(context) + 1
        shorter = self.probability(context[1:], token) if context else 1 / (SIZE - 1)
        following = {gram: count for gram, count in self.counts[n].items() if gram[:-1] == context}
        total = sum(following.values())
        if not total:
            return shorter
        count = following.get((*context, token), 0)
        kept = count - self.discount(n, count) if count else 0.0
        freed = sum(self.discount(n, each) for each in following.values())
        return (kept + freed * shorter) / total

    def told(self, sequence: list[int]) -> list[float]:
        tokens = [START, *sequence, END]
        return [
            self.probability(tuple(tokens[max(0, i - self.order + 1) : i]), tokens[i]) for i in range(1, len(tokens))
        ]


@settings(max_examples=150, deadline=None)
@given(SEQUENCES, SEQUENCES, st.integers(1, 4))
@example([[], [], [], [0, 3], [4, 3]], [[3, 0]], 2)  # whose second discount would be 0
def test_probabilities_are_those_of_the_definition(learnt: list[list[int]], asked: list[list[int]], order: int) -> None:
    model, definition = KneserNey(SIZE, order), Definition(learnt, order)
    model.fit(ragged(learnt))
    asked = [*asked, *learnt[:2], [8, 0, 3]]
    found = model.log_probabilities(ragged(asked))
    expected = [[math.log(p) for p in definition.told(sequence)] for sequence in asked]
    assert found.lengths.tolist() == list(map(len, expected))
    assert found.values.tolist() == pytest.approx([p for row in expected for p in row], abs=1e-9)
    mean = -sum(map(sum, expected)) / sum(map(len, expected))
    assert model.perplexity(ragged(asked)) == pytest.approx(math.exp(mean))


@settings(max_examples=60, deadline=None)
@given(SEQUENCES, st.lists(st.sampled_from([0, 3, 4, 5, 8]), max_size=5), st.integers(1, 4))
def test_what_may_come_next_has_probabilities_that_sum_to_one(
    learnt: list[list[int]], prefix: list[int], order: int
) -> None:
    model, definition = KneserNey(SIZE, order), Definition(learnt, order)
    model.fit(ragged(learnt))
    found = model.probabilities(prefix)
    assert float(found.sum()) == pytest.approx(1, abs=1e-9)
    context = (START, *prefix)[max(0, len(prefix) + 2 - order) :] if order > 1 else ()
    expected = [definition.probability(context, token) for token in range(SIZE) if token != START]
    assert found[torch.arange(SIZE) != START].tolist() == pytest.approx(expected, abs=1e-9)
    assert found[START] == 0


def test_discounts_of_ample_counts_are_the_estimates_of_the_paper() -> None:
    chance = random.Random(0)
    words = [chance.choices(range(3, 9), weights=[32, 16, 8, 4, 2, 1], k=chance.randint(0, 9)) for _ in range(60)]
    definition = Definition(words, 3)
    discounts = [definition.discount(3, count) for count in (1, 2, 3, 4)]
    assert discounts[0] != 0.5  # not those that stand in for too few counts
    assert discounts[2] == discounts[3]
    model = KneserNey(SIZE)
    model.fit(ragged(words))
    found = model.log_probabilities(ragged(words)).values.exp().tolist()
    assert found == pytest.approx([p for sequence in words for p in definition.told(sequence)], abs=1e-9)


def test_an_unknown_token_is_one_event_and_words_never_seen_share_what_is_left() -> None:
    model = KneserNey(SIZE, order=1)
    model.fit(ragged([[3, 0], [3, 0], [0]]))
    told = model.probabilities([]).tolist()
    assert told[0] > told[3] > told[4] == told[5] == told[8] > 0


def test_a_longer_order_tells_repeated_text_better() -> None:
    text = ragged([[3, 4, 5, 3, 6, 5, 3, 4]] * 4)
    found = []
    for order in (1, 2, 3, 4):
        model = KneserNey(SIZE, order)
        model.fit(text)
        found.append(model.perplexity(text))
    assert found == sorted(found, reverse=True)


MISTAKES = {
    "no order": (lambda: KneserNey(SIZE, 0), "`order` must be at least 1 and `size` above 2, but they are 0 and 9"),
    "too soon": (
        lambda: KneserNey(SIZE).perplexity(ragged([[3]])),
        "a `KneserNey` must be fitted before it tells probabilities; call `model.fit(sequences)`",
    ),
    "nothing": (
        lambda: KneserNey(SIZE).fit(Ragged(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))),
        "`sequences` must hold at least one to count the n-grams of, but is empty",
    ),
    "large ids": (lambda: KneserNey(SIZE).fit(ragged([[3, 9]])), "ids must be from 0 to 8, without the start (1)"),
    "lines": (lambda: KneserNey(SIZE).fit(ragged([[3, END, 4]])), "encode by a field of 9 ids, without `lines`"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str) -> None:
    make, message = MISTAKES[name]
    with pytest.raises(DataError) as error:
        make()
    assert message in str(error.value)
