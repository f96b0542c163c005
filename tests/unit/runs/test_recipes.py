"""What recipes can ask for: each trains, is saved, and answers from its folder as it did when it was trained."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from unit.runs.toy import MyCell, toy, write_words

from unspool import Run, runs
from unspool.data import NAMED, Split
from unspool.data.fetching import UnreachableError
from unspool.data.sources import stream_of
from unspool.engine.native import halves
from unspool.errors import FieldError, ModelError, RecipeError, RunError
from unspool.models import PlainNetwork
from unspool.runs import preparing
from unspool.runs.fitting import fit
from unspool.runs.preparing import tables_of
from unspool.training import checkpoint, read_records

INPUTS = ["abc", "e", "", "deadbe"]
SHORT = ["train.epochs=null", "train.steps=6", "metrics=[]", "train.averaging.kind=none"]


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # they are drawn, and tested, in the long one


@pytest.fixture
def train(words: Path, tmp_path: Path) -> Callable[..., Run]:
    def made(*overrides: str, name: str = "run", words: Path = words, resume: bool = False) -> Run:
        return runs.train(toy(words, *SHORT, *overrides), tmp_path / name, resume=resume)

    return made


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.folder.path / "model.safetensors")


def distance(one: Run, other: Run) -> float:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)


KINDS = {
    "plain": ["model={kind: plain, embedding_size: 16, encoder: {cell: GRU, hidden_size: 16}}"],
    "feeding": ["model.attention={kind: additive, feeding: true}"],
    "fixed vector": ["model.attention.kind=none", "model.bridge=last", "model.encoder.bidirectional=false"],
    "deep": ["model.encoder.num_layers=2", "model.decoder.num_layers=2", "model.decoder.cell=LSTM"],
    "own cell": ["model.encoder.cell=unit.runs.toy:MyCell", "model.decoder.cell=unit.runs.toy:MyCell"],
    "own model": ["model={kind: 'unit.runs.toy:mine', options: {width: 12}}"],
    "own field": ["inputs.word={kind: 'unit.runs.toy:Upper', options: {min_count: 2}}"],
    "scheduled sampling": ["train.scheduled_sampling=0.5"],
    "ema": ["train.averaging.kind=ema"],
    "last": ["train.averaging={kind: last, last: 2}", "train.validate_every=2 steps"],
    "bfloat16": ["train.precision=bfloat16"],
    "tied": ["model.tied_embeddings=true"],
    "tied and shared": ["model.tied_embeddings=true", "inputs.word.vocabulary=phones"],
    "copying": [
        "inputs.word={unit: characters, vocabulary: phones, max_length: 4}",
        "outputs.phones.unit=characters",
        "model.attention={kind: general, copying: true}",
        "decode.no_repeat_ngram=2",
    ],
    "plateau": ["train.schedule=plateau", "train.warmup=2", "train.clip=null", "train.label_smoothing=0.1"],
    "bpe": ["inputs.word={unit: bpe, size: 280}"],
    "bpe of the other's size": ["inputs.word={unit: bpe, vocabulary: phones}", "outputs.phones={unit: bpe, size: 280}"],
    "views": ["train.views={text: word, same: phones, times: 2, head: 0}", "inputs.word.lines=true"],
    "examples": ["train.tokens=null", "train.examples=7", "train.patience=1", "train.validate_every=2 steps"],
}


def test_views_are_for_training_alone(words: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, fitted = toy(words, *SHORT, *KINDS["views"]), []
    monkeypatch.setattr(
        preparing, "fit", lambda recipe, table, names: fitted.append(table) or fit(recipe, table, names)
    )
    made, own = preparing.prepared(asked), tables_of(asked)
    assert len(made.encoded["train"]) == 2 * len({row["phones"] for row in own["train"]})
    assert {table.key for table in fitted} == {own["train"].key}  # of which vocabularies are made
    assert own["train"].key == tables_of(toy(words, *SHORT))["train"].key  # and of which baselines learn


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_answers_from_its_folder_as_it_did_when_it_was_trained(kind: str, train: Callable[..., Run]) -> None:
    run = train(*KINDS[kind])
    assert run.predict(INPUTS) == runs.load(run.folder.path).predict(INPUTS)
    best = checkpoint.load(run.folder.checkpoints / "best.safetensors")
    assert len(best["averaged"]) == (len(dict(run.model.named_parameters())) if kind in ("ema", "last") else 0)
    kept = best["weights"] | best["averaged"]
    assert all(torch.equal(value, kept[name]) for name, value in run.model.named_parameters())


def test_each_kind_is_what_it_says(train: Callable[..., Run]) -> None:
    assert isinstance(train(*KINDS["plain"], name="1").model, PlainNetwork)
    own: Any = train(*KINDS["own cell"], name="2").model
    assert isinstance(own.decoder.cell.cells[1], MyCell)
    field = train(*KINDS["own field"], name="3").fields["word"]
    assert torch.equal(field.encode("abc"), field.encode("ABC"))


def test_tied_and_shared_weights_are_one_after_loading(train: Callable[..., Run]) -> None:
    for name, overrides in (("tied", KINDS["tied"]), ("shared", KINDS["tied and shared"])):
        run = train(*overrides, name=name)
        assert "output.weight" not in weights(run)
        loaded: Any = runs.load(run.folder.path).model
        assert loaded.output.weight is loaded.embedding.weight
        assert (loaded.encoder.embedding.weight is loaded.embedding.weight) == (name == "shared")
        assert torch.equal(loaded.output.weight, run.model.get_parameter("embedding.weight"))


def test_how_many_texts_a_limit_cuts_is_said(
    train: Callable[..., Run], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    capsys.readouterr()
    run = train(*KINDS["copying"])
    parts = {part: list(table.column("word")) for part, table in tables_of(run.recipe).items()}
    counts = {part: (sum(len(word) > 4 for word in words), len(words)) for part, words in parts.items()}
    said = re.findall(r"`word`, (\w+): (\d+) of (\d+) texts are cut to their first 4 units", capsys.readouterr().err)
    assert {part: (int(count), int(rows)) for part, count, rows in said} == {
        part: counts[part] for part in ("train", "valid")
    }
    caplog.clear()
    run.evaluate("test", ["metrics=[wer]"])
    asked = set(parts["test"])  # equal words are one question
    longer = sum(len(word) > 4 for word in asked)
    assert caplog.messages == [f"`word`: {longer} of {len(asked)} texts are cut to their first 4 units (`max_length`)"]
    assert [len(one.tolist()) for one in run.fields["word"].encode_many(["abcde", "ab"])] == [4, 2]
    caplog.clear()
    run.predict(["abcdef", "abc", "e"])
    assert caplog.messages == ["`word`: 1 of 3 texts are cut to their first 4 units (`max_length`)"]
    caplog.clear()
    assert run.predict(["abcdef"]) == run.predict(["abcd"])
    run.predict(["abcd"])
    assert len(caplog.messages) == 1


def test_micro_batches_change_nothing_but_rounding(train: Callable[..., Run]) -> None:
    one, two, other = train(name="1"), train("train.accumulate=2", name="2"), train("seed=1", name="3")
    assert 0 < distance(one, two) < 1e-5 < distance(one, other)


def test_the_same_recipe_gives_the_same_weights(train: Callable[..., Run]) -> None:
    assert distance(train(name="1"), train(name="2")) == 0


def test_averages_are_not_the_last_weights(train: Callable[..., Run]) -> None:
    ema, last = (train(*KINDS[kind], "train.validate_every=2 steps", name=kind) for kind in ("ema", "last"))
    reached = checkpoint.load(last.folder.checkpoints / "best.safetensors")
    before = [each["embedding.weight"] for each in reached["averages"]["last"]]
    assert len(before) == 2
    assert torch.equal(weights(last)["embedding.weight"], (before[0] + before[1]) / 2)
    assert distance(ema, last) > 0


def test_scheduled_sampling_rises_from_nothing(train: Callable[..., Run]) -> None:
    plain, sampled = train(name="1"), train("train.scheduled_sampling=1.0", name="2")
    losses = [[record["loss"] for record in read_records(run.folder.metrics)] for run in (plain, sampled)]
    assert losses[0][0] == losses[1][0]
    assert losses[0][-1] != losses[1][-1]


def test_bfloat16_computes_differently_and_keeps_float32(
    train: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halves, "pay_in_torch", lambda: True)
    exact, rough = train(name="1"), train("train.precision=bfloat16", name="2")
    assert 0 < distance(exact, rough) < 0.1
    assert {each.dtype for each in weights(rough).values()} == {torch.float32}


def test_where_bfloat16_is_no_faster_a_recipe_that_asks_for_it_trains_in_float32_and_says_so(
    train: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(halves, "pay_in_torch", lambda: False)
    exact, asked = train(name="1"), train("train.precision=bfloat16", name="2")
    assert distance(exact, asked) == 0
    said = "layers compute in float32: products in bfloat16 (`train.precision`) are no faster on this processor"
    assert "".join(capsys.readouterr()).count(said) == 1


def test_scheduled_sampling_is_refused_for_a_network_that_reads_nothing_it_wrote(train: Callable[..., Run]) -> None:
    with pytest.raises(RecipeError) as error:
        train(*KINDS["plain"], "train.scheduled_sampling=0.5")
    assert str(error.value) == (
        "`train.scheduled_sampling` must be 0 for a model that does not read its own outputs, but is 0.5, and "
        "`PlainNetwork.loss` takes no `sampling`"
    )


def test_a_model_of_ones_own_that_lacks_a_method_is_told_which(train: Callable[..., Run]) -> None:
    with pytest.raises(ModelError, match=r"`Deaf` must have a method `loss\(source, target, smoothing=…\)`"):
        train("model={kind: 'unit.runs.toy:Deaf'}")
    run = train("model={kind: 'unit.runs.toy:Mute'}", name="mute")
    with pytest.raises(ModelError, match="`Mute` must have a method `encode` to be decoded, as `EncoderDecoder` has"):
        run.predict(["a"])


def test_a_run_that_starts_from_another_says_what_it_took(
    train: Callable[..., Run], trained: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    run = train(f"train.init={trained.folder.path}", "train.steps=1", "train.learning_rate=1e-9")
    count, file = len(weights(trained)), trained.folder.path / "model.safetensors"
    assert f"loaded {count} of {count} tensors from `{file}`\n" in capsys.readouterr().err
    assert distance(run, trained) < 1e-6
    train(f"train.init={trained.folder.path}", "model.decoder.hidden_size=20", name="wider")
    said = capsys.readouterr().err
    assert "  as before: `decoder.cell.cells.1.weight_input`, (48, 16) in the file, (60, 16) here\n" in said


def test_a_tied_weight_counts_as_taken(train: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    tied = train(*KINDS["tied"])
    train(*KINDS["tied"], f"train.init={tied.folder.path}", name="next")
    assert "not in the file" not in capsys.readouterr().err


def test_ids_mean_the_same_in_a_run_that_starts_from_another(
    train: Callable[..., Run], trained: Run, tmp_path: Path
) -> None:
    others = write_words(tmp_path / "others.tsv", letters="edzzz", seed=1)
    run = train(f"train.init={trained.folder.path}", words=others)
    assert run.fields["word"].to_json() == trained.fields["word"].to_json()
    anew = train(f"train.init={trained.folder.path}", "inputs.word.min_count=2", words=others, name="anew")
    assert anew.fields["word"].to_json() != trained.fields["word"].to_json()
    assert anew.fields["phones"].to_json() == trained.fields["phones"].to_json()


def test_a_start_that_is_not_there_leaves_no_folder(train: Callable[..., Run], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="must be a file of weights to start from, but there is none"):
        train(f"train.init={tmp_path / 'nowhere'}")
    assert not (tmp_path / "run").exists()


def test_a_field_that_refuses_its_column_leaves_no_folder(train: Callable[..., Run], tmp_path: Path) -> None:
    with pytest.raises((FieldError, RecipeError), match="size"):
        train("inputs.word={unit: bpe, size: 5}")
    assert not (tmp_path / "run").exists()


def test_limits_may_move_on_resuming(train: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    constant = "train.schedule=constant"  # others follow the limits
    train(constant)
    longer = train(constant, "train.steps=9", resume=True)
    assert distance(longer, train(constant, "train.steps=9", name="at once")) == 0
    assert [record["step"] for record in read_records(longer.folder.metrics)] == list(range(1, 10))


def test_nothing_else_may_move_on_resuming(train: Callable[..., Run], tmp_path: Path) -> None:
    run = train()
    before = {file: file.read_bytes() for file in run.folder.path.rglob("*") if file.is_file()}
    with pytest.raises(RunError) as error:
        train("train.learning_rate=1e-3", "model.encoder.cell=LSTM", resume=True)
    assert str(error.value) == (
        f"`--resume` must find the recipe that `{tmp_path / 'run'}` began with, but `model.encoder.cell` is 'LSTM' and "
        "was 'GRU', `train.learning_rate` is 0.001 and was 0.01; use "
        f"`{tmp_path / 'run' / 'recipe.yaml'}`, or start a new run from its weights with "
        f"`train.init={tmp_path / 'run'}`"
    )
    assert {file: file.read_bytes() for file in run.folder.path.rglob("*") if file.is_file()} == before


def test_other_data_are_refused_on_resuming_and_moved_ones_are_not(train: Callable[..., Run], tmp_path: Path) -> None:
    words = write_words(tmp_path / "words.tsv")
    run = train(words=words)
    text = words.read_text()
    (tmp_path / "moved").mkdir()
    shutil.copy(words, words.with_suffix(".copy"))
    shutil.move(words.with_suffix(".copy"), words)  # of another time
    train(words=words, resume=True)
    words.write_text(text.replace("\tA B", "\tB A"))
    with pytest.raises(RunError) as error:
        train(words=words, resume=True)
    assert str(error.value) == (
        f"`data` must be what `{run.folder.path}` began with to go on with it, but `{words}` was changed since; bring "
        f"that back, or start a new run from its weights with `train.init={run.folder.path}`"
    )


def test_a_source_that_falls_back_is_refused_on_resuming(
    train: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (write_words(tmp_path / f"{seed}.tsv", seed=seed) for seed in range(2))

    def named(path: Path) -> Any:
        split = Split(by="word", valid=0.1, test=0.1)
        known = NAMED["cmudict"]
        return known._replace(streams=lambda columns: {"train": stream_of(path)}, split=split)

    def unreachable(columns: Any) -> Any:
        raise UnreachableError("`one` can't be fetched")

    monkeypatch.setitem(NAMED, "one", named(one))
    monkeypatch.setitem(NAMED, "two", named(two))
    data = ["data={source: [one, two]}"]
    train(*data)
    train(*data, resume=True)
    monkeypatch.setitem(NAMED, "one", NAMED["one"]._replace(streams=unreachable))
    with pytest.raises(RunError, match=f"but it began with `{one}`, and this is `{two}`; bring that back"):
        train(*data, resume=True)
