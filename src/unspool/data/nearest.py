"""What to say of a name that is none: which there are, and which of them is nearest."""

import difflib
from collections.abc import Iterable

_MANY = 12  # a message names no more than these


def choices(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: "there are word, phones (nearest: `word`)"."""
    names = list(known)
    if not names:
        return "there is none"
    near = difflib.get_close_matches(name, names, 1, 0)[0]
    listed = ", ".join(names[:_MANY]) + (f" and {len(names) - _MANY} more" if len(names) > _MANY else "")
    return f"there are {listed} (nearest: `{near}`)" if len(names) > 1 else f"there is only `{near}`"
