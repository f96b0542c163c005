"""What things are called, so that no two are called the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence, Set
from typing import Any
from unicodedata import normalize

from unspool.data import Table
from unspool.recipes import GatherSpec


def _spelled(text: str) -> str:
    """With one blank between two words, in composed characters (NFC)."""
    return normalize("NFC", " ".join(text.split()))


class Names:
    """What the training part calls each thing, by what is asked for, such as a language.

    Args:
        told: rows of a thing's number, what is asked for, and what the thing is called by it.
        spell: a name as an output spells it.

    Example:
        >>> names = Names([(0, "en", "octopus"), (0, "it", "polpo"), (1, "en", "squid"), (1, "it", "calamaro")])
        >>> sorted(names.of_others("it\\nes oso")), sorted(names.of_others("it\\nen octopus"))
        (['calamaro', 'polpo'], ['calamaro'])
    """

    def __init__(self, told: Iterable[Sequence[Any]], spell: Callable[[str], str] = _spelled) -> None:
        self.told = [(int(thing), str(by), str(name)) for thing, by, name in told]
        self._by: dict[str, set[str]] = defaultdict(set)
        self._called: dict[tuple[int, str], set[str]] = defaultdict(set)
        self._things: dict[str, set[int]] = defaultdict(set)
        for thing, by, name in self.told:
            self._by[_spelled(by)].add(spell(name))
            self._called[thing, _spelled(by)].add(spell(name))
            self._things[_spelled(f"{by} {name}")].add(thing)

    def of_others(self, question: str) -> Set[str]:
        """How things are called that a question is not about, by what its first line asks for.

        Args:
            question: a text as `unspool.data.gathering` makes it. It is about each thing that one of its lines tells a
                name of, as no example does.
        """
        by, *lines = (_spelled(line) for line in question.split("\n"))
        about = {thing for line in lines for thing in self._things.get(line, ())}
        return self._by.get(by, set()) - {name for thing in about for name in self._called.get((thing, by), ())}


def told_names(table: Table, gather: GatherSpec) -> list[tuple[int, str, str]]:
    """The rows that `Names` are made of, from the training part: things are numbered as they come."""
    numbers: dict[Any, int] = {}
    columns = (table.column(name) for name in (gather.same, gather.by, gather.of))
    return [(numbers.setdefault(thing, len(numbers)), by, name) for thing, by, name in zip(*columns, strict=True)]
