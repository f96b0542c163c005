"""The synthetic stories: every answer follows from the text alone, and no story is in two parts."""

import functools
import hashlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from unspool.data import NAMED, load
from unspool.data.stories import COLUMNS, QUESTIONS, SHA256, rows
from unspool.data.stories.telling import Draw
from unspool.errors import DataError

KINDS = ("place", "object", "yes-no", "count", "giving", "time", "position", "unsure")
CASES = [pytest.param(part, kind, id=f"{part} {kind}") for part in QUESTIONS for kind in KINDS]
HOURS = ["in the morning", "at noon", "in the afternoon", "in the evening", "at night"]


@functools.cache
def every_row() -> dict[str, list[tuple[str, ...]]]:
    """All rows, by part."""
    return {part: [*rows(part)] for part in QUESTIONS}


# What a reader makes of the text: nothing here knows of the generator but its sentences.


class Reader:
    """Who is where and holds what, after each sentence of a story."""

    def __init__(self, story: str) -> None:
        self.place: dict[str, str] = {}
        self.holder: dict[str, str] = {}
        self.gifts: list[tuple[str, str, str]] = []
        for sentence in story.split("\n"):
            self.read(sentence)

    def read(self, sentence: str) -> None:
        patterns: dict[str, Callable[..., None]] = {
            r"(\w+) (?:walked|hurried|came|wandered over) to the (\w+)": self.go,
            r"(\w+) (?:picked up|took|lifted) the (\w+)": self.take,
            r"(\w+) (?:put down|let go of) the (\w+)": self.drop,
            r"(\w+) set the (\w+) down": self.drop,
            r"(\w+) (?:handed|gave) the (\w+) to (\w+)": self.give,
            r"(\w+) received the (\w+) from (\w+)": lambda to, thing, who: self.give(who, thing, to),
        }
        found = [(match, act) for pattern, act in patterns.items() if (match := re.fullmatch(pattern, sentence))]
        assert len(found) == 1, sentence
        match, act = found[0]
        act(*match.groups())

    def go(self, who: str, place: str) -> None:
        assert self.place.get(who) != place, "whoever goes somewhere is not there yet"
        self.place[who] = place
        for thing in self.carried(who):
            self.place[thing] = place

    def take(self, who: str, thing: str) -> None:
        assert thing not in self.holder, "nobody holds what is taken"
        assert self.place.get(thing, self.place[who]) == self.place[who], "it lies where who takes it is"
        self.holder[thing], self.place[thing] = who, self.place[who]

    def drop(self, who: str, thing: str) -> None:
        assert self.holder.pop(thing) == who

    def give(self, who: str, thing: str, to: str) -> None:
        assert self.holder[thing] == who
        assert who != to
        assert self.place[who] == self.place[to], "both are in one place"
        self.holder[thing] = to
        self.gifts.append((who, thing, to))

    def carried(self, who: str) -> list[str]:
        return [thing for thing, holder in self.holder.items() if holder == who]


def of_the_world(story: str, question: str) -> set[str]:
    reader = Reader(story)
    if match := re.fullmatch(r"Where is (?:the )?(\w+)", question):
        return {reader.place[match[1]]}
    if match := re.fullmatch(r"Is (\w+) in the (\w+)", question):
        return {"yes" if reader.place[match[1]] == match[2] else "no"}
    if match := re.fullmatch(r"How many things does (\w+) carry", question):
        assert match[1] in reader.place
        return {["none", "one", "two", "three"][len(reader.carried(match[1]))]}
    if match := re.fullmatch(r"Who gave the (\w+) to (\w+)", question):
        return {who for who, thing, to in reader.gifts if (thing, to) == match.groups()}
    if match := re.fullmatch(r"What did (\w+) give to (\w+)", question):
        return {thing for who, thing, to in reader.gifts if (who, to) == match.groups()}
    match = re.fullmatch(r"To whom did (\w+) give the (\w+)", question)
    assert match, question
    return {to for who, thing, to in reader.gifts if (who, thing) == match.groups()}


