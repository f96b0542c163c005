"""A run that tells classes: trained, saved, asked, measured."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from unspool import Run, cli, recipes, runs
from unspool.errors import DataError, FieldError, RecipeError
from unspool.models import ClassHead, EncoderWithHead
from unspool.runs.preparing import _token_embedding, prepared

GOOD, BAD = ["fine", "great", "warm", "kind"], ["poor", "dull", "cold", "mean"]


def write_reviews(folder: Path, rows: int = 120) -> Path:
    """Texts of good and bad words; the class is which of both there are more of."""
    generator = torch.Generator().manual_seed(0)
    lines = []
    for _ in range(rows):
        count = int(torch.randint(1, 8, (), generator=generator))
        good = torch.rand(count, generator=generator) < torch.rand((), generator=generator)
        words = [(GOOD if each else BAD)[int(torch.randint(4, (), generator=generator))] for each in good]
        lines.append(f"{' '.join(words)}\t{'good' if good.float().mean() >= 0.5 else 'bad'}")
    path = folder / "reviews.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def recipe(path: Path, *overrides: str) -> Any:
    given = {
        "name": "reviews",
        "data": {"path": str(path), "columns": ["text", "class"], "split": {"by": "text", "valid": 0.2, "test": 0.2}},
        "inputs": {"text": {"kind": "text", "unit": "words"}},
        "outputs": {"class": {"kind": "label"}},
        "model": {
            "kind": "encoder",
            "embedding_size": 16,
            "encoder": {"cell": "GRU", "hidden_size": 16, "dropout": 0.1},
            "pooling": "attention",
        },
        "train": {"epochs": 12, "examples": 16, "learning_rate": 0.01, "metric": "accuracy", "threads": 1},
        "metrics": ["accuracy"],
    }
    return recipes.load(given, overrides)


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reviews(tmp_path_factory.mktemp("reviews"))


@pytest.fixture(scope="module")
def trained(reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return runs.train(recipe(reviews), tmp_path_factory.mktemp("runs") / "run")


def test_it_learns_to_tell_classes(trained: Run) -> None:
    (score,) = trained.evaluate()
    assert score.name == "accuracy"
    assert score.value > 85
    assert (trained.folder.plots / "confusion-test.png").exists()
    told = trained.predict(["great kind fine", "dull poor cold cold"])
    assert [each.text for each in told] == ["good", "bad"]


def test_a_run_answers_from_its_folder_as_it_did_when_it_was_trained(trained: Run) -> None:
    again = runs.load(trained.folder.path)
    texts = ["great", "", "dull dull fine", "never seen", "kind " * 300]
    assert again.predict(texts) == trained.predict(texts)
    assert [each.text for each in again.predict(texts[::-1])] == [each.text for each in again.predict(texts)][::-1]


def test_the_n_best_are_all_classes_with_probabilities_that_add_up_to_one(trained: Run) -> None:
    (told,) = trained.predict(["great dull"], n_best=5)
    assert {each.text for each in told.n_best} == {"good", "bad"}
    assert sum(torch.tensor(each.log_probability).exp() for each in told.n_best) == pytest.approx(1.0)
    assert told.score == max(each.score for each in told.n_best)


def test_attention_says_how_much_each_word_and_the_end_counted(trained: Run) -> None:
    (told,) = trained.predict(["great dull fine"], attention=True)
    assert told.attention.shape == (1, 4)
    assert told.attention.sum() == pytest.approx(1.0)
    assert trained.predict(["great"])[0].attention is None


def test_its_folder_holds_a_plot_a_card_and_calibrated_weights(trained: Run) -> None:
    assert (trained.folder.plots / "attention.png").exists()
    assert "Reads `text`, writes `class`" in (trained.folder.path / "README.md").read_text()
    assert isinstance(trained.model, EncoderWithHead)
    assert isinstance(trained.model.head, ClassHead)
    assert float(trained.model.head.temperature) != 1.0


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.pooling=[last, max]", "model.encoder.num_layers=2"],
        ["model.balanced=true", "train.label_smoothing=0.1"],
        ["inputs.text.unit=characters", "model.pooling=mean", "train.precision=bfloat16"],
        ["inputs.text={unit: bpe, size: 280}", "train.averaging.kind=ema"],
    ],
    ids=["poolings", "balanced", "characters", "bpe"],
)
def test_what_a_recipe_can_ask_for_trains_and_answers(overrides: list[str], reviews: Path, tmp_path: Path) -> None:
    run = runs.train(recipe(reviews, "train.epochs=null", "train.steps=4", *overrides), tmp_path / "run")
    assert run.predict(["great", ""]) == runs.load(run.folder.path).predict(["great", ""])


def test_balanced_classes_weigh_alike(reviews: Path, tmp_path: Path) -> None:
    lines = reviews.read_text().splitlines()
    some = [line for line in lines if line.endswith("good")] + [line for line in lines if line.endswith("bad")][:9]
    path = tmp_path / "few.tsv"
    path.write_text("\n".join(some) + "\n")
    made = prepared(recipe(path, "model.balanced=true", "data.split.test=0"))
    objective = made.task.objective(made.model)
    (batch,) = [made.encoded["train"].batch(range(len(made.encoded["train"])))]
    by_class = {number: float((batch["class"] == number).sum() * objective.class_weights[number]) for number in (0, 1)}
    assert by_class[0] == pytest.approx(by_class[1])
    assert objective.weights(batch)["tokens"] == pytest.approx(len(batch["class"]))
    assert made.task.objective(made.model, training=False).class_weights is None


def test_a_dry_run_says_what_to_expect(reviews: Path) -> None:
    said = runs.dry_run(recipe(reviews))
    assert "EncoderWithHead:" in said
    assert "text 1 to 7" in said
    assert "class" not in said.split("lengths in tokens:")[1].splitlines()[0]


def test_equal_inputs_with_different_classes_are_a_question_each(trained: Run, tmp_path: Path) -> None:
    path = tmp_path / "twice.tsv"
    path.write_text("great\tgood\ngreat\tbad\n")
    parts = ["data={path: " + str(tmp_path) + ", columns: [text, class], parts: {train: twice.tsv, test: twice.tsv}}"]
    (score,) = trained.evaluate("test", parts)
    assert score.value == 50


def test_a_class_of_the_test_part_that_training_never_saw_counts_as_wrong(trained: Run, tmp_path: Path) -> None:
    (tmp_path / "new.tsv").write_text("great\tgood\ngreat\tsuperb\n")
    parts = ["data={path: " + str(tmp_path) + ", columns: [text, class], parts: {train: new.tsv, test: new.tsv}}"]
    assert trained.evaluate("test", parts)[0].value == 50
    kept = [json.loads(line) for line in (trained.folder.path / "predictions/test.jsonl").read_text().splitlines()]
    assert [row["references"] for row in kept] == [["good"], ["superb"]]


def test_a_class_of_the_validation_part_that_training_never_saw_is_named_with_its_row(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("a\tgood\nb\tbad\n")
    (tmp_path / "valid.tsv").write_text("a\tgood\nb\tbadd\n")
    parts = ["data={path: " + str(tmp_path) + ", columns: [text, class], parts: {train: train.tsv, valid: valid.tsv}}"]
    with pytest.raises(FieldError, match=r"row 1 of `class` in .*valid\.tsv.*`badd` is no class.*bad"):
        prepared(recipe(tmp_path / "train.tsv", *parts))


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (
            ["outputs.class={kind: text}"],
            RecipeError,
            "`outputs.class` must be of kind `label`, `labels`, `number` or `quant",
        ),
        (["model.pooling=mode"], RecipeError, "must be last, mean, max, attention"),
        (["model.pooling=[]"], RecipeError, "pooling"),
        (["train.scheduled_sampling=0.5"], RecipeError, "`train.scheduled_sampling` must be 0"),
    ],
    ids=["no label", "no pooling", "none at all", "sampling"],
)
def test_a_mistake_is_named(overrides: list[str], error: type, message: str, reviews: Path, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        runs.train(recipe(reviews, *overrides), tmp_path / "run")


def test_the_command_line_trains_evaluates_and_predicts(
    reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], run_cli: Callable[..., str]
) -> None:
    path = tmp_path / "reviews.yaml"
    path.write_text(recipe(reviews, "train.epochs=null", "train.steps=3").to_yaml())
    run_cli("train", str(path), "--run", str(tmp_path / "run"))
    (tmp_path / "in.txt").write_text("great\n\n")
    out = run_cli("predict", str(tmp_path / "run"), str(tmp_path / "in.txt"), "--n-best", "2", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [sorted(each["text"] for each in row["predictions"]) for row in rows] == [["bad", "good"]] * 2


@pytest.fixture
def run_cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        captured = capsys.readouterr()
        assert ended.value.code == 0, captured.err
        return captured.out

    return run


VECTORS = {"great": 1.0, "dull": -1.0, "warm": 0.5, "unseen": 9.0}


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """Word vectors of 16 numbers that are all alike."""
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"{word} {' '.join([str(value)] * 16)}\n" for word, value in VECTORS.items()))
    return path


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["inputs.text.lines=true"],
        ["outputs={class: {kind: text, unit: words}}", "model={kind: decoder, embedding_size: 16}"],
        ["outputs={class: {kind: text, unit: words}}", "model={kind: encoder-decoder, embedding_size: 16}"],
        ["outputs={class: {kind: text, unit: words}}", "model={kind: plain, embedding_size: 16}"],
    ],
    ids=["words", "lines", "decoder", "encoder-decoder", "plain"],
)
def test_an_embedding_starts_with_the_vectors_of_others(overrides: list[str], reviews: Path, vectors: Path) -> None:
    made = prepared(recipe(reviews, f"inputs.text.vectors={vectors}", *overrides))
    field, weight = made.task.fields["text"], _token_embedding(made.model, "text").weight
    for word in ("great", "dull", "warm"):
        assert weight[field.encode(word)].tolist() == [[VECTORS[word]] * 16]
    assert not torch.equal(weight[field.encode("kind")], weight[field.encode("poor")])


def test_vectors_that_do_not_fit_are_refused_before_training(reviews: Path, vectors: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="16"):
        prepared(recipe(reviews, f"inputs.text.vectors={vectors}", "model.embedding_size=8"))
    with pytest.raises(DataError, match=r"none\.txt"):
        prepared(recipe(reviews, f"inputs.text.vectors={tmp_path / 'none.txt'}"))
    with pytest.raises(RecipeError, match="must have words or characters as `unit` to have `vectors`, but has bpe"):
        recipe(reviews, f"inputs.text.vectors={vectors}", "inputs.text.unit=bpe", "inputs.text.size=300")


def test_a_run_needs_the_vectors_no_more_once_it_is_trained(reviews: Path, vectors: Path, tmp_path: Path) -> None:
    run = runs.train(recipe(reviews, f"inputs.text.vectors={vectors}", "train.epochs=1"), tmp_path / "run")
    vectors.unlink()
    assert runs.load(run.folder.path).predict(["great"]) == run.predict(["great"])
