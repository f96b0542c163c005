"""A checkpoint is whole or not at all, and says so."""

import errno
import json
import os
import pickletools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from unit.training.toy import differing, everything, trainer

from unspool.errors import RunError, TrainingError
from unspool.training import Limits, MetricsFile, checkpoint, load_weights

CONTENT = {
    "tensors": {
        "a": torch.randn(3, 4).T,
        "b": torch.tensor(True),
        "c": torch.zeros(0, 2),
        "d": torch.randn(5).bfloat16(),
    },
    7: ("a tuple", [1, 2.5, None, True], {"text": "é ⁇", "infinite": float("-inf"), "exact": 0.1}),
}


def same(left: Any, right: Any) -> bool:
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return type(left) is type(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    checkpoint.save(CONTENT, tmp_path / "new" / "last.safetensors")
    assert same(checkpoint.load(tmp_path / "new" / "last.safetensors"), CONTENT)
    assert os.listdir(tmp_path / "new") == ["last.safetensors"]


def test_numbers_of_numpy_are_numbers_and_tied_weights_are_written_once(tmp_path: Path) -> None:
    tied = torch.randn(1000)
    checkpoint.save({"one": tied, "other": tied.detach(), "number": np.float64(0.5)}, tmp_path / "x")
    loaded = checkpoint.load(tmp_path / "x")
    assert torch.equal(loaded["one"], tied)
    assert torch.equal(loaded["other"], tied)
    assert loaded["number"] == 0.5
    assert (tmp_path / "x").stat().st_size < 6000


def test_what_is_no_number_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="a checkpoint holds tensors and what JSON knows, but was given a PosixPath"):
        checkpoint.save({"path": tmp_path}, tmp_path / "x")
    assert not os.listdir(tmp_path)


