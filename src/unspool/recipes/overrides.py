"""Values given beside a recipe: `train.learning_rate=1e-3`."""

from __future__ import annotations

from collections.abc import Iterable

from unspool.errors import RecipeError
from unspool.recipes.reading import Document, read


def override(document: Document, overrides: Iterable[str]) -> None:
    """Set keys of a document that was read, in order.

    Args:
        document: what to change, in place.
        overrides: `key=value` each; the key a dotted path, the value YAML. A mapping takes the place of what was there.

    Raises:
        RecipeError: no `=`, no key, a value that is no YAML, or a path through something that holds no keys.

    Example:
        >>> document = read("train: {epochs: 3}", "`my.yaml`")
        >>> override(document, ["train.clip=1e-1", "data={path: words.csv}"])
        >>> document.data
        {'train': {'epochs': 3, 'clip': 0.1}, 'data': {'path': 'words.csv'}}
    """
    for text in overrides:
        _set(document, text)


def _set(document: Document, text: str) -> None:
    name = f"override `{text}`"
    dotted, equals, value = text.partition("=")
    path = tuple(key.strip() for key in dotted.split("."))
    if not equals or not all(path):
        raise RecipeError(f"{name}: must be `key=value`, the key with dots, as in `train.epochs=20`")
    holder = document.data
    for depth, key in enumerate(path[:-1], start=1):
        if holder.get(key) is None:
            holder[key] = {}
        holder = holder[key]
        if not isinstance(holder, dict):
            inner = ".".join(path[:depth])
            raise RecipeError(f"{name}: `{inner}` must hold keys to set one of them, but is {holder!r}")
    holder[path[-1]] = read(value, name).data
    for below in [each for each in document.origins if each[: len(path)] == path]:
        del document.origins[below]
    document.origins[path] = name
