"""What stories are made of: draws, facts and questions."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

Row = tuple[str, str, str, str, str]
T = TypeVar("T")


class Draw:
    """Random draws from a seed, the same in every version of Python: only `random.Random.random` promises that."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def below(self, number: int) -> int:
        """A whole number from 0 on."""
        return int(self._random.random() * number)

    def one(self, values: Sequence[T]) -> T:
        """One of several values."""
        return values[self.below(len(values))]

    def some(self, values: Sequence[T], number: int) -> list[T]:
        """Different ones of several values, in a drawn order."""
        left = list(values)
        return [left.pop(self.below(len(left))) for _ in range(number)]

    def weighted(self, weights: dict[T, int]) -> T:
        """One of several values by its weight."""
        return self.one([value for value, weight in weights.items() for _ in range(weight)])


class Asked(NamedTuple):
    """A question, its only answer, and the places of the facts that tell it, from 0."""

    question: str
    answer: str
    support: Iterable[int]


class Story:
    """Facts in the order they are told, and questions between them.

    Fields:
        facts: sentences without their stop.
        questions: how many facts are told before each, and the question.
    """

    def __init__(self) -> None:
        self.facts: list[str] = []
        self.questions: list[tuple[int, Asked]] = []

    def tell(self, fact: str) -> int:
        """Add a fact; its place."""
        self.facts.append(fact)
        return len(self.facts) - 1

    def ask(self, asked: Asked) -> None:
        """Add a question about what was told so far."""
        self.questions.append((len(self.facts), asked._replace(support=sorted(asked.support))))
