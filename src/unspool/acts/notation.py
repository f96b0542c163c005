"""Dialogue acts as they are written in files: `inform(name='red door cafe';area=mission)`, or `name[The Vaults]`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from unspool.errors import FieldError

SPECIAL = {
    "yes": "yes",
    "true": "yes",
    "no": "no",
    "false": "no",
    "none": "none",
    "dontcare": "dontcare",
    "dont_care": "dontcare",
}
"""Values that are not said as they are written, by one name each."""

_KIND = re.compile(r"\s*([^\s()\[\]=;,'\"]+)\s*\(")
_NAME = re.compile(r"\s*([^()\[\]=;,'\"]+?)\s*(=|;|$)")
_QUOTED = re.compile(r"\s*(['\"])(.*?)\1\s*(?:;|$)")
_BRACKETED = re.compile(r"\s*([^\[\],()=;]+?)\s*\[([^\[\]]*)\]\s*(?:,|$)")
_LIKE = "`inform(name='red door cafe';area=mission)` or `name[The Vaults], food[French]`"


class Slot(NamedTuple):
    """A slot of an act.

    Fields:
        name: in lower case, without blanks, hyphens and underscores: "pricerange" for `price_range`.
        value: as written, without its quotes; None where there is none, as in `request(area)`.
    """

    name: str
    value: str | None

    @property
    def special(self) -> str | None:
        """ "yes", "no", "none" or "dontcare" for a value that means this, "?" for none at all, else None."""
        return "?" if self.value is None else SPECIAL.get(self.value.lower())


class Act(NamedTuple):
    """What is to be said: a kind, as "inform" or "?request", and slots in the order in which they are written."""

    kind: str
    slots: tuple[Slot, ...]


def parse(text: str) -> Act:
    r"""An act of its notation.

        kind(slot=value;slot='value';slot)     as of the Cambridge dialogue systems (Wen et al., 2015)
        slot[value], slot[value]               as of the E2E challenge (Novikova et al., 2017); its kind is "inform"

    A quoted value may hold `;`, `=`, parentheses and its own kind of quote: it ends at a quote before `;` or the end.
    Other values end at `;` and are taken without blanks at their ends. A value that is empty or `?` is none. A slot may
    come several times.

    Raises:
        FieldError: a text that is neither.

    Example:
        >>> parse("inform(name='joe's; diner';price range=cheap;near=dont_care)").slots[:2]
        (Slot(name='name', value="joe's; diner"), Slot(name='pricerange', value='cheap'))
        >>> parse("?request(area)")
        Act(kind='?request', slots=(Slot(name='area', value=None),))
        >>> parse("name[The Vaults], familyFriendly[yes]").slots[1].special
        'yes'
    """
    if not isinstance(text, str):
        raise FieldError(f"an act must be a text, as {_LIKE}, but is {text!r} ({type(text).__name__})")
    return _parsed(text)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Act:
    opened = _KIND.match(text)
    stripped = text.rstrip()
    if opened and stripped.endswith(")"):
        return Act(opened[1], tuple(_slots(text, stripped[opened.end() : -1])))
    slots, at = [], 0
    while found := _BRACKETED.match(text, at):
        slots.append(_slot(text, found[1], found[2]))
        at = found.end()
    if not slots or text[at:].strip():
        shown = text if len(text) <= 80 else f"{text[:77]}…"
        raise FieldError(f"an act must be written as {_LIKE}, but is `{shown}`")
    return Act("inform", tuple(slots))


def _slots(text: str, inside: str) -> list[Slot]:
    found = []
    while inside.strip():
        named = _NAME.match(inside)
        if not named:
            raise _no_slot(text, inside)
        inside = inside[named.end() :]
        value = ""
        if named[2] == "=":
            quoted = _QUOTED.match(inside)
            if quoted:
                value, inside = quoted[2], inside[quoted.end() :]
            else:
                value, _, inside = inside.partition(";")
                value = value.strip().strip("'")  # a quote that is not closed
                if not _closed(value):
                    raise _no_slot(text, f"{named[1]}={value}")
        found.append(_slot(text, named[1], value))
    return found


def _closed(value: str) -> bool:
    """Whether its parentheses are in pairs: else it goes on into another act."""
    depth = 0
    for sign in value:
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            return False
    return depth == 0


def _slot(text: str, name: str, value: str) -> Slot:
    plain = re.sub(r"[\s_-]", "", name).lower()
    if not re.fullmatch(r"[^\W\d]\w*", plain):
        raise _no_slot(text, name)
    value = value.strip()
    return Slot(plain, None if value in ("", "?") else value)


def _no_slot(text: str, piece: str) -> FieldError:
    return FieldError(
        f"a slot of an act must be written as `name`, `name=value` or `name='value'`, with `;` between slots, but "
        f"`{piece.strip()}` of `{text}` is not; put a value with `;` or a parenthesis in quotes"
    )
