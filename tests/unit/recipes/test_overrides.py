"""Values given beside a recipe."""

from typing import Any

import pytest

from unspool.errors import RecipeError
from unspool.recipes.overrides import override
from unspool.recipes.reading import read

FILE = "train:\n  epochs: 3\n  betas: [0.9, 0.99]\ninputs:\n  word: {unit: words}\ndata: null\n"


@pytest.mark.parametrize(
    ("given", "path", "value"),
    [
        ("train.epochs=5", ["train", "epochs"], 5),
        ("train.clip=1e-1", ["train", "clip"], 0.1),
        ("train.clip=", ["train", "clip"], None),
        ("train.clip=null", ["train", "clip"], None),
        ("train.betas=[0.5, 0.6]", ["train", "betas"], [0.5, 0.6]),
        ("inputs={de: {unit: bpe}}", ["inputs"], {"de": {"unit": "bpe"}}),
        ("about=a = b", ["about"], "a = b"),
        ("about=1 + 1", ["about"], "1 + 1"),
        ("model.encoder.cell=mypkg.cells:Cell", ["model", "encoder", "cell"], "mypkg.cells:Cell"),
        ("data.path=a/b.csv", ["data", "path"], "a/b.csv"),
    ],
)
def test_a_value_is_set_as_yaml_reads_it(given: str, path: list[str], value: Any) -> None:
    document = read(FILE, "`f`")
    override(document, [given])
    found = document.data
    for key in path:
        found = found[key]
    assert found == value
    assert document.origin(tuple(path)) == f"override `{given}`"


def test_others_keep_their_values_and_lines() -> None:
    document = read(FILE, "`f`")
    override(document, ["train.epochs=5"])
    assert document.data["train"] == {"epochs": 5, "betas": [0.9, 0.99]}
    assert document.origin(("train", "betas", 1)) == "`f`, line 3"


def test_what_is_inside_an_overridden_key_has_no_line_any_more() -> None:
    document = read(FILE, "`f`")
    override(document, ["inputs={word: {unit: bpe}}"])
    assert document.origin(("inputs", "word", "unit")) == "override `inputs={word: {unit: bpe}}`"


def test_the_last_one_holds() -> None:
    document = read(FILE, "`f`")
    override(document, ["train.epochs=5", "train.epochs=7"])
    assert document.data["train"]["epochs"] == 7
    assert document.origin(("train", "epochs")) == "override `train.epochs=7`"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("train.epochs", "override `train.epochs`: must be `key=value`, the key with dots, as in `train.epochs=20`"),
        ("=3", "override `=3`: must be `key=value`, the key with dots, as in `train.epochs=20`"),
        ("train..x=3", "override `train..x=3`: must be `key=value`, the key with dots, as in `train.epochs=20`"),
        (
            "train.epochs.x=3",
            "override `train.epochs.x=3`: `train.epochs` must hold keys to set one of them, but is 3",
        ),
        (
            "train.betas.0=3",
            "override `train.betas.0=3`: `train.betas` must hold keys to set one of them, but is [0.9, 0.99]",
        ),
        ("train.clip={", "override `train.clip={`, line 1, column 2: must be YAML, but is not: "),
    ],
)
def test_what_can_not_be_set_is_said(given: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        override(read(FILE, "`f`"), [given])
    assert str(caught.value).startswith(message)
