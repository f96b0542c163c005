"""Whether a recipe is the one that a run began with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from unspool.errors import RunError
from unspool.recipes import Recipe
from unspool.runs.folder import Folder


def check_same(asked: Recipe, kept: Recipe, folder: Folder) -> None:
    """A run goes on as it began; only the limits may move."""
    limits = ("steps", "epochs", "minutes", "threads", "checkpoint_every", "log_examples")
    free = dict.fromkeys(limits)
    same = [each.model_copy(update={"train": each.train.model_copy(update=free)}) for each in (asked, kept)]
    if same[0] != same[1]:
        ours, theirs = (dict(leaves(each.model_dump(mode="json"))) for each in same)
        different = ", ".join(
            f"`{key}` is {ours.get(key)!r} and was {theirs.get(key)!r}"
            for key in dict.fromkeys((*ours, *theirs))
            if ours.get(key) != theirs.get(key)
        )
        raise RunError(
            f"`--resume` must find the recipe that `{folder.path}` began with, but {different}; use "
            f"`{folder.path / 'recipe.yaml'}`, or start a new run from its weights with `train.init={folder.path}`"
        )


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """What nested dicts hold, by dotted paths."""
    if not isinstance(value, dict):
        yield path, value
        return
    for key, inner in value.items():
        yield from leaves(inner, f"{path}.{key}" if path else key)
