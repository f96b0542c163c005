"""What tasks of all shapes have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from unspool import cells, data, parallel
from unspool.cells import Cell
from unspool.data import Batch
from unspool.errors import FieldError, RecipeError
from unspool.fields import ChordsField, Field, LabelField, QuantilesField, RegionsField, TextField
from unspool.models import (
    Augment,
    ColumnSize,
    FeaturesOf,
    Front,
    LinesOf,
    Objective,
    OneOf,
    PictureOf,
    RegionsOf,
    SequenceOf,
    StepsOf,
)
from unspool.ragged import Ragged
from unspool.recipes import (
    CTCSpec,
    DecodeSpec,
    EncoderDecoderSpec,
    FrontSpec,
    PlainSpec,
    Recipe,
    VectorDecoderSpec,
    imported,
)

ROWS = 256  # sequences answered together
_LONGER = 1.5
_PICTURES = 4  # dimensions of a batch of them


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


class Task(Protocol):
    """What a recipe asks for: how its model is built, taught and asked.

    Fields:
        recipe: what asks for it.
        sources: the columns that are read.
        target: the column that is written.
        columns: all of them.
        fields: fitted, by column.
        many_answers: whether equal inputs are one question with several right answers, or a question each.
    """

    recipe: Recipe
    sources: tuple[str, ...]
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
        ...

    def alike(self, values: tuple[Any, ...]) -> Any:
        """What inputs have in common that share their right answers: by default, all of them."""
        ...

    def as_text(self, question: Any, answer: Any) -> str:
        """A right answer, as metrics compare it with predictions."""
        ...

    def finish(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """What is left to do with a trained model, on validation examples."""
        ...


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


def sizes(task: Task) -> dict[str, ColumnSize]:
    """What a network must know of the columns that are read.

    Raises:
        RecipeError: a column that it can't read.
    """
    return {name: _size(task, name) for name in task.sources}


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


def shown(batch: Batch, names: Iterable[str]) -> Batch:
    """A batch whose pictures among these columns are sequences of one step, so that each knows which example it is."""
    pictures = {
        name: Ragged(column, torch.ones(len(column), dtype=torch.int64), batch.ids)
        for name in names
        if isinstance(column := batch[name], Tensor) and column.dim() == _PICTURES
    }
    return Batch({**batch.columns, **pictures}, batch.ids) if pictures else batch


def layers_of(spec: PlainSpec | CTCSpec | EncoderDecoderSpec) -> dict[str, Any]:
    """What a recipe says of the layers that read, as networks of sequences take it."""
    return {
        "embedding_size": spec.embedding_size,
        "hidden_size": spec.encoder.hidden_size,
        "num_layers": spec.encoder.num_layers,
        "cell": cell_of(spec.encoder.cell),
        "bidirectional": spec.encoder.bidirectional,
        "dropout": spec.encoder.dropout,
        "embedding_dropout": spec.embedding_dropout,
        "output_dropout": spec.output_dropout,
    }


def decoding_of(spec: VectorDecoderSpec) -> dict[str, Any]:
    """What a recipe says of a vector and its decoder, as `vector_decoder` and `step_writer` take it."""
    return {
        "embedding_size": spec.embedding_size,
        "hidden_size": spec.decoder.hidden_size,
        "num_layers": spec.decoder.num_layers,
        "cell": cell_of(spec.decoder.cell),
        "encoder_hidden_size": spec.encoder.hidden_size,
        "bidirectional": spec.encoder.bidirectional,
        "pooling": spec.pooling,
        "condition": spec.condition,
        "dropout": spec.decoder.dropout,
        "embedding_dropout": spec.embedding_dropout,
        "output_dropout": spec.output_dropout,
        "front": front_of(spec.front),
    }


def most_steps(longest_target: int, how: DecodeSpec) -> int:
    """Where decoding gives up whose input does not tell: at half as much again as the longest target of training."""
    return how.max_length if how.max_length is not None else int(_LONGER * longest_target) + 1


def front_of(spec: FrontSpec) -> Front:
    """What a recipe has below the encoder."""
    given = spec.model_dump()
    return Front(**given | {"augment": Augment(**given["augment"])})


def one_output(recipe: Recipe) -> str:
    """The one column that is written.

    Raises:
        RecipeError: there are more.
    """
    if len(recipe.outputs) != 1:
        raise RecipeError(f"`outputs` must name one column for this model, but names {', '.join(recipe.outputs)}")
    return next(iter(recipe.outputs))


def one_input(recipe: Recipe) -> str:
    """The one column that is read.

    Raises:
        RecipeError: there are more.
    """
    if len(recipe.inputs) != 1:
        raise RecipeError(f"`inputs` must name one column for this model, but names {', '.join(recipe.inputs)}")
    return next(iter(recipe.inputs))


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


def ragged(batch: Batch, column: str) -> Ragged:
    """A column of sequences."""
    found = batch[column]
    assert isinstance(found, Ragged)
    return found


def cell_of(name: str) -> Callable[[int, int], Cell]:
    """A cell by its name in `unspool.cells`, or by its import path."""
    found: Callable[[int, int], Cell] = getattr(cells, name) if hasattr(cells, name) else imported(name)
    return found
