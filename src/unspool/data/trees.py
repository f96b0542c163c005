"""Phrases of trees in brackets, a tree a line, as those of the Stanford Sentiment Treebank."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from unspool.data.lines import lines
from unspool.errors import DataError

COLUMNS = ("text", "label", "span")
LABELS = ("0", "1", "2", "3", "4")
_BLANKS = " \t\r\n"  # and no others: words may hold unbreakable ones, as in "8 1/2"
_PIECE = re.compile(rf"[()]|[^(){_BLANKS}]+")
_ESCAPED = {"-LRB-": "(", "-RRB-": ")", r"\/": "/", r"\*": "*"}


def tree_rows(file: Path) -> Iterator[tuple[str, ...]]:
    """A row for every phrase of every tree: a sentence, then its parts from the left.

        (3 (2 It) (4 works))    →    It works, 3, sentence    It, 2, phrase    works, 4, phrase

    `text` is the phrase's words with a blank between, `label` is "0" (very negative) to "4" (very positive), and `span`
    is "sentence" for all of a tree, else "phrase". Blank lines are passed over.

    Reference:
        Socher et al. (2013), Recursive deep models for semantic compositionality over a sentiment treebank.
    """
    for number, line in enumerate(lines(file), 1):
        if not line.strip(_BLANKS):
            continue
        try:
            words, phrases = _parsed(_PIECE.findall(line))
        except ValueError as error:
            raise DataError(f"`{file}`, line {number}: {error}") from error
        for place, (label, begin, end) in enumerate(phrases):
            yield " ".join(words[begin:end]), label, "phrase" if place else "sentence"


def _parsed(pieces: list[str]) -> tuple[list[str], list[tuple[str, int, int]]]:
    """The words of a tree, and each phrase's label, first word and end, in the order in which brackets open."""
    words: list[str] = []
    phrases: list[tuple[str, int, int]] = []
    open_phrases: list[int] = []
    reader = iter(pieces)
    for piece in reader:
        if phrases and not open_phrases:
            raise ValueError(f"a line must hold one tree, but goes on after it with `{piece}`; put it on its own line")
        if piece == "(":
            open_phrases.append(len(phrases))
            phrases.append((_label(next(reader, None)), len(words), 0))
        elif not open_phrases:
            raise ValueError(f"a line must be a tree, as `(3 (2 It) (4 works))`, but begins with `{piece}`")
        elif piece == ")":
            closed = open_phrases.pop()
            label, begin, _ = phrases[closed]
            if begin == len(words):
                raise ValueError(f"a phrase must have a word, as `(2 film)`, but `({label})` has none")
            phrases[closed] = label, begin, len(words)
        else:
            words.append(_plain(piece))
    if open_phrases:
        raise ValueError(f"every bracket must be closed, but {len(open_phrases)} of {len(phrases)} are not")
    return words, phrases


def _label(piece: str | None) -> str:
    if piece in LABELS:
        return piece
    found = "missing" if piece in (None, "(", ")") else f"`{piece}`"
    raise ValueError(f"a label must follow each opening bracket, one of {', '.join(LABELS)}, but is {found}")


def _plain(word: str) -> str:
    for escaped, plain in _ESCAPED.items():
        word = word.replace(escaped, plain)
    return word
