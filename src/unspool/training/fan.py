"""A picture of numbers that were told before they came."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np

from unspool.errors import RunError
from unspool.training.plots import empty_figure, plain, write

_TICKS = 8  # dates that are written


def fan(
    times: Sequence[str],
    past: Sequence[float],
    came: Sequence[float],
    told: Sequence[Sequence[float]],
    levels: Sequence[float],
    path: str | PathLike[str],
    *,
    title: str = "",
    unit: str = "",
) -> None:
    """Draw what was known, and from there on for each time the quantiles that were told for it and what came.

    Bands lie between the lowest level and the highest, the next to these, and so on; a line is the middle one, where
    their number is odd. Each time's quantiles were told at the time before.

    Args:
        times: (past + came) names, such as dates.
        past: numbers before anything is told.
        came: numbers after that.
        told: (came, levels) quantiles, rising.
        levels: theirs, rising.
        path: the picture, its kind told by the suffix.
        title: what stands above all.
        unit: what stands beside the numbers.

    Raises:
        RunError: matplotlib is not installed, nothing came, or other numbers of times, rows or levels.
    """
    quantiles = np.asarray(told, dtype=np.float64)
    if not len(came) or quantiles.shape != (len(came), len(levels)) or len(times) != len(past) + len(came):
        raise RunError(
            f"`told` must be ({len(came)}, {len(levels)}) for numbers that came, and `times` {len(past) + len(came)}, "
            f"but are {quantiles.shape} and {len(times)}"
        )
    places = np.arange(len(past), len(times))
    figure = empty_figure(min(4 + 0.08 * len(times), 16), 4)
    panel = figure.subplots()
    for low in range(len(levels) // 2):
        high = len(levels) - 1 - low
        label = f"{100 * (levels[high] - levels[low]):g} of 100 expected"
        alpha = 0.2 + 0.3 * low / max(len(levels) // 2, 1)
        panel.fill_between(places, quantiles[:, low], quantiles[:, high], alpha=alpha, color="tab:blue", label=label)
    if len(levels) % 2:
        middle = len(levels) // 2
        panel.plot(places, quantiles[:, middle], color="tab:blue", linewidth=1, label=f"level {levels[middle]:g}")
    panel.plot(np.arange(len(times)), [*past, *came], color="k", linewidth=1, marker=".", markersize=3, label="came")
    if len(past):
        panel.axvline(len(past) - 0.5, color="0.6", linewidth=0.8, linestyle=":")
    ticks = np.unique(np.linspace(0, len(times) - 1, min(_TICKS, len(times))).round().astype(int)).tolist()
    panel.set_xticks(ticks, [plain(times[tick]) for tick in ticks], rotation=20, ha="right")
    panel.set_ylabel(plain(unit))
    panel.legend(loc="best", fontsize="small")
    if title:
        figure.suptitle(plain(title))
    write(figure, path)
