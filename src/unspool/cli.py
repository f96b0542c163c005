"""The command line: train, evaluate, predict; recipes, data, doctor.

What is heavy is imported where a command needs it, so that `unspool --help` answers at once.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from itertools import chain, islice
from pathlib import Path
from typing import IO, Annotated, Any, ParamSpec, TypeVar

import typer

from unspool.errors import DataError, ParallelError, UnspoolError

P = ParamSpec("P")
T = TypeVar("T")

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


def main(arguments: Sequence[str] | None = None) -> None:
    """What `unspool` runs: exit code 0, 2 for a mistake that a message explains, 130 after Ctrl-C.

    A training that Ctrl-C ends keeps everything and exits with 0.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8")
    # A script finds its own folder first; one's own cells lie where the command was typed.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    typed = sys.argv[1:] if arguments is None else list(arguments)
    app(args=typed, obj=typed)


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
def together(context: typer.Context, devices: int | None) -> Iterator[Any]:
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
    with together(context, devices):
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
    devices: Devices = None,
) -> None:
    """Measure a run by its recipe's metrics, and its recipe's baselines beside it."""
    from unspool import parallel, runs

    with together(context, devices) as group:
        loaded, changes = runs.load(run), overrides or []
        scores = loaded.evaluate(part, changes)
    if group.first:
        with parallel.alone():
            report(loaded, scores, part, changes, by, as_json=as_json)
            if paired is not None:
                for name, found in runs.against_baselines(loaded, paired, part, changes).items():
                    typer.echo(as_line(found, baseline=name) if as_json else f"\nagainst {name}: {found}")


def report(
    loaded: Any, scores: Sequence[Any], part: str, changes: Sequence[str], by: str | None, *, as_json: bool
) -> None:
    """Print scores, those of baselines, and those for each value of a column."""
    from unspool import runs
    from unspool.metrics import by_place

    for score in scores:
        typer.echo(as_line(score) if as_json else str(score))
    compared = {"baseline": loaded.baselines(part, changes)}
    if by is not None:
        compared[by] = runs.by_column(loaded, by, part, changes)
    for kind, rows in compared.items():
        if as_json:
            for name, reached in rows.items():
                for score in reached:
                    typer.echo(as_line(score, **{kind: name}))
        elif rows:
            typer.echo(f"\n{table({'model': scores} | rows if kind == 'baseline' else rows)}")
    if (places := by_place({"model": scores} | compared["baseline"])) and not as_json:
        typer.echo(f"\n{table(places)}")


def as_line(score: Any, **beside: str) -> str:
    """A score as a JSON object, after what it is of."""
    return json.dumps({**beside, **score._asdict()}, ensure_ascii=False, default=str)


