"""What a task is, and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from unspool.data import Batch
from unspool.fields import Field
from unspool.models import Objective
from unspool.recipes import DecodeSpec, Recipe
from unspool.tasks.described import one_output


class Prediction(NamedTuple):
    """An answer.

    Fields:
        text: the output, as the field decodes it.
        score: what it was ranked by, unless by risk; in nats where nothing was normalised.
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


class Task(ABC):
    """What a recipe asks for: how its model is built, taught and asked.

    Fields:
        recipe: what asks for it.
        sources: the columns that are read.
        target: the column that is written.
        columns: all of them.
        fields: fitted, by column.
        many_answers: whether equal inputs are one question with several right answers, or a question each.

    Args:
        recipe: with one output.
        fields: fitted, by column.

    Raises:
        RecipeError: other columns, or fields of kinds that the model can't take.
    """

    many_answers = False

    def __init__(self, recipe: Recipe, fields: Mapping[str, Field]) -> None:
        self.recipe, self.fields = recipe, dict(fields)
        self.target = one_output(recipe)
        self.sources = self._sources()

    def _sources(self) -> tuple[str, ...]:
        return tuple(self.recipe.inputs)

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.sources, self.target)

    @abstractmethod
    def build(self, longest_target: int = 0) -> nn.Module:
        """The model, its weights drawn from torch's generator.

        Args:
            longest_target: the most steps of a target in training, for those that must know where to end.
        """

    @abstractmethod
    def objective(self, model: nn.Module, *, training: bool = True) -> Objective:
        """What training makes small; without `training`, what a validation measures."""

    @abstractmethod
    def predict(
        self,
        model: nn.Module,
        values: Sequence[Any],
        how: DecodeSpec,
        *,
        n_best: int = 1,
        attention: bool = False,
        first: int = 0,
    ) -> list[Prediction]:
        """Answers to raw inputs, in their order.

        Args:
            values: of the source; where there are several, mappings from their names to values.
            first: the number of the first of them among all inputs; what is drawn for an input depends on its own.
        """

    def alike(self, values: tuple[Any, ...]) -> Any:
        """What inputs have in common that share their right answers: by default, all of them."""
        return values

    def as_text(self, question: Any, answer: Any) -> str:
        """A right answer, as metrics compare it with predictions."""
        return str(answer)

    def finish(self, model: nn.Module, batches: Iterable[Batch]) -> None:  # noqa: B027 most have nothing to do
        """What is left to do with a trained model, on validation examples: by default, nothing."""
