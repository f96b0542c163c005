"""What tasks of all shapes have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from unspool import cells, data
from unspool.cells import Cell
from unspool.data import Batch
from unspool.errors import RecipeError
from unspool.fields import Field, TextField
from unspool.models import Objective
from unspool.ragged import Ragged
from unspool.recipes import DecodeSpec, Recipe, imported

ROWS = 256  # sequences answered together


class Prediction(NamedTuple):
    """An answer.

    Fields:
        text: the output, as the field decodes it.
        score: what it was ranked by; in nats where nothing was normalised.
        log_probability: of the output given the input, in nats.
        complete: whether the model ended it, rather than the limit on length.
        n_best: this one and the next best, if more than one was asked for.
        attention: (steps, source steps) weights, if asked for.
    """

    text: Any
    score: float
    log_probability: float
    complete: bool
    n_best: tuple[Prediction, ...] = ()
    attention: Tensor | None = None


class Task(Protocol):
    """What a recipe asks for: how its model is built, taught and asked.

    Fields:
        source, target: the columns that are read and written; both are `columns`.
        fields: fitted, by column.
        many_answers: whether equal inputs are one question with several right answers, or a question each.
    """

    source: str
    target: str
    fields: dict[str, Field]
    many_answers: bool

    @property
    def columns(self) -> tuple[str, ...]: ...

    def build(self, longest_target: int = 0) -> nn.Module:
        """The model, its weights drawn from torch's generator."""
        ...

    def objective(self, model: nn.Module, *, training: bool = True) -> Objective: ...

    def predict(
        self, model: nn.Module, values: Sequence[Any], how: DecodeSpec, *, n_best: int = 1, attention: bool = False
    ) -> list[Prediction]:
        """Answers to raw inputs, in their order."""
        ...

    def finish(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """What is left to do with a trained model, on validation examples."""
        ...


def in_batches(
    model: nn.Module, encoded: Sequence[Tensor], answers: Callable[[Ragged], list[Prediction]]
) -> list[Prediction]:
    """Answers to encoded sequences, in their order; like lengths are answered together, by a model in evaluation."""
    device = next(model.parameters()).device
    batches = data.in_order([len(each) for each in encoded], examples=ROWS) if encoded else []
    model.eval()

    def found() -> Iterator[list[Prediction]]:
        for rows in batches:
            source = Ragged.from_list([encoded[row] for row in rows.tolist()], torch.from_numpy(rows))
            yield answers(source.to(device))

    return data.back_in_order(batches, found())


def one_column_each(recipe: Recipe) -> tuple[str, str]:
    """The one input and the one output.

    Raises:
        RecipeError: there are more.
    """
    for side, columns in (("inputs", recipe.inputs), ("outputs", recipe.outputs)):
        if len(columns) != 1:
            raise RecipeError(f"`{side}` must name one column for this model, but names {', '.join(columns)}")
    return next(iter(recipe.inputs)), next(iter(recipe.outputs))


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


def ragged(batch: Batch, column: str) -> Ragged:
    """A column of sequences."""
    found = batch[column]
    assert isinstance(found, Ragged)
    return found


def cell_of(name: str) -> Callable[[int, int], Cell]:
    """A cell by its name in `unspool.cells`, or by its import path."""
    found: Callable[[int, int], Cell] = getattr(cells, name) if hasattr(cells, name) else imported(name)
    return found