def of_the_day(story: str, question: str) -> set[str]:
    days: dict[str, dict[int, str]] = {}
    for sentence in story.split("\n"):
        (hour,) = [hour for hour in HOURS if hour in sentence.lower()]
        match = re.fullmatch(r"(\w+) was in the (\w+)", re.sub(hour, "", sentence, flags=re.IGNORECASE).strip())
        assert match, sentence
        day = days.setdefault(match[1], {})
        assert HOURS.index(hour) not in day, "nobody is in two places at once"
        day[HOURS.index(hour)] = match[2]
    match = re.fullmatch(r"Where was (\w+) (?:right (before|after) the (\w+)|(.+))", question)
    assert match, question
    day = days[match[1]]
    if match[4]:
        return {day[HOURS.index(match[4])]}
    order = [day[hour] for hour in sorted(day)]
    found = [(one, other) for one, other in pairwise(order) if match[3] == (other if match[2] == "before" else one)]
    return {one if match[2] == "before" else other for one, other in found}


def of_the_row(story: str, question: str) -> set[str]:
    right_of: dict[str, str] = {}
    for sentence in story.split("\n"):
        match = re.fullmatch(r"The (\w+) stands directly (left|right) of the (\w+)", sentence)
        assert match, sentence
        one, other = (match[1], match[3]) if match[2] == "left" else (match[3], match[1])
        right_of[one] = other
    (row,) = [[one] for one in right_of if one not in right_of.values()]
    while row[-1] in right_of:
        row.append(right_of[row[-1]])
    assert len(row) == len(story.split("\n")) + 1
    if match := re.fullmatch(r"Is the (\w+) (left|right) of the (\w+)", question):
        is_left = row.index(match[1]) < row.index(match[3])
        return {"yes" if is_left == (match[2] == "left") else "no"}
    if match := re.fullmatch(r"What stands directly (left|right) of the (\w+)", question):
        return {row[row.index(match[2]) + (1 if match[1] == "right" else -1)]}
    match = re.fullmatch(r"What stands at the far (left|right)", question)
    assert match, question
    return {row[0] if match[1] == "left" else row[-1]}


def of_rumours(story: str, question: str) -> set[str]:
    match = re.fullmatch(r"Is (\w+) in the (\w+)", question)
    assert match, question
    person, place = match.groups()
    last = [sentence for sentence in story.split("\n") if sentence.split()[0] == person][-1]
    if found := re.fullmatch(r"\w+ went to the (\w+)", last):
        return {"yes" if place == found[1] else "no"}
    if found := re.fullmatch(r"\w+ left the (\w+)", last):
        return {"no" if place == found[1] else "maybe"}
    found = re.fullmatch(r"\w+ went either to the (\w+) or to the (\w+)", last)
    assert found, last
    return {"maybe" if place in found.groups() else "no"}


READERS = dict.fromkeys(KINDS, of_the_world) | {"time": of_the_day, "position": of_the_row, "unsure": of_rumours}


@pytest.mark.parametrize(("part", "kind"), CASES)
def test_every_answer_is_the_only_one_that_the_story_gives(part: str, kind: str) -> None:
    asked = [row for row in every_row()[part] if row[3] == kind]
    assert len(asked) == QUESTIONS[part]
    for story, question, answer, _, _ in asked:
        assert READERS[kind](story, question) == {answer}, (story, question)


def balance(told: str, person: str) -> int:
    """How many things come to a person more often than they go."""
    comes = rf"{person} (picked|took|lifted|received) .+|.+ (handed|gave) .+ to {person}"
    goes = rf"{person} (put|set|let|handed|gave) .+|.+ received .+ from {person}"
    sentences = told.split("\n")
    return sum(bool(re.fullmatch(comes, each)) - bool(re.fullmatch(goes, each)) for each in sentences)


@pytest.mark.parametrize(("part", "kind"), CASES)
def test_the_facts_that_tell_an_answer_do(part: str, kind: str) -> None:
    """A reader of these facts alone gives the same answer, where they make a story by themselves."""
    for story, question, answer, task, support in every_row()[part]:
        if task != kind:
            continue
        facts = story.split("\n")
        places = [int(place) - 1 for place in support.split()]
        assert places == sorted(set(places))
        assert places
        assert places[-1] < len(facts)
        told = "\n".join(facts[place] for place in places)
        if kind in ("place", "yes-no", "time", "unsure") or "at the far" in question:
            assert READERS[kind](told, question) == {answer}
        elif kind in ("object", "giving"):
            assert answer in told.split()
        elif kind == "count":
            assert balance(told, question.split()[-2]) == ["none", "one", "two", "three"].index(answer)


