"""A text as tokens with blanks between, in lower case: how corpora of dialogue acts come, more or less."""

from __future__ import annotations

import re

TOKEN = re.compile(r"SLOT_[^\W_]+(?:_\d+)?")
"""What stands for a slot's value in a text; the second of a name is `SLOT_NAME_2`."""

_APART = re.compile(r"[;!?()\"“”]|[.,:](?!\d)|(?<=[^\W\d])[.,:]|'[sS]\b")


def words(text: str) -> list[str]:
    """The tokens of a text: lower case, signs and `'s` apart from words, a number with its points in one piece.

    Tokens of slots are kept as they are. What is taken apart stays so: `words(" ".join(words(text)))` is the same.

    Example:
        >>> words("The Vaults's price is £20.50 (SLOT_AREA).")
        ['the', 'vaults', "'s", 'price', 'is', '£20.50', '(', 'SLOT_AREA', ')', '.']
    """
    return [each if TOKEN.fullmatch(each) else each.lower() for each in _APART.sub(r" \g<0> ", text).split()]
