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
    """Print scores, those of baselines, and those for each value of a column.

    JSON has an object for each, after what it is of: `{"baseline": …}`, or `{"by": …, "group": …}` of a value.
    """
    from unspool import runs
    from unspool.metrics import by_place

    for score in scores:
        typer.echo(as_line(score) if as_json else str(score))
    baselines = loaded.baselines(part, changes)
    groups = {} if by is None else runs.by_column(loaded, by, part, changes)
    if as_json:
        beside = [({"baseline": name}, reached) for name, reached in baselines.items()]
        beside += [({"by": by, "group": name}, reached) for name, reached in groups.items()]
        for each, reached in beside:
            for score in reached:
                typer.echo(as_line(score, each))
        return
    compared = {"model": scores} | baselines
    for rows in (compared if baselines else {}, groups, by_place(compared)):
        if rows:
            typer.echo(f"\n{table(rows)}")


def as_line(score: Any, beside: Mapping[str, Any] | None = None) -> str:
    """A score as a JSON object, after what it is of."""
    return json.dumps({**(beside or {}), **score._asdict()}, ensure_ascii=False, default=str)


def table(rows: Mapping[str, Sequence[Any]]) -> str:
    """Scores by name, a row for each name and a column for each metric of any; nothing where one is missing."""
    metrics = list(dict.fromkeys(score.name for scores in rows.values() for score in scores))
    first = max(map(len, rows))
    lines = [" " * first + "".join(f"  {metric:>8}" for metric in metrics)]
    for name, scores in rows.items():
        values = {score.name: f"{score.value:.2f}" for score in scores}
        lines.append(f"{name:<{first}}" + "".join(f"  {values.get(each, ''):>{max(8, len(each))}}" for each in metrics))
    return "\n".join(line.rstrip() for line in lines)
