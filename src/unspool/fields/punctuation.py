"""Signs apart from words, and joined to them again."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

_AFTER = frozenset(".,!?;:%)]}»")  # no blank before these,
_BEFORE = frozenset("([{¿¡$£€#@«")  # none after these,
_BETWEEN = frozenset("/")  # none on either side
_QUOTES = frozenset("\"'")  # opening and closing in turn
_TYPED = str.maketrans({**dict.fromkeys("‘’‚‛´", "'"), **dict.fromkeys("“”„‟", '"'), "…": "..."})


def split(text: str) -> list[str]:
    """The words and signs of a text, in order.

    A sign is a character of Unicode's punctuation (P) or symbols (S), or a run of the same one: `...` is one. What else
    stands between blanks is a word, with apostrophes and hyphens that are inside of it, and points, commas and colons
    that are between its digits. Quotes, apostrophes and dots of typesetting become those of a keyboard, so that `it’s`
    and `it's` are one word.

    Example:
        >>> split("Don't! It's well-known (10,000 times)...")
        ["Don't", '!', "It's", 'well-known', '(', '10,000', 'times', ')', '...']
    """
    return [found.group() for found in _pattern().finditer(text.translate(_TYPED))]


def join(tokens: list[str]) -> str:
    """Words and signs as one text, with blanks where English has them.

    It gives back what `split` took apart of most sentences, but can't know all: `a -b` and `a - b` are the same tokens.

    Example:
        >>> join(["well", ",", '"', "yes", '"', "(", "10", "%", ")", "!"])
        'well, "yes" (10%)!'
    """
    parts: list[str] = []
    glued, quoted = True, set[str]()  # nothing comes before the first
    for token in tokens:
        closing = token in quoted
        if not (glued or closing or token[:1] in _AFTER or token in _BETWEEN):
            parts.append(" ")
        parts.append(token)
        glued = token in _BEFORE or token in _BETWEEN
        if token in _QUOTES:
            glued = not closing
            quoted ^= {token}
    return "".join(parts)


@cache
def _pattern() -> re.Pattern[str]:
    signs = _signs()
    inside = rf"(?:['-]|(?<=\d)[.,:](?=\d))[^\s{signs}]+"
    return re.compile(rf"[^\s{signs}]+(?:{inside})*|([{signs}])\1*")


def _signs() -> str:
    """All signs as ranges of a character class: `re` does not know Unicode's categories. Takes 0.15 s."""
    ranges: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code))[0] not in "PS":
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in ranges)
