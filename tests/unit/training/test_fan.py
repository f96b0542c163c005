"""A fan of quantiles: where its bands lie and what is written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unspool.errors import RunError
from unspool.training.fan import fan

figures = pytest.importorskip("matplotlib.figure")

TOLD = [[1.0, 1.5, 2.0, 2.5, 3.0], [2.0, 2.5, 3.0, 3.5, 4.0]]
LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]


def test_bands_lie_between_levels_from_where_something_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    save = figures.Figure.savefig
    monkeypatch.setattr(
        figures.Figure, "savefig", lambda figure, *rest, **how: (found.append(figure), save(figure, *rest, **how))
    )
    fan(["mon", "tue", "wed"], [1.0], [2.2, 2.9], TOLD, LEVELS, tmp_path / "fan.png", title="A $5", unit="price")
    (panel,) = found[0].axes
    outer, inner = (band.get_paths()[0].vertices for band in panel.collections)
    for band, low, high in ((outer, [1, 2], [3, 4]), (inner, [1.5, 2.5], [2.5, 3.5])):
        assert sorted(set(band[:, 0])) == [1, 2]
        assert [band[band[:, 0] == place, 1].min() for place in (1, 2)] == low
        assert [band[band[:, 0] == place, 1].max() for place in (1, 2)] == high
    middle, came, _ = panel.lines
    assert np.array_equal(middle.get_xydata(), [[1, 2], [2, 3]])
    assert np.array_equal(came.get_xydata(), [[0, 1], [1, 2.2], [2, 2.9]])
    labels = [text.get_text() for text in panel.get_legend().get_texts()]
    assert labels == ["90 of 100 expected", "50 of 100 expected", "level 0.5", "came"]
    assert [label.get_text() for label in panel.get_xticklabels()] == ["mon", "tue", "wed"]
    assert (tmp_path / "fan.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("times", "told", "message"),
    [
        (["a", "b"], TOLD, "`times` 3, but are (2, 5) and 2"),
        (["a", "b", "c"], TOLD[:1], "`times` 3, but are (1, 5) and 3"),
    ],
)
def test_what_does_not_fit_is_told(times: list[str], told: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(RunError) as error:
        fan(times, [1.0], [2.0, 3.0], told, LEVELS, tmp_path / "fan.png")
    assert str(error.value) == f"`told` must be (2, 5) for numbers that came, and {message}"
