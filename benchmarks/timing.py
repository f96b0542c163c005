"""Times of several things in one run: in turn, so that a machine that slows down slows all of them; medians."""

import statistics
import time
from collections.abc import Callable


def medians(
    runs: dict[str, Callable[[], object]], *, rounds: int = 15, warmup: int = 3, settle: float = 0.0
) -> dict[str, float]:
    """The median seconds of each run, one timed call of each a round.

    Args:
        settle: as many untimed calls as fit into these seconds, and one at least, come before a timed one. Libraries
            with threads of their own let them spin for a while after a call, on the cores that the next run needs.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    untimed = {}
    for name, run in runs.items():
        last = [taken(run) for _ in range(warmup)][-1:]
        untimed[name] = max(int(settle / last[0]), 1) if last and settle else 0
    for _ in range(rounds):
        for name, run in runs.items():
            for _ in range(untimed[name]):
                run()
            seconds[name].append(taken(run))
    return {name: statistics.median(found) for name, found in seconds.items()}


def taken(run: Callable[[], object]) -> float:
    """The seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


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
