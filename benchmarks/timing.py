"""Times of several things in one run: in turn, so that a machine that slows down slows all of them; medians."""

import statistics
import time
from collections.abc import Callable


def medians(runs: dict[str, Callable[[], object]], *, rounds: int = 15, warmup: int = 3) -> dict[str, float]:
    """The median seconds of each run, one call of each a round."""
    for run in runs.values():
        for _ in range(warmup):
            run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in seconds.items()}


def table(header: list[str], rows: list[list[str]]) -> str:
    """Columns as wide as their widest cell, the first to the left and all others to the right."""
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
