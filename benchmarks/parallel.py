"""Data-parallel training: how exact it is, and how much faster.

    python benchmarks/parallel.py exact translate data.path=FOLDER [--steps 50]
    python benchmarks/parallel.py scaling [--steps 20] [--rounds 9] [--tokens 4000] [--micro-batches 1]
                                            [--sharing "equal cost"]

`exact` takes the first steps of a recipe with 1, 2 and 3 ranks and with 1, 2 and 4 micro-batches, dropout on, in
float32 and in float64, and shows how far losses and the first gradients are from those of one process that takes each
batch at once: max‖Δ‖/‖reference‖. Beside it stands what is usual, the mean over ranks of each rank's mean, on the same
batches, under the weights after these steps.

`scaling` has 1 and 2 processes of one thread each train the same network, equal tokens for each process: the tokens a
second of both over those of one, in turns, since a machine is not always as fast. Beside them stand two that know
nothing of each other: what two cores can do together. Batches are shared out at equal cost, and, as is usual, by equal
numbers of sequences in random order. On an idle machine with as many cores as processes.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import table

from unspool import Ragged, data, models, parallel, randomness, recipes
from unspool.data import Batch, Order
from unspool.runs.preparing import Prepared, fields_of, prepared
from unspool.runs.training import trainer_of
from unspool.tasks import SequenceObjective
from unspool.training import Limits, Trainer, adamw
from unspool.training.allocation import keep_freed
from unspool.training.optimisation import Schedule

RANKS, MICRO_BATCHES = (1, 2, 3), (1, 2, 4)
SHARING = ("equal cost", "equal number")


def launched(ranks: int, job: dict[str, Any]) -> Any:
    """What rank 0 of so many processes found for a job."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "found.pt"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
        command += [__file__, "rank", json.dumps({**job, "path": str(path)})]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        return torch.load(path, weights_only=True)


def rank(job: dict[str, Any]) -> None:
    """One of these processes."""
    with parallel.joined() as group:
        found = exact_steps(job)
        if group.first:
            torch.save(found, job["path"])


# ---- exact ----


def recipe_of(job: dict[str, Any]) -> Prepared:
    recipe = recipes.load(job["recipe"], [*job["overrides"], "train.precision=float32", f"train.steps={job['steps']}"])
    return parallel.current().after_first(lambda: prepared(recipe, fields_of(None, recipe)))


