"""A world of people who walk about, carry things and hand them on: what is told of it, and what is true in it."""

from __future__ import annotations

from typing import NamedTuple

from unspool.data.stories.telling import Draw, Story

PEOPLE = ("Ada", "Boris", "Clara", "Dario", "Elif", "Farid", "Greta", "Hugo")
PLACES = ("attic", "barn", "cellar", "chapel", "garage", "library", "museum", "stable", "tower", "workshop")
THINGS = ("basket", "blanket", "candle", "compass", "kettle", "ladder", "lamp", "map", "mirror", "violin")

_MOVES = ("{} walked to the {}", "{} hurried to the {}", "{} came to the {}", "{} wandered over to the {}")
_TAKES = ("{} picked up the {}", "{} took the {}", "{} lifted the {}")
_DROPS = ("{} put down the {}", "{} set the {} down", "{} let go of the {}")
_GIVES = ("{0} handed the {1} to {2}", "{0} gave the {1} to {2}", "{2} received the {1} from {0}")


class Gift(NamedTuple):
    """Who gave what to whom, and the place of the fact that tells it."""

    giver: str
    thing: str
    receiver: str
    told: int


class World:
    """Some people, places and things; what happens is told in `story`.

    Nothing is impossible in it: somebody takes what nobody holds where it lies, and gives to who is in the same place.

    Fields:
        at: where people are known to be, and the fact that tells it.
        held: by thing who holds it, and the fact that tells it.
        lies: by thing where it was put down, and the two facts that tell it.
        handling: by person the facts in which a thing comes or goes.
        gifts: all of them.
    """

    def __init__(self, draw: Draw, *, people: int, places: int, things: int) -> None:
        self.draw, self.story = draw, Story()
        self.people, self.places = draw.some(PEOPLE, people), draw.some(PLACES, places)
        self.things = draw.some(THINGS, things)
        self.at: dict[str, tuple[str, int]] = {}
        self.held: dict[str, tuple[str, int]] = {}
        self.lies: dict[str, tuple[str, tuple[int, int]]] = {}
        self.handling: dict[str, list[int]] = {person: [] for person in self.people}
        self.gifts: list[Gift] = []

    def happen(self, **weights: int) -> None:
        """One more fact: a move, take, drop or give, drawn by weight from those that are possible."""
        possible = {"move": self._move, "take": self._take, "drop": self._drop, "give": self._give}
        weights = {kind: weight for kind, weight in weights.items() if weight and self._choices(kind)}
        possible[self.draw.weighted(weights)]()

    def where(self, thing: str) -> tuple[str, tuple[int, int]] | None:
        """Where a thing is and the two facts that tell it, or None if none do."""
        if thing in self.held:
            person, told = self.held[thing]
            place, moved = self.at[person]
            return place, (moved, told)
        return self.lies.get(thing)

    def carried(self, person: str) -> list[str]:
        """The things that somebody holds."""
        return [thing for thing, (holder, _) in self.held.items() if holder == person]

    def _choices(self, kind: str) -> list[tuple[str, ...]]:
        """What can happen of a kind: (person, place), (person, thing) or (person, thing, person)."""
        here = {person: place for person, (place, _) in self.at.items()}
        if kind == "move":
            return [(who, place) for who in self.people for place in self.places if here.get(who) != place]
        if kind == "take":
            free = {thing: self.lies.get(thing) for thing in self.things if thing not in self.held}
            return [(who, thing) for who in here for thing, lies in free.items() if not lies or lies[0] == here[who]]
        holding: list[tuple[str, ...]] = [(who, thing) for thing, (who, _) in self.held.items()]
        if kind == "drop":
            return holding
        return [(who, thing, to) for who, thing in holding for to in here if to != who and here[to] == here[who]]

    def _tell(self, kind: str, sentences: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
        chosen = self.draw.one(self._choices(kind))
        return chosen, self.story.tell(self.draw.one(sentences).format(*chosen))

    def _move(self) -> None:
        (person, place), told = self._tell("move", _MOVES)
        self.at[person] = place, told

    def _take(self) -> None:
        (person, thing), told = self._tell("take", _TAKES)
        self.held[thing] = person, told
        self.lies.pop(thing, None)
        self.handling[person].append(told)

    def _drop(self) -> None:
        (person, thing), told = self._tell("drop", _DROPS)
        place, moved = self.at[person]
        self.lies[thing] = place, (moved, told)
        del self.held[thing]
        self.handling[person].append(told)

    def _give(self) -> None:
        (giver, thing, receiver), told = self._tell("give", _GIVES)
        self.held[thing] = receiver, told
        self.handling[giver].append(told)
        self.handling[receiver].append(told)
        self.gifts.append(Gift(giver, thing, receiver, told))
