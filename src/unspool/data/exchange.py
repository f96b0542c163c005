"""Words exchanged for others in examples and in what they are examples for, so that only the examples tell them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

import numpy as np

from unspool.likeness import BESIDE

_HAN = "㐀-䶿一-鿿"  # an ideograph is a word, or a part of one that others share
_WORD = re.compile(rf"[{_HAN}]|[^\W{_HAN}]+")
_CHANCE = 0.5  # of a word to be exchanged
_SHORTEST = 2  # letters that words share as their stem

Stock = tuple[Sequence[str], Sequence[str]]
"""Words that others may be exchanged for: ideographs, and those written otherwise."""


def stocks(asked: Iterable[str], names: Iterable[str]) -> dict[str, Stock]:
    """For each value that is asked for the words of its names.

    Args:
        asked: what is asked for in each row, such as a language.
        names: what it is called, in that order.

    Example:
        >>> stocks(["de", "zh", "de"], ["rote kuh", "红牛", "rote ziege"])
        {'de': ([], ['kuh', 'rote', 'ziege']), 'zh': (['牛', '红'], [])}
    """
    words: dict[str, set[str]] = defaultdict(set)
    for which, name in zip(asked, names, strict=True):
        words[which] |= set(_WORD.findall(name))
    return {which: _by_writing(sorted(each)) for which, each in words.items()}


def exchanged(lines: Sequence[str], name: str, stock: Stock, chances: np.random.Generator) -> tuple[list[str], str]:
    """Lines and a name in which some words that examples hold are others, the same ones everywhere.

        fr                                    fr
        en red calf                           en red calf
        en calf = veau                        en calf = lampe
        en red bull = taureau rouge     →     en red bull = taureau nuage
        name: veau rouge                      name: lampe nuage

    Only what stands after ` = ` in an example, and the name, is in the language that is asked for; all else stays. A
    word that no example holds stays, too, as nothing would tell what it is exchanged for. Words of one stem, of which
    the longer is at most twice as long as what they begin with alike, are exchanged together and keep their endings.

    A network that knows names by heart is of no use for such a row: it has to find out from the examples what word
    stands for what, as Lake (2019, "Compositional generalization through meta sequence-to-sequence learning") has words
    change their meanings from one episode to the next.

    Args:
        lines: what is known; those with ` = ` are examples.
        stock: words to take others from; where they are too few, words stay.

    Example:
        >>> chances = np.random.default_rng(1)
        >>> exchanged(["de", "en cow = kuh", "en red bull = roter bulle"], "rote kuh", ([], ["ast", "tal"]), chances)
        (['de', 'en cow = tal', 'en red bull = roter bulle'], 'rote tal')
    """
    shown = [f" {line}".partition(BESIDE) for line in lines]
    held = {word for *_, text in shown for word in _WORD.findall(text)}
    words = held | set(_WORD.findall(name))
    others: dict[str, str] = {}
    for written, free in zip(_by_writing(sorted(words)), stock, strict=True):
        stems = [(stem, members) for stem, members in _stems(written) if not held.isdisjoint(members)]
        drawn = (free[place] for place in chances.permutation(len(free)).tolist() if free[place] not in words)
        for (stem, members), other, chance in zip(stems, drawn, chances.random(len(stems)).tolist(), strict=False):
            if chance < _CHANCE:
                others |= {member: other + member[len(stem) :] for member in members}
    told = [f"{before}{sign}{_in_place(text, others)}"[1:] for before, sign, text in shown]
    return told, _in_place(name, others)


def _by_writing(words: Iterable[str]) -> Stock:
    of_han: list[str] = []
    written: list[str] = []
    for word in words:
        (of_han if re.match(f"[{_HAN}]", word) else written).append(word)
    return of_han, written


def _stems(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Words that begin alike, and with what.

    Args:
        words: each once, sorted.
    """
    found: list[tuple[str, list[str]]] = []
    for word in words:
        stem = _alike(found[-1][0], word) if found else ""
        if len(stem) >= _SHORTEST and 2 * len(stem) >= max(map(len, [*found[-1][1], word])):
            found[-1] = stem, [*found[-1][1], word]
        else:
            found.append((word, [word]))
    return found


def _alike(one: str, other: str) -> str:
    """What two words begin with."""
    return "".join(letter for letter, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _in_place(text: str, others: Mapping[str, str]) -> str:
    return _WORD.sub(lambda found: others.get(found[0], found[0]), text)
