"""The commands: what each is given, and what it does with it."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer

from unspool.cli.reading import chunks, lines, told_by_first
from unspool.cli.talking import interview, talk
from unspool.cli.writing import as_line, report, shown, writing
from unspool.errors import ParallelError, UnspoolError

P = ParamSpec("P")

CHUNK = 1024
"""Inputs predicted at once: enough for batches of like lengths, few enough that a pipe soon gives its first results."""

app = typer.Typer(
    help="Sequence models from one recipe: train them, measure them, use them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name, or the path of a YAML file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Changes, as in train.epochs=3.", show_default=False),
]
Devices = Annotated[
    int | None, typer.Option(min=1, help="Share the work among so many GPUs, or cores where there are none.")
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, as `unspool train` wrote it.")]
Others = Annotated[
    list[Path] | None,
    typer.Option("--with", metavar="RUN", help="Also this run: of all outputs, the one most like all is told."),
]


def reported(command: Callable[P, None]) -> Callable[P, None]:
    """A command whose mistakes are told in one message rather than a traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except BrokenPipeError:  # whoever read has seen enough; what is still buffered must not complain at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except UnspoolError as error:
            wait_for_first()
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from error
        except OSError as error:
            wait_for_first()
            where = f"`{error.filename}`: " if error.filename else ""
            typer.echo(f"error: {where}{error.strerror or error}", err=True)
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:  # which older versions of Typer make exit code 1
            raise typer.Exit(130) from error

    return run


def wait_for_first() -> None:
    """Where rank 0 meets the same mistake, it tells it, and `torchrun` ends the others before they do."""
    if os.environ.get("RANK", "0") != "0" and "TORCHELASTIC_RUN_ID" in os.environ:
        time.sleep(1)


@contextmanager
def on_devices(context: typer.Context, devices: int | None) -> Iterator[Any]:
    """Within, this process is one of those that share the work; where they are to be started, the command ends here."""
    from unspool import parallel

    if devices is not None and not parallel.started():
        raise typer.Exit(parallel.launch(devices, context.obj))
    with parallel.joined(devices) as group:
        yield group


@app.command()
@reported
def train(
    context: typer.Context,
    recipe: RecipeName,
    overrides: Overrides = None,
    run: Annotated[Path | None, typer.Option(help="Folder to write; by default a new one under runs/.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run; RECIPE may then be its folder.")] = False,
    devices: Devices = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all, over-fit a batch, estimate; no run.")] = False,
    print_config: Annotated[bool, typer.Option("--print-config", help="Print the recipe with every default.")] = False,
) -> None:
    """Train a model from a recipe."""
    from unspool import recipes

    if resume and run is None and Path(recipe).is_dir():
        run, recipe = Path(recipe), str(Path(recipe) / "recipe.yaml")
    loaded = recipes.load(recipe, overrides or [])
    if print_config:
        typer.echo(loaded.to_yaml(), nl=False)
        return
    from unspool import runs

    if dry_run:
        typer.echo(runs.dry_run(loaded))
        return
    with on_devices(context, devices):
        runs.train(loaded, run, resume=resume)


@app.command()
@reported
def evaluate(
    context: typer.Context,
    run: RunFolder,
    overrides: Overrides = None,
    part: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a metric.")] = False,
    by: Annotated[str | None, typer.Option(metavar="COLUMN", help="Also for each value of this column.")] = None,
    paired: Annotated[
        str | None, typer.Option(metavar="METRIC", help="Also how sure it is to beat each baseline by this metric.")
    ] = None,
    others: Others = None,
    devices: Devices = None,
) -> None:
    """Measure a run by its recipe's metrics, and its recipe's baselines beside it."""
    from unspool import parallel, runs

    with on_devices(context, devices) as group:
        loaded, changes = runs.together(run, *(others or [])), overrides or []
        if by is not None:
            runs.groups_of(loaded, by, part, changes)  # told now rather than after all is decoded
        if paired is not None:
            runs.comparable(loaded, paired, changes)  # likewise
        scores = loaded.evaluate(part, changes)
    if group.first:
        with parallel.alone():
            report(loaded, scores, part, changes, by, as_json=as_json)
            if paired is not None:
                for name, found in runs.against_baselines(loaded, paired, part, changes).items():
                    typer.echo(as_line(found, {"baseline": name}) if as_json else f"\nagainst {name}: {found}")


