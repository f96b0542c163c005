"""What a model that tells quantiles expected, and what came, as a picture in the folder of its run."""

from __future__ import annotations

import importlib.util
import json
from itertools import islice
from typing import Any

import numpy as np

from unspool.fields import QuantilesField
from unspool.runs.preparing import Prepared
from unspool.runs.run import Run
from unspool.training.fan import fan

_PAST, _SHOWN = 20, 40


def show_fan(run: Run, made: Prepared) -> None:
    """Draw `plots/fan.png`: rows of the validation part in their order, the first of them as what was known.

    Where the table has a column `price`, numbers are returns in per cent of it and the picture is of prices: each fan
    opens from the last price that was known. Where it has `ticker`, it is of the first one; `date` names the rows.
    """
    field, target = run.fields[run.task.target], run.task.target
    if importlib.util.find_spec("matplotlib") is None or not run.task.sources:
        return
    assert isinstance(field, QuantilesField)
    first = made.tables["valid"][0].get("ticker")
    rows = list(islice((row for row in made.tables["valid"] if row.get("ticker") == first), _PAST + _SHOWN))
    shown = rows[min(_PAST, len(rows) // 2) :]
    told = [list(json.loads(each.text).values()) for each in run.predict([_asked(run, row) for row in shown])]
    prices = ["price" in row for row in rows]
    bases = np.array([float(row["price"]) if all(prices) else 0.0 for row in rows])
    numbers = np.array([float(row[target]) for row in rows])
    past = len(rows) - len(shown)
    if all(prices):
        numbers = bases * (1 + numbers / 100)
        told = (bases[past:, None] * (1 + np.array(told) / 100)).tolist()
    times = [str(row.get("date", number)) for number, row in enumerate(rows)]
    unit = "price" if all(prices) else target
    path = run.folder.plots / "fan.png"
    title = f"{first}, each day from the day before" if first is not None else "each from what was known before"
    fan(times, numbers[:past].tolist(), numbers[past:].tolist(), told, field.levels, path, title=title, unit=unit)


def _asked(run: Run, row: dict[str, Any]) -> Any:
    found = {name: row[name] for name in run.task.sources}
    return found if len(found) > 1 else next(iter(found.values()))
