"""One's own cells, fields and models, by import path."""

from __future__ import annotations

import importlib
import pkgutil
import re
from types import ModuleType
from typing import Any

from unspool.errors import RecipeError
from unspool.nearest import did_you_mean, nearest

IMPORT_PATH = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"


def is_import_path(name: str) -> bool:
    """Whether a name in a recipe stands for something of one's own."""
    return ":" in name


def imported(path: str) -> Any:
    """What an import path such as `mypkg.cells:MyCell` names.

    Raises:
        RecipeError: another form, no such module or name (with the nearest there is), or a module that fails.

    Example:
        >>> imported("unspool.cells:LSTM")
        <class 'unspool.cells.lstm.LSTM'>
    """
    if not re.match(IMPORT_PATH, path):
        raise RecipeError(f"`{path}` must be an import path `module:name`, as in `mypkg.cells:MyCell`")
    module_name, _, name = path.partition(":")
    found: Any = _module(module_name, path)
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            of = module_name if isinstance(found, ModuleType) else getattr(found, "__name__", type(found).__name__)
            near = nearest(part, [each for each in dir(found) if not each.startswith("__")])
            hint = f"; did you mean `{near}`?" if near else ""
            raise RecipeError(f"`{path}` can't be imported: `{of}` has no `{part}`{hint}") from error
    return found


def _module(name: str, path: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not f"{name}.".startswith(f"{missing}."):
            raise RecipeError(f"`{path}` can't be imported: `{name}` itself imports `{missing}`, not found") from error
        parent, _, last = missing.rpartition(".")
        hint = _nearest_module(parent, last) or "; it must be installed, or lie in the folder the command runs in"
        raise RecipeError(f"`{path}` can't be imported: there is no module `{missing}`{hint}") from error
    except Exception as error:
        raise RecipeError(f"`{path}` can't be imported: `{name}` fails with {type(error).__name__}: {error}") from error


def _nearest_module(parent: str, name: str) -> str:
    """A hint at a module beside the one that is missing."""
    folders = getattr(importlib.import_module(parent), "__path__", []) if parent else None
    names = [each.name for each in pkgutil.iter_modules(folders)]
    near = nearest(name, names)
    if near is None:
        return ""
    return did_you_mean(name, [near], f"{parent}." if parent else "")
