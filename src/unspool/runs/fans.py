"""What a model expected that tells quantiles, or which way a price goes, and what came, as a picture in its run."""

from __future__ import annotations

import importlib.util
import json
from math import isfinite
from typing import Any

import numpy as np

from unspool.errors import RunError
from unspool.fields import LabelField, QuantilesField
from unspool.runs.preparing import Prepared
from unspool.runs.run import Run
from unspool.training.fan import fan

_PAST, _SHOWN = 20, 40
_MOVEMENT, _MOVED, _PRICE = "movement", "return", "price"  # columns of a table of prices
_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)  # of a model that has none of its own


def shows_fan(run: Run, made: Prepared) -> bool:
    """Whether `show_fan` has something to draw: quantiles, or movements of days whose returns and prices are known."""
    field = run.fields[run.task.target]
    if isinstance(field, LabelField):
        return run.task.target == _MOVEMENT and {_MOVED, _PRICE} <= {*made.tables["valid"].columns}
    return isinstance(field, QuantilesField)


def show_fan(run: Run, made: Prepared) -> None:
    """Draw `plots/fan.png`: rows of the validation part in their order, the first of them as what was known.

    Where the target is `return` and the table has a column `price`, numbers are per cent of it and the picture is of
    prices: each fan opens from the last one that was known. Where it has `ticker`, it is of the first one; `date` names
    the rows.
    Where the model tells a movement, such as up and down, the column `return` says how far days of each went in
    training, and a fan mixes these as the model's probabilities say. Days whose return is no number are left out.

    Raises:
        RunError: nothing to draw; a model that believes in nothing that there was in training.
    """
    field, target = run.fields[run.task.target], run.task.target
    if importlib.util.find_spec("matplotlib") is None or not run.task.sources:
        return
    of_classes = not isinstance(field, QuantilesField)
    target = _MOVED if of_classes else target
    first = made.tables["valid"][0].get("ticker")
    rows = [row for row in made.tables["valid"] if row.get("ticker") == first and (not of_classes or _known(row))]
    rows = rows[: _PAST + _SHOWN]
    shown = rows[min(_PAST, len(rows) // 2) :]
    asked = [_asked(run, row) for row in shown]
    levels = field.levels if isinstance(field, QuantilesField) else _LEVELS
    told = (
        _mixed(run, made, asked) if of_classes else [[*json.loads(each.text).values()] for each in run.predict(asked)]
    )
    of_prices = target == _MOVED and all(_PRICE in row for row in rows)
    bases = np.array([float(row[_PRICE]) if of_prices else 0.0 for row in rows])
    numbers = np.array([float(row[target]) for row in rows])
    past = len(rows) - len(shown)
    if of_prices:
        numbers = bases * (1 + numbers / 100)
        told = (bases[past:, None] * (1 + np.array(told) / 100)).tolist()
    times = [str(row.get("date", number)) for number, row in enumerate(rows)]
    unit = _PRICE if of_prices else target
    path = run.folder.plots / "fan.png"
    title = f"{first}, each day from the day before" if first is not None else "each from what was known before"
    fan(times, numbers[:past].tolist(), numbers[past:].tolist(), told, levels, path, title=title, unit=unit)


def _mixed(run: Run, made: Prepared, asked: list[Any]) -> list[list[float]]:
    """Quantiles of training returns, in which each class counts as much as the model believes in it."""
    train = [row for row in made.tables["train"] if _known(row)]
    moved = np.array([float(row[_MOVED]) for row in train])
    names, of = np.unique([str(row[_MOVEMENT]) for row in train], return_inverse=True)
    order = np.argsort(moved, kind="stable")
    moved, of, counts = moved[order], of[order], np.bincount(of)
    found = []
    for answer in run.predict(asked, n_best=len(names)):
        believed = {each.text: np.exp(each.log_probability) for each in answer.n_best or (answer,)}
        share = np.array([believed.get(name, 0.0) for name in names.tolist()]) / counts
        mass = share[of].cumsum()
        if not len(mass) or not mass[-1] > 0:
            raise RunError(f"a fan of prices mixes days of {', '.join(names)}, but the model tells {answer.text}")
        places = np.searchsorted(mass, np.array(_LEVELS) * mass[-1]).clip(max=len(moved) - 1)
        found.append(moved[places].tolist())
    return found


def _known(row: dict[str, Any]) -> bool:
    """Whether a day's return and price are numbers."""
    return all(isinstance(row[column], int | float) and isfinite(row[column]) for column in (_MOVED, _PRICE))


def _asked(run: Run, row: dict[str, Any]) -> Any:
    found = {name: row[name] for name in run.task.sources}
    return found if len(found) > 1 else next(iter(found.values()))
