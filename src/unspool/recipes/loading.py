"""Recipes by name, from files, and from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from unspool.errors import RecipeError
from unspool.nearest import did_you_mean, nearest
from unspool.recipes.complaints import complaint
from unspool.recipes.overrides import override
from unspool.recipes.reading import Document, read
from unspool.recipes.recipe import Recipe

SUFFIXES = (".yaml", ".yml")


def names() -> list[str]:
    """The recipes that come with the package."""
    inside = files("unspool.recipes").iterdir()
    return sorted(each.name.removesuffix(".yaml") for each in inside if each.name.endswith(".yaml"))


def source(name: str) -> str:
    """The YAML of a recipe that comes with the package, comments and all.

    Raises:
        RecipeError: there is none of that name.
    """
    if name not in names():
        raise RecipeError(f"`{name}` must be a recipe that comes with Unspool{did_you_mean(name, names())}")
    return (files("unspool.recipes") / f"{name}.yaml").read_text(encoding="utf-8")


def load(recipe: str | Path | Mapping[str, Any] | Recipe, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe, checked, with every default filled in.

    Args:
        recipe: the name of one that comes with the package, the path of a YAML file, or the same as a dict.
        overrides: `key=value` each, as in `train.epochs=3`; the value is YAML.

    Raises:
        RecipeError: no such recipe, no YAML, unknown keys, or values a key can't take. It names file and line, or the
            override, the key with its dotted path, and the nearest valid name or what is allowed.

    Example:
        >>> unspool.recipes.load("pronounce", ["train.epochs=3"]).train.epochs
        3.0
    """
    document = _document(recipe)
    if document.data is None:
        raise RecipeError(f"{document.name} must hold a recipe, but is empty")
    if not isinstance(document.data, dict):
        raise RecipeError(f"{document.name} must hold keys with values, but holds a {type(document.data).__name__}")
    override(document, overrides)
    if isinstance(recipe, str | Path):
        document.data.setdefault("name", Path(recipe).stem)
    try:
        return Recipe.model_validate(document.data)
    except ValidationError as error:
        raise complaint(error, document, schema()) from error


@cache
def _schema() -> dict[str, Any]:
    return Recipe.model_json_schema()


def schema() -> dict[str, Any]:
    """The JSON schema of recipes, for editors that complete and check YAML."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_schema()}


def _document(recipe: str | Path | Mapping[str, Any] | Recipe) -> Document:
    if isinstance(recipe, Recipe):
        return Document(recipe.model_dump(mode="json"), "recipe")
    if isinstance(recipe, Mapping):
        return Document(_plain(recipe), "recipe")
    if isinstance(recipe, str) and recipe in names():
        return read(source(recipe), f"`{recipe}`")
    path = Path(recipe)
    if isinstance(recipe, str) and path.suffix not in SUFFIXES and len(path.parts) < 2 and not path.is_file():
        known = did_you_mean(recipe, names())
        raise RecipeError(f"`{recipe}` must be the name of a recipe, or the path of a .yaml file{known}")
    return read(_text(path), f"`{path}`")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        folder = path.parent
        beside = [each.name for each in folder.iterdir()] if folder.is_dir() else []
        near = nearest(path.name, beside)
        hint = f"; did you mean `{folder / near}`?" if near else ""
        raise RecipeError(f"`{path}` must be a recipe's file, but there is none{hint}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise RecipeError(
            f"`{path}`, line {line}: must be UTF-8, but has the byte 0x{error.object[error.start]:02x}"
        ) from error
    except OSError as error:
        raise RecipeError(f"`{path}` must be a recipe's file, but can't be read: {error.strerror}") from error


def _plain(value: Any) -> Any:
    """Values from Python as YAML would have given them; a copy."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
