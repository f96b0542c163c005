"""Two and three ranks take the steps that one process takes, say the same, and do not wait for who is gone."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from distributed import rank as script
from distributed.small import SOME, STEPS, shared, trainer, watched

from unspool import engine, randomness
from unspool.data import Batch
from unspool.training import checkpoint

SIZES = {2: "killed", 3: "still"}  # and what becomes of the last rank


class Found(NamedTuple):
    ranks: dict[int, list[dict[str, Any]]]
    codes: dict[int, list[int]]
    errors: str


def start(size: int, folder: Path) -> list["subprocess.Popen[str]"]:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    place = {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "WORLD_SIZE": str(size), "UNSPOOL_TIMEOUT": "20"}
    return [
        subprocess.Popen(
            [sys.executable, script.__file__, str(folder), SIZES[size]],
            env={**os.environ, **place, "RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What two ranks and three ranks gave, side by side."""
    folder = tmp_path_factory.mktemp("ranks")
    started = {size: start(size, folder) for size in SIZES}
    errors, codes = "", {}
    try:
        for size, processes in started.items():
            for process in processes[: size - 1]:
                errors += process.communicate(timeout=300)[1]
    finally:
        for size, processes in started.items():
            processes[-1].kill()  # the one that stands still
            for process in processes:
                process.wait(timeout=60)
                assert process.stderr is not None
                process.stderr.close()
            codes[size] = [process.returncode for process in processes]
    assert all(code == 0 for each in codes.values() for code in each[:-1]), errors
    ranks = {
        size: [checkpoint.load(folder / f"rank-{rank}-of-{size}.safetensors") for rank in range(size - 1)]
        for size in SIZES
    }
    return Found(ranks, codes, errors)


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    """What one process gives, each batch at once."""
    with engine.using("handwritten"):
        return {"float32": watched(torch.float32, 1), "float64": watched(torch.float64, 1)}


def off(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.norm().clamp(min=1e-30))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("case", "within"), [("float32 1", 1e-6), *((f"float64 {n}", 1e-10) for n in (1, 2, 4))])
def test_losses_and_gradients_are_those_of_one_process(
    size: int, case: str, within: float, found: Found, alone: dict[str, Any]
) -> None:
    ours, whole = found.ranks[size][0]["exact"][case], alone[case.split()[0]]
    assert len(ours["losses"]) == (STEPS if case.endswith(" 1") else SOME)
    assert ours["losses"] == pytest.approx(whole.losses[: len(ours["losses"])], rel=within)
    assert ours["gradients"].keys() == whole.gradients.keys()
    assert max(off(ours["gradients"][name], each) for name, each in whole.gradients.items()) < within
    assert ours["empty"] > 0  # some rank had nothing to do in some step


def test_a_mean_of_means_is_another_number() -> None:
    made = trainer()
    batch = next(each for _, each in shared((0, 0)) if each is not None and each.batch_size > 2)

    def mean(part: Batch) -> float:
        return float(made.objective.totals(part)["tokens"].detach()) / made.objective.weights(part)["tokens"]

    with engine.using("handwritten"), randomness.using(seed=3, step=0):
        whole = mean(batch)
        means = [mean(batch.select(rows)) for rows in torch.arange(batch.batch_size).tensor_split(2)]
    assert abs(sum(means) / 2 - whole) / whole > 1e-3


@pytest.mark.parametrize("size", SIZES)
def test_the_same_number_of_ranks_gives_the_same_bits(size: int, found: Found) -> None:
    exact = found.ranks[size][0]["exact"]
    assert exact["again"]["losses"] == exact["float32 1"]["losses"][:SOME]
    gradients = exact["float32 1"]["gradients"]
    assert all(torch.equal(each, gradients[name]) for name, each in exact["again"]["gradients"].items())


@pytest.mark.parametrize("size", SIZES)
def test_resumed_is_undisturbed_on_all_ranks(size: int, found: Found) -> None:
    for rank in found.ranks[size]:
        whole, cut = rank["resumed"]["whole"]["weights"], rank["resumed"]["cut"]["weights"]
        assert all(torch.equal(each, cut[name]) for name, each in whole.items())
    drawn = [tuple(rank["resumed"]["cut"]["random"].tolist()) for rank in found.ranks[size]]
    for number, numbers in enumerate(drawn):  # each rank goes on from its own generators
        torch.manual_seed(100 * number + 1)
        torch.rand(3)
        assert numbers == tuple(torch.rand(2).tolist())


@pytest.mark.parametrize("size", SIZES)
def test_ranks_share_and_tell(size: int, found: Found) -> None:
    for number, rank in enumerate(found.ranks[size]):
        shared = rank["sharing"]
        assert shared["each"] == [n * n for n in range(7)]
        assert shared["calls"] == list(range(7))[number::size]
        assert shared["sum"] == pytest.approx([0.1 * sum(range(1, size + 1)), size])
        assert (shared["told"], shared["gathered"]) == ("by 0", list(range(size)))
        assert (shared["after first"], shared["nothing"]) == (number, [])


@pytest.mark.parametrize("size", SIZES)
def test_a_mistake_is_told_by_all_ranks_alike(size: int, found: Found) -> None:
    mistakes = [rank["mistakes"] for rank in found.ranks[size]]
    assert all(each == mistakes[0] for each in mistakes)
    assert mistakes[0]["same"] == (
        f"ParallelError: `recipe.train.tokens` must be the same on all {size} ranks, but is 60 on rank 0 and 61 on "
        "rank 1; start all with the same command and the same code"
    )
    assert mistakes[0]["once"] == "DataError: `data` must be there, but is not"
    assert mistakes[0]["normalised"] == (
        f"TrainingError: `0` must not normalise over a batch on {size} ranks, since a step would then depend on how it "
        "is shared out, but is a BatchNorm1d; use `nn.GroupNorm` or `nn.LayerNorm`"
    )
    assert mistakes[0]["no number"].startswith("TrainingError: `loss` must be a finite number, but is nan at step ")


def test_who_is_killed_is_missed_at_once(found: Found) -> None:
    (rank,) = found.ranks[2]
    assert found.codes[2] == [0, -signal.SIGKILL]
    assert rank["lost"].startswith("ParallelError: `rank 0` must hear from all 2 ranks, but one of them is gone (")
    assert rank["lost"].endswith("); see what it said last; what was saved is whole: go on with `--resume`")


def test_who_stands_still_is_missed_within_the_timeout(found: Found) -> None:
    for number, rank in enumerate(found.ranks[3]):
        assert rank["lost"].startswith(f"ParallelError: `rank {number}` must hear from all 3 ranks")
    assert any("within 20 s, but has not (" in rank["lost"] for rank in found.ranks[3])
