"""A mistake in a recipe that only shows where several of its keys meet."""

from __future__ import annotations

from pydantic_core import PydanticCustomError


def mistake(at: str, problem: str) -> PydanticCustomError:
    """What a validator raises to blame the key `at` (a dotted path from the recipe's top) rather than the section."""
    return PydanticCustomError("mistake", "{problem}", {"at": at, "problem": problem})
