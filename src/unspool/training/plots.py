"""Pictures: how training went, and where a model looked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from unspool.errors import RunError
from unspool.training.progress import Record, read_records

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDEST = 12.0  # inches, of what has no labels that would need more
_MOST_CLASSES = 100  # a picture of a thousand takes 17 GB


def curves(metrics: str | PathLike[str], path: str | PathLike[str]) -> None:
    """Draw loss, learning rate and each metric of a validation over the steps.

    Args:
        metrics: a file that `MetricsFile` wrote.
        path: the picture, its kind told by the suffix: .png, .svg, .pdf.

    Raises:
        RunError: matplotlib is not installed, or there is no step to draw.
    """
    records = read_records(metrics) if Path(metrics).is_file() else []
    if not records:
        raise RunError(f"`{metrics}` must hold a step to draw, but holds none; train first")
    names = list(dict.fromkeys(name for record in records for name in record.get("metrics", {})))
    figure = empty_figure(10, 2.5 * (2 + len(names)))
    panels = figure.subplots(2 + len(names), 1, sharex=True, squeeze=False)[:, 0]
    steps = [record["step"] for record in records]
    panels[0].plot(steps, [record["loss"] for record in records], linewidth=0.5, color="0.75", label="each step")
    panels[0].plot(steps, _smoothed(records), label="smoothed")
    panels[0].set_ylabel("training loss")
    panels[0].legend()
    for name, panel in zip(names, panels[1:], strict=False):
        validated = [record for record in records if name in record.get("metrics", {})]
        steps_values = [(record["step"], record["metrics"][name]) for record in validated]
        panel.plot(*zip(*steps_values, strict=True), marker=".")
        panel.set_ylabel(f"valid {name}")
    panels[-1].plot(steps, [record["learning_rate"] for record in records])
    panels[-1].set_ylabel("learning rate")
    panels[-1].set_xlabel("step")
    for panel in panels:
        panel.grid(alpha=0.3)
    write(figure, path)


def attention_map(
    weights: Tensor, source_tokens: Sequence[str] | None, target_tokens: Sequence[str], path: str | PathLike[str]
) -> None:
    """Draw where each token of the target looked in the source: the darker, the more.

    Args:
        weights: (target, source), from 0 to 1.
        source_tokens: what each column is; None where columns are frames, which have numbers alone, and of which
            the one that is looked at most is black.
        target_tokens: what each row is.
        path: the picture, its kind told by the suffix.

    Raises:
        RunError: matplotlib is not installed, or there are other numbers of tokens.
    """
    columns = weights.shape[-1] if source_tokens is None else len(source_tokens)
    if tuple(weights.shape) != (len(target_tokens), columns):
        raise RunError(
            f"`weights` must be (target tokens, source tokens), {(len(target_tokens), columns)}, "
            f"but is {tuple(weights.shape)}"
        )
    inches = 0.35 * columns if source_tokens is not None else min(0.35 * columns, _WIDEST)
    figure = empty_figure(2 + inches, 1.5 + 0.35 * len(target_tokens))
    panel = figure.subplots()
    most = 1.0 if source_tokens is not None or not weights.numel() else float(weights.max())
    panel.imshow(weights.detach().float().cpu().numpy(), cmap="Greys", vmin=0, vmax=most, aspect="auto")
    panel.locator_params(axis="x", integer=True)
    if source_tokens is not None:
        panel.set_xticks(range(columns), [plain(token) for token in source_tokens], rotation=90)
    panel.set_yticks(range(len(target_tokens)), [plain(token) for token in target_tokens])
    panel.xaxis.tick_top()
    write(figure, path)


def confusion(told: Sequence[str], right: Sequence[str], path: str | PathLike[str]) -> None:
    """Draw how often each class was told for which: rows are what is right, columns what was told.

    A cell holds a count, and is the darker, the larger its share of the row.

    Args:
        told: a class each.
        right: the right class of each.
        path: the picture, its kind told by the suffix.

    Raises:
        RunError: matplotlib is not installed, or there are other numbers of classes told than right, or more than 100
            different ones.
    """
    if len(told) != len(right) or not right:
        raise RunError(f"`told` must have a class for each of the {len(right)} of `right`, but has {len(told)}")
    names = sorted({*told, *right})
    if len(names) > _MOST_CLASSES:
        raise RunError(f"`told` and `right` must have at most {_MOST_CLASSES} classes to draw, but have {len(names):,}")
    counts = Counter(zip(right, told, strict=True))
    rows = [[counts[true, said] for said in names] for true in names]
    shares = [[count / max(sum(row), 1) for count in row] for row in rows]
    figure = empty_figure(2 + 0.6 * len(names), 1.5 + 0.5 * len(names))
    panel = figure.subplots()
    panel.imshow(shares, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for y, row in enumerate(rows):
        for x, count in enumerate(row):
            if count:
                panel.text(x, y, f"{count:,}", ha="center", va="center", color="w" if shares[y][x] > 0.5 else "k")
    panel.set_xticks(range(len(names)), [plain(name) for name in names], rotation=90)
    panel.set_yticks(range(len(names)), [plain(name) for name in names])
    panel.set_xlabel("told")
    panel.set_ylabel("right")
    write(figure, path)


def plain(text: str) -> str:
    """A dollar starts a formula in matplotlib, and tokens are no formulas."""
    return text.replace("$", r"\$")


def _smoothed(records: Sequence[Record]) -> list[float]:
    """A running mean of the loss that looks back over about a fiftieth of the steps."""
    share = 1 / max(len(records) / 50, 1)
    smoothed = [records[0]["loss"]]
    for record in records[1:]:
        smoothed.append(smoothed[-1] + share * (record["loss"] - smoothed[-1]))
    return smoothed


def empty_figure(width: float, height: float) -> Figure:
    """An empty picture, in inches. It touches neither a display nor the plots of whoever calls."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RunError(
            "`matplotlib` must be installed to draw, but is not; `pip install 'unspool[plots]'` installs it"
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def write(figure: Figure, path: str | PathLike[str]) -> None:
    """Keep a picture, its kind told by the suffix; folders are made."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