def test_a_checkpoint_holds_no_pickle(tmp_path: Path) -> None:
    trainer(tmp_path, limits=Limits(steps=1)).run()
    content = (tmp_path / "last.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    json.loads(content[8 : 8 + size])
    with pytest.raises(ValueError, match="opcode"):
        list(pickletools.genops(content))


@pytest.mark.parametrize("keep", [0, 1, 7, 100, 0.5, -1])
def test_a_truncated_checkpoint_names_the_other_one(tmp_path: Path, keep: float) -> None:
    trainer(tmp_path, limits=Limits(steps=6)).run()
    last, best = tmp_path / "last.safetensors", tmp_path / "best.safetensors"
    content = last.read_bytes()
    last.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    (tmp_path / "previous.safetensors").unlink()
    with pytest.raises(RunError) as error:
        trainer(tmp_path).run(resume=True)
    assert str(error.value).startswith(f"`{last}` must be a whole checkpoint, but can't be read (")
    step = checkpoint.load(best)["step"]
    assert str(error.value).endswith(f"; `{best}` (step {step}) is whole: resume from it")
    resumed = trainer(tmp_path, limits=Limits(steps=6))
    resumed.run(resume=best)
    whole = trainer(limits=Limits(steps=6))
    whole.run()
    assert differing(everything(whole), everything(resumed)) == []


def test_where_the_last_one_is_broken_the_one_before_it_takes_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer(tmp_path, limits=Limits(steps=6)).run()
    last, previous = tmp_path / "last.safetensors", tmp_path / "previous.safetensors"
    assert (checkpoint.load(last)["step"], checkpoint.load(previous)["step"]) == (6, 5)
    last.write_bytes(last.read_bytes()[:-1])
    resumed, whole = trainer(tmp_path, limits=Limits(steps=6)), trainer(limits=Limits(steps=6))
    resumed.run(resume=True)
    whole.run()
    assert differing(everything(whole), everything(resumed)) == []
    (said,) = caplog.messages
    assert said.startswith(f"`{last}` must be a whole checkpoint, but can't be read (")
    assert said.endswith(f"; going on from `{previous}`, step 5")
    assert (checkpoint.load(last)["step"], checkpoint.load(previous)["step"]) == (6, 5)  # the broken one is not kept


def test_where_all_are_broken_none_is_named(tmp_path: Path) -> None:
    for name in ("last.safetensors", "previous.safetensors", "best.safetensors"):
        (tmp_path / name).write_bytes(b"no checkpoint")
    with pytest.raises(RunError, match=r"; there is no other one beside it: start again, without resuming$"):
        trainer(tmp_path).run(resume=True)


def test_no_flipped_bit_goes_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    trainer(tmp_path, limits=Limits(steps=1), validation=None).run()
    (tmp_path / "previous.safetensors").unlink()
    content = path.read_bytes()
    for position in np.random.default_rng(0).integers(0, len(content), 150):
        flipped = bytearray(content)
        flipped[position] ^= 4
        path.write_bytes(flipped)
        with pytest.raises(RunError, match=r"^`.*last.safetensors` must be .*"):
            checkpoint.load(path)
    with pytest.raises(RunError, match=r"; there is no other one beside it: start again, without resuming$"):
        checkpoint.load(path)


def test_changed_numbers_are_noticed_in_either_part(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    checkpoint.save({"step": 123456, "weight": torch.arange(1000.0)}, path)
    content = path.read_bytes()
    for old, new in [(b"123456", b"123457"), (struct.pack("<f", 999), struct.pack("<f", 998))]:
        assert content.count(old) == 1
        path.write_bytes(content.replace(old, new))
        with pytest.raises(RunError, match="must be as it was written, but its checksum differs; there is no other"):
            checkpoint.load(path)


def test_none_and_later_formats_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.safetensors"
    with pytest.raises(RunError) as error:
        trainer(tmp_path).run(resume=True)
    assert str(error.value) == (
        f"`{path}` must be a checkpoint, but there is no such file; there is no other one beside it: "
        "start again, without resuming"
    )
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    checkpoint.save({}, path)
    monkeypatch.undo()
    with pytest.raises(RunError) as error:
        checkpoint.load(path)
    assert str(error.value) == (
        f"`{path}` must be a checkpoint of format 1, but is of 2; read it with the version of unspool that wrote it"
    )


def full(monkeypatch: pytest.MonkeyPatch, name: str, after: int) -> None:
    """The disk is full at the so-and-so-many-th call of `os.fsync`, or writing fails with what a quota says."""
    original, left = os.fsync, [after]

    def failing(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))
        original(descriptor)

    monkeypatch.setattr(os, "fsync", failing)


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EIO"])
def test_a_full_disk_loses_no_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with monkeypatch.context() as patch:
        full(patch, name, after=8)
        with pytest.raises(RunError) as error:
            trainer(tmp_path).run()
    message = str(error.value)
    path = message.split("`")[1]
    reason = {"EIO": "it can't be (Input/output error)"}.get(name, "the disk is full")
    action = {"EIO": "see to the folder"}.get(name, "free some space")
    assert message.startswith(f"`{path}` must be written (0.")
    assert message.endswith(
        f" MB), but {reason}; nothing written earlier is lost: {action}, then resume from the last checkpoint"
    )
    assert sorted(os.listdir(tmp_path)) == ["best.safetensors", "last.safetensors", "previous.safetensors"]
    whole, resumed = trainer(), trainer(tmp_path)
    resumed.run(resume=True)
    whole.run()
    assert differing(everything(whole), everything(resumed)) == []


def test_a_disk_that_is_really_full_is_named(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    (tmp_path / "last.safetensors.partial").symlink_to("/dev/full")
    with pytest.raises(RunError, match="the disk is full; nothing written earlier is lost: free some space"):
        checkpoint.save(CONTENT, tmp_path / "last.safetensors")
    assert not os.listdir(tmp_path)
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    log = MetricsFile(tmp_path / "metrics.jsonl")
    log._file = open("/dev/full", "a")  # noqa: SIM115
    with pytest.raises(RunError, match=r"metrics.jsonl` must be written, but the disk is full"):
        log.step({"step": 1})
    with pytest.raises(RunError, match="the disk is full"):
        log.end()


def test_a_folder_that_can_not_be_written_is_known_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"must be written \(0\.\d MB\), but it can't be \("):
        trainer(tmp_path / "file").run()


def test_weights_are_loaded_as_they_were_validated(tmp_path: Path) -> None:
    ours = trainer(tmp_path)
    ours.run()
    fresh = trainer().model
    assert load_weights(tmp_path / "last.safetensors", fresh) == 23
    for name, average in ours.averages.weights().items():
        assert torch.equal(dict(fresh.named_parameters())[name], average)
    with pytest.raises(RunError, match="must be a checkpoint of this model, but is of another"):
        load_weights(tmp_path / "last.safetensors", torch.nn.Linear(2, 2))


def test_errors_of_training_leave_the_checkpoints(tmp_path: Path) -> None:
    def failing(model: Any) -> dict[str, float]:
        raise TrainingError("no")

    ours = trainer(tmp_path)
    ours.validation = type(ours.validation)(failing)  # type: ignore[misc]
    with pytest.raises(TrainingError):
        ours.run()
    assert checkpoint.load(tmp_path / "last.safetensors")["step"] == 0