class Seen:
    """Keeps each step's loss, and the gradients of the first one."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.losses = trainer, list[float]()
        self.gradients: dict[str, torch.Tensor] = {}

    def begin(self, step: int) -> None:
        pass

    def step(self, record: dict[str, Any]) -> None:
        self.losses.append(record["loss"])
        if not self.gradients:
            self.gradients = gradients_of(self.trainer.model)

    def end(self) -> None:
        pass


def gradients_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}


def exact_steps(job: dict[str, Any]) -> dict[str, Any]:
    """By dtype and micro-batches: the losses, and the gradients of the first step."""
    found = {}
    for dtype in ("float32", "float64"):
        for accumulate in MICRO_BATCHES:
            made = recipe_of(job)
            made.model.to(getattr(torch, dtype))
            trainer = trainer_of(made, None)
            seen = Seen(trainer)
            trainer.accumulate, trainer.clip, trainer.validation, trainer.observers = accumulate, None, None, [seen]
            trainer.run()
            found[f"{dtype}, {accumulate}"] = {"losses": seen.losses, "gradients": seen.gradients}
            if parallel.current().size == 1 and accumulate == 1:
                found[f"{dtype}, usual"] = {n: mean_of_means(made, n, job["steps"]) for n in RANKS[1:]}
    return found


def mean_of_means(made: Prepared, ranks: int, steps: int) -> dict[str, Any]:
    """What so many ranks give of which each divides by its own tokens, beside what is right: the losses of the first
    batches, and the gradients of the first, under the weights as they are.

    A rank has as many examples as another, at random.
    """
    objective = made.task.objective(made.model)
    found: dict[str, Any] = {"losses": [], "right": []}
    for step, (_, batch) in zip(range(steps), made.batches((0, 0)), strict=False):
        assert batch is not None
        rows = torch.randperm(batch.batch_size, generator=torch.Generator().manual_seed(step)).tensor_split(ranks)
        parts = [batch.select(part) for part in rows if len(part)]
        with randomness.using(seed=made.recipe.seed, step=step):
            sums = [objective.totals(part)["tokens"] for part in parts]
        weights = [objective.weights(part)["tokens"] for part in parts]
        usual = torch.stack([total / weight for total, weight in zip(sums, weights, strict=True)]).mean()
        right = torch.stack(sums).sum() / sum(weights)
        if step == 0:
            for name, loss in (("gradients", usual), ("right gradients", right)):
                made.model.zero_grad()
                loss.backward(retain_graph=True)
                found[name] = gradients_of(made.model)
        found["losses"].append(float(usual.detach()))
        found["right"].append(float(right.detach()))
    return found


def furthest(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> float:
    """max‖Δ‖/‖reference‖ over tensors, but for those whose gradient is nothing but rounding."""
    largest = max(float(each.norm()) for each in theirs.values())
    kept = [name for name, each in theirs.items() if float(each.norm()) > 1e-5 * largest]
    return max(float((ours[name] - theirs[name]).norm() / theirs[name].norm()) for name in kept)


def worst(ours: list[float], theirs: list[float]) -> float:
    return max(abs(one - other) / abs(other) for one, other in zip(ours, theirs, strict=True))


def row_of(how: str, dtype: str, each: dict[str, Any], gradients: dict[str, torch.Tensor]) -> dict[str, Any]:
    """How far from what is right."""
    losses = worst(each["losses"], each["right"])
    return {"how": how, "dtype": dtype, "losses": losses, "gradients": furthest(each["gradients"], gradients)}


def exact(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    job = {name: getattr(arguments, name) for name in ("recipe", "overrides", "steps")}
    found = {ranks: launched(ranks, job) for ranks in RANKS}
    rows = []
    for dtype in ("float32", "float64"):
        whole = found[1][f"{dtype}, 1"]
        for ranks in RANKS:
            for accumulate in MICRO_BATCHES:
                each = found[ranks][f"{dtype}, {accumulate}"] | {"right": whole["losses"]}
                rows.append(row_of(f"{ranks} ranks, {accumulate} micro-batches", dtype, each, whole["gradients"]))
        for ranks, each in found[1][f"{dtype}, usual"].items():
            rows.append(row_of(f"{ranks} ranks, mean of means", dtype, each, each["right gradients"]))
    cells = [[row["how"], row["dtype"], f"{row['losses']:.1e}", f"{row['gradients']:.1e}"] for row in rows]
    print(table(["how", "dtype", "losses", "gradients"], cells))
    return rows


# ---- scaling ----


def drawn(job: dict[str, Any], sharing: str, cursor: tuple[int, int]) -> Iterator[tuple[tuple[int, int], Batch | None]]:
    """Pairs of texts whose lengths are drawn as those of sentences, in batches of so many tokens for each rank."""
    group = parallel.current()
    chance = np.random.default_rng(0)
    lengths = np.clip(chance.lognormal(2.5, 0.6, (2, 40_000)), 1, 100).astype(np.int64)
    order = Order(list(lengths), tokens=job["tokens"] * group.size, pool=100 if sharing == "equal cost" else 1)
    for after, rows in order.from_cursor(cursor):
        if sharing == "equal cost":
            own = rows[data.shares(order.cost(rows), group.size)[group.rank]]
        else:
            own = np.array_split(np.random.default_rng(int(rows[0])).permutation(rows), group.size)[group.rank]
        ids = torch.from_numpy(own)
        columns = {
            name: Ragged(torch.randint(3, 2000, (int(each[own].sum()),)), each[own], ids)
            for name, each in zip(("source", "target"), lengths, strict=True)
        }
        yield (after.epoch, after.batch), Batch(columns, ids) if len(own) else None


def pace(job: dict[str, Any]) -> None:
    """One of the processes of `scaling`: at each line of its input, some steps; rank 0 says how many tokens a second
    all ranks together got through."""
    torch.set_num_threads(1)
    keep_freed()
    with parallel.joined() as group:
        torch.manual_seed(0)
        model = models.encoder_decoder(2000, 2000, embedding_size=256, hidden_size=256)
        objective = SequenceObjective(model, lambda batch: batch["source"], "target")
        trainer = Trainer(
            model, objective, lambda cursor: iter(()), adamw(model), Schedule(), Limits(steps=10**6), validation=None,
            accumulate=job["micro_batches"],
        )  # fmt: skip
        batches = {sharing: drawn(job, sharing, (0, 0)) for sharing in SHARING}
        for line in sys.stdin:
            tokens, began = 0.0, time.perf_counter()
            for _ in range(job["steps"]):
                _, batch = next(batches[line.strip()])
                with randomness.using(seed=0, step=trainer.step):
                    trainer.advance(batch)
                trainer.step += 1
                tokens += batch.tokens if batch is not None else 0
            (tokens,) = group.sum([tokens])
            if group.first:
                print(tokens / (time.perf_counter() - began), flush=True)


class Team:
    """Processes that train together, and rest until they are asked."""

    def __init__(self, ranks: int, job: dict[str, Any]) -> None:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = str(free.getsockname()[1])
        place = {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "WORLD_SIZE": str(ranks), "OMP_NUM_THREADS": "1"}
        self.processes = [
            subprocess.Popen(
                [sys.executable, __file__, "pace", json.dumps(job)],
                env={**os.environ, **place, "RANK": str(rank), "UNSPOOL_TIMEOUT": "3600"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(ranks)
        ]

    def ask(self, sharing: str) -> None:
        for process in self.processes:
            assert process.stdin is not None
            print(sharing, file=process.stdin, flush=True)

    def told(self) -> float:
        """Tokens a second."""
        assert self.processes[0].stdout is not None
        return float(self.processes[0].stdout.readline())

    def end(self) -> None:
        for process in self.processes:
            process.communicate(timeout=60)


def scaling(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    job = {name: getattr(arguments, name) for name in ("steps", "tokens", "micro_batches")}
    together = {"1 process": [Team(1, job)], "2 processes": [Team(2, job)]}
    alone = [*together["1 process"], Team(1, job)]  # nothing to share but the machine
    teams = {**together, "2 that share nothing": alone}
    found: dict[tuple[str, str], list[float]] = {}
    for turn in range(arguments.rounds + 1):
        for sharing in arguments.sharing:
            for name, each in teams.items():
                for team in each:
                    team.ask(sharing)
                told = sum(team.told() for team in each)
                if turn:  # the first one compiles, and fills caches
                    found.setdefault((name, sharing), []).append(told)
    for team in {id(team): team for each in teams.values() for team in each}.values():
        team.end()
    rows = []
    for sharing in arguments.sharing:
        for name in teams:
            each = found[name, sharing]
            over = [ours / one for ours, one in zip(each, found["1 process", sharing], strict=True)]
            rows.append({"sharing": sharing, "processes": name, "tokens a second": statistics.median(each),
                         "ratio": statistics.median(over), "ratios": [min(over), max(over)]})  # fmt: skip
    cells = [
        [row["sharing"], row["processes"], f"{row['tokens a second']:,.0f}", f"{row['ratio']:.2f}",
         "{:.2f} to {:.2f}".format(*row["ratios"])]
        for row in rows
    ]  # fmt: skip
    print(table(["shared out by", "processes", "tokens/s", "over 1", "rounds"], cells))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("exact")
    one.add_argument("recipe")
    one.add_argument("overrides", nargs="*")
    one.add_argument("--steps", type=int, default=50)
    other = kinds.add_parser("scaling")
    other.add_argument("--steps", type=int, default=20)
    other.add_argument("--rounds", type=int, default=9)
    other.add_argument("--tokens", type=int, default=4000, help="of a batch, for each process")
    other.add_argument("--micro-batches", type=int, default=1, help="that each process cuts its share of a batch into")
    other.add_argument("--sharing", nargs="+", choices=SHARING, default=SHARING, help="how batches are shared out")
    for each in (one, other):
        each.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = (exact if arguments.kind == "exact" else scaling)(arguments)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["rank"]:
        rank(json.loads(sys.argv[2]))
    elif sys.argv[1:2] == ["pace"]:
        pace(json.loads(sys.argv[2]))
    else:
        main()
