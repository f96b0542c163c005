"""The kinds of values a recipe's keys take."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from unspool import cells
from unspool.baselines import BASELINES, FEATURE_BASELINES, LANGUAGE_MODELS
from unspool.errors import BatchError
from unspool.metrics import LIKELIHOODS, METRICS, RECOGNITIONS
from unspool.nearest import did_you_mean
from unspool.recipes.importing import IMPORT_PATH, imported, is_import_path
from unspool.unrolling.budget import as_bytes

Size = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Every:
    """How often something is done: `500 steps`, `1 epoch`, `10 minutes`."""

    count: float
    unit: Literal["steps", "epochs", "minutes"]

    def __str__(self) -> str:
        return f"{self.count:.12g} {self.unit.removesuffix('s') if self.count == 1 else self.unit}"


def _every(pattern: str, like: str) -> PlainValidator:
    """Times of a form: its pattern, and what a message says it looks like."""

    def every(value: Any) -> Every:
        text = str(value) if isinstance(value, Every) else value
        if not isinstance(text, str) or not re.match(pattern, text) or float(text.split()[0]) == 0:
            raise ValueError(f"must be {like}, but is {value!r}")
        count, unit = text.split()
        return Every(float(count), f"{unit.removesuffix('s')}s")  # type: ignore[arg-type]

    return PlainValidator(every)


VALIDATING, SAVING = r"^(1 epoch|\d+ steps?)$", r"^\d+(\.\d+)? minutes?$"
Validating = Annotated[
    Every,
    _every(VALIDATING, "`1 epoch`, or steps such as `500 steps`"),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": VALIDATING}),
]
Saving = Annotated[
    Every,
    _every(SAVING, "minutes such as `10 minutes`"),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": SAVING}),
]


def _memory(value: Any) -> Any:
    try:
        as_bytes(value)
    except BatchError as error:
        raise ValueError(f'must be bytes, a size such as "200MB", or "sqrt", but is {value!r}') from error
    return value


MemorySize = Annotated[
    int | str,
    PlainValidator(_memory),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string"}]}),
]
"""Bytes, or a number with its unit; `sqrt`, √T stretches of √T steps."""


def _as_names(value: Any) -> Any:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


Names = Annotated[
    tuple[str, ...],
    Field(strict=False),
    BeforeValidator(_as_names),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]}),
]
"""A name, several of them, or null for none; a tuple in Python."""


def _as_sizes(value: Any) -> Any:
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


Sizes = Annotated[
    tuple[Size, ...],
    Field(strict=False),
    BeforeValidator(_as_sizes),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}),
]
"""A number of at least 1, or several of them; a tuple in Python."""


def _rising(levels: tuple[float, ...]) -> tuple[float, ...]:
    if any(low >= high for low, high in pairwise(levels)):
        raise ValueError(f"must rise, but are {list(levels)}")
    return levels


Levels = Annotated[
    tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(strict=False, min_length=1), AfterValidator(_rising)
]
"""Shares above 0 and below 1, rising."""


def _columns(value: Any) -> tuple[str, ...] | dict[str, str] | None:
    if value is None:
        return None
    if isinstance(value, dict) and all(isinstance(name, str) for name in value.values()) and value:
        return dict(value)
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value) and value:
        return tuple(value)
    raise ValueError(f"must be a list of names, or `{{name here: name in the file}}`, or null, but is {value!r}")


Columns = Annotated[
    tuple[str, ...] | dict[str, str] | None,
    PlainValidator(_columns),
    PlainSerializer(lambda columns: list(columns) if isinstance(columns, tuple) else columns),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string"}},
                {"type": "object", "additionalProperties": {"type": "string"}},
                {"type": "null"},
            ]
        }
    ),
]


def _takes_two_sizes(cell: Any) -> bool:
    try:
        inspect.signature(cell).bind(1, 1)
    except TypeError:
        return False
    return True


CELLS = sorted(
    name
    for name, found in vars(cells).items()
    if isinstance(found, type)
    and issubclass(found, cells.Cell)
    and found not in (cells.Cell, cells.GatedCell, cells.ConvLSTM)  # ConvLSTM reads images
    and _takes_two_sizes(found)
)
"""The cells of `unspool.cells` that a recipe can name: those that need an input size and a hidden size alone."""


ALL_METRICS = sorted([*METRICS, *LIKELIHOODS, *RECOGNITIONS])
ALL_BASELINES = sorted([*BASELINES, *FEATURE_BASELINES, *LANGUAGE_MODELS])


def _import_path(path: str) -> str:
    imported(path)
    return path


def _cell(name: str) -> str:
    if is_import_path(name):
        return _import_path(name)
    if name not in CELLS:
        raise ValueError(
            f"must be a cell of `unspool.cells` or an import path `module:name`, but is {name!r}"
            + did_you_mean(name, CELLS)
        )
    return name


def _metric(name: str) -> str:
    if name not in ALL_METRICS:
        raise ValueError(f"must be a metric, but is {name!r}{did_you_mean(name, ALL_METRICS)}")
    return name


def _baseline(name: str) -> str:
    if name not in ALL_BASELINES:
        raise ValueError(f"must be a baseline, but is {name!r}{did_you_mean(name, ALL_BASELINES)}")
    return name


ImportPath = Annotated[str, AfterValidator(_import_path), WithJsonSchema({"type": "string", "pattern": IMPORT_PATH})]
CellName = Annotated[
    str,
    AfterValidator(_cell),
    WithJsonSchema({"anyOf": [{"type": "string", "enum": CELLS}, {"type": "string", "pattern": IMPORT_PATH}]}),
]
MetricName = Annotated[str, AfterValidator(_metric), WithJsonSchema({"type": "string", "enum": ALL_METRICS})]
BaselineName = Annotated[str, AfterValidator(_baseline), WithJsonSchema({"type": "string", "enum": ALL_BASELINES})]