def test_no_story_is_in_two_parts_nor_two_rows_the_same() -> None:
    told = {part: {row[0] for row in found} for part, found in every_row().items()}
    assert not told["train"] & told["valid"]
    assert not told["train"] & told["test"]
    assert not told["valid"] & told["test"]
    asked = [row[:2] for found in every_row().values() for row in found]
    assert len(set(asked)) == len(asked)
    openings = {part: {tuple(story.split("\n")[:2]) for story in stories} for part, stories in told.items()}
    assert not openings["train"] & openings["test"]


def test_answers_of_a_kind_are_spread_and_all_were_seen_in_training() -> None:
    for kind in KINDS:
        counts = {part: Counter(row[2] for row in found if row[3] == kind) for part, found in every_row().items()}
        assert counts["train"].keys() >= counts["valid"].keys() | counts["test"].keys()
        assert max(counts["train"].values()) <= 0.52 * QUESTIONS["train"]
    assert len({row[2] for row in every_row()["train"]}) == 35


def test_a_place_that_is_asked_for_nearly_always_comes_in_the_story() -> None:
    """Else its name alone would tell a no."""
    asked = [row for row in every_row()["train"] if row[3] == "yes-no"]
    told = [row[1].split()[-1] in row[0].split() for row in asked]
    assert sum(told) > 0.98 * len(asked)


def test_the_rows_are_the_pinned_ones_on_every_machine_and_in_every_version_of_python() -> None:
    found = hashlib.sha256("".join("\t".join(row) + "\n" for part in QUESTIONS for row in every_row()[part]).encode())
    assert found.hexdigest() == SHA256, "the generator was changed: change `SHA256` too, it is the key in the cache"


def test_another_process_draws_the_same() -> None:
    program = (
        "import hashlib; from unspool.data.stories import rows; "
        "print(hashlib.sha256(repr(list(rows('valid'))).encode()).hexdigest())"
    )
    options = {"capture_output": True, "text": True, "check": True, "env": {"PYTHONHASHSEED": "3"}}
    source = str(Path(sys.modules["unspool"].__file__ or "").parents[1])
    done = subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {source!r}); {program}"], **options)  # type: ignore[call-overload]
    assert done.stdout.strip() == hashlib.sha256(repr(every_row()["valid"]).encode()).hexdigest()


def test_the_source_has_its_parts_and_says_that_it_is_synthetic() -> None:
    tables = load(source="stories")
    assert {part: len(table) for part, table in tables.items()} == {"train": 16_000, "valid": 2000, "test": 4000}
    assert tables["test"].columns == COLUMNS == NAMED["stories"].columns
    assert tables["test"].origin == "`stories` (test, synthetic)"
    assert tuple(tables["valid"][7].values()) == every_row()["valid"][7]
    one = load(source="stories", columns=["story", "answer"], rows={"all": {"task": "count"}})
    assert set(one["test"].column("answer")) == {"none", "one", "two", "three"}
    with pytest.raises(DataError, match="`tasks` is no column of `stories`; there are story, question, answer, task,"):
        load(source="stories", columns=["tasks"])


def test_draws_are_even_and_follow_their_weights() -> None:
    draw = Draw("test")
    counts = Counter(draw.below(5) for _ in range(5000))
    assert sorted(counts) == [0, 1, 2, 3, 4]
    assert all(abs(count - 1000) < 150 for count in counts.values())
    weighted = Counter(draw.weighted({"a": 3, "b": 1, "c": 0}) for _ in range(4000))
    assert abs(weighted["a"] - 3000) < 150
    assert "c" not in weighted
    orders = Counter(tuple(draw.some("abc", 2)) for _ in range(6000))
    assert len(orders) == 6
    assert all(abs(count - 1000) < 150 for count in orders.values())
