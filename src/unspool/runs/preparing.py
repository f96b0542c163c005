"""From a recipe to everything that training needs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from unspool import data, parallel
from unspool.data import Batch, Encoded, Order, Streams, Table, viewed
from unspool.errors import DataError, RecipeError
from unspool.fields import Field, LabelField, LabelsField, TextField
from unspool.models import CTCNetwork, JointNetwork, Reader, unreachable
from unspool.ragged import Ragged
from unspool.recipes import Recipe, TextSpec
from unspool.runs.fitting import fit, readers_of
from unspool.runs.folder import Folder
from unspool.runs.sifting import Sifted, broken_files_counted, sifted
from unspool.tasks import LanguageModelling, SequenceToCandidate, SequenceToSequence, Task, task_of
from unspool.tasks.names import told_names
from unspool.training.limits import Cursor

_VALIDATION_TOKENS = 8192
_SOME = 1000  # rows that stand for all in `Prepared.content`


@dataclass(eq=False)
class Prepared:
    """A recipe's data, fields, task and model.

    Fields:
        recipe: what it was made from.
        tables: raw rows of each part.
        encoded: the training and validation parts, as the fields encode them.
        task: what is read, written and learned.
        model: with its first weights.
        order: of the training batches, or where a text is read as it stands, its streams.
        left_out: a line for each column and part of which rows were left out, since their files are broken.
    """

    recipe: Recipe
    tables: dict[str, Table]
    encoded: dict[str, Encoded]
    task: Task
    model: nn.Module
    order: Order | Streams
    left_out: list[str] = dataclass_field(default_factory=list)

    @property
    def sequences(self) -> list[str]:
        """The columns whose values have lengths."""
        return _sequences(self.task)

    def longest(self, column: str) -> int:
        """The most steps of a training example; 0 for a column without steps."""
        return int(self.encoded["train"].lengths(column).max()) if column in self.sequences else 0

    def batches(self, cursor: Cursor) -> Iterator[tuple[Cursor, Batch | None]]:
        """Training batches from a cursor on, without end; on several ranks this one's shares, None where it is empty.

        Only the share is read.
        """
        if isinstance(self.order, Streams):
            yield from self._pieces(self.order, cursor)
            return
        group = parallel.current()
        for after, rows in self.order.from_cursor(cursor):
            if group.size > 1:
                rows = rows[data.shares(self.order.cost(rows), group.size)[group.rank]]
            batch = self.encoded["train"].batch(rows).to(group.device) if len(rows) else None
            yield (after.epoch, after.batch), batch

    def _pieces(self, streams: Streams, cursor: Cursor) -> Iterator[tuple[Cursor, Batch | None]]:
        """The same of streams: a rank has the same ones from piece to piece, since it carries their states."""
        group = parallel.current()
        own = torch.arange(streams.streams)[group.rank :: group.size]
        for after, piece in streams.from_cursor(cursor):
            yield (after.epoch, after.batch), piece.select(own).to(group.device) if len(own) else None

    def validation_batches(self) -> Iterator[Batch]:
        """Every validation example once."""
        return every_batch(self.encoded["valid"], self.task)

    def remarks(self) -> list[str]:
        """What is odd about the data, a line for each column and part: files that are broken, texts that are empty or
        cut."""
        found = list(self.left_out)
        of_lines = isinstance(self.task, LanguageModelling)  # where an empty one is nothing odd
        for column, field in self.task.fields.items():
            if not isinstance(field, TextField):
                continue
            for part, encoded in self.encoded.items():
                if not of_lines and (count := int((encoded.lengths(column) == 0).sum())):
                    found.append(f"`{column}`, {part}: {count:,} of {len(encoded):,} texts are empty, and kept")
                if field.max_length is None:
                    continue
                full = np.flatnonzero(encoded.lengths(column) == field.max_length)  # only these can be longer
                if count := field.longer([self.tables[part][row][column] for row in full.tolist()]):
                    found.append(f"`{column}`, {part}: {cut_in_words(count, len(encoded), field.max_length)}")
        return [*found, *self._unreachable()]

    def _unreachable(self) -> Iterator[str]:
        """Targets that CTC can't say in the steps that there are, a line for each part that has any."""
        if not isinstance(self.model, CTCNetwork | JointNetwork):
            return
        stride = getattr(getattr(self.model.encoder, "front", None), "time_stride", None)
        for part, encoded in self.encoded.items():
            rows: list[int] = []
            for batch in every_batch(encoded, self.task):
                source, target = self.task.source(batch), batch[self.task.target]  # type: ignore[attr-defined]
                assert isinstance(target, Ragged)
                steps = source.lengths + 1 if stride is None else -(-source.lengths // stride)  # texts have an end
                rows += batch.ids[unreachable(steps, target)].tolist()
            if rows:
                some = ", ".join(map(str, sorted(rows)[:3])) + (", …" if len(rows) > 3 else "")
                yield (
                    f"`{self.task.target}`, {part}: {len(rows):,} of {len(encoded):,} need more steps than their "
                    f"inputs have (rows {some}), and CTC learns nothing from them"
                )

    def content(self) -> str:
        """A name for what the training part holds: for its lengths, which make the batches, and for a thousand rows."""
        encoded = self.encoded["train"]
        some = encoded.batch(np.unique(np.linspace(0, len(encoded) - 1, _SOME).astype(np.int64)))
        digest = hashlib.sha256()
        for column in self.task.columns:
            found = some[column]
            if column in self.sequences:
                digest.update(np.ascontiguousarray(encoded.lengths(column)).tobytes())
            digest.update((found.values if isinstance(found, Ragged) else found).numpy().tobytes())
        return digest.hexdigest()[:32]


def cut_in_words(count: int, rows: int, max_length: int) -> str:
    """What to say of texts that are longer than `max_length`."""
    return f"{count:,} of {rows:,} texts are cut to their first {max_length:,} units (`max_length`)"


def prepared(recipe: Recipe, fields: Mapping[str, Field] | None = None) -> Prepared:
    """Read the data, fit the fields on the training part, encode, and build the model.

    Args:
        fields: fitted before, of a run that goes on; those of other columns are fitted now.

    Raises:
        DataError, FieldError, RecipeError, ModelError: what is wrong, before any training.
    """
    if recipe.train.threads is not None:
        torch.set_num_threads(recipe.train.threads)
    tables, left_out = whole_tables(recipe)
    if "valid" not in tables:
        raise DataError(
            "`data` must have a validation part, but has none; name its files in `data.parts.valid`, or cut it by "
            "`data.split`"
        )
    fitted = _fitted(recipe, tables, fields or {})
    told = tables["train"]
    if recipe.train.views is not None:
        tables = viewed(tables, **recipe.train.views.model_dump())
    encoded = {part: data.encode(tables[part], fitted) for part in ("train", "valid")}
    task = task_of(recipe, fitted)
    if isinstance(task, SequenceToSequence) and recipe.naming is not None:
        task.know(told_names(told, recipe.naming))
    if isinstance(task, SequenceToCandidate):
        for part, rows in encoded.items():
            with _of_part(part, tables[part], task):
                task.check(every_batch(rows, task))
    torch.manual_seed(recipe.seed)
    longest = int(encoded["train"].lengths(task.target).max()) if task.target in _sequences(task) else 0
    model = task.build(longest_target=longest)
    start_with_vectors(model, recipe, fitted)
    model.to(parallel.current().device)
    left = [*chain.from_iterable(left_out.values())]
    if isinstance(task, LanguageModelling):
        return Prepared(recipe, tables, encoded, task, model, task.streams(encoded["train"]), left)
    budget = {"tokens": recipe.train.tokens, "examples": recipe.train.examples}
    order = Order(_lengths(task, encoded["train"]), **budget, seed=recipe.seed, pool=recipe.train.pool)
    return Prepared(recipe, tables, encoded, task, model, order, left)


def _fitted(recipe: Recipe, tables: Mapping[str, Table], known: Mapping[str, Field]) -> dict[str, Field]:
    """All fields, fitted; and encoded what takes long, last, after mistakes that are soon found."""
    fitted, readers = dict(known), readers_of(recipe)
    fitted |= fit(recipe, tables["train"], [name for name in recipe.fields if name not in {*fitted, *readers}])
    for part in ("train", "valid"):
        data.encode(tables[part], {name: field for name, field in fitted.items() if name not in readers})
    for name, reader in readers.items():
        with broken_files_counted(recipe, tables, {name: reader}):
            fitted |= fit(recipe, tables["train"], [name] if name not in fitted else [])
            for part in ("train", "valid"):
                data.encode(tables[part], {name: fitted[name]})
    return {name: fitted[name] for name in recipe.fields}


@contextmanager
def _of_part(part: str, table: Table, task: Task) -> Iterator[None]:
    """Within, an error says of which part and file it tells."""
    try:
        yield
    except DataError as error:
        raise DataError(f"`{task.target}` of the {part} part in {table.origin}: {error}") from error


def start_with_vectors(model: nn.Module, recipe: Recipe, fields: Mapping[str, Field]) -> None:
    """Give the embeddings of inputs the vectors of others that the recipe names.

    Raises:
        RecipeError: a model that does not say where a column's embedding is.
        DataError: a file without vectors of the words, or of another width.
    """
    for name, spec in recipe.inputs.items():
        if not isinstance(spec, TextSpec) or spec.vectors is None:
            continue
        embedding = _token_embedding(model, name)
        if not isinstance(embedding, nn.Embedding):
            raise RecipeError(
                f"`inputs.{name}.vectors` must be left out for a `{type(model).__name__}`: it has no embedding of that "
                "column that could start with them"
            )
        field = fields[name]
        assert isinstance(field, TextField)
        with torch.no_grad():
            embedding.weight.copy_(data.embed(field, spec.vectors, embedding.embedding_dim))


def _token_embedding(model: nn.Module, column: str) -> nn.Module | None:
    encoder = getattr(model, "encoder", model)
    reader = getattr(encoder, "reader", None)
    if isinstance(reader, Reader):
        found: nn.Module | None = getattr(encoder, "token_embedding", reader.token_embedding)(column)
        return found
    return getattr(encoder, "embedding", None)


def every_batch(encoded: Encoded, task: Task) -> Iterator[Batch]:
    """Every example of a part once, in batches of like lengths; of a text that is read as it stands, long stretches."""
    if isinstance(task, LanguageModelling):
        yield from (batch.to(parallel.current().device) for batch in task.whole(encoded))
        return
    for rows in data.in_order(_lengths(task, encoded), tokens=_VALIDATION_TOKENS):
        yield encoded.batch(rows).to(parallel.current().device)


def _lengths(task: Task, encoded: Encoded) -> list[NDArray[Any]]:
    """The lengths by which examples share batches: of every column of sequences; without any, a step each."""
    return [encoded.lengths(column) for column in _sequences(task)] or [np.ones(len(encoded), np.int64)]


def _sequences(task: Task) -> list[str]:
    return [column for column in task.columns if task.fields[column].shape == "sequence"]


def tables_of(recipe: Recipe) -> dict[str, Table]:
    """The raw rows of each part, which have the recipe's columns, as `whole_tables`."""
    return whole_tables(recipe).tables


def whole_tables(recipe: Recipe) -> Sifted:
    """The raw rows of each part, and what is said of those that are left out, since their files are broken.

    Raises:
        DataError: more are broken than the recipe allows.
    """
    tables = data.load(**recipe.data.arguments())
    tables["train"].check_columns(recipe.fields)
    return sifted(recipe, tables, readers_of(recipe))


def fields_of(init: str | None, recipe: Recipe) -> dict[str, Field]:
    """The fields of the run whose weights a recipe starts from, where it asks for the same: ids then mean the same.

    A field that shares another's vocabulary is taken only with it. Classes and labels are learned anew, since they are
    counted, too: the same ones have the same ids.
    """
    folder = Folder(init or "")
    if init is None or not (folder.path / "fields.json").exists():
        return {}
    theirs, fields = folder.recipe().fields, folder.fields()
    known = {name for name, field in fields.items() if not isinstance(field, LabelField | LabelsField)}
    same = {name for name, spec in recipe.fields.items() if name in known and theirs.get(name) == spec}
    shared = {name: getattr(spec, "vocabulary", None) or name for name, spec in recipe.fields.items()}
    groups = {name: {each for each, owner in shared.items() if owner == shared[name]} for name in shared}
    return {name: fields[name] for name in groups if groups[name] <= same}
