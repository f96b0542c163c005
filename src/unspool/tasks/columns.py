"""The columns of a task: of what kind they are, and what a network must know of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from unspool.data import Batch
from unspool.errors import RecipeError
from unspool.fields import ChordsField, Field, LabelField, QuantilesField, RegionsField, TextField
from unspool.models import ColumnSize, FeaturesOf, LinesOf, OneOf, PictureOf, RegionsOf, SequenceOf, StepsOf
from unspool.ragged import Ragged
from unspool.tasks.base import Task

_PICTURES = 4  # dimensions of a batch of them


def sizes(task: Task) -> dict[str, ColumnSize]:
    """What a network must know of the columns that are read.

    Raises:
        RecipeError: a column that it can't read.
    """
    return {name: _size(task, name) for name in task.sources}


def source_size(task: Task, name: str) -> int | StepsOf | PictureOf | RegionsOf:
    """What the encoder of a single column must know of it: how many ids there are, or what its steps are.

    Raises:
        RecipeError: a column that is no sequence.
    """
    if isinstance(field := task.fields[name], RegionsField):
        return RegionsOf(field.step_shape)
    size = _size(task, name)
    if isinstance(size, SequenceOf | LinesOf):
        return size.size
    if isinstance(size, StepsOf | PictureOf):
        return size
    raise RecipeError(f"`inputs.{name}` must be a sequence for this model, but is a {type(field).__name__}")


def _size(task: Task, name: str) -> ColumnSize:
    field = task.fields[name]
    if isinstance(field, TextField):
        vocabulary = getattr(task.recipe.fields[name], "vocabulary", None) or name
        return (LinesOf if field.lines else SequenceOf)(len(field), vocabulary)
    if isinstance(field, ChordsField):
        return SequenceOf(len(field), name)
    if isinstance(field, LabelField):
        return OneOf(len(field))
    if isinstance(field, QuantilesField):  # as many as it has are told, but a number is read
        return FeaturesOf(1)
    if hasattr(field, "step_shape"):
        return (PictureOf if field.kind == "image" else StepsOf)(field.step_shape)
    if field.shape == "vector" and hasattr(field, "__len__"):
        return FeaturesOf(len(field))
    raise RecipeError(
        f"`inputs.{name}` must be a text, a label, a vector of known length or steps of known shape to be read here, "
        f"but is a {type(field).__name__}"
    )


def token_field(fields: Mapping[str, Field], column: str) -> TextField | ChordsField:
    """The field of a column that is written token by token: a text, or music note by note.

    Raises:
        RecipeError: it is of another kind.
    """
    found = fields[column]
    return found if isinstance(found, ChordsField) else text_field(fields, column)


def text_field(fields: Mapping[str, Field], column: str) -> TextField:
    """The field of a column of texts.

    Raises:
        RecipeError: it is of another kind.
    """
    found = fields[column]
    if not isinstance(found, TextField):
        raise RecipeError(
            f"`{column}` must be a text field to be read or written here, but is a {type(found).__name__}"
        )
    return found


def shown(batch: Batch, names: Iterable[str]) -> Batch:
    """A batch whose pictures among these columns are sequences of one step, so that each knows which example it is."""
    pictures = {
        name: Ragged(column, torch.ones(len(column), dtype=torch.int64), batch.ids)
        for name in names
        if isinstance(column := batch[name], Tensor) and column.dim() == _PICTURES
    }
    return Batch({**batch.columns, **pictures}, batch.ids) if pictures else batch


def ragged(batch: Batch, column: str) -> Ragged:
    """A column of sequences."""
    found = batch[column]
    assert isinstance(found, Ragged)
    return found
