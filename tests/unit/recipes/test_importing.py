"""One's own cells, fields and models, by import path."""

from pathlib import Path

import pytest

from unspool import cells, recipes
from unspool.errors import RecipeError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mypkg_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "cells.py").write_text("class Outer:\n    class MyCell: ...\nclass MyCell: ...\n")
    (folder / "broken.py").write_text("import a_module_that_is_not_there")
    (folder / "failing.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_a_name_in_a_module_is_found(package: Path) -> None:
    assert recipes.imported("unspool.cells:LSTM") is cells.LSTM
    assert recipes.imported("mypkg_of_a_test.cells:Outer.MyCell").__qualname__ == "Outer.MyCell"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("mypkg.MyCell", "`mypkg.MyCell` must be an import path `module:name`, as in `mypkg.cells:MyCell`"),
        ("mypkg:", "`mypkg:` must be an import path `module:name`, as in `mypkg.cells:MyCell`"),
        ("a/b.py:MyCell", "`a/b.py:MyCell` must be an import path `module:name`, as in `mypkg.cells:MyCell`"),
        (
            "mypkg_of_a_test.cells:MyCel",
            "`mypkg_of_a_test.cells:MyCel` can't be imported: `mypkg_of_a_test.cells` has no `MyCel`; "
            "did you mean `MyCell`?",
        ),
        (
            "mypkg_of_a_test.cells:Outer.Cells",
            "`mypkg_of_a_test.cells:Outer.Cells` can't be imported: `Outer` has no `Cells`; did you mean `MyCell`?",
        ),
        ("math:pi.x", "`math:pi.x` can't be imported: `float` has no `x`"),
        (
            "mypkg_of_a_test.cell:MyCell",
            "`mypkg_of_a_test.cell:MyCell` can't be imported: there is no module `mypkg_of_a_test.cell`; "
            "did you mean `mypkg_of_a_test.cells`?",
        ),
        (
            "mypkg_of_a_tset.cells:MyCell",
            "`mypkg_of_a_tset.cells:MyCell` can't be imported: there is no module `mypkg_of_a_tset`; "
            "did you mean `mypkg_of_a_test`?",
        ),
        (
            "zzqqxx:MyCell",
            "`zzqqxx:MyCell` can't be imported: there is no module `zzqqxx`; "
            "it must be installed, or lie in the folder the command runs in",
        ),
        (
            "mypkg_of_a_test.cells.deep:MyCell",
            "`mypkg_of_a_test.cells.deep:MyCell` can't be imported: there is no module `mypkg_of_a_test.cells.deep`; "
            "it must be installed, or lie in the folder the command runs in",
        ),
        (
            "mypkg_of_a_test.broken:MyCell",
            "`mypkg_of_a_test.broken:MyCell` can't be imported: `mypkg_of_a_test.broken` itself imports "
            "`a_module_that_is_not_there`, not found",
        ),
        (
            "mypkg_of_a_test.failing:MyCell",
            "`mypkg_of_a_test.failing:MyCell` can't be imported: `mypkg_of_a_test.failing` fails with "
            "ZeroDivisionError: division by zero",
        ),
    ],
)
def test_what_is_missing_is_said_with_the_nearest_there_is(package: Path, path: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipes.imported(path)
    assert str(caught.value) == message
