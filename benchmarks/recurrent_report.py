"""What `recurrent.py` measured, `Row`, and tables of it."""

from collections.abc import Callable
from dataclasses import dataclass

from timing import table


@dataclass(frozen=True)
class Row:
    """What was measured of one contender. `peak_mb` is of a training step; `ratio` its seconds over those of ours."""

    cell: str
    shape: str
    hidden: int
    batch: int
    longest: int
    steps: int
    lengths: str
    contender: str
    dtype: str
    engine: str | None
    mode: str
    seconds: float
    gf_per_second: float
    ratio: float
    peak_mb: float | None

    @property
    def column(self) -> str:
        """Its name in a table."""
        return self.contender if self.dtype == "float32" else f"{self.contender} bf16"


def report(rows: list[Row]) -> str:
    """A table a mode: a line a shape, a column a contender; and one of memory, where it was measured."""
    texts = []
    for mode in ("forward", "training"):
        of_mode = [row for row in rows if row.mode == mode]
        texts.append(_grid(f"{rows[0].cell}, {mode}, GF/s", of_mode, _speed))
    if any(row.peak_mb is not None for row in rows):
        texts.append(_grid(f"{rows[0].cell}, MB that a training step adds", of_mode, _memory))
    return "\n\n".join(texts)


def _grid(title: str, rows: list[Row], text: Callable[[Row], str]) -> str:
    columns = list(dict.fromkeys(row.column for row in rows))
    lines = []
    for shape in dict.fromkeys(row.shape for row in rows):
        found = {row.column: row for row in rows if row.shape == shape}
        mine = found["ours"]
        about = [f"{shape} B{mine.batch} T{mine.longest}", f"{mine.steps / mine.batch / mine.longest:.0%}"]
        about += [mine.engine or "-", f"{mine.seconds * 1e3:.2f} ms"]
        lines.append(about + [text(found[column]) if column in found else "-" for column in columns])
    return table([title, "full", "engine", "ours", *columns], lines)


def _speed(row: Row) -> str:
    speed = f"{row.gf_per_second:.3g}"
    return speed if row.column == "ours" else f"{speed} {row.ratio:.2f}x"


def _memory(row: Row) -> str:
    return "-" if row.peak_mb is None else f"{row.peak_mb:.1f}"
