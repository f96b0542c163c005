"""What all sections of a recipe have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Discriminator

from unspool.recipes.importing import is_import_path
from unspool.recipes.values import ImportPath


class Section(BaseModel):
    """Keys and their values; other keys are refused, and a value is of the kind asked for, never converted to it."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class ImportedSpec(Section):
    """Something of your own."""

    kind: ImportPath
    """Where it is, as `module:name`."""
    options: dict[str, Any] = {}
    """Arguments it is made with, by name."""


def by_kind(default: str, specs: Mapping[str, str]) -> Discriminator:
    """Which of several sections a mapping's `kind` asks for."""

    def chosen(value: Any) -> str | None:
        kind = value.get("kind", default) if isinstance(value, dict) else getattr(value, "kind", default)
        if not isinstance(kind, str):
            return None
        return "ImportedSpec" if is_import_path(kind) else specs.get(kind)

    return Discriminator(chosen)
