"""Runs that read several columns, tell labels or numbers, or write from a vector."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from unspool import Run, recipes, runs
from unspool.errors import DataError, FieldError, RecipeError, RunError
from unspool.models import LabelsHead, VectorDecoder
from unspool.runs.folder import Folder
from unspool.runs.groups import kept_predictions

COLOURS, THINGS = ["red", "blue", "green"], ["car", "hat", "door"]


def write_rows(folder: Path, rows: int = 90) -> Path:
    """Things of a colour and a size: a question, and columns that follow from them."""
    generator = torch.Generator().manual_seed(0)
    lines = []
    for _ in range(rows):
        colour, thing, size = (int(torch.randint(3, (), generator=generator)) for _ in range(3))
        value = {
            "story": f"the {THINGS[thing]} is {COLOURS[colour]}",
            "colour": COLOURS[colour],
            "size": size,
            "what": f"a {COLOURS[colour]} {THINGS[thing]}",
            "labels": ",".join([COLOURS[colour]] + (["big"] if size == 2 else [])),
            "price": 10.0 * size + thing,
        }
        lines.append(json.dumps(value))
    path = folder / "things.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def recipe(path: Path, inputs: dict[str, Any], outputs: dict[str, Any], model: dict[str, Any], *overrides: str) -> Any:
    small = {"embedding_size": 12, "encoder": {"cell": "GRU", "hidden_size": 12, "dropout": 0.0}}
    quiet = {"embedding_dropout": 0.0, "output_dropout": 0.0}
    given = {
        "name": "things",
        "data": {"path": str(path), "split": {"by": "story", "valid": 0.1, "test": 0.0, "salt": "b"}},
        "inputs": inputs,
        "outputs": outputs,
        "model": small | quiet | model,
        "train": {"epochs": 40, "examples": 16, "learning_rate": 0.02, "threads": 1, "validate_every": "100 steps"},
        "metrics": [],
    }
    return recipes.load(given, overrides)


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("things"))


TEXT, LABEL, NUMBER = {"kind": "text", "unit": "words"}, {"kind": "label"}, {"kind": "number"}
DECODER = {"kind": "decoder", "decoder": {"cell": "GRU", "hidden_size": 16, "dropout": 0.0}}


def test_labels_are_told_from_a_text_and_a_number(things: Path, tmp_path: Path) -> None:
    inputs, outputs = {"story": TEXT, "size": NUMBER}, {"labels": {"kind": "labels"}}
    over = ["metrics=[macro_f1_labels, subset_accuracy]", "train.metric=macro_f1_labels", "model.balanced=true"]
    run = runs.train(recipe(things, inputs, outputs, {"kind": "encoder"}, *over), tmp_path / "run")
    assert isinstance(run.model.head, LabelsHead)
    asked = [{"story": "the hat is blue", "size": 2}, {"story": "the car is red", "size": "0"}]
    again = runs.load(tmp_path / "run")
    told = again.predict(asked, n_best=2)
    assert [each.text for each in told] == ["big,blue", "red"]
    assert {each.text for each in told[0].n_best} == {"big", "blue"}
    assert again.evaluate("train")[0].value > 95
    by_size = runs.by_column(again, "size", "train")
    assert list(by_size) == runs.groups_of(again, "size", "train") == ["0", "1", "2"]
    with pytest.raises(DataError, match="siz"):
        runs.groups_of(again, "siz", "train")
    assert all(each.value > 90 for rows in by_size.values() for each in rows[1:])
    with pytest.raises(RunError, match="evaluate that part first"):
        runs.by_column(again, "size", "valid")
    path = tmp_path / "run/predictions/train.jsonl"
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    assert set(kept[0]["input"]) == {"story", "size"}
    path.write_text("".join(f"{json.dumps(row)}\n" for row in kept[::-1]))
    with pytest.raises(RunError, match="must hold predictions for these questions, but they were of others, such as"):
        runs.by_column(again, "size", "train")
    with pytest.raises(DataError, match=r"`part` must be one that there is \(train, valid\), but is 'trian'"):
        runs.by_column(again, "size", "trian")
    assert again.typed('{"story": "the hat is blue", "size": 2}') == asked[0]
    for line in ("the hat is blue", "[1]"):
        with pytest.raises(DataError, match=r'must be a JSON object, such as {"story": "…", "size": "…"}, but is'):
            again.typed(line)


@pytest.mark.parametrize("separator", [";", " + "])
def test_labels_may_be_apart_by_any_sign(separator: str, tmp_path: Path) -> None:
    path = write_rows(tmp_path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["labels"] = separator.join(row["labels"].split(","))
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    outputs = {"labels": {"kind": "labels", "separator": separator}}
    over = ["metrics=[micro_f1_labels, subset_accuracy]", "train.metric=micro_f1_labels", "baselines=[tfidf_labels]"]
    inputs = {"story": TEXT, "size": NUMBER}
    run = runs.train(recipe(path, inputs, outputs, {"kind": "encoder"}, *over), tmp_path / "run")
    reached, theirs = run.evaluate("train")[0].value, run.baselines("train")["tfidf_labels"][0].value
    assert reached > 95
    assert theirs > 50
    compared = runs.against_baselines(run, "micro_f1_labels", "train")["tfidf_labels"]
    assert (compared.ours.value, compared.theirs.value) == (reached, theirs)
    (told,) = run.predict([{"story": "the hat is blue", "size": 2}])
    assert told.text == f"big{separator}blue"


def test_a_number_is_told(things: Path, tmp_path: Path) -> None:
    run = runs.train(
        recipe(things, {"story": TEXT, "size": NUMBER}, {"price": NUMBER}, {"kind": "encoder"}), tmp_path / "run"
    )
    (told,) = run.predict([{"story": "the door is red", "size": 1}])
    assert float(told.text) == pytest.approx(12.0, abs=2.0)
    with pytest.raises(FieldError, match="input 1500 must name all columns that are read, but lacks `size`"):
        run.predict([{"story": "the door is red"}], first=1500)
    with pytest.raises(RecipeError, match=r"`model\.balanced` must be false for a number"):
        runs.train(
            recipe(things, {"story": TEXT}, {"price": NUMBER}, {"kind": "encoder", "balanced": True}), tmp_path / "no"
        )


@pytest.mark.parametrize(("column", "kind"), [("colour", "label"), ("labels", "labels")])
def test_a_run_that_starts_from_another_learns_its_own_classes(
    column: str, kind: str, things: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_place = "data.split={by: null, valid: 0.1, test: 0}"

    def train(path: Path, name: str, *overrides: str) -> Run:
        given = recipe(path, {"story": TEXT}, {column: {"kind": kind}}, {"kind": "encoder"}, "train.epochs=1", by_place)
        return runs.train(recipes.load(given, ["model.balanced=true", *overrides]), tmp_path / name)

    rows = [json.loads(line) for line in things.read_text().splitlines()]
    first = train(things, "first")
    others = {
        "fewer": [row for row in rows if row["colour"] != "green"],
        "called otherwise": [row | {column: row[column].replace("red", "grey")} for row in rows],
        "the same": rows[:60],
    }
    for name, given in others.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in given))
        alone = train(path, f"{name}, alone")
        capsys.readouterr()
        run = train(path, name, f"train.init={first.folder.path}")
        assert run.fields[column].to_json() == alone.fields[column].to_json() != first.fields[column].to_json()
        assert run.fields["story"].to_json() == first.fields["story"].to_json()
        assert ("as before: `head." in capsys.readouterr().err) == (name == "fewer")


def test_too_many_classes_are_measured_but_not_drawn(
    things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given = recipe(things, {"story": TEXT}, {"colour": LABEL}, {"kind": "encoder"}, "metrics=[accuracy]")
    run = runs.train(given, tmp_path / "run")
    monkeypatch.setattr("unspool.training.plots._MOST_CLASSES", 2)
    assert run.evaluate("train")[0].value > 95
    path = run.folder.plots / "confusion-train.png"
    assert caplog.messages == [
        f"`{path}` is not drawn: `told` and `right` must have at most 2 classes to draw, but have 3"
    ]
    assert not path.exists()


@pytest.fixture(scope="module")
def said(things: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("said") / "run"
    given = recipe(things, {"story": TEXT, "colour": LABEL}, {"what": TEXT}, DECODER, "metrics=[accuracy]")
    return runs.train(given, folder)


def test_a_text_is_written_from_several_columns(said: Run) -> None:
    assert isinstance(said.model, VectorDecoder)
    asked = [{"story": "the hat is blue", "colour": "blue"}, {"story": "the car is red", "colour": "red"}]
    assert [each.text for each in said.predict(asked)] == ["a blue hat", "a red car"]
    again = runs.load(said.folder.path)
    assert again.predict(asked, beam=1) == said.predict(asked, beam=1)
    assert again.evaluate("train")[0].value > 95
    assert list(runs.by_column(again, "colour", "train")) == ["blue", "green", "red"]
    both = runs.by_column(again, "colour", "train", ["metrics=[perplexity, accuracy]"])
    assert [[score.name for score in each] for each in both.values()] == [["accuracy"]] * 3
    with pytest.raises(RunError, match="must have one of what is predicted to tell it by `colour`, but has perplexity"):
        runs.groups_of(again, "colour", "train", ["metrics=[perplexity]"])
    assert all(len(each.text.split()) <= 6 for each in again.predict(asked, sample=True, temperature=50.0))


def test_kept_predictions_may_hold_any_sign(tmp_path: Path) -> None:
    texts = ["one\u2028two", "a\u0085b\u2029", "line\nbreak\r"]
    folder = Folder(tmp_path)
    rows = [json.dumps({"input": text, "prediction": text}, ensure_ascii=False) for text in texts]
    folder.write("predictions/test.jsonl", "\n".join(rows) + "\n")
    kept = kept_predictions(SimpleNamespace(folder=folder), "test", texts)  # type: ignore[arg-type]
    assert [row["prediction"] for row in kept] == texts


@pytest.mark.parametrize("cell", ["SCLSTM", "LSTM"])
@pytest.mark.parametrize("condition", ["start", "steps"])
def test_a_decoder_of_any_condition_trains(cell: str, condition: str, things: Path, tmp_path: Path) -> None:
    model = DECODER | {"condition": condition, "decoder": {"cell": cell, "hidden_size": 8}}
    over = ["train.epochs=1", "model.tied_embeddings=true"]
    run = runs.train(recipe(things, {"colour": LABEL, "size": NUMBER}, {"what": TEXT}, model, *over), tmp_path / "run")
    asked = [{"colour": "blue", "size": 2}]
    assert runs.load(tmp_path / "run").predict(asked) == run.predict(asked)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            ["the hat is blue"],
            'input 0 must name all columns that are read, {"story": …, "colour": …}, but is \'the hat',
        ),
        ([{"story": "the hat is blue"}], "input 0 must name all columns that are read, but lacks `colour`"),
        ([{"story": "the hat", "colour": "bleu"}], "`bleu` is no class of the training part; there are"),
    ],
    ids=["one value", "a column too few", "an unknown class"],
)
def test_an_input_that_can_not_be_read_is_named(asked: list[Any], message: str, said: Run) -> None:
    with pytest.raises(FieldError) as error:
        said.predict(asked)
    assert message in str(error.value)
