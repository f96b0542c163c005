"""Pictures are drawn, or it is said why not."""

import sys
from pathlib import Path

import pytest
import torch
from unit.training.toy import trainer

from unspool.errors import RunError
from unspool.training import Limits, MetricsFile, plots


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "metrics.jsonl"
    trainer(limits=Limits(steps=12), observers=[MetricsFile(path)]).run()
    return path


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_curves_are_drawn(metrics: Path, tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "new" / f"curves.{suffix}"
    plots.curves(metrics, path)
    assert path.read_bytes().startswith(b"\x89PNG" if suffix == "png" else b"<?xml")


def test_an_attention_map_names_tokens_and_checks_their_number(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    weights = torch.softmax(torch.randn(2, 3), 1)
    plots.attention_map(weights, ["a", "$x$", "</s>"], ["_", "é"], tmp_path / "map.svg")
    assert (tmp_path / "map.svg").stat().st_size > 1000
    with pytest.raises(RunError) as error:
        plots.attention_map(weights, ["a"], ["b", "c"], tmp_path / "map.png")
    assert str(error.value) == "`weights` must be (target tokens, source tokens), (2, 1), but is (2, 3)"


def test_without_matplotlib_it_is_said_how_to_get_it(
    metrics: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(RunError) as error:
        plots.curves(metrics, tmp_path / "curves.png")
    assert str(error.value) == (
        "`matplotlib` must be installed to draw, but is not; `pip install 'unspool[plots]'` installs it"
    )


def test_no_steps_are_no_picture(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="must hold a step to draw, but holds none; train first"):
        plots.curves(tmp_path / "metrics.jsonl", tmp_path / "curves.png")


def test_a_confusion_has_a_row_for_each_class_and_counts_in_its_cells(tmp_path: Path) -> None:
    plots.confusion(["a", "b", "b", "$"], ["a", "a", "b", "b"], tmp_path / "confusion.svg")
    assert (tmp_path / "confusion.svg").stat().st_size > 1000
    with pytest.raises(RunError, match="must have a class for each of the 2"):
        plots.confusion(["a"], ["a", "b"], tmp_path / "confusion.svg")


def test_a_confusion_of_very_many_classes_is_not_drawn(tmp_path: Path) -> None:
    names = [f"{number:03}" for number in range(101)]
    with pytest.raises(RunError) as error:
        plots.confusion(names, names, tmp_path / "confusion.png")
    assert str(error.value) == "`told` and `right` must have at most 100 classes to draw, but have 101"
    assert not (tmp_path / "confusion.png").exists()