@app.command()
@reported
def predict(
    context: typer.Context,
    run: RunFolder,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILES]...", help="One input a line, or JSON of its columns; by default stdin.", show_default=False
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; by default stdout.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    n_best: Annotated[int, typer.Option(min=1, help="Outputs for each input, the best first, or as drawn.")] = 1,
    scores: Annotated[bool, typer.Option("--scores", help="Put each output's score before it.")] = False,
    beam: Annotated[
        int | None, typer.Option(min=1, help="Search, so many hypotheses at each step; 1 is greedy.")
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Draw at random rather than search.")] = False,
    temperature: Annotated[float | None, typer.Option(help="Of drawing; implies --sample.")] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Draw from the k most probable; implies --sample.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw from this much probability; implies --sample.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of drawing; implies --sample.")] = None,
    others: Others = None,
    devices: Devices = None,
) -> None:
    """Outputs for inputs: from files, from stdin, or typed one by one at a terminal.

    Where an input is a dialogue, it is its last turns: in a line of a file there is a backslash and an n between two,
    and at a terminal they are what you and the model said last. Where it has several columns, a line is a JSON object
    such as {"story": "…", "question": "…"}, and at a terminal you are asked for each. Where its one column is no text,
    as numbers over time are not, a line may be such an object, too.
    """
    from unspool import runs

    given = _decoding(beam, sample=sample, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    typing = not files and output is None and sys.stdin.isatty()
    if typing and devices is not None:
        raise ParallelError("`--devices` must be left out to type inputs one by one; or name a file of them")

    def answers(inputs: list[Any], **more: Any) -> Iterator[tuple[str, str]]:
        for text, prediction in zip(inputs, loaded.predict(inputs, n_best=n_best, **(given | more)), strict=True):
            yield prediction.text, shown(text, prediction, n_best, scores=scores, as_json=as_json)

    def answer(asked: Any, number: int) -> tuple[str, str]:
        return next(answers([asked], first=number))  # else the same question would draw the same answer again

    with on_devices(context, devices) as group:
        loaded = runs.together(run, *(others or []))
        if not typing:
            with writing(output) if group.first else nullcontext() as stream:
                pieces = told_by_first(group, chunks(map(loaded.typed, lines(files or [])), CHUNK))
                for number, inputs in enumerate(pieces):
                    found = [written for _, written in answers(inputs, first=CHUNK * number)]
                    if stream is not None:
                        stream.writelines(found)
                        stream.flush()
        elif len(loaded.task.sources) > 1:
            interview(answer, loaded.task.sources)
        else:
            talk(lambda text, number: answer(loaded.typed(text), number), loaded.turns)


def _decoding(beam: int | None, *, sample: bool, **drawing: Any) -> dict[str, Any]:
    """The changes to a recipe's `decode` that options ask for: any of drawing draws, and a beam alone searches."""
    given = {name: value for name, value in {"beam": beam, **drawing}.items() if value is not None}
    if sample or given.keys() - {"beam"}:
        return {**given, "sample": True}
    return {**given, "sample": False} if given else {}


@app.command()
@reported
def recipes(
    name: Annotated[str | None, typer.Argument(help="Print this one.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema, for editors.")] = False,
) -> None:
    """The recipes that come with Unspool."""
    from unspool import recipes as known

    if schema:
        typer.echo(json.dumps(known.schema(), indent=2, ensure_ascii=False))
    elif name is not None:
        typer.echo(known.source(name), nl=False)
    else:
        names = known.names()
        for each in names:
            typer.echo(f"{each:<{max(map(len, names))}}  {known.load(each).about}")


@app.command()
@reported
def data(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="Of this recipe; without one, what data are known by name.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """What a recipe's data look like: parts, columns, lengths, examples; or what is known by name."""
    from unspool import data as tables
    from unspool import recipes as known

    if recipe is None:
        for name, source in tables.NAMED.items():
            typer.echo(f"{name:<{max(map(len, tables.NAMED))}}  {source.about}")
        return
    loaded = known.load(recipe, overrides or [])
    found = tables.load(**loaded.data.arguments())
    found["train"].check_columns(loaded.fields)
    typer.echo(str(tables.describe(found)))


@app.command()
@reported
def doctor() -> None:
    """What this machine has and what is missing: versions, CPU, CUDA, extras, the cache, speed."""
    from unspool.doctor import examined

    typer.echo(examined())
