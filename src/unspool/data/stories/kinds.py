"""The kinds of stories: each draws one, with its questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from unspool.data.stories.telling import Asked, Draw, Story
from unspool.data.stories.world import PEOPLE, PLACES, THINGS, Gift, World

_NUMBERS = ("none", "one", "two", "three")
_MOMENTS = ("in the morning", "at noon", "in the afternoon", "in the evening", "at night")


def _place(draw: Draw) -> Story:
    world = World(draw, people=3, places=4, things=2)
    for _ in range(5):
        for _ in range(2):
            world.happen(move=4, take=1, drop=1)
        person = draw.one(list(world.at))
        place, told = world.at[person]
        world.story.ask(Asked(f"Where is {person}", place, [told]))
    return world.story


def _object(draw: Draw) -> Story:
    world = World(draw, people=3, places=4, things=3)
    world.happen(move=1)
    world.happen(take=1)
    for _ in range(5):
        for _ in range(2):
            world.happen(move=3, take=2, drop=1, give=1)
        thing = draw.one([thing for thing in world.things if world.where(thing)])
        found = world.where(thing)
        assert found is not None
        world.story.ask(Asked(f"Where is the {thing}", found[0], found[1]))
    return world.story


def _yes_no(draw: Draw) -> Story:
    world = World(draw, people=3, places=4, things=1)
    for _ in range(5):
        for _ in range(2):
            world.happen(move=1)
        person = draw.one(list(world.at))
        place, told = world.at[person]
        answer = draw.one(("yes", "no"))
        # A wrong place is one that was told of too, as far as there is one: else its name alone would tell.
        others = [other for other in world.places if other != place]
        others = [other for other in others if any(other in fact.split() for fact in world.story.facts)] or others
        asked = place if answer == "yes" else draw.one(others)
        world.story.ask(Asked(f"Is {person} in the {asked}", answer, [told]))
    return world.story


def _count(draw: Draw) -> Story:
    world = World(draw, people=2, places=2, things=3)
    world.happen(move=1)
    for turn in range(5):
        for _ in range(2 if turn else 1):
            world.happen(move=1, take=4, drop=1, give=2)
        person = draw.one(list(world.at))
        number = _NUMBERS[len(world.carried(person))]
        support = world.handling[person] or [world.at[person][1]]
        world.story.ask(Asked(f"How many things does {person} carry", number, support))
    return world.story


def _giving(draw: Draw) -> Story:
    world = World(draw, people=3, places=1, things=3)
    # From the second gift on: the first one is the last fact, and would be found without reading on.
    for number in range(2, 6):
        while len(world.gifts) < number:
            world.happen(move=1, take=2, drop=1, give=6)
        asked = {each.question for _, each in world.story.questions}
        if questions := [each for each in _about_gifts(world.gifts) if each.question not in asked]:
            world.story.ask(draw.one(questions))
    return world.story


def _about_gifts(gifts: Sequence[Gift]) -> list[Asked]:
    """The questions about gifts that have one answer, so far as it was told."""
    found: dict[str, list[tuple[str, int]]] = {}
    for giver, thing, receiver, told in gifts:
        for question, answer in (
            (f"Who gave the {thing} to {receiver}", giver),
            (f"What did {giver} give to {receiver}", thing),
            (f"To whom did {giver} give the {thing}", receiver),
        ):
            found.setdefault(question, []).append((answer, told))
    return [
        Asked(question, answers[0][0], [told for _, told in answers])
        for question, answers in found.items()
        if len({answer for answer, _ in answers}) == 1
    ]


def _time(draw: Draw) -> Story:
    story = Story()
    days = {}
    for person in draw.some(PEOPLE, 2):
        moments = sorted(draw.some(range(len(_MOMENTS)), 3 + draw.below(2)))
        days[person] = list(zip(moments, draw.some(PLACES, len(moments)), strict=True))
    visits = [(person, moment, place) for person, day in days.items() for moment, place in day]
    told = {}
    for person, moment, place in draw.some(visits, len(visits)):
        when = _MOMENTS[moment]
        sentence = draw.one((f"{person} was in the {place} {when}", f"{when.capitalize()} {person} was in the {place}"))
        told[person, place] = story.tell(sentence)
    questions = []
    for person, day in days.items():
        for (_, earlier), (_, later) in pairwise(day):
            both = [told[person, earlier], told[person, later]]
            questions.append(Asked(f"Where was {person} right before the {later}", earlier, both))
            questions.append(Asked(f"Where was {person} right after the {earlier}", later, both))
        moment, place = draw.one(day)
        questions.append(Asked(f"Where was {person} {_MOMENTS[moment]}", place, [told[person, place]]))
    for asked in draw.some(questions, 4):
        story.ask(asked)
    return story


def _position(draw: Draw) -> Story:
    story = Story()
    row = draw.some(THINGS, 4 + draw.below(2))
    told = {}
    for left in draw.some(range(len(row) - 1), len(row) - 1):
        one, other = row[left], row[left + 1]
        sentence = (f"The {one} stands directly left of the {other}", f"The {other} stands directly right of the {one}")
        told[left] = story.tell(draw.one(sentence))
    for _ in range(2):
        story.ask(_left_or_right(draw, row, told))
    left = draw.below(len(row) - 1)
    one, other = row[left], row[left + 1]
    beside = ((f"right of the {one}", other), (f"left of the {other}", one))
    side, answer = draw.one(beside)
    story.ask(Asked(f"What stands directly {side}", answer, [told[left]]))
    end, answer = draw.one((("left", row[0]), ("right", row[-1])))
    story.ask(Asked(f"What stands at the far {end}", answer, told.values()))
    return story


def _left_or_right(draw: Draw, row: Sequence[str], told: dict[int, int]) -> Asked:
    """Whether one thing is to the left, or to the right, of another; what stands between them tells."""
    first, second = draw.some(range(len(row)), 2)
    side = draw.one(("left", "right"))
    answer = "yes" if (first < second) == (side == "left") else "no"
    support = [told[left] for left in range(min(first, second), max(first, second))]
    return Asked(f"Is the {row[first]} {side} of the {row[second]}", answer, support)


def _unsure(draw: Draw) -> Story:
    story, places = Story(), draw.some(PLACES, 5)
    known: dict[str, tuple[dict[str, str], int]] = {}  # by person the answer for each place, and the fact that tells it
    people = draw.some(PEOPLE, 2)
    for _ in range(5):
        for _ in range(2):
            person = draw.one(people)
            sentence, answers = _rumour(draw, person, places, known.get(person, ({}, 0))[0])
            known[person] = answers, story.tell(sentence)
        person = draw.one(list(known))
        answers, told = known[person]
        answer = draw.one(sorted(set(answers.values())))
        place = draw.one([place for place in places if answers[place] == answer])
        story.ask(Asked(f"Is {person} in the {place}", answer, [told]))
    return story


def _rumour(draw: Draw, person: str, places: Sequence[str], before: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Somebody went to a place, to one of two, or left where they are or may be; what then is known of each place."""
    # Who left a place may be in any other: too little is known to leave one again.
    certain = "yes" in before.values() or list(before.values()).count("maybe") == 2
    kind = draw.one(("went", "either", "left") if certain else ("went", "either"))
    if kind == "left":
        place = draw.one([place for place in places if before[place] != "no"])
        return f"{person} left the {place}", {each: "no" if each == place else "maybe" for each in places}
    new = [place for place in places if before.get(place) != "yes"]
    if kind == "went":
        place = draw.one(new)
        return f"{person} went to the {place}", {each: "yes" if each == place else "no" for each in places}
    one, other = draw.some(new, 2)
    sentence = f"{person} went either to the {one} or to the {other}"
    return sentence, {each: "maybe" if each in (one, other) else "no" for each in places}


KINDS: dict[str, Callable[[Draw], Story]] = {
    "place": _place,
    "object": _object,
    "yes-no": _yes_no,
    "count": _count,
    "giving": _giving,
    "time": _time,
    "position": _position,
    "unsure": _unsure,
}
"""Every kind by its name: a function that draws a story of it, with two facts or more before its first question."""
