"""Training from files of sounds and clips, against the same data decoded in memory: what reading costs.

    python benchmarks/media.py --sounds FSDD --clips GRID/mpg [--epochs 3] [--anew] [--memory] [--json FILE]

FSDD is the folder that holds `recordings/7_jackson_32.wav`, …, for the recipe `transcribe`; GRID/mpg one of clips such
as `bbaf2n.mpg`, for `actions`: which of four commands is said, its first letter. Either may be left out.

    files      what training does: files are encoded once into arrays on disk, from which every batch is read
    decoded    a list of the same examples as tensors in memory, from which every batch is put together
    anew       (`--anew`) every file is read and decoded again for its batch, in this process

All train one model on the same batches, an epoch each in turn, after one that is not counted: reading, forward,
backward and the optimiser. `reading` is the same batches without training. `--memory` tells what one epoch adds to a
fresh process that has read the recipe, the tensors in memory included.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from peak_memory import added_by, in_a_fresh_process
from timing import table

from unspool import Ragged, randomness, recipes
from unspool.data import Batch
from unspool.runs.preparing import Prepared, prepared
from unspool.runs.training import trainer_of

HOW = ("files", "decoded", "anew")
Batches = Callable[[int], Iterator[Batch]]


def recipe_of(kind: str, folder: str, changes: list[str]) -> Any:
    """`transcribe` over the sounds in a folder, or `actions` over its clips."""
    threads = f"train.threads={torch.get_num_threads()}"
    if kind == "sounds":
        return recipes.load("transcribe", [f"data.path={folder}", threads, *changes])
    given = {
        "path": folder,
        "format": "files",
        "columns": {"clip": "file", "action": "command"},
        "parts": {"train": "{command}{rest}.mpg"},
        "split": {"by": "clip", "valid": 0.15, "test": 0},
    }
    return recipes.load("actions", [f"data={json.dumps(given)}", threads, *changes])


def batches_of(made: Prepared, how: str) -> Batches:
    """The batches of an epoch, read in one of the ways."""
    encoded, columns = made.encoded["train"], made.task.columns
    if how == "files":
        return lambda epoch: (encoded.batch(rows) for rows in made.order.epoch(epoch))
    if how == "decoded":
        whole = encoded.batch(range(len(encoded)))
        known = {name: _rows(whole[name]) for name in columns}
        return lambda epoch: (
            _batch(made, rows, {name: [known[name][row] for row in rows.tolist()] for name in columns})
            for rows in made.order.epoch(epoch)
        )
    values = {name: list(made.tables["train"].column(name)) for name in columns}

    def anew(epoch: int) -> Iterator[Batch]:
        for rows in made.order.epoch(epoch):
            asked = {name: [values[name][row] for row in rows.tolist()] for name in columns}
            yield _batch(made, rows, {name: made.task.fields[name].encode_many(asked[name]) for name in columns})

    return anew


def _rows(column: Any) -> list[torch.Tensor]:
    return [each.clone() for each in (column.split() if isinstance(column, Ragged) else column)]


def _batch(made: Prepared, rows: Any, columns: dict[str, list[torch.Tensor]]) -> Batch:
    ids = torch.from_numpy(rows)
    together = {
        name: Ragged.from_list(each, ids) if made.task.fields[name].shape == "sequence" else torch.stack(each)
        for name, each in columns.items()
    }
    return Batch(together, ids)


def train_on(made: Prepared) -> Callable[[Batches, int], float]:
    """A function that trains for an epoch and returns the seconds it took."""
    trainer = trainer_of(made, None)

    def epoch(batches: Batches, number: int) -> float:
        began = time.perf_counter()
        for step, batch in enumerate(batches(number)):
            with randomness.using(seed=0, step=step):
                trainer.advance(batch)
        return time.perf_counter() - began

    return epoch


def reading(batches: Batches, epoch: int) -> float:
    """The seconds of putting together the batches of an epoch."""
    began = time.perf_counter()
    for _ in batches(epoch):
        pass
    return time.perf_counter() - began


def measure(recipe: Any, how: tuple[str, ...], epochs: int) -> dict[str, Any]:
    """Seconds of an epoch and of its reading, by how batches are read; and what the first encoding took."""
    began = time.perf_counter()
    made = prepared(recipe)
    found: dict[str, Any] = {"preparing": time.perf_counter() - began, "examples": len(made.encoded["train"])}
    ways = {each: batches_of(made, each) for each in how}
    for batches in zip(*(way(0) for way in ways.values()), strict=True):
        for name in made.task.columns:
            first, *others = (each[name].values if isinstance(each[name], Ragged) else each[name] for each in batches)
            assert all(torch.equal(first, other) for other in others), "all must give the same batches"
    epoch, seconds = train_on(made), {each: ([], []) for each in how}
    for number in range(epochs + 1):
        for each, batches in ways.items():
            taken = epoch(batches, number), reading(batches, number)
            if number:
                seconds[each][0].append(taken[0])
                seconds[each][1].append(taken[1])
    found["epoch"] = {each: statistics.median(taken) for each, (taken, _) in seconds.items()}
    found["reading"] = {each: statistics.median(taken) for each, (_, taken) in seconds.items()}
    return found


def peak(kind: str, folder: str, changes: list[str], how: str) -> float:
    """MB that one epoch adds to a process of its own."""
    made = prepared(recipe_of(kind, folder, changes))
    epoch = train_on(made)
    return added_by(lambda: epoch(batches_of(made, how), 0))


def report(kind: str, found: dict[str, Any]) -> str:
    rows = []
    for how, seconds in found["epoch"].items():
        rows.append(
            [
                f"{kind}, {how}",
                f"{seconds:.2f} s",
                f"{found['reading'][how]:.2f} s",
                f"{found['examples'] / seconds:.0f}",
                f"{found['epoch']['decoded'] / seconds:.2f}x",
                f"{found['peak_mb'][how]:.0f} MB" if "peak_mb" in found else "",
            ]
        )
    header = [f"{found['examples']:,} examples", "an epoch", "reading", "examples/s", "over decoded", "peak memory"]
    return f"{table(header, rows)}\nread and encoded for the first time: {found['preparing']:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", metavar="FOLDER", help="of FSDD")
    parser.add_argument("--clips", metavar="FOLDER", help="of mpg clips of GRID")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--anew", action="store_true", help="also decode every file again for its batch")
    parser.add_argument("--memory", action="store_true", help="also measure memory, in processes of their own")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="changes to both recipes")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print(peak(*json.loads(options.peak)))
        return
    how = HOW if options.anew else HOW[:2]
    folders = {kind: folder for kind in ("sounds", "clips") if (folder := getattr(options, kind))}
    if not folders:
        parser.error("name a folder by --sounds or --clips")
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads; medians of {options.epochs} epochs, in turn\n"
    )
    figures = {}
    for kind, folder in folders.items():
        figures[kind] = found = measure(recipe_of(kind, folder, options.changes), how, options.epochs)
        if options.memory:
            found["peak_mb"] = {
                each: in_a_fresh_process(__file__, [kind, folder, options.changes, each]) for each in how
            }
        print(report(kind, found), end="\n\n")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
