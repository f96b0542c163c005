"""What things are called, so that no two are called the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from typing import Any
from unicodedata import normalize

from unspool.data import Table
from unspool.data.gathering import told_in
from unspool.fields import TextField
from unspool.recipes import GatherSpec


def folded(text: str) -> str:
    """With one blank between two words, in composed characters (NFC): what looks alike is alike."""
    return normalize("NFC", " ".join(text.split()))


def spelling(field: TextField) -> Callable[[str], str]:
    """How a field's outputs spell a text, folded: in small letters, cut, as the field has it."""
    spelled = field.spelled if field.max_length is None else lambda text: field.decode(field.encode(text))
    return lambda text: folded(spelled(text))


class Names:
    """What the training part calls each thing, by what is asked for, such as a language.

    Args:
        told: rows of a thing's number, what is asked for, and what the thing is called by it.
        name, line: how a name is spelled as an output, and as a part of a question.

    Example:
        >>> names = Names([(0, "en", "octopus"), (0, "it", "polpo"), (1, "en", "squid"), (1, "it", "calamaro")])
        >>> sorted(names.of_others("it\\nes oso")), sorted(names.of_others("it\\nen octopus"))
        (['calamaro', 'polpo'], ['calamaro'])
    """

    def __init__(
        self,
        told: Iterable[Sequence[Any]],
        name: Callable[[str], str] = folded,
        line: Callable[[str], str] = folded,
    ) -> None:
        self.told = [(thing, by, called) for thing, by, called in told]
        self._line = line
        self._by: dict[str, set[str]] = defaultdict(set)
        self._called: dict[tuple[int, str], set[str]] = defaultdict(set)
        self._things: dict[str, set[int]] = defaultdict(set)
        for thing, by, called in self.told:
            asked, spelled = line(by), name(called)
            self._by[asked].add(spelled)
            self._called[thing, asked].add(spelled)
            self._things[line(f"{by} {called}")].add(thing)

    def of_others(self, question: str) -> Set[str]:
        """How things are called that a question is not about, by what its first line asks for.

        Args:
            question: a text as `unspool.data.gathering` makes it. It is about each thing that one of its lines tells a
                name of, as no example does.
        """
        by, *lines = map(self._line, question.split("\n"))
        about = {thing for line in lines for thing in self._things.get(line, ())}
        own = {called for thing in about for called in self._called.get((thing, by), ())}
        return _Without(self._by.get(by, set()), own)


class _Without(Set[str]):
    """Most of a set, which is not copied."""

    def __init__(self, every: set[str], without: set[str]) -> None:
        self._every, self._without = every, without

    def __contains__(self, one: object) -> bool:
        return one in self._every and one not in self._without

    def __iter__(self) -> Iterator[str]:
        return (one for one in self._every if one not in self._without)

    def __len__(self) -> int:
        return len(self._every - self._without)


def told_names(table: Table, gather: GatherSpec) -> list[tuple[int, str, str]]:
    """The rows that `Names` are made of, from the training part: things are numbered as they come."""
    numbers: dict[Any, int] = {}
    rows = told_in(table, gather.same, gather.by, gather.of)
    return [(numbers.setdefault(thing, len(numbers)), by, name) for thing, by, name in rows]
