"""Raw inputs answered batch by batch, in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unspool import data, parallel
from unspool.data import Batch
from unspool.errors import FieldError
from unspool.ragged import Ragged
from unspool.recipes import DecodeSpec, Recipe
from unspool.tasks.base import Prediction, Task

ROWS = 256  # sequences answered together


def in_batches(
    model: nn.Module,
    task: Task,
    values: Sequence[Any],
    answers: Callable[[Batch, list[Any]], list[Prediction]],
    first: int = 0,
) -> list[Prediction]:
    """Answers to raw inputs, in their order; like lengths are answered together, by a model in evaluation.

    Ranks share the batches, which are the same for any number of ranks; all know all answers.

    Args:
        answers: from a batch and its raw inputs to a prediction for each.
        first: the number of the first input, on which its id depends.
    """
    given = by_column(task.sources, values, first)
    encoded = {name: task.fields[name].encode_many(column) for name, column in given.items()}
    lengths = [[len(each) for each in encoded[name]] for name in encoded if task.fields[name].shape == "sequence"]
    device = next(model.parameters()).device
    batches = data.in_order(lengths or [[1] * len(values)], examples=ROWS) if values else []
    model.eval()

    def column(name: str, rows: Any) -> Ragged | Tensor:
        chosen = [encoded[name][row] for row in rows.tolist()]
        if task.fields[name].shape == "sequence":
            return Ragged.from_list(chosen, torch.from_numpy(rows) + first)
        return torch.stack(chosen)

    def found(rows: Any) -> list[Prediction]:
        batch = Batch({name: column(name, rows) for name in encoded}, torch.from_numpy(rows) + first)
        return answers(batch.to(device), [values[row] for row in rows.tolist()])

    return data.back_in_order(batches, parallel.current().each(found, batches))


def after_openings(
    model: nn.Module, values: Sequence[Any], answers: Callable[[Tensor, list[Any]], list[Prediction]], first: int = 0
) -> list[Prediction]:
    """What goes on from raw openings, in their order, where nothing else is read; by a model in evaluation.

    Ranks share the batches, which are the same for any number of ranks; all know all answers.

    Args:
        answers: from ids and their openings to a prediction for each.
        first: the number of the first opening, which is its id.
    """
    model.eval()

    def written(start: int) -> list[Prediction]:
        given = list(values[start : start + ROWS])
        return answers(torch.arange(first + start, first + start + len(given)), given)

    each = parallel.current().each(written, range(0, len(values), ROWS))
    return [prediction for batch in each for prediction in batch]


def by_column(names: Sequence[str], values: Sequence[Any], first: int = 0) -> dict[str, list[Any]]:
    """Raw inputs column by column; none where no column is read, and values are openings.

    Args:
        names: of the columns that are read.
        values: mappings from these names to values; of a single column, also the values themselves.
        first: the number of the first of them, for messages.

    Raises:
        FieldError: a value that is no mapping where several columns are read, or one that lacks a column.
    """
    if not names:
        return {}
    if len(names) == 1:
        (name,) = names
        return {name: [each[name] if isinstance(each, Mapping) and name in each else each for each in values]}
    for row, each in enumerate(values, first):
        if not isinstance(each, Mapping):
            form = ", ".join(f'"{name}": …' for name in names)
            raise FieldError(f"input {row} must name all columns that are read, {{{form}}}, but is {each!r}")
        for name in names:
            if name not in each:
                raise FieldError(f"input {row} must name all columns that are read, but lacks `{name}`: {dict(each)!r}")
    return {name: [each[name] for each in values] for name in names}


def key_of(value: Any) -> Any:
    """What stands for a value in a dictionary: of lists, as of a series, the tuple of what they hold."""
    return tuple(map(key_of, value)) if isinstance(value, list | tuple) else value


def seed_of(recipe: Recipe, how: DecodeSpec, turn: int) -> int:
    """The seed of the n-th output that is drawn for an input: no n-th of one seed is a first of another near it."""
    return ((recipe.seed if how.seed is None else how.seed) + (turn << 40)) % 2**63


def is_nothing(opening: Any) -> bool:
    """Whether an opening has no step: None, or an empty list, text or mapping, as what asks for nothing is."""
    return opening is None or (hasattr(opening, "__len__") and len(opening) == 0)
