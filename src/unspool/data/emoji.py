"""Emoji and what they are called in several languages; which of them are variants of one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from unspool.data.separated import separated_rows
from unspool.errors import DataError
from unspool.nearest import choices

COLUMNS = ("emoji", "language", "name", "base", "pair", "family", "family_pair", "emoji_pair", "tones")
_NOT_LANGUAGES = ("emoji", "codepoints")

_TONE = re.compile("[\U0001f3fb-\U0001f3ff]")
_DRAWN = "\ufe0f"  # the wish to be drawn in colour
_SIGN = re.compile("\u200d[♀♂➡]")  # joined: of women, of men, facing right
_WHOEVER = str.maketrans("👩👨👧👦👵👴", "🧑🧑🧒🧒🧓🧓")
# Two people, or two hands, are one character where their colours are the same, and several joined where they are not.
_TOGETHER = {
    "👩\u200d🤝\u200d👩": "👭",
    "👩\u200d🤝\u200d👨": "👫",
    "👨\u200d🤝\u200d👨": "👬",
    "🧑\u200d❤\u200d💋\u200d🧑": "💏",
    "🧑\u200d❤\u200d🧑": "💑",
    "🧑\u200d🐰\u200d🧑": "👯",
    "👩\u200d🐰\u200d👩": "👯\u200d♀",
    "👨\u200d🐰\u200d👨": "👯\u200d♂",
    "🧑\u200d\U0001faef\u200d🧑": "🤼",
    "👩\u200d\U0001faef\u200d👩": "🤼\u200d♀",
    "👨\u200d\U0001faef\u200d👨": "🤼\u200d♂",
    "\U0001faf1\u200d\U0001faf2": "🤝",
}
_ALIKE = _TOGETHER | {"🧑\u200d🤝\u200d🧑": "👫", "👬": "👫", "👭": "👫"}


def base(emoji: str) -> str:
    """An emoji without its colours of skin: what Unicode calls its base (UTS #51, 1.4.4), of pairs of people, too.

    Left out is also the sign that asks for a drawing in colour. Pairs that consist of two characters, since their
    colours differ, are one with those that consist of one.

    Example:
        >>> base("👩🏽‍🍳") == base("👩‍🍳"), base("👩🏽‍🍳") == base("🧑‍🍳"), base("👩🏻‍🤝‍👨🏿")
        (True, False, '👫')
    """
    found = _TONE.sub("", emoji).replace(_DRAWN, "")
    return _TOGETHER.get(found, found) or emoji


def family(emoji: str) -> str:
    """What an emoji shares with those that differ from it only in how people look: their names differ as little.

    Beside what `base` leaves out, women, men and persons are one, and so are girls, boys and children; it does not
    matter who faces right.

    Example:
        >>> family("👩🏽‍🍳") == family("🧑‍🍳"), family("🏃🏿‍♀️‍➡️"), family("👍🏻") == family("👎🏻")
        (True, '🏃', False)
    """
    found = _SIGN.sub("", base(emoji)).translate(_WHOEVER)
    return _ALIKE.get(found, found)


def emoji_rows(file: Path) -> Iterator[tuple[str, ...]]:
    """A row for every name in a table of emoji, with a column a language (TSV, with a header).

        emoji  codepoints  en            de          →    🥇, en, gold medal, 🥇, 🥇 en, 🥇, 🥇 en, 🥇 en, 0
        🥇     1F947       gold medal    goldmedaille     🥇, de, goldmedaille, 🥇, 🥇 de, 🥇, 🥇 de, 🥇 de, 0

    `base` is that of the function `base`, and `pair` is it and the language: a cut by `pair` keeps all colours of an
    emoji in one language together, so that none of them tells the name of another. `family` and `family_pair` are
    likewise those of the function `family`: a cut by `family_pair` keeps women, men and persons together, too.
    `emoji_pair` is the emoji itself and the language: a cut by it lets one colour tell of another. `tones` is how many
    colours of skin an emoji has. Columns are languages, but for `emoji` and `codepoints`; an empty cell is no row.

    Raises:
        DataError: no column `emoji`, or none beside it; a row without an emoji.
    """
    names, rows = separated_rows(file, "tsv", None, True)
    if "emoji" not in names:
        raise DataError(f"`emoji` must be a column of `{file}`, line 1; {choices('emoji', names)}")
    if not set(names).difference(_NOT_LANGUAGES):
        raise DataError(
            f"`{file}`, line 1: there must be a column a language, as `en`, but there is {', '.join(names)}"
        )
    for row in rows:
        cells = dict(zip(names, row, strict=True))
        if not cells["emoji"]:
            raise DataError(f"`{file}`: every row must have an emoji, but one has none: {', '.join(row)}")
        yield from named(
            cells["emoji"], {name: text for name, text in cells.items() if name not in _NOT_LANGUAGES and text}
        )


def named(emoji: str, names: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """The rows of an emoji: one for each of its names by language, of `COLUMNS`."""
    plain, kin, tones = base(emoji), family(emoji), str(len(_TONE.findall(emoji)))
    for language, name in names.items():
        pairs = [f"{each} {language}" for each in (plain, kin, emoji)]
        yield emoji, language, name, plain, pairs[0], kin, pairs[1], pairs[2], tones
