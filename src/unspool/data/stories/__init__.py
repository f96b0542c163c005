"""Questions about short stories that a generator of our own makes: synthetic, the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from unspool.data import babi
from unspool.data.parts import Split
from unspool.data.sources import rows_stream
from unspool.data.stories.kinds import KINDS
from unspool.data.stories.telling import Draw, Row
from unspool.data.tables import Stream

COLUMNS = babi.COLUMNS
QUESTIONS = {"train": 2000, "valid": 250, "test": 500}
"""How many there are of each kind in each part."""
SHA256 = "da7e652316875810425875eb5b13252d728177bdb2d569ddce1a9911c987adbf"
"""Of all rows. It names them in the cache, so a change of the generator has to change it: a test compares."""

_SEED = "stories 1"
_OPENING = 2  # facts; every story has as many before its first question
_PARTS = Split(by="opening", valid=0.1, test=0.2)


def stories() -> dict[str, Stream]:
    r"""Synthetic questions of eight kinds; the parts train, valid and test, which share no story.

    Columns are those of the format "babi": story (facts, a line each), question, answer, task, support. The tasks:

        place     where somebody is (the last fact about them)
        object    where a thing is (what became of it, and where who did it was)
        yes-no    whether somebody is in a place
        count     how many things somebody carries
        giving    who gave what to whom
        time      where somebody was right before, right after, or at a time of the day, told in no order
        position  what stands where in a row, told by neighbours
        unsure    whether somebody is in a place, where only some of it is known: yes, no or maybe

    The idea of such tasks is that of the reference; words, rules and tasks are our own. Figures reached here are not
    those of bAbI.

    Reference:
        Weston et al. (2015), Towards AI-complete question answering: a set of prerequisite toy tasks.
    """
    return {
        part: rows_stream(["stories", SHA256, part], partial(rows, part), COLUMNS, f"`stories` ({part}, synthetic)")
        for part in QUESTIONS
    }


def rows(part: str) -> Iterator[Row]:
    """The rows of a part, kind by kind.

    A story is in the part that a hash of its first facts says. So no part has to know another, and no story of one can
    be told in another.
    """
    for kind, tell in KINDS.items():
        draw = Draw(f"{_SEED} {kind} {part}")
        taken: set[tuple[str, str]] = set()
        while len(taken) < QUESTIONS[part]:
            story = tell(draw)
            if _PARTS.part("\n".join(story.facts[:_OPENING])) != part:
                continue
            for told, asked in story.questions:
                text = "\n".join(story.facts[:told])
                if len(taken) < QUESTIONS[part] and (text, asked.question) not in taken:
                    taken.add((text, asked.question))
                    support = " ".join(str(place + 1) for place in asked.support)
                    yield text, asked.question, asked.answer, kind, support
