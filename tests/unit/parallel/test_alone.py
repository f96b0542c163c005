"""A process alone, and what is refused before there are several."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher import api

from unspool import code, parallel
from unspool.errors import DataError, ParallelError
from unspool.parallel import Group, launching


def test_alone_everything_is_ones_own() -> None:
    with parallel.joined() as group:
        assert (group.rank, group.size, group.first) == (0, 1, True)
        assert group is parallel.current()
    assert group.each(str.upper, "ab") == ["A", "B"]
    assert (group.sum([0.1, 2]), group.gathered("x"), group.told("x")) == ([0.1, 2], ["x"], "x")
    assert (group.once(lambda: 3), group.after_first(lambda: 4)) == (3, 4)
    group.check_same({"a": 1})
    with pytest.raises(DataError, match="no"):
        group.once(refuse)


def refuse() -> None:
    raise DataError("no")


def test_what_rank_0_does_alone_is_for_itself() -> None:
    several = Group(0, 3, torch.device("meta"))
    with parallel.group.using(several):  # type: ignore[attr-defined]
        with parallel.alone() as group:
            assert (group.size, group.device) == (1, several.device)
        assert parallel.current() is several


@pytest.fixture
def _two_started(monkeypatch: pytest.MonkeyPatch) -> None:
    place = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    for name, value in place.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_two_started")
def test_another_number_than_torchrun_has_started_is_refused() -> None:
    assert parallel.started()
    with pytest.raises(ParallelError) as error, parallel.joined(3):
        pass
    assert str(error.value) == "`--devices` must be 2, as many as `torchrun` has started, but is 3; omit it"


@pytest.mark.usefixtures("_two_started")
@pytest.mark.parametrize("seconds", ["soon", "0", "-1", "nan"])
def test_a_timeout_is_a_number(seconds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSPOOL_TIMEOUT", seconds)
    with pytest.raises(ParallelError) as error, parallel.joined():
        pass
    assert str(error.value) == f"`UNSPOOL_TIMEOUT` must be a number of seconds above 0, but is {seconds!r}"


@pytest.mark.usefixtures("_two_started")
def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ParallelError) as error, parallel.joined():
        pass
    assert str(error.value) == (
        "`--nproc-per-node` must be at most the 1 GPUs of this machine, but there is a process 2; start fewer, or set "
        "CUDA_VISIBLE_DEVICES= to compute on the CPU"
    )


@pytest.mark.usefixtures("_two_started")
def test_who_meets_nobody_says_so_within_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSPOOL_TIMEOUT", "1")
    with pytest.raises(ParallelError) as error, parallel.joined():
        pass
    assert str(error.value).startswith("`rank 1` must meet all 2 ranks at localhost:1 within 1 s, but did not (")
    assert str(error.value).endswith("); see whether all were started and can reach that address")
    logging.getLogger("unspool").setLevel(logging.NOTSET)


def test_more_devices_than_there_are_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "devices_here", lambda: (2, "cores"))
    with pytest.raises(ParallelError) as error:
        parallel.launch(3, [])
    assert str(error.value) == (
        "`--devices` must be from 1 to 2, the cores that this process may use, but is 3; "
        "`torchrun --nproc-per-node=N -m unspool …` starts more processes than that on CPUs"
    )


def failed(code: int) -> ChildFailedError:
    return ChildFailedError("unspool", {1: ProcessFailure(local_rank=1, pid=7, exitcode=code, error_file="none")})


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(None, 0), (SignalException("ended", sigval=2), 0), (failed(2), 2)],  # type: ignore[arg-type]
)
def test_the_exit_code_is_that_of_the_processes(
    outcome: Exception | None, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = replaced(monkeypatch, outcome)
    assert parallel.launch(1, ["train", "x"]) == code
    assert started == [("-m", "unspool", "train", "x")]


def test_a_rank_that_was_killed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(monkeypatch, failed(-9))
    with pytest.raises(ParallelError) as error:
        parallel.launch(1, [])
    assert str(error.value) == (
        "`rank 1` must live until all are done, but was ended by SIGKILL; what was saved is whole: "
        "go on with `--resume`"
    )


def replaced(monkeypatch: pytest.MonkeyPatch, outcome: Exception | None) -> list[Any]:
    """Have PyTorch's launcher start nothing, and end so; returns what it was asked to start."""
    asked: list[Any] = []

    def launcher(config: Any, entry: str) -> Callable[..., None]:
        def run(*arguments: str) -> None:
            asked.append(arguments)
            if outcome is not None:
                raise outcome

        return run

    monkeypatch.setattr(api, "elastic_launch", launcher)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return asked


def test_the_code_has_a_name_of_its_own() -> None:
    assert code.digest() == code.digest()
    assert len(code.digest()) == 12
