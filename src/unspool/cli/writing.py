"""What commands write: predictions, scores and tables of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import typer


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
