"""Drawings as pictures that any browser shows."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from unspool.fields.strokes import Strokes, whole_strokes

_SIZE, _MARGIN = 256.0, 8.0
_PEN = 2.0


def to_svg(strokes: Strokes, path: str | PathLike[str]) -> None:
    """Write a drawing as an SVG: a line for each stroke of the pen, fitted into 256 by 256 pixels, y downwards.

    Args:
        strokes: as `StrokesField.decode` gives them: points of (dx, dy, lift).
        path: of the file; what is there is overwritten, and folders are made.

    Raises:
        FieldError: what is no drawing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     to_svg([[0, 0, 0], [3, 0, 1], [0, 3, 0], [-3, 0, 1]], f"{folder}/equal.svg")
        ...     Path(folder, "equal.svg").read_text().count("<polyline")
        2
    """
    drawing = whole_strokes(strokes)
    places = drawing[:, :2].cumsum(0)
    low, extent = places.min(0), float(np.ptp(places, axis=0).max()) or 1.0
    places = (places - low) * ((_SIZE - 2 * _MARGIN) / extent) + _MARGIN
    ends = (np.flatnonzero(drawing[:-1, 2]) + 1).tolist()
    lines = []
    for line in np.split(places, ends):
        points = line if len(line) > 1 else line.repeat(2, 0)  # a line of no length is drawn as a dot
        shown = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
        lines.append(f'  <polyline points="{shown}"/>')
    size = f"{_SIZE:.0f}"
    style = f'fill="none" stroke="black" stroke-width="{_PEN:g}" stroke-linecap="round" stroke-linejoin="round"'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" {style}>'
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("\n".join([opening, *lines, "</svg>", ""]), encoding="utf-8")
