"""The fields of a recipe, fitted on its training part."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from unspool.data import Table
from unspool.errors import FieldError
from unspool.fields import KINDS, ActField, Field, LabelField, LabelsField, NumberField, QuantilesField, TextField
from unspool.recipes import (
    MEDIA,
    ActSpec,
    FieldSpec,
    ImportedSpec,
    LabelSpec,
    LabelsSpec,
    NumberSpec,
    QuantilesSpec,
    Recipe,
    TextSpec,
    imported,
)


def fit(recipe: Recipe, table: Table, names: Collection[str]) -> dict[str, Field]:
    """Fields of the recipe, each fitted on its column of the training part, or on those that share its vocabulary."""
    specs = {name: spec for name, spec in recipe.fields.items() if name in names}
    fitted: dict[str, Field] = {}
    for name, spec in specs.items():
        if getattr(spec, "vocabulary", None) is not None:
            continue
        sharing = [name, *(other for other, each in specs.items() if getattr(each, "vocabulary", None) == name)]
        field = _unfitted(spec)
        rows = _Rows(table, sharing)
        try:
            field.fit(rows)
        except FieldError as error:
            raise FieldError(f"{rows.place}{error}") from error
        fitted |= {column: _for(specs[column], field) for column in sharing}
    return {name: fitted[name] for name in specs}


class _Rows:
    """The values of columns, one column after the other; `place` is where the last one stood, until all are read."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self.table, self.columns, self.place = table, columns, ""

    def __iter__(self) -> Iterator[Any]:
        for column in self.columns:
            for row, value in enumerate(self.table.column(column)):
                self.place = f"row {row} of `{column}` in {self.table.origin}: "
                yield value
        self.place = ""


def _for(spec: FieldSpec, field: Field) -> Field:
    """A fitted field for one of the columns that share its vocabulary: each has `lines` and `max_length` of its own."""
    if not isinstance(spec, TextSpec) or not isinstance(field, TextField):
        return field
    if (spec.lines, spec.max_length) == (field.lines, field.max_length):
        return field
    own = field.cut_to(spec.max_length)
    own.lines = spec.lines
    return own


def _unfitted(spec: FieldSpec) -> Field:
    if isinstance(spec, LabelSpec):
        return LabelField()
    if isinstance(spec, ActSpec):
        return ActField()
    if isinstance(spec, LabelsSpec):
        return LabelsField(spec.separator, spec.names)
    if isinstance(spec, NumberSpec):
        return NumberField()
    if isinstance(spec, QuantilesSpec):
        return QuantilesField(spec.levels)
    if isinstance(spec, TextSpec):
        flags = {name: getattr(spec, name) for name in ("lowercase", "split_punctuation", "lines", "max_length")}
        return TextField(spec.unit, size=spec.size, min_count=spec.min_count, **flags)
    if spec.kind in MEDIA:
        return KINDS[spec.kind](**spec.model_dump(exclude={"kind"}))
    assert isinstance(spec, ImportedSpec)
    field: Any = imported(spec.kind)(**spec.options)
    return field  # type: ignore[no-any-return]


def readers_of(recipe: Recipe) -> dict[str, Field]:
    """A field for each column whose values are files, not fitted."""
    found = {name: _unfitted(spec) for name, spec in recipe.fields.items() if not isinstance(spec, TextSpec)}
    return {name: field for name, field in found.items() if getattr(field, "reads_files", False)}
