"""What a recipe says of a task and its network, as these take it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from unspool import cells
from unspool.cells import Cell
from unspool.errors import RecipeError
from unspool.models import Augment, Front
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

_LONGER = 1.5


def one_input(recipe: Recipe) -> str:
    """The one column that is read.

    Raises:
        RecipeError: there are more.
    """
    return _one("inputs", recipe.inputs)


def one_output(recipe: Recipe) -> str:
    """The one column that is written.

    Raises:
        RecipeError: there are more.
    """
    return _one("outputs", recipe.outputs)


def _one(side: str, columns: Iterable[str]) -> str:
    names = [*columns]
    if len(names) != 1:
        raise RecipeError(f"`{side}` must name one column for this model, but names {', '.join(names)}")
    return names[0]


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


def front_of(spec: FrontSpec) -> Front:
    """What a recipe has below the encoder."""
    given = spec.model_dump()
    return Front(**given | {"augment": Augment(**given["augment"])})


def cell_of(name: str) -> Callable[[int, int], Cell]:
    """A cell by its name in `unspool.cells`, or by its import path."""
    found: Callable[[int, int], Cell] = getattr(cells, name) if hasattr(cells, name) else imported(name)
    return found


def most_steps(longest_target: int, how: DecodeSpec) -> int:
    """Where decoding gives up whose input does not tell: at half as much again as the longest target of training."""
    return how.max_length if how.max_length is not None else int(_LONGER * longest_target) + 1
