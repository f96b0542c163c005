"""What lies where in the folder of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from unspool import fields as kinds
from unspool import recipes
from unspool.errors import FieldError, RunError
from unspool.fields import Field
from unspool.recipes import FieldSpec, ImportedSpec, Recipe
from unspool.training.checkpoint import write_atomically

FORMAT = 1

_BEGUN = ("fields.json", "recipe.yaml", "names.json", "run.json")  # in the order in which they are written


class Folder:
    """The folder of a run.

        run.json             the version of this layout, facts about the model, and why training ended last, if it did
        recipe.yaml          the recipe, every default written out
        fields.json          the fitted fields: vocabularies and the like
        names.json           what the training part calls each thing, where `data.gather` tells it
        model.safetensors    the best weights
        metrics.jsonl        one line a step, and the metrics of each validation
        examples.jsonl       which examples each step saw, if `train.log_examples` is set
        checkpoints/         where training stands: last.safetensors, the one before it, best.safetensors
        plots/, predictions/
        README.md            what the model is, for whoever finds it

    Nothing in it is code, and nothing in it runs code when it is read.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def examples(self) -> Path:
        return self.path / "examples.jsonl"

    @property
    def plots(self) -> Path:
        return self.path / "plots"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions"

    def check_new(self) -> None:
        """Raise a `RunError` if there is something in the folder already.

        What a run left that was killed while it began is nothing: it is written anew.
        """
        if self.path.exists() and (not self.path.is_dir() or not self._empty):
            raise RunError(
                f"`{self.path}` must be a new or empty folder, but holds something; go on with a run by `--resume`, "
                "or name another folder by `--run`"
            )

    def create(
        self,
        recipe: Recipe,
        fields: Mapping[str, Field],
        about: Mapping[str, Any],
        names: Sequence[Sequence[Any]] | None = None,
    ) -> None:
        """Begin a run here.

        Args:
            names: as `names` gives them.

        Raises:
            RunError: there is something in the folder already.
        """
        self.check_new()
        self.write("fields.json", json.dumps({name: field.to_json() for name, field in fields.items()}))
        self.write("recipe.yaml", recipe.to_yaml())
        (self.path / "names.json").unlink(missing_ok=True)  # of what was killed while it began
        self.keep_names(names)
        self._tell({"format": FORMAT, **about, "ended": None})

    @property
    def _empty(self) -> bool:
        """Whether there is nothing, or what a run leaves that is killed before it has begun.

        A recipe without fields is somebody's own.
        """
        names = {path.name for path in self.path.iterdir()}
        begun = {name.removesuffix(".partial") for name in names}
        return not names or ("run.json" not in names and begun <= set(_BEGUN) and "fields.json" in begun)

    def end(self, reason: str) -> None:
        """Keep why training ended, as `Outcome` tells it."""
        self._tell({**self.about(), "ended": reason})

    @property
    def whole(self) -> bool:
        """Whether training came to an end of its own: neither Ctrl-C nor a power cut ended it."""
        return self.weights.exists() and self.about().get("ended", "long ago") not in (None, "interrupted")

    def _tell(self, about: Mapping[str, Any]) -> None:
        self.write("run.json", json.dumps(about, indent=2) + "\n")

    def check_data(self, facts: Mapping[str, Any]) -> None:
        """Raise a `RunError` unless the training part is the one that the run began with.

        A batch is a list of row numbers: of other rows, it would be another batch. A file that was only moved or
        touched has another key but the same content.
        """
        began = self.about()
        if all(began.get(name, facts[name]) != facts[name] for name in ("key", "content")):
            then, now = began["data"], facts["data"]
            changed = f"it began with {then}, and this is {now}" if then != now else f"{now} was changed since"
            raise RunError(
                f"`data` must be what `{self.path}` began with to go on with it, but {changed}; bring that back, or "
                f"start a new run from its weights with `train.init={self.path}`"
            )

    def write(self, name: str, text: str) -> None:
        write_atomically(self.path / name, text.encode())

    def about(self) -> dict[str, Any]:
        """Facts about the run, from `run.json`.

        Raises:
            RunError: there is no run here, or one of a later version.
        """
        found = self._json("run.json")
        if found.get("format") != FORMAT:
            raise RunError(
                f"`{self.path}` must be a run of format {FORMAT}, but is of {found.get('format', 'none')}; "
                "read it with the version of unspool that wrote it"
            )
        return found

    def recipe(self) -> Recipe:
        self.about()
        return recipes.load(self.path / "recipe.yaml")

    def fields(self) -> dict[str, Field]:
        """The fitted fields, by column.

        Raises:
            RunError: they are not those of the recipe beside them, or not as they were written.
        """
        path, saved, specs = self.path / "fields.json", self._json("fields.json"), self.recipe().fields
        if sorted(saved) != sorted(specs):
            raise RunError(
                f"`{path}` must be the fields {sorted(specs)} of the recipe beside it, but is {sorted(saved)}"
            )
        try:
            return {name: loaded_field(specs[name], field) for name, field in saved.items()}
        except (FieldError, TypeError, ValueError, AttributeError, KeyError) as error:
            raise RunError(f"`{path}` must be fields as the run wrote them, but can't be read ({error})") from error

    def keep_names(self, names: Sequence[Sequence[Any]] | None) -> None:
        """Write what `names` gives, unless there is nothing to write."""
        if names is not None:
            self.write("names.json", json.dumps({"names": names}, ensure_ascii=False))

    def names(self) -> list[Any] | None:
        """What the training part calls things, as `Names.told`; None where the run does not know.

        Raises:
            RunError: the file is not as it was written.
        """
        path = self.path / "names.json"
        if not path.exists():
            return None
        found = self._json("names.json").get("names")
        if not isinstance(found, list) or not all(map(_names_a_thing, found)):
            raise RunError(f"`{path}` must hold names as the run wrote them, but does not")
        return found

    @property
    def weights(self) -> Path:
        return self.path / "model.safetensors"

    def _json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        if not path.is_file():
            raise RunError(f"`{self.path}` must be the folder of a run, but has no `{name}`; is it what `--run` named?")
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunError(f"`{path}` must be JSON as the run wrote it, but can't be read ({error})") from error
        if not isinstance(found, dict):
            raise RunError(f"`{path}` must be JSON as the run wrote it, but holds a {type(found).__name__}")
        return found


def _names_a_thing(row: Any) -> bool:
    """Whether this is a thing's number, what is asked for, and what the thing is called."""
    return isinstance(row, list) and [type(value) for value in row] == [int, str, str]


def loaded_field(spec: FieldSpec, saved: dict[str, Any]) -> Field:
    """A saved field; one of the user's own is known by its import path."""
    if isinstance(spec, ImportedSpec):
        field: Field = recipes.imported(spec.kind).from_json(saved)
        return field
    return kinds.load(saved)


def new_folder(name: str) -> Path:
    """A folder of the present minute under `runs/`, made now, so that nobody else who begins in this minute has it."""
    stamp = datetime.now().strftime("%Y-%m-%d-%H%M")
    runs, number = Path("runs"), 1
    runs.mkdir(exist_ok=True)
    while True:
        path = runs / (f"{name}-{stamp}" if number == 1 else f"{name}-{stamp}-{number}")
        try:
            path.mkdir()
            return path
        except FileExistsError:
            number += 1
