"""Questions about short stories, in the format of the bAbI tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from unspool.data.lines import lines
from unspool.errors import DataError

COLUMNS = ("story", "question", "answer", "task", "support")
_NUMBERED = re.compile(r"\s*(\d+)\s(.*)", re.DOTALL)


def babi_rows(file: Path) -> Iterator[tuple[str, ...]]:
    r"""A row for every question of a file of stories.

        1 Mary moved to the bathroom.
        2 John went to the hallway.
        3 Where is Mary? 	bathroom	1      →    Mary moved to the bathroom\nJohn went to the hallway, Where is Mary,
        4 Daniel went to the office.            bathroom, qa1, 1

    A line has a number, 1 where a story begins; one with tabs in it is a question, its answer and, if they are given,
    the lines that tell it. Of a row

    * `story` is all facts up to the question, a line each, and `question` the question. Stops and question marks at
      the end are left out, so that blanks divide both into words. Letters stay as large as they are: text fields have
      `lowercase`.
    * `answer` is as it stands ("apple,milk").
    * `task` is the file's name up to its first "_" or ".".
    * `support` is the places of the facts that tell the answer, from 1; questions are not counted.

    Blank lines are passed over.

    Reference:
        Weston et al. (2015), Towards AI-complete question answering: a set of prerequisite toy tasks.
    """
    task = re.split("[_.]", file.name, maxsplit=1)[0] or file.name
    facts: dict[int, str] = {}
    last = questions = 0
    for number, line in enumerate(lines(file), 1):
        if line.isspace():
            continue
        try:
            last, text = _numbered(line, last)
            if last == 1:
                facts = {}
            if not _is_question(text):
                facts[last] = _sentence(text)
                continue
            question, answer, support = _asked(text, facts)
        except ValueError as error:
            raise DataError(f"`{file}`, line {number}: {error}") from error
        questions += 1
        yield "\n".join(facts.values()), question, answer, task, support
    if not questions:
        raise DataError(f"`{file}` must hold a question, as `2 Where is Mary?` with a tab and its answer, but has none")


def _numbered(line: str, last: int) -> tuple[int, str]:
    """The number of a line and what follows it."""
    found = _NUMBERED.fullmatch(line.rstrip("\r\n"))
    if not found:
        raise ValueError(f"a line must be a number and a sentence, as `1 Mary went home.`, but is `{line.strip()}`")
    number = int(found[1])
    if number not in (1, last + 1):
        raise ValueError(f"a line's number must be {last + 1}, or 1 where a story begins, but is {number}")
    return number, found[2]


def _is_question(text: str) -> bool:
    if "\t" not in text and text.rstrip().endswith("?"):
        raise ValueError("a question must have a tab and its answer after it, but has none")
    return "\t" in text


def _asked(text: str, facts: dict[int, str]) -> tuple[str, str, str]:
    """The question, the answer and the places of the facts that tell it."""
    question, answer, *more = (part.strip() for part in text.split("\t"))
    if len(more) > 1:
        raise ValueError(f"a question must have an answer and one list of lines after it, but has {len(more) + 1} tabs")
    if not answer:
        raise ValueError("a question must have an answer after its tab, but has none")
    if not facts:
        raise ValueError("a question must follow a fact of its story, but is the first line of one")
    places = {str(number): str(place) for place, number in enumerate(facts, 1)}
    support = more[0].split() if more else []
    if strangers := [number for number in support if number not in places]:
        raise ValueError(f"the lines that tell an answer must be facts before it, but `{strangers[0]}` is none")
    return _sentence(question), answer, " ".join(places[number] for number in support)


def _sentence(text: str) -> str:
    """Words with a blank between, without the sign that ends the sentence."""
    words = " ".join(text.rstrip(" .?!").split())
    if not words:
        raise ValueError("a fact or a question must have words, but has none")
    return words
