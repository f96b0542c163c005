"""A run that was trained, put to use: from Python and from the command line."""

import io
import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from unit.runs.toy import toy

import unspool
from unspool import Run, runs
from unspool.data import Table
from unspool.errors import DataError, RecipeError, RunError
from unspool.runs import Folder
from unspool.runs.questions import questions
from unspool.runs.scoring import scores
from unspool.training import checkpoint, read_records

INPUTS = ["abc", "e", "", "deadbe", "a"]


def copied(run: Run, path: Path) -> Run:
    """The same run in a folder that may be changed, without predictions."""
    shutil.copytree(run.folder.path, path / "copy", ignore=shutil.ignore_patterns("predictions"))
    return runs.load(path / "copy")


def test_five_lines_train_and_answer(words: Path, tmp_path: Path, trained: Run) -> None:
    run = unspool.train(str(words.with_suffix(".yaml")), tmp_path / "run")
    answers = unspool.load(tmp_path / "run").predict(INPUTS)
    assert [answer.text for answer in answers] == [answer.text for answer in run.predict(INPUTS)]
    assert answers == trained.predict(INPUTS)  # the same recipe, the same model


def test_the_folder_holds_what_was_promised(trained: Run, words: Path) -> None:
    path = trained.folder.path
    found = {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}
    assert found - {"predictions/test.jsonl", "predictions/valid.jsonl"} == {
        "README.md",
        "checkpoints/best.safetensors",
        "checkpoints/last.safetensors",
        "checkpoints/previous.safetensors",
        "fields.json",
        "metrics.jsonl",
        "model.safetensors",
        "plots/attention.png",
        "plots/curves.png",
        "recipe.yaml",
        "run.json",
    }
    facts = json.loads((path / "run.json").read_text())
    assert facts["format"] == 1
    assert facts["parameters"] == sum(each.numel() for each in trained.model.parameters())
    assert sum(facts["examples"].values()) == 300
    assert facts["data"] == f"`{words}`"
    assert Folder(path).recipe() == trained.recipe
    records = read_records(path / "metrics.jsonl")
    assert [record["step"] for record in records] == list(range(1, len(records) + 1))
    assert [set(record["metrics"]) for record in records if "metrics" in record] == [{"loss", "wer", "per"}] * 3
    card = (path / "README.md").read_text()
    assert "# Words told backwards" in card
    assert f"$ unspool predict {path}" in card
    assert f"| loss | {records[-1]['metrics']['loss']:.4g} |" in card


def test_training_makes_the_loss_fall(trained: Run) -> None:
    records = read_records(trained.folder.metrics)
    assert records[-1]["metrics"]["loss"] < 0.8 * records[0]["loss"]


def test_n_best_are_different_and_ranked_and_their_scores_are_those_of_forcing(trained: Run) -> None:
    source, target = trained.fields["word"], trained.fields["phones"]
    for question, answer in zip(INPUTS, trained.predict(INPUTS, n_best=3, beam=4), strict=True):
        assert answer.n_best[0]._replace(n_best=answer.n_best) == answer
        texts = [each.text for each in answer.n_best]
        assert len(texts) == len(set(texts)) == 3
        assert [each.score for each in answer.n_best] == sorted((each.score for each in answer.n_best), reverse=True)
        for each in answer.n_best:
            forced = trained.model.score(
                unspool.Ragged.from_list([source.encode(question)]),
                unspool.Ragged.from_list([target.encode(each.text)]),
                ended=each.complete,
            )
            assert math.isclose(float(forced), each.log_probability, abs_tol=1e-4)


def test_an_answer_does_not_depend_on_its_company(trained: Run) -> None:
    assert [trained.predict([each])[0].text for each in INPUTS] == [each.text for each in trained.predict(INPUTS)]
    many = [INPUTS[i % len(INPUTS)] for i in range(600)]  # several batches, sorted by length inside
    assert [each.text for each in trained.predict(many)] == [each.text for each in trained.predict(INPUTS)] * 120


def test_sampling_is_random_and_reproducible(trained: Run) -> None:
    first = [each.text for each in trained.predict(["abcde"] * 20, sample=True)]
    again = [each.text for each in runs.load(trained.folder.path).predict(["abcde"] * 20, sample=True)]
    assert first == again
    assert len(set(first)) > 5
    several = trained.predict(["abcde"], sample=True, n_best=5)[0].n_best
    assert len({each.text for each in several}) > 1
    best = [each.text for each in trained.predict(INPUTS, beam=1)]
    assert [each.text for each in trained.predict(INPUTS, sample=True, top_k=1)] == best
    assert [each.text for each in trained.predict(INPUTS, sample=True, temperature=1e-4)] == best


def test_attention_says_where_each_step_looked(trained: Run) -> None:
    for answer in trained.predict(["abcd", "e"], attention=True, beam=1):
        assert answer.attention is not None
        assert torch.allclose(answer.attention.sum(1), torch.ones(len(answer.attention)))


def test_an_unknown_way_to_decode_is_refused_with_the_nearest(trained: Run) -> None:
    with pytest.raises(RecipeError, match=r"`decode.beams` is no key; did you mean `decode.beam`"):
        trained.predict(["a"], beams=3)


def test_evaluation_counts_every_answer_to_an_input_as_right(trained: Run) -> None:
    wer, per = trained.evaluate("valid")
    assert (wer.name, per.name) == ("wer", "per")
    kept = [json.loads(line) for line in (trained.folder.predictions / "valid.jsonl").read_text().splitlines()]
    inputs = [row["input"] for row in kept]
    assert len(inputs) == len(set(inputs))
    wrong = sum(row["prediction"] not in row["references"] for row in kept)
    assert math.isclose(wer.value, 100 * wrong / len(kept))
    assert [row["prediction"] for row in kept] == [each.text for each in trained.predict(inputs)]


