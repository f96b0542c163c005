"""Where a value stands in a text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

ENDINGS = ("s", "es", "ly")
"""What may be at the end of a value in a text."""

_JOINERS = ("and", "or")
_LONG = {"st": "street", "ave": "avenue", "blvd": "boulevard"}
_NOT_A_WORD = 2  # letters at most: "a" is not looked for as "as", nor such a word in a slot's name
_NEAR = 3  # tokens around a value that may name its slot


class Place(NamedTuple):
    """From one token to before another, and what the last of them has after the value: "s" of "31 watts"."""

    begin: int
    end: int
    ending: str = ""


def place_of(said: list[str], value: list[str], name: str) -> Place | None:
    """The place of a value's tokens among those of a text; of several the one nearest to a word of the slot's name.

    Looked for as it is written ("st" is "street"), else with its parts in another order or another of "and" and "or"
    between them, else with an ending.
    """
    plain, wanted = ([_LONG.get(word, word) for word in each] for each in (said, value))
    for places in (_as_written(plain, wanted), _in_any_order(plain, wanted), _with_ending(plain, wanted)):
        if found := list(places):
            return min(found, key=lambda place: _distance(said, place, name))
    return None


def _as_written(said: list[str], value: list[str]) -> Iterator[Place]:
    for begin in range(len(said) - len(value) + 1):
        if said[begin : begin + len(value)] == value:
            yield Place(begin, begin + len(value))


def _in_any_order(said: list[str], value: list[str]) -> Iterator[Place]:
    """Where all parts of a value of several stand, a joiner between them."""
    parts = _parts(value)
    for begin in range(len(said)) if len(parts) > 1 else ():
        end, left = begin, list(parts)
        while part := next((each for each in left if said[end : end + len(each)] == each), None):
            left.remove(part)
            end += len(part)
            if not left:
                yield Place(begin, end)
            if not left or end == len(said) or said[end] not in _JOINERS:
                break
            end += 1


def _parts(value: list[str]) -> list[list[str]]:
    """What stands between joiners; a value that begins or ends with one, or has two in a row, has no parts."""
    parts: list[list[str]] = [[]]
    for word in value:
        if word in _JOINERS:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts if all(parts) else []


def _with_ending(said: list[str], value: list[str]) -> Iterator[Place]:
    if not value[-1].isalpha() or len(value[-1]) <= _NOT_A_WORD:
        return
    for ending in ENDINGS:
        for place in _as_written(said, [*value[:-1], value[-1] + ending]):
            yield place._replace(ending=ending)


def _distance(said: list[str], place: Place, name: str) -> int:
    """How far a place is from a word of its slot's name, as "eco" of `ecorating`; more than `_NEAR` if none is near."""
    for distance in range(1, _NEAR + 1):
        around = [said[at] for at in (place.begin - distance, place.end - 1 + distance) if 0 <= at < len(said)]
        if any(len(word) > _NOT_A_WORD and word in name for word in around):
            return distance
    return _NEAR + 1
