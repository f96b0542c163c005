"""What to say of a name that is none: which there are, and which of them was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_MANY = 12  # a message names no more than these


def choices(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: "there are word, phones (nearest: `word`)"."""
    names = list(known)
    if not names:
        return "there is none"
    near = get_close_matches(name, names, 1, 0)[0]
    listed = ", ".join(names[:_MANY]) + (f" and {len(names) - _MANY} more" if len(names) > _MANY else "")
    return f"there are {listed} (nearest: `{near}`)" if len(names) > 1 else f"there is only `{near}`"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that looks most like `name`, or has it as its initials; None if none comes close.

    Example:
        >>> nearest("hiden_size", ["hidden_size", "num_layers"]), nearest("lr", ["learning_rate", "clip"])
        ('hidden_size', 'learning_rate')
    """
    names = list(names)
    plain = {each.lower().replace("-", "_"): each for each in reversed(names)}
    wanted = name.lower().replace("-", "_")
    initials = {"".join(word[:1] for word in each.split("_")): each for each in reversed(plain) if "_" in each}
    if len(wanted) > 1 and wanted in initials:
        return plain[initials[wanted]]
    close = get_close_matches(wanted, plain, n=1, cutoff=0.6)
    return plain[close[0]] if close else None


def did_you_mean(name: str, names: Iterable[str], prefix: str = "") -> str:
    """What to add to a message about `name`: the nearest of `names`, or all of them if none is near."""
    names = sorted(names)
    if near := nearest(name, names):
        return f"; did you mean `{prefix}{near}`?"
    return f"; there are {', '.join(f'`{each}`' for each in names)}" if names else ""
