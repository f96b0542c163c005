"""From a recipe to everything that training needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn

from unspool import data
from unspool.data import Batch, Encoded, Order, Table
from unspool.errors import DataError
from unspool.fields import Field, TextField
from unspool.recipes import ImportedSpec, Recipe, TextSpec, imported
from unspool.tasks import SequenceToSequence
from unspool.training.limits import Cursor

_VALIDATION_TOKENS = 8192


@dataclass(eq=False)
class Prepared:
    """A recipe's data, fields, task and model.

    Fields:
        recipe: what it was made from.
        tables: raw rows of each part.
        encoded: the training and validation parts, as the fields encode them.
        task: what is read, written and learned.
        model: with its first weights.
        order: of the training batches.
    """

    recipe: Recipe
    tables: dict[str, Table]
    encoded: dict[str, Encoded]
    task: SequenceToSequence
    model: nn.Module
    order: Order

    def batches(self, cursor: Cursor) -> Iterator[tuple[Cursor, Batch]]:
        """Training batches from a cursor on, without end."""
        for after, rows in self.order.from_cursor(cursor):
            yield (after.epoch, after.batch), self.encoded["train"].batch(rows)

    def validation_batches(self) -> Iterator[Batch]:
        """Every validation example once."""
        encoded = self.encoded["valid"]
        lengths = [encoded.lengths(column) for column in self.task.columns]
        for rows in data.in_order(lengths, tokens=_VALIDATION_TOKENS):
            yield encoded.batch(rows)


def prepared(recipe: Recipe, fields: Mapping[str, Field] | None = None) -> Prepared:
    """Read the data, fit the fields on the training part, encode, and build the model.

    Args:
        fields: fitted before, of a run that goes on; by default they are fitted now.

    Raises:
        DataError, FieldError, RecipeError, ModelError: what is wrong, before any training.
    """
    if recipe.train.threads is not None:
        torch.set_num_threads(recipe.train.threads)
    tables = tables_of(recipe)
    if "valid" not in tables:
        raise DataError(
            "`data` must have a validation part, but has none; name its files in `data.parts.valid`, or cut it by "
            "`data.split`"
        )
    fitted = dict(fields) if fields is not None else fit(recipe, tables["train"])
    encoded = {part: data.encode(tables[part], fitted) for part in ("train", "valid")}
    task = SequenceToSequence(recipe, fitted)
    torch.manual_seed(recipe.seed)
    lengths = [encoded["train"].lengths(column) for column in task.columns]
    model = task.build(longest_target=int(lengths[1].max()))
    order = Order(lengths, tokens=recipe.train.tokens, examples=recipe.train.examples, seed=recipe.seed)
    return Prepared(recipe, tables, encoded, task, model, order)


def tables_of(recipe: Recipe) -> dict[str, Table]:
    """The raw rows of each part, which have the recipe's columns."""
    tables = data.load(**recipe.data.arguments())
    tables["train"].check_columns(recipe.fields)
    return tables


def fit(recipe: Recipe, table: Table) -> dict[str, Field]:
    """The recipe's fields, each fitted on its column of the training part, or on those that share its vocabulary."""
    specs = recipe.fields
    fitted: dict[str, Field] = {}
    for name, spec in specs.items():
        if getattr(spec, "vocabulary", None) is not None:
            continue
        sharing = [name, *(other for other, each in specs.items() if getattr(each, "vocabulary", None) == name)]
        field = _unfitted(spec)
        field.fit(chain.from_iterable(table.column(column) for column in sharing))
        fitted |= dict.fromkeys(sharing, field)
    return {name: fitted[name] for name in specs}


def _unfitted(spec: TextSpec | ImportedSpec) -> Field:
    if isinstance(spec, TextSpec):
        return TextField(spec.unit, size=spec.size, min_count=spec.min_count, lowercase=spec.lowercase)
    field: Any = imported(spec.kind)(**spec.options)
    return field  # type: ignore[no-any-return]