def table(rows: Mapping[str, Sequence[Any]]) -> str:
    """Scores by name, a row for each name and a column for each metric of the first; nothing where one is missing."""
    metrics = [score.name for score in next(iter(rows.values()))]
    first = max(map(len, rows))
    lines = [" " * first + "".join(f"  {metric:>8}" for metric in metrics)]
    for name, scores in rows.items():
        values = {score.name: f"{score.value:.2f}" for score in scores}
        lines.append(f"{name:<{first}}" + "".join(f"  {values.get(each, ''):>{max(8, len(each))}}" for each in metrics))
    return "\n".join(line.rstrip() for line in lines)


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
    n_best: Annotated[int, typer.Option(min=1, help="Outputs for each input, the best first.")] = 1,
    scores: Annotated[bool, typer.Option("--scores", help="Put each output's score before it.")] = False,
    beam: Annotated[int | None, typer.Option(min=1, help="Hypotheses kept at each step; 1 is greedy.")] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Draw at random rather than search.")] = False,
    temperature: Annotated[float | None, typer.Option(help="Of drawing; implies --sample.")] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Draw from the k most probable; implies --sample.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw from this much probability; implies --sample.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of drawing; implies --sample.")] = None,
    devices: Devices = None,
) -> None:
    """Outputs for inputs: from files, from stdin, or typed one by one at a terminal.

    Where an input is a dialogue, it is its last turns: in a line of a file there is a backslash and an n between two,
    and at a terminal they are what you and the model said last. Where it has several columns, a line is a JSON object
    such as {"story": "…", "question": "…"}, and at a terminal you are asked for each.
    """
    from unspool import runs

    asked: dict[str, Any] = {"beam": beam, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    given = {name: value for name, value in asked.items() if value is not None}
    if sample or given.keys() - {"beam"}:
        given["sample"] = True
    typing = not files and output is None and sys.stdin.isatty()
    if typing and devices is not None:
        raise ParallelError("`--devices` must be left out to type inputs one by one; or name a file of them")

    def answers(inputs: list[Any], **more: Any) -> Iterator[tuple[str, str]]:
        for text, prediction in zip(inputs, loaded.predict(inputs, n_best=n_best, **(given | more)), strict=True):
            yield prediction.text, shown(text, prediction, n_best, scores=scores, as_json=as_json)

    def answer(asked: Any, number: int) -> tuple[str, str]:
        # Else the same question would draw the same answer again.
        drawing = {"seed": given.get("seed", loaded.recipe.seed) + number} if given.get("sample") else {}
        return next(answers([asked], **drawing))

    with together(context, devices) as group:
        loaded = runs.load(run)
        if not typing:
            with writing(output) if group.first else nullcontext() as stream:
                for inputs in told_by_first(group, chunks(map(loaded.typed, lines(files or [])), CHUNK)):
                    found = [written for _, written in answers(inputs)]
                    if stream is not None:
                        stream.writelines(found)
                        stream.flush()
        elif len(loaded.task.sources) > 1:
            interview(answer, loaded.task.sources)
        else:
            talk(lambda text, number: answer(loaded.typed(text), number), loaded.turns)


def told_by_first(group: Any, items: Iterator[T]) -> Iterator[T]:
    """What rank 0 reads, on all ranks, and nobody else reads: they have one standard input."""
    while (item := group.once(lambda: next(items, None))) is not None:
        yield item


@contextmanager
def writing(path: Path | None) -> Iterator[IO[str]]:
    """A file to write, under another name until it is whole, so that nothing is lost that was there; or stdout."""
    if path is None:
        yield sys.stdout
        return
    device = path.exists() and not path.is_file()
    part = path if device else path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8", newline="\n") as stream:
        yield stream
    if not device:
        part.replace(path)


def shown(text: Any, prediction: Any, n_best: int, *, scores: bool, as_json: bool) -> str:
    """A prediction as the lines that `predict` writes for it.

    Text has a line for each of the n best, after its score and a tab if asked for, and a blank line after the last
    if n is more than 1. JSON has one object: `{"input": …, "predictions": [{"text": …, "score": …}, …]}`.
    """
    found = prediction.n_best if n_best > 1 else [prediction]
    if as_json:
        outputs = [{"text": each.text, "score": each.score} for each in found]
        return json.dumps({"input": text, "predictions": outputs}, ensure_ascii=False) + "\n"
    rows = [f"{each.score:.4f}\t{each.text}\n" if scores else f"{each.text}\n" for each in found]
    return "".join(rows) + ("\n" if n_best > 1 else "")


def talk(answer: Callable[[str, int], tuple[str, str]], turns: int = 0) -> None:
    """Ask for an input and answer it, until Ctrl-D; a mistake in one is told, and the next may be better.

    Args:
        answer: from an input and the number of inputs before it, to the output and how it is written.
        turns: of a dialogue that an input holds: what was said last, the new input included, a line each. 0: none.
    """
    known = f"It knows the last {turns} turns, yours included; " if turns > 1 else "One input a line; "
    said: deque[str] = deque(maxlen=max(turns, 1))
    for number, (line,) in enumerate(typed_lines(("",), known)):
        said.append(line)
        with told():
            text, written = answer("\n".join(said), number)
            typer.echo(written, nl=False)
            said.append(text)
            continue
        said.pop()  # what had no answer was not said


def interview(answer: Callable[[dict[str, str], int], tuple[str, str]], columns: Sequence[str]) -> None:
    """Ask for an input column by column and answer it, until Ctrl-D; a mistake in one is told.

    Args:
        answer: from an input and the number of inputs before it, to the output and how it is written.
        columns: their names. `\\n` ends a line within a value.
    """
    for number, values in enumerate(typed_lines(columns, r"`\n` ends a line of a text; ")):
        with told():
            asked = {name: value.replace(r"\n", "\n") for name, value in zip(columns, values, strict=True)}
            typer.echo(answer(asked, number)[1], nl=False)


def typed_lines(prompts: Sequence[str], known: str) -> Iterator[list[str]]:
    """A line typed after each prompt, again and again until Ctrl-D."""
    with suppress(ImportError):  # not on every system
        import readline  # noqa: F401  (it gives `input` its history)
    typer.echo(f"{known}Ctrl-D ends.", err=True)
    while True:
        try:
            found = [input(f"{prompt}> ") for prompt in prompts]
        except EOFError:
            typer.echo()
            return
        yield found


@contextmanager
def told() -> Iterator[None]:
    """A mistake is told, and all goes on."""
    try:
        yield
    except UnspoolError as error:
        typer.echo(f"error: {error}", err=True)


def lines(files: Sequence[Path]) -> Iterator[str]:
    """The lines of files (plain or .gz), one after the other, or of stdin if there are none, without their ends.

    Raises:
        DataError: a file that is missing or broken, or a line that is not UTF-8.
    """
    from unspool.data.lines import lines as lines_of

    for line in chain.from_iterable(map(lines_of, files)) if files else _stdin():
        yield line.removesuffix("\n").removesuffix("\r")


def _stdin() -> Iterator[str]:
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            byte = line[error.start]
            raise DataError(f"stdin, line {number}: a line must be UTF-8, but has the byte 0x{byte:02x}") from error


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of up to `size` items, as they come."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


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
def data(recipe: RecipeName, overrides: Overrides = None) -> None:
    """What a recipe's data look like: parts, columns, lengths, examples."""
    from unspool import data as tables
    from unspool import recipes as known

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


if __name__ == "__main__":
    main()