def test_evaluation_takes_changes(trained: Run) -> None:
    (score,) = trained.evaluate("test", ["metrics=[accuracy]", "decode.beam=1"])
    assert score.name == "accuracy"
    with pytest.raises(RunError, match="`metrics` of the recipe must name at least one to evaluate"):
        trained.evaluate("test", ["metrics=[]"])


def test_what_is_drawn_in_an_evaluation_is_drawn_by_the_seed_it_is_given(trained: Run, tmp_path: Path) -> None:
    run = copied(trained, tmp_path)

    def drawn(*changes: str) -> list[str]:
        run.evaluate("valid", ["decode.sample=true", *changes])
        kept = (run.folder.predictions / "valid.jsonl").read_text().splitlines()
        return [json.loads(line)["prediction"] for line in kept]

    assert drawn("seed=7") == drawn("decode.seed=7") == drawn("seed=3", "decode.seed=7")
    assert drawn("seed=7") != drawn() == drawn("seed=0")


def test_where_nothing_can_be_written_scores_are_told_all_the_same(
    trained: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = copied(trained, tmp_path)
    run.folder.predictions.write_text("a file in its place")
    expected = trained.evaluate("valid")
    assert run.evaluate("valid") == expected
    beside = run.baselines("valid", ["baselines=[majority]"])
    assert list(beside) == ["majority"]
    assert [message.split(":")[0] for message in caplog.messages] == [
        "predictions are not kept",
        "scores of baselines are not kept",
    ]


def test_a_part_that_there_is_not_is_refused(trained: Run, unspool_: Callable[..., Any]) -> None:
    message = unspool_("evaluate", trained.folder.path, "--part", "tset").message
    assert message == "`part` must be one that there is (train, valid, test), but is 'tset'"
    with pytest.raises(DataError):
        trained.evaluate("dev")


def stdin(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_predict_answers_stdin_and_files_in_order(
    trained: Run, unspool_: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = [answer.text for answer in trained.predict(INPUTS)]
    stdin(monkeypatch, "\n".join(INPUTS))
    assert unspool_("predict", trained.folder.path).out.splitlines() == expected
    (tmp_path / "one.txt").write_text("abc\ne\n")
    (tmp_path / "two.txt").write_text("\ndeadbe\na")
    assert unspool_("predict", trained.folder.path, "one.txt", "two.txt", "-o", "out.txt").out == ""
    assert (tmp_path / "out.txt").read_text().splitlines() == expected


def test_a_text_is_asked_as_it_is_typed(trained: Run) -> None:
    for line in ('{"word": "abc"}', r"a\nb", "abc"):
        assert trained.typed(line) == line


def test_predict_writes_json_scores_and_n_best(
    trained: Run, unspool_: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trained.predict(INPUTS, n_best=2)
    stdin(monkeypatch, "\n".join(INPUTS))
    out = unspool_("predict", trained.folder.path, "--json", "--n-best", "2").out
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["input"] for row in rows] == INPUTS
    assert [[each["text"] for each in row["predictions"]] for row in rows] == [
        [each.text for each in answer.n_best] for answer in expected
    ]
    stdin(monkeypatch, "\n".join(INPUTS))
    lines = unspool_("predict", trained.folder.path, "--scores").out.splitlines()
    assert lines == [f"{answer.score:.4f}\t{answer.text}" for answer in trained.predict(INPUTS)]
    drawn = []
    for _ in range(2):
        stdin(monkeypatch, "\n".join(INPUTS))
        drawn.append(unspool_("predict", trained.folder.path, "--temperature", "2").out)
    assert drawn[0] == drawn[1] != "\n".join(answer.text for answer in trained.predict(INPUTS)) + "\n"


def test_weights_are_plain_and_those_of_the_best_validation(trained: Run) -> None:
    saved = checkpoint.load(trained.folder.checkpoints / "best.safetensors")
    with safe_open(trained.folder.path / "model.safetensors", "pt") as file:
        for name in file.keys():  # noqa: SIM118 it is no dict
            assert torch.equal(file.get_tensor(name), saved["averaged"][name]), name
            assert not torch.equal(file.get_tensor(name), saved["weights"][name]), name


def test_the_weights_are_those_of_the_best_validation_and_not_of_the_last(words: Path, tmp_path: Path) -> None:
    run = runs.train(toy(words, "train.epochs=2", "metrics=[accuracy]", "train.metric=accuracy"), tmp_path / "run")
    best, last = (checkpoint.load(run.folder.checkpoints / f"{name}.safetensors") for name in ("best", "last"))
    assert best["step"] < last["step"]  # at first, nothing is right
    for name, weight in run.model.named_parameters():
        assert torch.equal(weight, best["averaged"][name])
        assert not torch.equal(weight, last["averaged"][name])


def test_all_that_stands_beside_an_input_is_right(trained: Run) -> None:
    rows = [("a", "A"), ("b", "B"), ("a", "A H"), ("c", "C"), ("b", "B")]
    table = Table.from_rows([{"word": word, "phones": phones} for word, phones in rows])
    asked = questions(table, trained.task)
    assert asked == (["a", "b", "c"], [["A", "A H"], ["B", "B"], ["C"]])
    assert questions(table, trained.task, limit=2) == (["a", "b"], [["A", "A H"], ["B", "B"]])
    (wer,) = scores(["wer"], ["A H", "B", "D"], asked.answers, asked.inputs, trained.task)
    assert wer.value == pytest.approx(100 / 3)
